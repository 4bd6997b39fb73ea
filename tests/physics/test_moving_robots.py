"""Robots that move: a trot as fast as it is told to be, a base that drives where it is told, and what stops it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simvid.assets.prepare import prepare
from simvid.errors import SceneError
from simvid.parsing import load_scene, parse_scene
from simvid.physics.newton.engine import NewtonPhysics
from simvid.randomize import sample
from simvid.success import outcomes
from simvid.trajectory import Trajectory, pose_matrices

BASE = """<mujoco><compiler angle="radian"/><worldbody>
<body name="sledge" pos="0 0 0.1"><joint name="x" type="slide" axis="1 0 0" range="-2 2"/>
  <geom type="box" size="0.1 0.1 0.05" mass="5"/>
  <body name="cart" pos="0 0 0"><joint name="y" type="slide" axis="0 1 0" range="-2 2"/>
    <geom type="box" size="0.1 0.1 0.05" mass="5"/>
    <body name="top" pos="0 0 0.1"><joint name="turn" type="hinge" axis="0 0 1" range="-1.8 1.8"/>
      <geom type="box" size="0.15 0.1 0.05" mass="5"/></body></body></body>
</worldbody></mujoco>"""


def drive(folder: Path, action: str, bodies: str = "", duration_s: float = 3.0) -> Trajectory:
    """What a base of two slides and a hinge does."""
    (folder / "base.xml").write_text(BASE)
    text = (
        f"simvid: 1\nduration_s: {duration_s}\n"
        "cameras: [{name: front, pose: {look_from_m: [2, 0, 1], look_at_m: [0, 0, 0]}}]\n"
        f"bodies: [{bodies}]\n"
        "robots: [{name: rover, model: base.xml, pose: {rotation_deg: [0, 0, 90]}, "
        f"base_joints: [x, y, turn], script: [{{move_base: {action}}}]}}]\n"
    )
    return NewtonPhysics().simulate(prepare(parse_scene(text, "scene.yaml", folder)))


def ends(trajectory: Trajectory, part: str) -> tuple[np.ndarray, float]:
    """Where a part is at the last frame [m], and its heading [deg]."""
    pose = pose_matrices(trajectory.poses[-1, trajectory.part_index(part)])
    return pose[:3, 3], float(np.degrees(np.arctan2(pose[1, 0], pose[0, 0])))


def test_a_base_drives_to_its_place_and_heading(tmp_path: Path) -> None:
    trajectory = drive(tmp_path, "{to_m: [0.7, -0.4], yaw_deg: 30}")
    place, heading = ends(trajectory, "rover/top")
    np.testing.assert_allclose(place[:2], [0.7, -0.4], atol=0.003)
    assert heading == pytest.approx(30, abs=0.3)
    assert trajectory.robots[0].log == ()
    speeds = np.linalg.norm(np.diff(trajectory.poses[:, trajectory.part_index("rover/top"), :2], axis=0), axis=1)
    # minimum jerk over 0.806 m, the longer axis accelerated by 1 m/s2 at most: T = sqrt(5.77 x 0.7) = 2.01 s
    assert speeds.max() * trajectory.fps == pytest.approx(1.875 * 0.806 / 2.01, rel=0.03)


@pytest.mark.parametrize(
    ("action", "bodies", "said"),
    [
        ("{to_m: [0.8, 0]}",
         "{name: wall, fixed: true, shape: {box: {size_m: [0.05, 1, 0.5]}}, pose: {position_m: [0.5, 0, 0.25]}}",
         r"robots\[0\]\.script\[0\]\.move_base\.to_m \(rover\).*'wall' would touch 'rover/\w+' after \d\d% of the way"),
        ("{to_m: [0, 0], yaw_deg: -30}", "",
         r"move_base\.yaw_deg.* expected a heading in \[-13\.13\d+, 193\.13\d*\] deg, got -30"),
        ("{to_m: [3, 0]}", "", r"move_base\.to_m.*\(3\.000, 0\.000\) m cannot be driven to; the nearest is \(2\.0"),
    ],
)  # fmt: skip
def test_a_base_that_cannot_drive_there_says_why(tmp_path: Path, action: str, bodies: str, said: str) -> None:
    with pytest.raises(SceneError, match=said):
        drive(tmp_path, action, bodies)


def test_a_base_takes_as_long_as_its_joints_need(tmp_path: Path) -> None:
    log = drive(tmp_path, "{to_m: [0.7, 0], over_s: 0.1}", duration_s=1.5).robots[0].log
    assert "instead of 0.1 s: the joints cannot be faster" in log[0][1]


def test_the_mobile_arm_of_the_shelf_carries_its_cube(root: Path) -> None:
    scene, _ = sample(load_scene(root / "scenes" / "task_drive.yaml"), 0)
    assets = prepare(scene)
    trajectory = NewtonPhysics().simulate(assets)
    assert [f"{o.text()}: {o.found}" for o in outcomes(assets, trajectory) if not o.true] == []
    base = trajectory.poses[:, trajectory.part_index("rover/base")]
    np.testing.assert_allclose(base[-1, :2], [0, 0.45], atol=0.005)
    actions = trajectory.robots[0].actions
    assert actions is not None
    # the base stands still while the arm grasps: it is no part of the arm
    np.testing.assert_allclose(base[actions == 0, :2], np.tile([0, -0.5], (int((actions == 0).sum()), 1)), atol=0.005)


def test_a_trot_is_as_fast_as_it_is_told_to_be_and_turns(root: Path) -> None:
    """Without what legs must be told more while they carry, the dog reaches 65 % of the speed."""
    script = "robots[0].script=[{wait: {for_s: 0.3}}, {gait: {speed_m_s: 0.4, for_s: 2}}, \
{gait: {speed_m_s: 0, turn_deg_s: 30, for_s: 2}}]"
    scene = load_scene(root / "scenes" / "task_walk.yaml", [script, "duration_s=4.5"])
    trajectory = NewtonPhysics().simulate(prepare(scene))
    base = trajectory.poses[:, trajectory.part_index("dog/base")]
    times = np.arange(len(base)) / trajectory.fps
    walks = (times >= 0.8) & (times <= 1.8)  # a period after the start, one before the end
    speed = np.ptp(base[walks, 0]) / np.ptp(times[walks])
    assert speed == pytest.approx(0.4, rel=0.1)
    assert np.abs(base[walks, 1]).max() < 0.06
    turns = pose_matrices(base)
    heading = np.degrees(np.unwrap(np.arctan2(turns[:, 1, 0], turns[:, 0, 0])))
    # 30 deg/s for 2 s, less the half period each in which steps grow and shrink
    assert heading[-1] - heading[times <= 2.3][-1] == pytest.approx(30 * 1.5, rel=0.25)
    assert turns[:, 2, 2].min() > np.cos(np.radians(10))
    assert base[:, 2].min() > 0.28
