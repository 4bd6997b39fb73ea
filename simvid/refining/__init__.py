"""Stage 3: Frames -> refined pictures."""
