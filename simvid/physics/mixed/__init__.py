"""Particles of MPM that meet cloth and rope: both solvers in one rhythm, and the impulses between them; on arrays."""
