"""Particles among cloth and rope: momentum, weight, nothing goes through, same bytes, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.particles import box_sheet
from simvid.checking.receipts.sheets import crossings
from simvid.errors import PhysicsError
from simvid.physics.mixed.solver import Mixture
from simvid.physics.mpm.colliders import plane
from simvid.physics.mpm.domain import Domain
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.mpm.particles import Particles, lattice
from simvid.physics.mpm.solver import Solver as SoftSolver
from simvid.physics.thin.bodies import Thin, line, sheet
from simvid.physics.thin.solver import Solver as ThinSolver
from simvid.testing.fresh import fresh_digest

Array = NDArray[np.float64]
ROOM = Domain((-0.6, -0.6, -0.6), (0.6, 0.6, 0.6), spacing_m=0.02)
JELLY = MpmMaterial("fixed_corotated", 1000.0, young_modulus_pa=5e4)
SAND = MpmMaterial("drucker_prager", 1600.0, young_modulus_pa=2e5, friction_angle_rad=0.6)


def cloth(size: float = 0.2, **given: Any) -> Thin:
    made = box_sheet((size, size, 0.002), 0.02)
    assert made.triangles is not None
    law = {"stretch_n_m": 400.0, "bend_n_m": 1e-4, "thickness_m": 0.002, **given}
    return sheet(made.places, made.triangles, 0.3 * size**2 * made.shares, **law)


def rope(height: float, count: int = 17) -> Thin:
    x = np.linspace(-0.08, 0.08, count)
    places = np.stack([x, np.full(count, 0.003), np.full(count, height)], axis=1)
    return line(places, np.full(count, 4e-3), stretch_n=500.0, bend_n_m2=1e-4, radius_m=0.004)


def block(material: MpmMaterial, low: Any, high: Any, velocity: Any = (0, 0, 0)) -> Particles:
    points, volume = lattice(low, high, 0.01)
    return Particles.of(points, volume, material, velocity_m_s=velocity)


def momentum(mixture: Mixture) -> Array:
    soft, thin = mixture.soft, mixture.thin
    one = soft.particles.masses.astype(np.float64) @ soft.velocities()
    return np.asarray(one + thin.thin.masses @ thin.velocities())


def clamped(particles: Particles, size: float = 0.2) -> Mixture:
    """A cloth that is held along its border."""
    thin = ThinSolver(cloth(size))
    thin.hold(np.flatnonzero(np.abs(thin.thin.rest[:, :2]).max(axis=1) > size / 2 - 0.005))
    return Mixture(SoftSolver(particles, ROOM), thin, [0.5])


def gone_through(mixture: Mixture, x: Array, y: Array) -> float:
    """Share of particles that went through the cloth in a frame, from places before it."""
    now = mixture.soft.positions(), mixture.thin.positions()
    return float((crossings(x, now[0], y, now[1], mixture.thin.thin.membrane.corners) % 2).mean())


def test_a_jelly_flies_into_a_free_cloth() -> None:
    """Momentum of both is that of free fall, and what went over is what each lost."""
    thrown = block(JELLY, (-0.04, -0.04, 0.02), (0.04, 0.04, 0.08), (0.3, 0, -1.5))
    mixture = Mixture(SoftSolver(thrown, ROOM), ThinSolver(cloth()), [0.5])
    start, given = momentum(mixture), np.zeros(3)
    mass = float(thrown.masses.sum()) + float(mixture.thin.thin.masses.sum())
    for _ in range(20):
        x, y = mixture.soft.positions(), mixture.thin.positions()
        mixture.advance(0.004)
        given += mixture.touches().impulse_n_s.sum(axis=0)
        assert gone_through(mixture, x, y) == 0
    assert momentum(mixture) - start == pytest.approx([0, 0, -9.81 * 0.08 * mass], abs=2e-5 * abs(start[2]))
    light = mixture.thin.thin.masses
    gained = light @ (mixture.thin.velocities() + np.array([0, 0, 9.81 * 0.08]))
    assert given == pytest.approx(gained, abs=1e-4 * abs(gained[2]))
    faster = gained[2] / light.sum()
    assert -1.8 < faster < -1.2, "the jelly is 30 times as heavy, and takes it along"


def settle(mixture: Mixture, count: int) -> None:
    """Let it come to rest by kinetic damping: all stands still whenever it begins to slow down."""
    soft, thin = mixture.soft, mixture.thin
    before = 0.0
    for _ in range(count):
        mixture.advance(0.005)
        now = float((soft.velocities() ** 2).sum())
        if now < before:
            soft.kick(np.arange(len(soft)), -soft.velocities().astype(np.float64))
            thin.kick(-thin.velocities())
            now = 0.0
        before = now
    mixture.touches()


def test_a_clamped_cloth_bears_sand() -> None:
    """What the cloth feels is the sand's weight, and no grain is below it."""
    sand = block(SAND, (-0.05, -0.05, 0.012), (0.05, 0.05, 0.052))
    mixture = clamped(sand)
    settle(mixture, 80)
    for _ in range(15):
        mixture.advance(0.01)
    found = mixture.touches()
    weight = float(sand.masses.sum()) * 9.81
    assert found.impulse_n_s[0] == pytest.approx([0, 0, -0.15 * weight], abs=0.03 * 0.15 * weight)
    assert found.depth_m[0] < 1e-3
    assert mixture.soft.positions()[:, 2].min() > mixture.thin.positions()[:, 2].min()


