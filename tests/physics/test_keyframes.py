"""Keyframed paths: exact at the keyframes, exact velocities, no overshoot."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from simvid.physics.kinematic import KeyframedPath, start_pose
from simvid.scene import Keyframe, Motion, Pose
from simvid.testing.physics_scenes import at, box, small_assets, small_scene

Array = NDArray[np.float64]
POSES = (
    Pose(),
    Pose(position_m=(1.0, 0.0, 0.5), rotation_deg=(30.0, 20.0, 90.0)),
    Pose(position_m=(2.0, -1.0, 0.5), quaternion_wxyz=(0.2, -2.0, 0.4, 1.0)),
    Pose(position_m=(2.0, 0.0, 0.2)),
)
TIMES = (0.5, 1.0, 1.5, 3.0)


def path(how: str) -> KeyframedPath:
    keys = tuple(Keyframe(t_s=t, pose=p) for t, p in zip(TIMES, POSES, strict=True))
    return KeyframedPath.of(Motion.model_validate({"keyframes": keys, "interpolation": how}))


def rotation(quats: Array) -> Rotation:
    return Rotation.from_quat(quats[:, [1, 2, 3, 0]])


@pytest.mark.parametrize("how", ["smooth", "linear"])
def test_it_passes_through_its_keyframes(how: str) -> None:
    poses, _ = path(how).at(np.array(TIMES))
    assert poses[:, :3] == pytest.approx(np.array([p.position_m for p in POSES]), abs=1e-12)
    wanted = Rotation.concatenate([
        Rotation.identity(), Rotation.from_euler("xyz", [30, 20, 90], degrees=True),
        Rotation.from_quat([-2.0, 0.4, 1.0, 0.2]), Rotation.identity(),
    ])  # fmt: skip
    assert (rotation(poses[:, 3:]).inv() * wanted).magnitude() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("how", ["smooth", "linear"])
def test_velocities_are_derivatives(how: str) -> None:
    times = np.linspace(0.1, 3.2, 311) + 1e-4
    h = 1e-6
    before, _ = path(how).at(times - h)
    after, _ = path(how).at(times + h)
    _, twists = path(how).at(times)
    assert twists[:, :3] == pytest.approx((after[:, :3] - before[:, :3]) / (2 * h), abs=1e-7)
    turned = (rotation(after[:, 3:]) * rotation(before[:, 3:]).inv()).as_rotvec() / (2 * h)
    assert twists[:, 3:] == pytest.approx(turned, abs=1e-6)


def test_smooth_paths_have_no_jumps_and_rest_at_both_ends() -> None:
    _, twists = path("smooth").at(np.linspace(0, 3.5, 7001))
    assert np.abs(np.diff(twists, axis=0)).max() < 0.05  # 0.5 ms apart; a jump would be of order 1
    _, ends = path("smooth").at(np.array([0.0, 0.5, 3.0, 3.4]))
    assert np.abs(ends).max() < 1e-12


def test_smooth_coordinates_stay_between_their_keyframes() -> None:
    for k in range(3):
        poses, _ = path("smooth").at(np.linspace(TIMES[k], TIMES[k + 1], 200))
        low, high = np.sort([POSES[k].position_m, POSES[k + 1].position_m], axis=0)
        assert (poses[:, :3] >= low - 1e-12).all()
        assert (poses[:, :3] <= high + 1e-12).all()


def test_one_keyframe_stands_still() -> None:
    motion = Motion(keyframes=(Keyframe(t_s=2.0, pose=at(1, 2, 3)),))
    poses, twists = KeyframedPath.of(motion).at(np.array([0.0, 5.0]))
    assert poses == pytest.approx(np.array([[1, 2, 3, 1, 0, 0, 0]] * 2))
    assert not twists.any()


def test_a_path_says_where_its_part_starts() -> None:
    motion = Motion(keyframes=(Keyframe(t_s=0.0, pose=at(1, 2, 3, rotation_deg=(0, 0, 90))),))
    assets = small_assets(small_scene([box("moved", motion=motion), box("still", pose=at(4, 0, 0))]))
    assert start_pose(assets.parts[0])[:3, 3] == pytest.approx([1, 2, 3])
    assert start_pose(assets.parts[0])[:3, 0] == pytest.approx([0, 1, 0])
    assert start_pose(assets.parts[1])[:3, 3] == pytest.approx([4, 0, 0])
