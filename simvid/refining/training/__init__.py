"""Training of the bundled refiner: ``simvid train refiner``."""
