"""The Genesis engine: the scene's MuJoCo model, stepped by Genesis' rigid-body solver."""
