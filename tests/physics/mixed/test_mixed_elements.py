"""Particles among bodies of elements: momentum, weight, and nothing gets in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.lattice import lattice_tetrahedra
from simvid.checking.receipts.elements import depths, surface_of
from simvid.physics.mixed.solver import Mixture
from simvid.physics.mpm.colliders import plane
from simvid.physics.mpm.domain import Domain
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.mpm.particles import Particles, lattice
from simvid.physics.mpm.solver import Solver as SoftSolver
from simvid.physics.thin import bodies
from simvid.physics.thin.bodies import Thin
from simvid.physics.thin.solver import Solver as ThinSolver

Array = NDArray[np.float64]
ROOM = Domain((-0.4, -0.4, -0.4), (0.4, 0.4, 0.4), spacing_m=0.02)
JELLY = MpmMaterial("fixed_corotated", 1000.0, young_modulus_pa=5e4)
SAND = MpmMaterial("drucker_prager", 1600.0, young_modulus_pa=2e5, friction_angle_rad=0.6)
WATER = MpmMaterial("fluid", 1000.0, bulk_modulus_pa=5e4, viscosity_pa_s=0.01)


def slab(counts: tuple[int, int, int] = (6, 6, 3), step: float = 0.02, **given: Any) -> Thin:
    """Its upper face, in whose middle the origin is."""
    axes = [(np.arange(n) + 0.5 - n / 2) * step for n in counts[:2]] + [(np.arange(counts[2]) + 0.5 - counts[2]) * step]
    middles = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    nodes, corners = lattice_tetrahedra(np.asarray(middles, np.float64), np.full(3, step))
    law = {"young_modulus_pa": 1e5, "poisson_ratio": 0.3, **given}
    return bodies.block(nodes, corners, 1000 * len(middles) * step**3, **law)


def lump(material: MpmMaterial, low: Any, high: Any, velocity: Any = (0, 0, 0)) -> Particles:
    points, volume = lattice(low, high, 0.01)
    return Particles.of(points, volume, material, velocity_m_s=velocity)


def deepest(mixture: Mixture) -> float:
    """Of a particle's middle in the slab [m], by the receipt's own eyes."""
    thin = mixture.thin.thin
    found = depths(
        mixture.soft.positions(), mixture.thin.positions(), thin.solid.corners, surface_of(thin.solid.corners)
    )
    return float(found.max())


@pytest.mark.parametrize("material", [JELLY, SAND, WATER], ids=["jelly", "sand", "water"])
def test_what_is_thrown_on_a_free_slab_takes_it_along(material: MpmMaterial) -> None:
    """Momentum of both is that of free fall, and what went over is what each lost."""
    thrown = lump(material, (-0.03, -0.03, 0.006), (0.03, 0.03, 0.066), (0.2, 0, -2.0))
    mixture = Mixture(SoftSolver(thrown, ROOM), ThinSolver(slab()), [0.5])
    soft, thin = mixture.soft, mixture.thin

    def momentum() -> Array:
        one = soft.particles.masses.astype(np.float64) @ soft.velocities()
        return np.asarray(one + thin.thin.masses @ thin.velocities())

    start, given, mass = momentum(), np.zeros(3), float(thrown.masses.sum() + thin.thin.masses.sum())
    for _ in range(20):
        mixture.advance(0.002)
        given += mixture.touches().impulse_n_s.sum(axis=0)
        assert deepest(mixture) < 1e-3
    assert momentum() - start == pytest.approx([0, 0, -9.81 * 0.04 * mass], abs=2e-5 * abs(start[2]))
    gained = thin.thin.masses @ (thin.velocities() + np.array([0, 0, 9.81 * 0.04]))
    assert given == pytest.approx(gained, abs=1e-4 * abs(gained[2]))
    assert gained[2] < 0.3 * start[2]


def settle(mixture: Mixture, count: int) -> None:
    for _ in range(count):
        mixture.advance(0.005)
        mixture.soft.kick(np.arange(len(mixture.soft)), -0.3 * mixture.soft.velocities().astype(np.float64))
        mixture.thin.kick(-0.3 * mixture.thin.velocities())
    mixture.touches()


def test_a_slab_bears_sand() -> None:
    """On the ground: it feels the sand's weight, and the ground that of both."""
    floor = [plane((0, 0, 1), (0, 0, -0.0601), friction=0.5)]
    sand = lump(SAND, (-0.04, -0.04, 0.006), (0.04, 0.04, 0.036))
    mixture = Mixture(SoftSolver(sand, ROOM, obstacles=floor), ThinSolver(slab(), obstacles=floor), [0.5])
    settle(mixture, 60)
    mixture.thin.touches()
    for _ in range(20):
        mixture.advance(0.005)
    found, ground = mixture.touches(), mixture.thin.touches()
    weight, own = 9.81 * float(sand.masses.sum()), 9.81 * float(mixture.thin.thin.masses.sum())
    assert found.impulse_n_s[0] == pytest.approx([0, 0, -0.1 * weight], abs=0.04 * 0.1 * weight)
    assert -ground.impulse_n_s.sum(axis=0)[2] == pytest.approx(0.1 * (weight + own), rel=0.02)
    assert found.depth_m[0] < 1e-3
    assert deepest(mixture) == 0


