"""Solids that touch each other, cloth and rope: closed forms, momentum, energy, and nothing goes through."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.lattice import lattice_tetrahedra
from simvid.assets.particles import box_sheet
from simvid.checking.receipts.elements import depths, surface_of
from simvid.errors import PhysicsError
from simvid.physics.mpm.colliders import plane
from simvid.physics.thin.bodies import Thin, block, joined, line, sheet
from simvid.physics.thin.solver import Solver
from simvid.testing.fresh import fresh_digest

Array = NDArray[np.float64]
G, RHO = 9.81, 1000.0


def solid(middles: NDArray[np.floating], step: float, **given: Any) -> Thin:
    nodes, corners = lattice_tetrahedra(np.asarray(middles, np.float64), np.full(3, step))
    law = {"young_modulus_pa": 5e4, "poisson_ratio": 0.3, **given}
    return block(nodes, corners, RHO * len(middles) * step**3, **law)


def box(counts: tuple[int, int, int], step: float, **given: Any) -> Thin:
    axes = [(np.arange(n) + 0.5) * step for n in counts]
    return solid(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3), step, **given)


def ball(radius: float = 0.04, step: float = 0.0134) -> Thin:
    axis = (np.arange(6) - 2.5) * step
    middles = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return solid(middles[np.linalg.norm(middles, axis=1) < radius], step)


def cloth(size: float = 0.18) -> Thin:
    made = box_sheet((size, size, 0.002), 0.015)
    assert made.triangles is not None
    law = {"stretch_n_m": 300.0, "bend_n_m": 1e-4, "thickness_m": 0.002, "friction": 0.4}
    return sheet(made.places, made.triangles, 0.3 * size**2 * made.shares, **law)


def rope() -> Thin:
    rest = np.stack([np.linspace(-0.1, 0.1, 21), np.zeros(21), np.zeros(21)], axis=1)
    return line(rest, np.full(21, 1e-3), stretch_n=300.0, bend_n_m2=1e-4, radius_m=0.004)


def turned(angles: tuple[float, float]) -> Array:
    (c, s), (d, t) = ((math.cos(a), math.sin(a)) for a in angles)
    return np.asarray(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ np.array([[1.0, 0, 0], [0, d, -t], [0, t, d]]))


def put(thin: Thin, place: Any, velocity: Any = (0, 0, 0), turn: Array | None = None) -> Thin:
    x = thin.rest @ (np.eye(3) if turn is None else turn).T + np.asarray(place, np.float64)
    return replace(thin, positions=x, velocities=np.tile(np.asarray(velocity, np.float64), (len(x), 1)))


def momentum(solver: Solver) -> tuple[Array, Array]:
    """And spin about the origin."""
    m, x, v = solver.thin.masses[:, None], solver.positions(), solver.velocities()
    return (m * v).sum(axis=0), (m * np.cross(x, v)).sum(axis=0)


def deepest(solver: Solver) -> float:
    """How deep a vertex of any body is in a solid [m], by the receipt's own eyes."""
    thin, x = solver.thin, solver.positions()
    most = 0.0
    for host in np.unique(thin.body[thin.solid.corners[:, 0]]):
        corners = thin.solid.corners[thin.body[thin.solid.corners[:, 0]] == host]
        most = max(most, float(depths(x[thin.body != host], x, corners, surface_of(corners)).max(initial=0)))
    return most


def energy(solver: Solver) -> float:
    """Kinetic, elastic and, on earth, potential [J]."""
    return sum(solver.energy()) - float(solver.thin.masses @ solver.positions() @ solver._gravity)


