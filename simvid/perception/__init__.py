"""Features of a network trained on photographs: for perceptual losses and metrics."""
