"""Where particles may be, and the step that is stable there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.mpm.particles import Particles

EDGE = 4
"""Nodes along a block."""
PAD = 5
"""Nodes around the domain, in which the blocks of particles near its border lie."""
MOST_BLOCKS = 64_000_000
COURANT = 0.5
"""A step is at most this share of what a pressure wave needs to cross a cell. Found by trial: with quadratic splines
blocks under load stay quiet up to 0.9 to 1.0 (``tests/physics/mpm/test_stability.py`` holds the margin)."""
VISCOUS = 0.1
"""The same for viscosity: step times viscosity over density and spacing squared (1/6 in theory, 3 dimensions)."""
TRAVEL = 0.4
"""Particles move at most this share of a cell in a step."""


@dataclass(frozen=True)
class Domain:
    """A box with a grid. Particles that leave it are an error; nodes exist only where particles are.

    Attributes:
        low_m, high_m: corners, world.
        spacing_m: of the grid; four to eight particles fill a cell well.
        node_m: a place where a node lies, in the domain or not.
    """

    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    spacing_m: float
    node_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        numbers = (*self.low_m, *self.high_m, self.spacing_m, *self.node_m)
        if len(numbers) != 10 or not all(math.isfinite(n) for n in numbers):
            raise PhysicsError(f"Domain: expected numbers, got {self.low_m} to {self.high_m}, spacing {self.spacing_m}")
        if self.spacing_m <= 0:
            raise PhysicsError(f"Domain.spacing_m: expected more than 0, got {self.spacing_m:g}")
        if any(a >= b for a, b in zip(self.low_m, self.high_m, strict=True)):
            raise PhysicsError(f"Domain: expected low_m below high_m, got {self.low_m} and {self.high_m}")
        count = math.prod(self.blocks)
        if count > MOST_BLOCKS:
            longest = max(b - a for a, b in zip(self.low_m, self.high_m, strict=True))
            raise PhysicsError(
                f"Domain: {count:.3g} blocks of {EDGE}^3 nodes are more than {MOST_BLOCKS:.3g}: take a spacing_m "
                f"larger than {self.spacing_m:g} m, or a domain smaller than {longest:.3g} m"
            )

    @property
    def origin(self) -> NDArray[np.float64]:
        """World place of node (0, 0, 0) [m], a whole number of spacings from ``node_m``."""
        node = np.array(self.node_m)
        below = np.floor((np.array(self.low_m) - node) / self.spacing_m + 1e-6) - PAD
        return np.asarray(node + below * self.spacing_m)

    @property
    def blocks(self) -> tuple[int, int, int]:
        """Along x, y and z."""
        return block_counts(self.origin, np.array(self.high_m), self.spacing_m)

    def check(self, particles: Particles) -> None:
        """Refuse particles outside.

        Raises:
            PhysicsError: how many, the first, and where the domain ends.
        """
        low, high = np.array(self.low_m), np.array(self.high_m)
        x = particles.positions
        out: NDArray[np.bool_] = np.any((x < low - 1e-6) | (x > high + 1e-6), axis=1)
        if out.any():
            first = int(np.argmax(out))
            raise PhysicsError(
                f"{int(out.sum())} of {len(out)} particles start outside the domain {_place(low)} to {_place(high)} m, "
                f"such as particle {first} at {_place(particles.positions[first])}: move them, or take a larger domain"
            )


def block_counts(origin: NDArray[np.float64], high: NDArray[np.float64], spacing_m: float) -> tuple[int, int, int]:
    """Blocks along x, y and z of a grid from its first node [m] to a corner [m]."""
    nodes = np.ceil((high - origin) / spacing_m) + PAD + 1
    x, y, z = (math.ceil(n / EDGE) for n in nodes)
    return x, y, z


def stable_step(particles: Particles, spacing_m: float, speed_m_s: float = 0.0) -> float:
    """Largest step [s] for explicit MPM: of pressure waves, viscosity and the particles' own travel.

    dt = COURANT h / (c + v) with c^2 = (lambda + 2 mu) / rho (Courant, Friedrichs and Lewy 1928),
    dt = VISCOUS rho h^2 / eta, dt = TRAVEL h / v.

    Args:
        particles: their materials count.
        spacing_m: of the grid.
        speed_m_s: of the fastest particle.
    """
    step = COURANT * spacing_m / (particles.sound_speed_m_s() + speed_m_s)
    if speed_m_s > 0:
        step = min(step, TRAVEL * spacing_m / speed_m_s)
    for material in particles.materials:
        if material.model == "fluid" and material.viscosity_pa_s > 0:
            step = min(step, VISCOUS * material.density_kg_m3 * spacing_m**2 / material.viscosity_pa_s)
    return step


def _place(x: NDArray[np.floating]) -> str:
    return "[" + ", ".join(f"{v:.4g}" for v in x) + "]"