def test_bars_that_meet_exchange_their_speeds() -> None:
    """St. Venant: two equal bars that meet end to end press with rho c v A for 2 L / c, and part as fast as they came;
    what is missing is in waves that the mesh does not carry."""
    length, step, young, speed = 0.4, 0.01, 1e6, 0.25
    bar = box((40, 2, 2), step, young_modulus_pa=young, poisson_ratio=0.0)
    apart = put(bar, (length + 1e-3, 0.003, 0.002), (-speed, 0, 0))
    solver = Solver(joined([put(bar, (0, 0, 0), (speed, 0, 0)), apart]), gravity_m_s2=(0, 0, 0))
    first, mass, wave, rows = len(bar), float(bar.masses.sum()), math.sqrt(young / RHO), []
    for _ in range(90):
        solver.advance(5e-4)
        rows.append(float(bar.masses @ solver.velocities()[:first, 0]) / mass)
    speeds = np.array(rows)
    assert speeds[-1] == pytest.approx(-speed, rel=0.06)
    assert np.abs(momentum(solver)[0]).max() < 1e-12
    force = -np.diff(speeds) / 5e-4 * mass
    assert np.median(force[force > 0.5 * force.max()]) == pytest.approx(RHO * wave * speed * (2 * step) ** 2, rel=0.04)
    lasted = 5e-4 * (np.argmax(speeds < speeds[-1] + 0.005) - np.argmax(speeds < speed - 0.005))
    assert lasted == pytest.approx(2 * length / wave, rel=0.1)


@pytest.mark.parametrize("speed", [2.0, 8.0])
def test_cubes_that_meet_askew_keep_momentum_and_stay_apart(speed: float) -> None:
    cube = box((4, 4, 4), 0.02)
    both = joined([cube, put(cube, (0.02, 0.03, 0.13), (0, 0, -speed), turned((0.5, 0.7)))])
    solver = Solver(both, gravity_m_s2=(0, 0, 0))
    before, spin = momentum(solver)
    start = lowest = energy(solver)
    for _ in range(round(0.2 / speed / 0.001)):
        solver.advance(0.001)
        now = energy(solver)
        assert now < lowest + 0.005 * start
        lowest = min(lowest, now)
        assert deepest(solver) < 5e-4
    after, spun = momentum(solver)
    assert solver.velocities()[: len(cube), 2].mean() < -0.1 * speed, "it was hit"
    assert after == pytest.approx(before, abs=1e-6 * np.abs(before).max())
    assert spun == pytest.approx(spin, abs=1e-3 * np.abs(spin).max())
    assert lowest > 0.5 * start


def settle(solver: Solver, seconds: float) -> None:
    for _ in range(round(seconds / 0.002)):
        solver.advance(0.002)
        solver.kick(-0.1 * solver.velocities())


def test_a_cube_rests_on_another() -> None:
    """The lower one bears both: it sinks by W h / E A + rho g h^2 / 2 E, the ground feels both weights, and without
    damping all stays."""
    young, edge = 1e5, 0.1
    low = box((4, 4, 4), 0.025, young_modulus_pa=young, poisson_ratio=0.0)
    high = box((5, 5, 5), 0.02, young_modulus_pa=young, poisson_ratio=0.0)
    floor = plane((0, 0, 1), (0, 0, -1e-4), friction=0.5)
    solver = Solver(joined([low, put(high, (0, 0, edge + 5e-4))]), obstacles=[floor])
    settle(solver, 0.5)
    x, n = solver.positions(), len(low)
    top, bottom = (x[:n][np.abs(low.rest[:, 2] - z) < 1e-6, 2].mean() for z in (edge, 0.0))
    assert edge - (top - bottom) == pytest.approx(1.5 * RHO * G * edge**2 / young, rel=0.06)
    assert x[n:, 2].min() > top - 1e-4
    solver.touches()
    for _ in range(20):
        solver.advance(0.01)
    felt = -solver.touches().impulse_n_s.sum(axis=0)
    assert felt == pytest.approx([0, 0, 0.2 * G * float(solver.thin.masses.sum())], rel=0.01, abs=0.02)
    assert np.abs(solver.positions() - x).max() < 2e-4
    assert deepest(solver) < 5e-5


@pytest.mark.parametrize("mu", [0.3, 0.8])
def test_friction_on_an_incline(mu: float) -> None:
    """A cube on a slab that is held: g (sin - mu cos), or it stays."""
    slab = box((8, 3, 1), 0.03, young_modulus_pa=2e5, friction=mu)
    cube = box((2, 2, 2), 0.02, young_modulus_pa=2e5, friction=mu)
    angle = math.atan(0.5)
    both = joined([slab, put(cube, (0.02, 0.026, 0.0301))])
    solver = Solver(both, gravity_m_s2=(G * math.sin(angle), 0, -G * math.cos(angle)))
    solver.hold(np.arange(len(slab)))
    rows = []
    for _ in range(20):
        solver.advance(0.01)
        rows.append(cube.masses @ solver.velocities()[len(slab) :] / cube.masses.sum())
    gained = (rows[-1][0] - rows[5][0]) / 0.14
    wanted = max(G * (math.sin(angle) - mu * math.cos(angle)), 0.0)
    assert gained == pytest.approx(wanted, rel=0.05, abs=0.05)
    assert abs(rows[-1][1]) < 1e-3


