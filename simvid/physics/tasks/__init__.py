"""Scripts that look at the simulation: motion primitives, grasps, paths around obstacles. Independent of the engine."""
