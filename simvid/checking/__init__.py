"""Self-checks of the labels of a clip: each compares what is stored with something that was computed otherwise."""