@pytest.mark.parametrize(
    ("thin", "place"), [(cloth(), (0, 0, 0.07)), (rope(), (0, 0.003, 0.07))], ids=["cloth", "rope"]
)
def test_cloth_and_rope_fly_onto_a_ball(thin: Thin, place: Any) -> None:
    """Without gravity: both have the momentum that the one brought, and no vertex gets in."""
    host = ball()
    solver = Solver(joined([host, put(thin, place, (0.2, 0, -2.0))]), gravity_m_s2=(0, 0, 0))
    before, start = momentum(solver)[0], energy(solver)
    for _ in range(40):
        solver.advance(0.001)
        assert deepest(solver) < 2e-4
        assert energy(solver) < 1.001 * start
    assert momentum(solver)[0] == pytest.approx(before, abs=1e-6 * np.abs(before).max())
    assert host.masses @ solver.velocities()[: len(host), 2] < 0.3 * before[2], "it was hit"


def test_a_cloth_hangs_over_a_ball() -> None:
    host = put(ball(), (0, 0, 0.04))
    solver = Solver(joined([host, put(cloth(), (0.004, 0.003, 0.09))]), obstacles=[plane((0, 0, 1), (0, 0, -1e-3))])
    for _ in range(100):
        solver.advance(0.002)
        assert deepest(solver) < 2e-4
    x = solver.positions()[len(host) :]
    assert x[:, 2].min() < 0.05, "its corners hang"
    assert x[:, 2].max() > 0.078, "its middle lies"


def test_depths_are_those_of_the_twin() -> None:
    """Signed distances of the kernel against the receipt's, which looks for the tetrahedron around a point first."""
    low = box((3, 3, 3), 0.02)
    rng = np.random.default_rng(2)
    spikes = [put(box((1, 1, 1), 0.004), (*rng.uniform(0.01, 0.05, 2), 0.0545 + 0.001 * k)) for k in range(5)]
    for spike in spikes:
        solver = Solver(joined([low, spike]))
        ((host, guest, depth, way),) = [row for row in solver.overlaps() if row[0] == 0]
        corners = low.solid.corners
        wanted = depths(spike.positions, low.positions, corners, surface_of(corners)).max()
        assert (host, guest) == (0, 1)
        assert depth - float(low.radius[0] + spike.radius[0]) == pytest.approx(wanted, abs=1e-9)
        assert way == pytest.approx([0, 0, 1], abs=1e-6)


def everything() -> bytes:
    """A cube falls on a ball, a cloth on both."""
    floor = plane((0, 0, 1), (0, 0, -0.05))
    parts = [ball(), put(box((2, 2, 2), 0.02), (-0.01, -0.02, 0.045)), put(cloth(), (0, 0, 0.09))]
    solver = Solver(joined(parts), obstacles=[floor])
    for _ in range(20):
        solver.advance(0.002)
    return solver.positions().tobytes() + solver.velocities().tobytes()


def test_same_bytes_in_fresh_processes() -> None:
    made = {fresh_digest(__file__) for _ in range(2)}
    assert made == {hashlib.sha256(everything()).hexdigest()}


def test_too_many_faces_round_a_point_are_an_error() -> None:
    large = cloth(0.5)
    crumpled = replace(large, positions=np.tile([0.02, 0.02, 0.045], (len(large), 1)))
    with pytest.raises(PhysicsError, match=r"more than \d+ faces of other bodies lie round one point"):
        Solver(joined([box((2, 2, 2), 0.02), crumpled])).overlaps()


def test_bodies_that_do_not_meet_pass_through() -> None:
    cube = box((2, 2, 2), 0.02)
    both = joined([cube, put(cube, (0, 0, 0.05), (0, 0, -2))])
    solver = Solver(both, gravity_m_s2=(0, 0, 0), meet=False)
    solver.advance(0.01)
    assert deepest(solver) > 5e-3
    assert Solver(both, meet=False).overlaps() == []
