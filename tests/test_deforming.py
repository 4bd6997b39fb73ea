"""Poses of deformable bodies, F of sheets and lines, against closed forms; and what a ParticleMotion refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simvid.assets.particles import box_sheet
from simvid.deforming.frames import line_deformation, polar_rotation, poses_of, sheet_deformation
from simvid.rotations import matrix_from_quat, quat_from_euler_deg
from simvid.trajectory import Contacts, Part, ParticleForm, ParticleMotion, Trajectory

RNG = np.random.default_rng(5)
TURN = matrix_from_quat(quat_from_euler_deg((20, -35, 70)))


def test_polar_rotation_is_the_turn_of_a_turned_stretch() -> None:
    stretch = np.diag([1.5, 0.7, 1.1]) + 0.1
    assert np.allclose(polar_rotation(TURN @ stretch), TURN)
    flipped = polar_rotation(np.diag([1.0, 1.0, -0.2]))
    assert np.linalg.det(flipped) == pytest.approx(1)
    assert np.allclose(flipped, np.eye(3)), "the axis of the least stretch is turned back"


@pytest.mark.parametrize("form", ["solid", "loose"])
def test_the_pose_is_the_centre_of_mass_and_the_nearest_rotation(form: ParticleForm) -> None:
    rest, masses = RNG.normal(size=(50, 3)), RNG.uniform(1, 2, 50)
    rest -= masses @ rest / masses.sum()
    stretch, place = np.diag([1.2, 1.0, 0.8]), np.array([1.0, 2, 3])
    positions = np.stack([rest, rest @ (TURN @ stretch).T + place]).astype(np.float32)
    f = np.stack([np.tile(np.eye(3), (50, 1, 1)), np.tile(TURN @ stretch, (50, 1, 1))]).astype(np.float32)
    poses = poses_of(positions, f, masses, form)
    assert np.allclose(poses[1, :3], place, atol=1e-6)
    assert np.allclose(matrix_from_quat(poses[1, 3:]), TURN if form == "solid" else np.eye(3), atol=1e-6)


def test_quaternions_keep_their_sign_over_a_whole_turn() -> None:
    turns = np.stack([matrix_from_quat(quat_from_euler_deg((0, 0, a))) for a in range(0, 721, 30)])
    rest = RNG.normal(size=(9, 3))
    poses = poses_of(
        np.einsum("tij,pj->tpi", turns, rest).astype(np.float32),
        np.repeat(turns[:, None], 9, axis=1).astype(np.float32), np.ones(9), "solid",
    )  # fmt: skip
    assert (np.einsum("tk,tk->t", poses[1:, 3:], poses[:-1, 3:]) > 0.9).all()


def test_a_sheet_turns_and_stretches_as_its_triangles_do() -> None:
    sheet = box_sheet((0.4, 0.6, 0.004), 0.1)
    assert sheet.triangles is not None
    within = np.array([[1.3, 0.2, 0], [0, 0.9, 0], [0, 0, 1]])
    moved = (sheet.places @ (TURN @ within).T + [1, 0, 0])[None].astype(np.float32)
    f = sheet_deformation(moved, sheet.places.astype(np.float32), sheet.triangles)
    assert np.allclose(f, TURN @ within, atol=1e-5)
    # rolled to a cylinder of radius r about y: no stretch along it, normals outward
    r = 0.3
    x = sheet.places[:, 0] / r
    rolled = np.stack([r * np.sin(x), sheet.places[:, 1], r * np.cos(x) - r], axis=1)[None].astype(np.float32)
    f = sheet_deformation(rolled, sheet.places.astype(np.float32), sheet.triangles)[0]
    assert np.allclose(f[:, :, 2], np.stack([np.sin(x), 0 * x, np.cos(x)], axis=1), atol=0.2)
    assert np.abs(np.linalg.det(f.astype(np.float64)) - 1).max() < 0.1


def test_a_rope_stretches_along_itself_and_does_not_twist() -> None:
    rest = np.zeros((20, 3), np.float32)
    rest[:, 2] = np.linspace(-0.5, 0.5, 20)
    moved = (1.2 * rest @ TURN.T)[None].astype(np.float32)
    f = line_deformation(moved, rest)[0].astype(np.float64)
    assert np.allclose(f[:, :, 2], 1.2 * TURN[:, 2], atol=1e-5), "the stretch is along the rope"
    assert np.allclose(np.linalg.norm(f[:, :, :2], axis=1), 1, atol=1e-5), "and not across"
    assert np.allclose(f, f[0], atol=1e-5)
    # bent to a circle in the plane x z: y stays y
    angle = np.linspace(-1, 1, 20)
    bent = np.stack([0.5 - 0.5 * np.cos(angle), 0 * angle, 0.5 * np.sin(angle)], axis=1)[None].astype(np.float32)
    f = line_deformation(bent, rest)[0]
    assert np.allclose(f[:, :, 1], [0, 1, 0], atol=1e-5)
    assert np.allclose(line_deformation(-rest[None], rest)[0].astype(np.float64)[:, 2, 2], -1), "turned by half a turn"


def motion(**changes: Any) -> ParticleMotion:
    rest = RNG.normal(size=(6, 3)).astype(np.float32)
    given: dict[str, Any] = {
        "name": "jelly", "part": 0, "instance_id": 1, "form": "solid", "positions": np.stack([rest, rest + 1]),
        "deformation": np.tile(np.eye(3, dtype=np.float32), (2, 6, 1, 1)), "rest": rest,
    }  # fmt: skip
    return ParticleMotion(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"deformation": np.zeros((2, 5, 3, 3), np.float32)}, "deformation: expected float32"),
        ({"rest": np.zeros((6, 3))}, "rest: expected float32"),
        ({"positions": np.full((2, 6, 3), np.nan, np.float32)}, "NaN"),
        ({"form": "gas"}, "form: expected one of"),
        ({"triangles": np.array([[0, 1, 6]], np.int32)}, "triangles"),
    ],
)
def test_particles_that_do_not_fit_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        motion(**changes)


def test_between_frames_particles_go_straight() -> None:
    jelly = motion()
    assert np.array_equal(jelly.at(1)[0], jelly.positions[1])
    assert np.allclose(jelly.at(0.25)[0], jelly.positions[0] + 0.25)
    assert np.allclose(jelly.at(1.5)[0], jelly.positions[0] + 1.5)


@pytest.mark.parametrize(
    ("changes", "said"), [({"part": 1}, "the index of the part 'jelly'"), ({"name": "x"}, "index")]
)
def test_a_trajectory_wants_particles_of_its_parts(changes: dict[str, Any], said: str) -> None:
    poses = np.zeros((2, 1, 7))
    poses[..., 3] = 1
    with pytest.raises(ValueError, match=said):
        Trajectory(
            24.0, (Part("jelly", "jelly", 1, "body", "jelly"),), poses, np.zeros((2, 1, 6)), Contacts.none(),
            particles=(motion(**changes),),
        )  # fmt: skip
