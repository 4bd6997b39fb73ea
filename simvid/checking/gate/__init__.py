"""The gate on refined video: does it still show what the labels say? Scores, limits, verdict; docs/gate.md."""
