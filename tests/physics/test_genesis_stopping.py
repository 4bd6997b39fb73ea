"""Particles that rigid bodies stop one by one: against closed forms. Needs no Genesis."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from simvid.physics.genesis import stopping
from simvid.physics.genesis.stopping import Links, Stopped, Stopper
from simvid.physics.mpm.colliders import Obstacle, Piece
from simvid.physics.newton.obstacles import Hindrances
from simvid.rotations import matrix_from_quat

PLATE = Obstacle((Piece("box", (1.0, 1.0, 0.01), friction=0.5),))
STILL = np.zeros((0, 3))
SPACING_M = 0.004
"""A quarter of it is 1 mm."""


def hindrances(*obstacles: Obstacle, moving: tuple[int, ...] = ()) -> Hindrances:
    many = np.arange(len(obstacles))
    return Hindrances(obstacles, many.astype(np.intp), many.astype(np.int32), np.array(moving, np.intp))


def one(place: list[float], velocity: list[float], mass: float = 2.0) -> Stopped:
    stopper = Stopper(hindrances(PLATE), np.array([mass]), np.array([SPACING_M]), np.array([5.0, 0, 0]))
    return stopper.stop(np.array([place]), np.array([velocity]))


@pytest.mark.parametrize("side", [1, -1])
def test_it_goes_back_before_the_side_that_it_came_from(side: int) -> None:
    found = one([0.2, 0.3, side * 0.006], [0.1, 0, side * -1.0])
    assert found.shifts_m == pytest.approx(np.array([[0, 0, side * 0.005]]), abs=1e-6)
    assert found.velocities_m_s == pytest.approx(np.array([[0, 0, 0]]), abs=1e-6)  # 0.5 times 1 m/s holds 0.1 m/s


def test_friction_is_coulombs() -> None:
    assert one([0, 0, 0.009], [3, 0, -1]).velocities_m_s == pytest.approx(np.array([[2.5, 0, 0]]), abs=1e-6)


def test_what_leaves_or_is_outside_is_let_go() -> None:
    assert one([0, 0, 0.009], [3, 0, 1]).velocities_m_s == pytest.approx(np.array([[3, 0, 1]]), abs=1e-6)
    assert len(one([0, 0, 0.0109], [0, 0, -1]).rows) == 1
    assert len(one([0, 0, 0.0111], [0, 0, -1]).rows) == 0


def test_the_obstacle_gets_what_the_particle_loses() -> None:
    """Impulse m (v - v'), moment r x that."""
    found = one([0.4, 0, 0.01 - 1e-6], [1, 0, -1])
    assert found.impulses_n_s == pytest.approx(np.array([[1, 0, -2]]), abs=1e-5)
    assert found.moments_n_m_s == pytest.approx(np.cross([[0.4, 0, 0.01]], [[1, 0, -2]]), abs=1e-5)


def test_a_wall_that_moves_and_turns_takes_it_along() -> None:
    """Velocity of the wall at the place: v + w x r."""
    quat = np.array([0.5, 0.1, -0.7, 0.2])
    quat /= np.linalg.norm(quat)
    turn, middle, spin = matrix_from_quat(quat), np.array([1.0, 2, 3]), np.array([0.3, -0.2, 0.9])
    rough = Obstacle((Piece("box", (1.0, 1.0, 0.01), friction=9.0),))
    stopper = Stopper(hindrances(rough, moving=(0,)), np.ones(1), np.array([SPACING_M]), np.zeros(3))
    stopper.move(0, middle, quat, np.array([0.0, 0, 4]), spin)
    place = middle + turn @ [0.5, 0.2, 0.0099]
    found = stopper.stop(place[None], (turn @ [0, 0, -5.0])[None])
    expected = np.array([0.0, 0, 4]) + np.cross(spin, place - middle)
    assert found.velocities_m_s == pytest.approx(expected[None], abs=1e-4)
    assert found.shifts_m == pytest.approx((turn @ [0, 0, 1.1e-3])[None], abs=1e-6)


def test_it_does_not_slip_into_the_seam_of_two_boxes() -> None:
    """Pressed into a corner again and again; without room before the surface the seam's own sides are nearest."""
    floor = Piece("box", (0.5, 0.5, 0.01), _at([0, 0, -0.01]))
    wall = Piece("box", (0.01, 0.5, 0.5), _at([0.11, 0, 0.5]))
    stopper = Stopper(hindrances(Obstacle((floor, wall))), np.ones(1), np.array([SPACING_M]), np.zeros(3))
    place = np.array([[0.099, 0, 0.001]])
    for _ in range(200):
        place += np.array([[3e-4, 0, -3e-4]])
        found = stopper.stop(place, np.zeros((1, 3)))
        place[found.rows] += found.shifts_m
    assert place[0] == pytest.approx([0.099, 0, 0.001], abs=1e-4)


def _at(place: list[float]) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = place
    return pose


def test_links_feel_it_about_the_root_of_their_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Genesis' coupling forces have the sign turned, and moments about ``root_COM``."""
    monkeypatch.setattr(stopping, "view", lambda tensor: tensor)
    quat = np.array([0.6, 0, 0.8, 0])
    rows = {"pos": [1, 2, 3], "cd_vel": [0.1, 0, 0], "cd_ang": [0, 0, 2], "root_COM": [1, 1, 1],
            "cfrc_coupling_vel": [0, 0, 0], "cfrc_coupling_ang": [0, 0, 0]}  # fmt: skip
    state = {name: np.array([[row]], np.float64) for name, row in rows.items()} | {"quat": quat[None, None]}
    things = hindrances(PLATE, moving=(0,))
    links = Links(SimpleNamespace(**state), things, [0], np.array([[0.5, 0, 0]]))
    stopper = Stopper(things, np.ones(1), np.ones(1), np.zeros(3))
    links.tell(stopper)
    place = np.array([1.0, 2, 3]) + matrix_from_quat(quat) @ [0.5, 0, 0]
    assert stopper._poses[0, :3] == pytest.approx(place)
    assert stopper._velocities[0] == pytest.approx(np.array([0.1, 0, 0]) + np.cross([0, 0, 2], place - [1, 1, 1]))
    impulse, moment, step = np.array([[1.0, 2, 3]]), np.array([[0.1, 0.2, 0.3]]), 0.25
    links.take(Stopped(np.zeros(0, np.intp), STILL, STILL, impulse, moment), step)
    assert state["cfrc_coupling_vel"][0, 0] == pytest.approx(-impulse[0] / step)
    total = (moment[0] + np.cross(place - [1, 1, 1], impulse[0])) / step
    assert state["cfrc_coupling_ang"][0, 0] == pytest.approx(-total)
