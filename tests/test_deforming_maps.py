"""Points that go with particles, surfaces that move with them, and the skin around loose ones; against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.deforming.binding import bind, carried, spacing_of
from simvid.deforming.motion import DeformingMotion, inverses
from simvid.deforming.skins import Skin, turned_normals
from simvid.motion import RigidMotion, motion_of
from simvid.rotations import matrix_from_quat, quat_from_euler_deg
from simvid.testing.bending import Way, bend, squash, twist
from simvid.trajectory import Contacts, Part, ParticleForm, ParticleMotion, Trajectory

RNG = np.random.default_rng(11)
H = 0.1
GRID: NDArray[Any] = np.stack(np.meshgrid(*[np.arange(10) * H - 0.45] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
TURN = matrix_from_quat(quat_from_euler_deg((20, -35, 70)))
AFFINE = {
    "rotation": TURN, "stretch": np.diag([1.6, 0.7, 1.0]), "shear": np.array([[1, 0.5, 0], [0, 1, 0], [0, 0.2, 1]]),
    "all": TURN @ np.array([[1.3, 0.4, 0], [0, 0.8, 0.1], [0, 0, 1.1]]),
}  # fmt: skip


def moved(way: Way, form: ParticleForm = "solid", frames: int = 3) -> Trajectory:
    """Particles on a grid that go a way, and nothing else."""
    made = [way(GRID, float(t)) for t in np.linspace(0, 1, frames)]
    positions, deformation = (np.array([m[k] for m in made], np.float32) for k in (0, 1))
    body = ParticleMotion("jelly", 0, 1, form, positions, deformation, GRID.astype(np.float32))
    poses = np.zeros((frames, 1, 7))
    poses[..., 3] = 1
    part = Part("jelly", "jelly", 1, "body", "jelly")
    return Trajectory(24.0, (part,), poses, np.zeros((frames, 1, 6)), Contacts.none(), particles=(body,))


@pytest.mark.parametrize("name", AFFINE)
def test_affine_maps_come_out_exactly(name: str) -> None:
    f, shift = AFFINE[name], np.array([1.0, -2, 0.5])
    points = RNG.uniform(-0.7, 0.7, (300, 3))  # some outside of the particles
    places, gradient = carried(bind(points, GRID, "solid"), GRID, GRID @ f.T + shift, np.tile(f, (len(GRID), 1, 1)))
    np.testing.assert_allclose(places, points @ f.T + shift, atol=1e-12)
    np.testing.assert_allclose(gradient, np.tile(f, (300, 1, 1)), atol=1e-12)


def test_a_twist_is_followed_to_second_order() -> None:
    points = RNG.uniform(-0.5, 0.5, (300, 3))
    way = twist(0.3)
    places, gradient = carried(bind(points, GRID, "solid"), GRID, *way(GRID, 1.0))
    right, slope = way(points, 1.0)
    assert np.abs(places - right).max() < 0.012
    assert np.abs(gradient - slope).max() < 0.15


def test_a_point_goes_with_its_own_side_of_a_tear() -> None:
    f = np.tile(np.eye(3), (len(GRID), 1, 1))
    apart = GRID + np.where(GRID[:, :1] > 0, [5.0, 0, 0], 0.0)
    points = np.array([[0.04, 0.01, 0], [-0.04, 0.01, 0]])
    places, _ = carried(bind(points, GRID, "solid"), GRID, apart, f)
    np.testing.assert_allclose(places, points + np.array([[5.0, 0, 0], [0, 0, 0]]), atol=1e-12)


def test_few_and_equally_far_particles_are_enough() -> None:
    for count in (1, 2, 5):
        places, _ = carried(bind(np.zeros((1, 3)), GRID[:count], "solid", H), GRID[:count], GRID[:count] + 1,
                            np.tile(np.eye(3), (count, 1, 1)))  # fmt: skip
        np.testing.assert_allclose(places, 1, atol=1e-9)
    ring = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    assert bind(np.zeros((1, 3)), ring, "line").weights.sum() == pytest.approx(1)
    assert spacing_of(GRID) == pytest.approx(H)


@pytest.mark.parametrize("way", [twist(0.4), bend(0.8), squash(AFFINE["all"])], ids=["twist", "bend", "squash"])
def test_surface_points_are_found_at_rest_and_led_on_and_back(way: Way) -> None:
    trajectory = moved(way)
    points = RNG.uniform(-0.5, 0.5, (400, 3))
    points[:, 0] = 0.5
    ids = np.ones(400, np.int32)
    skin = Skin(trajectory.particles[0], points)
    there, later = skin.at(1)[0], skin.at(2)[0]
    motion = motion_of(trajectory)
    assert isinstance(motion, DeformingMotion)
    np.testing.assert_allclose(motion.rest(there, ids, 1), points, atol=1e-5)
    on = motion(there, ids, 1, 2)
    np.testing.assert_allclose(on, later, atol=1e-5)
    np.testing.assert_allclose(motion(on, ids, 2, 1), there, atol=1e-5)
    np.testing.assert_array_equal(motion(there, ids, 1, 1), there)
    half = motion(there, ids, 1, 1.5)
    np.testing.assert_allclose(half, (there + later) / 2, atol=0.02)
    times = np.where(np.arange(400) % 2, 2.0, 1.5)
    np.testing.assert_allclose(motion(there, ids, 1, times), np.where((times == 2)[:, None], on, half), atol=1e-6)


def test_what_is_no_deformable_part_moves_rigidly_and_nan_stays() -> None:
    trajectory = moved(twist(0.4))
    motion = motion_of(trajectory)
    points = np.array([[0.1, 0.2, np.nan], [0.1, 0.2, 0.3]])
    assert np.isnan(motion(points, np.ones(2, np.int32), 0, 1)[0]).all()
    np.testing.assert_array_equal(motion(points[1:], np.zeros(1, np.int32), 0, 1), points[1:])
    assert isinstance(motion_of(Trajectory(24.0, (), np.zeros((1, 0, 7)), np.zeros((1, 0, 6)), Contacts.none())),
                      RigidMotion)  # fmt: skip


def test_grains_take_what_is_near_along() -> None:
    trajectory = moved(squash(np.diag([1.0, 1, 0.5])), "loose")
    motion, ids = motion_of(trajectory), np.ones(200, np.int32)
    points = RNG.uniform(-0.4, 0.4, (200, 3))
    later = motion(points, ids, 0, 2)
    np.testing.assert_allclose(later, points * [1, 1, 0.5], atol=0.05)
    np.testing.assert_allclose(motion.rest(later, ids, 2), points, atol=0.08)


def test_inverses_are_inverses_and_bear_what_has_none() -> None:
    some = RNG.normal(size=(50, 3, 3))
    np.testing.assert_allclose(inverses(some) @ some, np.tile(np.eye(3), (50, 1, 1)), atol=1e-9)
    flat = np.diag([1.0, 1, 0])[None]
    np.testing.assert_allclose(inverses(flat), flat)


def test_normals_stay_square_to_tangents_carried_along() -> None:
    f = RNG.normal(size=(40, 3, 3))
    a, b = RNG.normal(size=(2, 40, 3))
    n = np.cross(a, b)
    turned = turned_normals(f, n / np.linalg.norm(n, axis=1, keepdims=True))
    wanted = np.cross(np.einsum("nij,nj->ni", f, a), np.einsum("nij,nj->ni", f, b))
    np.testing.assert_allclose(turned, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-9)
    np.testing.assert_array_equal(turned_normals(np.zeros((1, 3, 3)), np.array([[0, 0, 1.0]])), [[0, 0, 1]])