def test_a_fast_jet_of_sand_does_not_get_through() -> None:
    """It comes with 5 m/s, as after a fall of 1.3 m, in places where the cloth is held and where it is not."""
    sand = block(SAND, (-0.09, -0.09, 0.02), (0.0, 0.0, 0.08), (0, 0, -5.0))
    mixture = clamped(sand)
    for _ in range(12):
        x, y = mixture.soft.positions(), mixture.thin.positions()
        mixture.advance(0.004)
        assert gone_through(mixture, x, y) == 0
    assert mixture.touches().depth_m.max() < 5e-3, "half a grain"


def lying() -> Mixture:
    """A rope on a jelly on the ground."""
    jelly = block(JELLY, (-0.05, -0.03, 0.005), (0.05, 0.03, 0.045))
    floor = [plane((0, 0, 1), (0, 0, 0), friction=0.8)]
    thin = ThinSolver(rope(0.052), obstacles=floor)
    return Mixture(SoftSolver(jelly, ROOM, obstacles=floor), thin, [0.5])


def test_a_rope_lies_over_a_jelly() -> None:
    """The jelly bears its weight, and it does not cut in."""
    mixture = lying()
    settle(mixture, 50)
    mixture.thin.touches()
    for _ in range(20):
        mixture.advance(0.01)
    found, floor = mixture.touches(), mixture.thin.touches()
    assert not len(floor.body), "its ends hang free of the ground"
    weight = float(mixture.thin.thin.masses.sum()) * 9.81
    assert found.impulse_n_s[0, 2] == pytest.approx(0.2 * weight, rel=0.05)
    assert found.depth_m[0] < 2e-3
    inner = mixture.thin.positions()[5:12, 2]
    assert inner.min() > mixture.soft.positions()[:, 2].max() - 5e-3


def everything() -> bytes:
    mixture = lying()
    for _ in range(10):
        mixture.advance(0.004)
    soft, thin = mixture.soft, mixture.thin
    return soft.positions().tobytes() + soft.velocities().tobytes() + thin.positions().tobytes()


def test_same_bytes_in_fresh_processes() -> None:
    made = {fresh_digest(__file__) for _ in range(2)}
    assert made == {hashlib.sha256(everything()).hexdigest()}


def test_what_is_inside_at_the_start_is_said() -> None:
    jelly = block(JELLY, (-0.03, -0.03, -0.02), (0.03, 0.03, 0.04))
    ((thin, body, depth, way),) = Mixture(SoftSolver(jelly, ROOM), ThinSolver(cloth()), [0.5]).overlaps()
    assert (thin, body) == (0, 0)
    assert depth == pytest.approx(0.006 - 0.005, abs=1e-6), "half a particle and half the cloth, less what is between"
    assert np.abs(way) == pytest.approx([0, 0, 1], abs=1e-6)


def test_what_cannot_be_is_refused() -> None:
    jelly = SoftSolver(block(JELLY, (-0.03, -0.03, 0.02), (0.03, 0.03, 0.04)), ROOM)
    with pytest.raises(PhysicsError, match=r"friction: expected 1, got 2"):
        Mixture(jelly, ThinSolver(cloth()), [0.5, 0.5])
    large = cloth(0.4)
    crumpled = replace(large, positions=np.tile([0.005, 0.005, 0.03], (len(large), 1)))
    with pytest.raises(PhysicsError, match=r"more than \d+ faces of cloth, rope or elements lie round one particle"):
        Mixture(jelly, ThinSolver(crumpled, meet=False), [0.5]).overlaps()
