"""How good refined video is: against the true pictures, as a set, and over time."""
