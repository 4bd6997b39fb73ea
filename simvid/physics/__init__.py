"""Stage 1: Scene -> Trajectory."""
