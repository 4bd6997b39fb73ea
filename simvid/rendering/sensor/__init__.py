"""What sensors make of light: counts with noise, and measured depth."""
