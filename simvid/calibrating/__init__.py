"""How the gate got its numbers: the training of its probe, and the calibration of its limits. Both need pairs."""