def test_a_jet_of_sand_does_not_get_in() -> None:
    sand = lump(SAND, (-0.03, -0.03, 0.01), (0.03, 0.03, 0.06), (0, 0, -5.0))
    thin = ThinSolver(slab())
    thin.hold(np.flatnonzero(thin.thin.rest[:, 2] < -0.059))
    mixture = Mixture(SoftSolver(sand, ROOM), thin, [0.5])
    for _ in range(12):
        mixture.advance(0.002)
        assert deepest(mixture) < 4e-3, "a fifth of a cell"
        assert mixture.touches().depth_m.max(initial=0) < 9e-3, "half a grain besides"


def test_a_slab_between_sand_and_a_cloth_that_it_lies_on() -> None:
    """Three kinds at once: nothing is lost, nobody gets through anybody."""
    from simvid.assets.particles import box_sheet

    made = box_sheet((0.2, 0.2, 0.002), 0.02)
    assert made.triangles is not None
    cloth = bodies.sheet(
        made.places, made.triangles, 0.012 * made.shares, stretch_n_m=800.0, bend_n_m=1e-4, thickness_m=0.002
    )
    cloth = replace(cloth, positions=cloth.rest - [0, 0, 0.0615])
    thin = ThinSolver(bodies.joined([slab((4, 4, 3)), cloth]))
    border = np.abs(thin.thin.rest[:, :2]).max(axis=1) > 0.095
    thin.hold(np.flatnonzero(border & (thin.thin.body == 1)))
    sand = lump(SAND, (-0.02, -0.02, 0.006), (0.02, 0.02, 0.026))
    mixture = Mixture(SoftSolver(sand, ROOM), thin, [0.5])
    x, corners = thin.positions(), thin.thin.solid.corners
    for _ in range(40):
        mixture.advance(0.005)
        x = thin.positions()
        assert depths(x[thin.thin.body == 1], x, corners, surface_of(corners)).max() < 1e-3
        assert deepest(mixture) < 1e-3
    assert x[thin.thin.body == 0, 2].min() > x[thin.thin.body == 1, 2].min() - 2e-3
    assert -0.12 < x[thin.thin.body == 1, 2].min() < -0.063, "it sags, and holds"


def test_what_is_inside_at_the_start_is_said() -> None:
    jelly = lump(JELLY, (-0.03, -0.03, -0.002), (0.03, 0.03, 0.038))
    ((thin, body, depth, way),) = Mixture(SoftSolver(jelly, ROOM), ThinSolver(slab()), [0.5]).overlaps()
    assert (thin, body) == (0, 0)
    lowest = float(jelly.positions[:, 2].min())
    assert depth == pytest.approx(0.005 + 2e-5 - lowest, abs=1e-6)
    assert way == pytest.approx([0, 0, 1], abs=1e-6)
