"""Obstacles: their distances, and momentum between them and particles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.mesh import Mesh
from simvid.physics.mpm.colliders import MOST_PIECES, Obstacle, Piece, Volume, mesh_volume, plane
from simvid.physics.mpm.domain import Domain
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.mpm.particles import Particles, joined, lattice
from simvid.physics.mpm.solver import Solver
from simvid.physics.mpm.warp_volumes import distances
from simvid.rotations import matrix_from_quat

Array = NDArray[np.float64]
ROOM = Domain((-0.6, -0.6, -0.6), (0.6, 0.6, 0.6), 0.02)
JELLY = MpmMaterial("neo_hookean", 1000.0, young_modulus_pa=5e4)
WATER = MpmMaterial("fluid", 1000.0, bulk_modulus_pa=5e4)


def slow_distance(piece: Piece, x: Array) -> float:
    """By the definition of each shape: the nearest of very many points of its surface, with the sign of inside."""
    d = piece.dimensions
    if piece.kind == "sphere":
        return float(np.linalg.norm(x)) - d[0]
    if piece.kind == "capsule":
        return float(np.linalg.norm(x - [0, 0, np.clip(x[2], -d[1], d[1])])) - d[0]
    if piece.kind == "box":
        q = np.abs(x) - d
        return float(np.linalg.norm(np.maximum(q, 0)) + min(q.max(), 0.0))
    q = np.array([math.hypot(x[0], x[1]) - d[0], abs(x[2]) - d[1]])
    return float(np.linalg.norm(np.maximum(q, 0)) + min(q.max(), 0.0))


@pytest.mark.parametrize(
    ("kind", "dimensions"),
    [("sphere", (0.2,)), ("box", (0.1, 0.2, 0.3)), ("capsule", (0.1, 0.2)), ("cylinder", (0.15, 0.1))],
)
def test_distances_and_normals(kind: str, dimensions: tuple[float, ...]) -> None:
    rng = np.random.default_rng(1)
    pose = np.eye(4)
    quat = rng.normal(size=4)
    pose[:3, :3], pose[:3, 3] = matrix_from_quat(quat / np.linalg.norm(quat)), (0.1, -0.2, 0.05)
    piece = Piece(kind, dimensions, pose=pose)  # type: ignore[arg-type]
    x = rng.uniform(-0.5, 0.5, (300, 3))
    made, normal = distances(piece, x @ pose[:3, :3].T + pose[:3, 3])
    assert np.abs(made - [slow_distance(piece, p) for p in x]).max() < 1e-6
    assert np.abs(np.linalg.norm(normal, axis=1) - 1).max() < 1e-5
    step = 1e-3 * normal
    further, _ = distances(piece, x @ pose[:3, :3].T + pose[:3, 3] + step)
    assert float(np.quantile(np.abs(further - made - 1e-3), 0.97)) < 1e-5  # the normal is the gradient, but at edges


def cube(low: float, high: float) -> Mesh:
    import trimesh

    box = trimesh.creation.box(bounds=[[low] * 3, [high] * 3])
    return Mesh(vertices=np.asarray(box.vertices, np.float32), faces=np.asarray(box.faces, np.int32))


def test_a_union_of_meshes_becomes_a_volume() -> None:
    volume = mesh_volume([cube(-0.1, 0.1), cube(0.05, 0.2)], 0.01)
    points = np.random.default_rng(2).uniform(-0.08, 0.19, (300, 3))
    made, _ = distances(Piece("volume", volume=volume), points)
    inside = np.all(np.abs(points) < 0.1, axis=1) | np.all((points > 0.05) & (points < 0.2), axis=1)
    far = np.abs(made) > 0.008
    assert np.array_equal(made[far] < 0, inside[far])
    one = np.array([[-0.12, 0.0, 0.0], [0.0, 0.0, -0.05], [0.125, 0.125, 0.21]])
    assert distances(Piece("volume", volume=volume), one)[0] == pytest.approx([0.02, -0.05, 0.01], abs=1e-3)


def ball(mass: float, radius: float, **given: object) -> Obstacle:
    inertia = 0.4 * mass * radius**2 * np.eye(3)
    return Obstacle((Piece("sphere", (radius,)),), mass_kg=mass, inertia_kg_m2=inertia, **given)  # type: ignore[arg-type]


def momenta(solver: Solver, obstacle: Obstacle) -> tuple[Array, Array]:
    """Linear and angular (about the world's origin), of particles and the free obstacle 0 together."""
    m = solver.particles.masses.astype(float)[:, None]
    x, v = solver.positions(), solver.velocities().astype(float)
    B = solver.affine().astype(float) * solver.domain.spacing_m**2 / 4
    own = np.stack([B[:, 2, 1] - B[:, 1, 2], B[:, 0, 2] - B[:, 2, 0], B[:, 1, 0] - B[:, 0, 1]], axis=1)
    pose, velocity, spin = solver.obstacle(0)
    turn = matrix_from_quat(pose[3:])
    carried = obstacle.mass_kg * np.cross(pose[:3], velocity) + turn @ obstacle.inertia_kg_m2 @ turn.T @ spin
    return (
        (m * v).sum(axis=0) + obstacle.mass_kg * velocity,
        (m * (np.cross(x, v) + own)).sum(axis=0) + carried,
    )


@pytest.mark.parametrize("mass", [0.02, 1.0, 50.0])
def test_momentum_is_kept_whatever_the_mass(mass: float) -> None:
    """A jelly of 1 kg hits a ball off its centre."""
    points, volume = lattice((-0.05, -0.05, -0.05), (0.05, 0.05, 0.05), 0.01)
    p = Particles.of(points, volume, JELLY, velocity_m_s=(2.0, 0, 0))
    target = ball(mass, 0.06, pose=np.array([[1, 0, 0, 0.13], [0, 1, 0, 0.03], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    solver = Solver(p, ROOM, obstacles=[target], gravity_m_s2=(0, 0, 0))
    linear, angular = momenta(solver, target)
    solver.advance(0.06)
    after = momenta(solver, target)
    assert float(solver.obstacle(0)[1][0]) > 0.01  # it was hit
    assert np.abs(after[0] - linear).max() < 1e-4 * np.linalg.norm(linear)
    assert np.abs(after[1] - angular).max() < 2e-3 * 2.0 * 0.1  # push_out moves particles, by less than that
    assert float(solver.obstacle(0)[1][0]) < 2.0 * 2.0  # no more than an elastic impact on something light
    found = solver.touches()
    assert found.impulse_n_s.sum(axis=0) == pytest.approx(mass * solver.obstacle(0)[1], rel=1e-3, abs=1e-5)


def in_water(density: float, seconds: float) -> list[float]:
    """Heights of a ball of 5 cm that is let go above 14 cm of water, every 5 ms."""
    radius, mass = 0.05, density * 4 / 3 * math.pi * 0.05**3
    points, volume = lattice((-0.12, -0.12, 0), (0.12, 0.12, 0.14), 0.01)
    start = np.eye(4)
    start[2, 3] = 0.17
    sides = [((1, 0, 0), (-0.12, 0, 0)), ((-1, 0, 0), (0.12, 0, 0)), ((0, 1, 0), (0, -0.12, 0)),
             ((0, -1, 0), (0, 0.12, 0)), ((0, 0, 1), (0, 0, 0))]  # fmt: skip
    solver = Solver(
        Particles.of(points, volume, WATER), Domain((-0.2, -0.2, -0.1), (0.2, 0.2, 0.5), 0.02),
        obstacles=[ball(mass, radius, pose=start), *(plane(n, x, 0.0) for n, x in sides)],
    )  # fmt: skip
    heights = []
    for _ in range(int(seconds / 0.005)):
        solver.advance(0.005)
        heights.append(float(solver.obstacle(0)[0][2]))
    return heights


@pytest.mark.slow
def test_what_is_light_floats_and_what_is_heavy_sinks() -> None:
    """Archimedes: of density 300, 0.3 of the ball is under water, whose surface rises by what that takes."""
    heights = in_water(300.0, 1.0)
    share = 0.3 * 4 / 3 * math.pi * 0.05**3
    above = 0.01367  # of the middle: r (1 - 2 s), 3 s^2 - 2 s^3 = 0.3
    assert np.mean(heights[100:]) == pytest.approx(0.14 + share / 0.24**2 + above, abs=0.012)
    assert in_water(3000.0, 0.25)[-1] < 0.06


@pytest.mark.parametrize("density", [500.0, 2000 / 3])
def test_a_slab_floats_as_deep_as_archimedes_says(density: float) -> None:
    """Let go where it floats, with the water around it: it keeps its draught within 8 % (3 mm of a cell of 20 mm)."""
    side, high, wide, deep, spacing = 0.1, 0.06, 0.22, 0.12, 0.01
    draught = density / 1000 * high
    half, start = np.array([side / 2, side / 2, high / 2]), np.eye(4)
    start[2, 3] = deep - draught + high / 2
    points, volume = lattice((-wide / 2, -wide / 2, 0), (wide / 2, wide / 2, deep), spacing)
    water = points[(np.abs(points - start[:3, 3]) > half - 1e-9).any(axis=1)]
    mass = density * side**2 * high
    inertia = mass / 12 * np.diag([side**2 + high**2, side**2 + high**2, 2 * side**2])
    slab = Obstacle((Piece("box", tuple(half), friction=0.0),), start, mass_kg=mass, inertia_kg_m2=inertia)
    sides = [plane(n, (-wide / 2 * n[0], -wide / 2 * n[1], 0), 0.0)
             for n in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1))]  # fmt: skip
    thin = MpmMaterial("fluid", 1000.0, bulk_modulus_pa=1e5, viscosity_pa_s=0.1)
    solver = Solver(
        Particles.of(water, volume, thin), Domain((-0.2, -0.2, -0.1), (0.2, 0.2, 0.4), 2 * spacing),
        obstacles=[slab, *sides],
    )  # fmt: skip
    solver.advance(0.3)
    found = []
    for _ in range(6):
        solver.advance(0.02)
        at = solver.obstacle(0)[0][:3]
        x = solver.positions()
        beside = np.abs(x[:, :2] - at[:2]).max(axis=1) > side / 2 + spacing
        found.append(float(np.quantile(x[beside, 2], 0.97)) + spacing / 2 - at[2] + high / 2)
    assert np.mean(found) == pytest.approx(draught, rel=0.08)


def test_moving_paddle_carries_and_sticks() -> None:
    points, volume = lattice((-0.04, -0.04, 0.0), (0.04, 0.04, 0.06), 0.01)
    turn = np.eye(4)
    turn[2, 3] = -0.02
    hand = Obstacle((Piece("box", (0.1, 0.1, 0.02), sticky=True),), pose=turn, velocity_m_s=(0.3, 0, 0.1))
    solver = Solver(Particles.of(points, volume, JELLY), ROOM, obstacles=[hand], gravity_m_s2=(0, 0, -9.81))
    solver.advance(0.4)
    assert solver.velocities().mean(axis=0) == pytest.approx([0.3, 0, 0.1], abs=0.06)
    assert solver.positions()[:, 2].min() > 0.1 * 0.4 - 1e-4  # on the surface, not in it
    assert solver.obstacle(0)[0][:3] == pytest.approx([0.12, 0, 0.02], abs=1e-4)


def test_nothing_gets_through_a_thin_wall() -> None:
    """3 mm beside a grid of 20 mm: particles themselves are kept out."""
    points, volume = lattice((-0.05, -0.05, 0.01), (0.05, 0.05, 0.07), 0.01)
    wall = Obstacle((Piece("box", (0.3, 0.3, 0.0015)),))
    solver = Solver(Particles.of(points, volume, WATER, velocity_m_s=(0, 0, -1.0)), ROOM, obstacles=[wall])
    solver.advance(0.12)
    assert solver.positions()[:, 2].min() > 0


def test_each_body_has_its_own_share_of_an_impulse() -> None:
    boxes = [((-0.2, -0.05, 0.0), (-0.1, 0.05, 0.1)), ((0.1, -0.05, 0.0), (0.2, 0.05, 0.05))]
    groups = [Particles.of(*lattice(*corners, 0.01), JELLY) for corners in boxes]
    both = joined(groups)
    solver = Solver(both, ROOM, obstacles=[plane((0, 0, 1), (0, 0, 0))])
    solver.advance(0.2)
    solver.touches()
    solver.advance(0.5)
    found = solver.touches()
    assert found.body.tolist() == [0, 1]
    weights = [float(g.masses.sum()) * 9.81 * 0.5 for g in groups]
    assert -found.impulse_n_s[:, 2] == pytest.approx(weights, rel=0.05)
    assert found.point_m == pytest.approx(np.array([[-0.15, 0, 0], [0.15, 0, 0]]), abs=0.015)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Piece("cone"), "expected one of plane, box"),  # type: ignore[arg-type]
        (lambda: Piece("box", (0.1, 0.2)), "expected 3 lengths above 0 for a box"),
        (lambda: Piece("sphere", (math.nan,)), "expected 1 lengths"),
        (lambda: Piece("sphere", (0.1,), friction=-1), "friction: expected 0 or more, got -1"),
        (lambda: Piece("volume"), "expected for kind 'volume'"),
        (lambda: Volume(np.full((2, 2, 2), np.nan, np.float32), np.zeros(3), 0.1), "expected numbers"),
        (lambda: Obstacle(()), "expected one or more"),
        (lambda: Obstacle((Piece("sphere", (0.1,)),), mass_kg=0), "mass_kg: expected more than 0"),
        (lambda: Obstacle((Piece("sphere", (0.1,)),), mass_kg=1), "positive definite"),
        (lambda: mesh_volume([], 0.1), "one or more meshes"),
    ],
)
def test_bad_obstacles_are_refused(make: object, said: str) -> None:
    with pytest.raises(PhysicsError, match=said):
        make()  # type: ignore[operator]


def test_too_many_pieces() -> None:
    points, volume = lattice((0, 0, 0), (0.1, 0.1, 0.1), 0.02)
    many = Obstacle(tuple(Piece("sphere", (0.01,)) for _ in range(MOST_PIECES + 1)))
    with pytest.raises(PhysicsError, match=f"at most {MOST_PIECES} fit: join some into volumes"):
        Solver(Particles.of(points, volume, JELLY), ROOM, obstacles=[many])
