"""Scripts become smooth joint targets inside the limits, and every fault of a script is told at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.assets.robot_model import RobotModel
from simvid.assets.robots import load_robot
from simvid.errors import SceneError
from simvid.physics.scripts import GRIPPER_S, JointTargets, check_robot, plan_script
from simvid.physics.segments import Spline, minimum_jerk
from simvid.physics.tools import find_gripper, find_tool
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Robot, Scene

PANDA = "package://genesis/assets/xml/franka_emika_panda/panda.xml"
STEP_S = 0.002

CART = """<robot name="cart">
  <link name="rail"/><link name="cart"/><link name="left_finger"/><link name="right_finger"/><link name="flap"/>
  <joint name="run" type="prismatic"><parent link="rail"/><child link="cart"/><axis xyz="1 0 0"/>
    <limit lower="-1" upper="1" effort="10" velocity="0.5"/></joint>
  <joint name="left" type="prismatic"><parent link="cart"/><child link="left_finger"/><origin xyz="0 0.1 0.2"/>
    <axis xyz="0 1 0"/><limit lower="-0.05" upper="0" effort="10" velocity="1"/></joint>
  <joint name="right" type="prismatic"><parent link="cart"/><child link="right_finger"/><origin xyz="0 -0.1 0.2"/>
    <axis xyz="0 1 0"/><limit lower="0" upper="0.05" effort="10" velocity="1"/></joint>
  <joint name="flap" type="revolute"><parent link="cart"/><child link="flap"/><axis xyz="0 0 1"/>
    <limit lower="-3" upper="3" effort="1" velocity="9"/><mimic joint="run" multiplier="2" offset="0.5"/></joint>
</robot>"""


def robot(*script: dict[str, Any], model: str = PANDA, **fields: Any) -> Robot:
    return Robot.model_validate({"name": "arm", "model": model, "script": script, **fields})


def reach(x: float, y: float, z: float, over_s: float, **more: Any) -> dict[str, Any]:
    return {"reach": {"to_m": (x, y, z), "over_s": over_s, **more}}


def plan(model: RobotModel, arm: Robot, duration_s: float | None = None) -> JointTargets:
    spans = [
        GRIPPER_S if isinstance(a.value, str) else getattr(a.value, "for_s", None) or a.value.over_s for a in arm.script
    ]
    duration = sum(spans) + 0.1 if duration_s is None else duration_s
    return plan_script(model, arm, np.arange(round(duration / STEP_S) + 1, dtype=np.float64) * STEP_S)


@pytest.fixture(scope="module")
def panda() -> RobotModel:
    return load_robot(robot(), Path())


@pytest.fixture
def cart(tmp_path: Path) -> RobotModel:
    (tmp_path / "cart.urdf").write_text(CART)
    return load_robot(robot(model="cart.urdf"), tmp_path)


def assert_velocities_fit_positions(targets: JointTargets) -> None:
    slope = np.gradient(targets.positions, STEP_S, axis=0)[1:-1]
    inner = targets.velocities[1:-1]
    bound = 0.02 * max(1.0, float(np.abs(inner).max()))  # central differences at 2 ms
    np.testing.assert_allclose(inner, slope, atol=bound)


def test_without_a_script_the_robot_holds_its_home(panda: RobotModel) -> None:
    targets = plan(panda, robot(), 0.1)
    np.testing.assert_array_equal(targets.positions, np.tile(panda.home, (51, 1)))
    assert not targets.velocities.any()


def test_joints_move_with_minimum_jerk_and_others_hold(panda: RobotModel) -> None:
    targets = plan(panda, robot({"joints": {"to": {"joint1": 1.0, "joint4": -2.0}, "over_s": 1.0}}))
    q = targets.positions
    np.testing.assert_allclose(q[500:, 0], 1.0)
    np.testing.assert_allclose(q[500:, 3], -2.0)
    np.testing.assert_array_equal(
        q[:, [1, 2, 4, 5, 6, 7, 8]], np.tile(panda.home, (len(q), 1))[:, [1, 2, 4, 5, 6, 7, 8]]
    )
    assert q[250, 0] == pytest.approx(0.5)
    assert targets.velocities[250, 0] == pytest.approx(1.875)  # peak speed of minimum jerk: 15/8 of the mean
    assert_velocities_fit_positions(targets)


def test_reach_and_push_go_straight_with_smooth_timing(panda: RobotModel) -> None:
    arm = robot(reach(0.5, -0.2, 0.15, 0.8), {"push": {"by_m": (0.05, 0.3, 0), "over_s": 0.6}})
    targets = plan(panda, arm)
    tool = targets.tool
    start = tool[0, :3]
    np.testing.assert_allclose(tool[400, :3], (0.5, -0.2, 0.15), atol=1e-4)
    np.testing.assert_allclose(tool[-1, :3], (0.55, 0.1, 0.15), atol=1e-4)
    way = np.array([0.5, -0.2, 0.15]) - start
    along = (tool[:401, :3] - start) @ way / (way @ way)
    np.testing.assert_allclose(tool[:401, :3], start + along[:, None] * way, atol=1e-4)
    tau = np.arange(401) / 400
    np.testing.assert_allclose(along, tau**3 * (10 - 15 * tau + 6 * tau**2), atol=1e-3)
    turned = 1 - np.abs(tool[:, 3:] @ tool[0, 3:])
    assert turned.max() < 1e-6  # orientation kept
    assert ((tool[1:, 3:] * tool[:-1, 3:]).sum(axis=1) > 0.999).all()  # no sign changes
    assert_velocities_fit_positions(targets)
    accelerations = np.diff(targets.velocities, axis=0) / STEP_S
    assert np.abs(accelerations).max() < 40  # no jumps of speed anywhere, also between actions


def test_reach_turns_the_tool_to_the_rotation_asked_for(panda: RobotModel) -> None:
    targets = plan(panda, robot(reach(0.5, 0.0, 0.3, 1.5, rotation_deg=(180, 0, 60))))
    assert abs(targets.tool[375, 3:] @ quat_from_euler_deg((180, 0, 75))) == pytest.approx(1, abs=1e-6)  # half-way
    assert abs(targets.tool[-1, 3:] @ quat_from_euler_deg((180, 0, 60))) == pytest.approx(1, abs=1e-6)
    assert abs(targets.tool[0, 3:] @ quat_from_euler_deg((180, 0, 90))) == pytest.approx(
        1, abs=1e-6
    )  # home points down


def test_gripper_closes_opens_and_sets_a_width(panda: RobotModel) -> None:
    arm = robot({"gripper": "close"}, {"gripper": {"width_m": 0.05, "over_s": 0.3}}, {"gripper": "open"})
    fingers = plan(panda, arm).positions[:, 7:]
    assert fingers[0] == pytest.approx([0.04, 0.04])
    assert fingers[200] == pytest.approx([0, 0], abs=1e-9)
    assert fingers[350] == pytest.approx([0.025, 0.025])
    assert fingers[-1] == pytest.approx([0.04, 0.04])


def test_closing_follows_the_geometry_not_the_sign(cart: RobotModel) -> None:
    gripper, faults = find_gripper(cart, robot(model="cart.urdf"))
    assert gripper is not None
    assert not faults
    assert gripper.closed.tolist() == [-0.05, 0.05]  # left closes downwards, right upwards
    assert gripper.direction.tolist() == [1, -1]
    assert gripper.width_m == pytest.approx(0.1)
    assert gripper.positions(0.06).tolist() == pytest.approx([-0.02, 0.02])


def test_followers_follow(cart: RobotModel) -> None:
    q = plan(cart, robot({"joints": {"to": {"run": 0.4}, "over_s": 2.0}}, model="cart.urdf")).positions
    np.testing.assert_allclose(q[:, 3], 0.5 + 2 * q[:, 0], atol=1e-12)
    assert q[-1, 3] == pytest.approx(1.3)


def test_velocity_mode_turns_and_stops_at_the_limit(cart: RobotModel) -> None:
    arm = robot(
        {"velocity": {"joints": {"run": 0.5}, "for_s": 1.0}}, {"wait": {"for_s": 0.2}},
        {"velocity": {"joints": {"run": 0.5}, "for_s": 2.0}}, model="cart.urdf", control={"mode": "velocity"},
    )  # fmt: skip
    targets = plan(cart, arm)
    run, speed = targets.positions[:, 0], targets.velocities[:, 0]
    assert run[250] == pytest.approx(0.25)
    assert speed[250] == 0.5
    assert run[550] == pytest.approx(0.5)
    assert speed[550] == 0
    assert run[-1] == 1.0
    assert speed[-60] == 0  # at the limit


def test_velocity_mode_stops_after_its_script(cart: RobotModel) -> None:
    arm = robot(
        {"velocity": {"joints": {"run": 0.2}, "for_s": 1.0}}, model="cart.urdf", control={"mode": "velocity"}
    )  # fmt: skip
    targets = plan(cart, arm, 1.5)
    np.testing.assert_allclose(targets.positions[500:, 0], 0.2)
    assert not targets.velocities[500:].any()


def test_spline_goes_through_its_knots_and_between_them() -> None:
    fractions = np.linspace(0, 1, 21)
    wave = Spline(2.0, fractions, np.sin(6 * fractions)[:, None], np.array([-2.0]), np.array([2.0]))
    t = np.linspace(0, 2, 4001)
    q, v = wave.at(t)
    s, _ = minimum_jerk(t / 2)
    inner = (s > 0.15) & (s < 0.85)  # the natural ends bend less than the sine
    np.testing.assert_allclose(q[inner, 0], np.sin(6 * s[inner]), atol=1e-4)  # straight pieces would miss by 1e-2
    np.testing.assert_allclose(v[1:-1, 0], np.gradient(q[:, 0], t)[1:-1], atol=1e-4)
    assert v[[0, -1]] == pytest.approx(0)
    assert wave.peak_speeds[0] == pytest.approx(np.abs(v).max(), rel=1e-3)
    cut = Spline(2.0, fractions, np.sin(6 * fractions)[:, None], np.array([-0.5]), np.array([0.5]))
    assert np.abs(cut.at(t)[0]).max() == 0.5


def test_the_robot_holds_after_its_script(panda: RobotModel) -> None:
    targets = plan(panda, robot({"joints": {"to": {"joint1": 0.5}, "over_s": 0.5}}), 2.0)
    assert (targets.positions[300:] == targets.positions[-1]).all()
    assert not targets.velocities[300:].any()


def test_default_tools(panda: RobotModel, cart: RobotModel) -> None:
    gripper, _ = find_gripper(panda, robot())
    tool, _ = find_tool(panda, robot(), gripper)
    assert panda.links[tool.link].name == "hand"
    np.testing.assert_allclose(tool.offset[:3, 3], (0, 0, 0.1034), atol=1e-3)  # Franka's own tool centre point
    last, _ = find_tool(panda, robot(), None)
    assert panda.links[last.link].name == "right_finger"
    own, _ = find_tool(panda, robot(tool={"link": "link7", "offset_m": (0, 0, 0.2)}), gripper)
    assert panda.links[own.link].name == "link7"
    np.testing.assert_allclose(own.offset[:3, 3], (0, 0, 0.2))
    between, _ = find_tool(cart, robot(model="cart.urdf"), find_gripper(cart, robot(model="cart.urdf"))[0])
    assert cart.links[between.link].name == "cart"
    np.testing.assert_allclose(between.offset[:3, 3], (0, 0, 0.2), atol=1e-12)


def test_the_base_pose_moves_the_targets_along() -> None:
    arm = robot(reach(1.2, 0.5, 0.35, 1.0), pose={"position_m": (1.0, 0, 0.2), "rotation_deg": (0, 0, 90)})
    targets = plan(load_robot(arm, Path()), arm)
    np.testing.assert_allclose(targets.tool[-1, :3], (1.2, 0.5, 0.35), atol=1e-4)


FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("joint", {"joints": {"to": {"jont1": 0.1}, "over_s": 1.0}}, "joints.to.jont1",
     "unknown joint; did you mean 'joint1'"),
    ("limit", {"joints": {"to": {"joint4": 0.5}, "over_s": 2.0}}, "joints.to.joint4",
     r"expected a position in \[-3.0718, -0.0698\] rad, got 0.5"),
    ("fast", {"joints": {"to": {"joint1": 2.0}, "over_s": 0.1}}, "joints.over_s",
     "too fast for joint 'joint1': 37.5 rad/s, the file gives no limit, here it is 6.28 rad/s; "
     "make over_s at least 0.597"),
    ("follower", {"joints": {"to": {"finger_joint1": 0.01}, "over_s": 1.0}}, "joints.to.finger_joint1",
     "this joint follows 'finger_joint2'"),
    ("far", reach(1.5, 0.2, 0.3, 1.0), "reach.to_m",
     r"\(1.500, 0.200, 0.300\) m is out of reach: it lies 1.5\d\d m from the first joint at \(0.000, 0.000, 0.333\) m, "
     r"the arm reaches at most 0.9\d\d m towards it; nearest point \(0.9\d\d, 0.1\d\d, 0.3\d\d\) m, 0.5\d\d m away"),
    ("turned", reach(0.85, 0.0, 0.3, 2.0, rotation_deg=(0, -90, 0)), "reach.to_m",
     r"can be reached, but not with this orientation \(nearest: .* deg off\); change rotation_deg"),
    ("behind", reach(-0.5, 0.0, 0.3, 2.0), "reach.to_m", "cannot be followed without a jump.*its end can be reached"),
    ("push", {"push": {"by_m": (0, 0, 2.0), "over_s": 1.0}}, "push.by_m", "is out of reach"),
    ("quick", reach(0.3, -0.4, 0.1, 0.1), "reach.over_s", r"too fast for joint '.*'; make over_s|make over_s at least"),
    ("wide", {"gripper": {"width_m": 0.2}}, "gripper.width_m", "expected a width of at most 0.08 m, got 0.2"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "path", "message"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_faults_are_told_with_path_and_remedy(panda: RobotModel, action: Any, path: str, message: str) -> None:
    with pytest.raises(SceneError, match=rf"robot 'arm': script\[0\]\.{path.replace('.', '[.]')}: .*({message})"):
        plan(panda, robot(action))


def scene_with(arm: Robot) -> Scene:
    other = Robot.model_validate({"name": "other", "model": PANDA})
    camera = {"name": "front", "pose": {"look_from_m": (2, 0, 1), "look_at_m": (0, 0, 0)}}
    return Scene.model_validate({"simvid": 1, "duration_s": 1.0, "cameras": [camera]}).model_copy(
        update={"robots": (other, arm)}
    )


def test_all_faults_are_found_at_once(panda: RobotModel) -> None:
    arm = robot(
        {"joints": {"to": {"nope": 0.0}, "over_s": 1.0}}, reach(2.0, 0, 0, 1.0), reach(0.5, 0, 0.4, 0.01),
        {"gripper": {"width_m": 1.0}}, initial_joints={"finger_joint2": 9.0, "joint9": 0.0},
    )  # fmt: skip
    found = dict(check_robot(scene_with(arm), arm, load_robot(arm, Path())))
    assert list(found) == [
        "robots[1].initial_joints.finger_joint2", "robots[1].initial_joints.joint9",
        "robots[1].script[0].joints.to.nope",
        "robots[1].script[1].reach.to_m", "robots[1].script[2].reach.over_s", "robots[1].script[3].gripper.width_m",
    ]  # fmt: skip
    good = robot(reach(0.5, 0, 0.4, 1.0))
    assert check_robot(scene_with(good), good, panda) == []


def test_a_line_that_cannot_be_followed_is_one_fault_if_its_end_can_be_reached(panda: RobotModel) -> None:
    arm = robot(reach(-0.5, 0.0, 0.3, 2.0), reach(-0.5, 0.1, 0.35, 1.0))
    assert [path for path, _ in check_robot(scene_with(arm), arm, panda)] == ["robots[1].script[0].reach.to_m"]


def test_what_cannot_be_moved_is_told(panda: RobotModel, cart: RobotModel) -> None:
    wrong_tool = robot(reach(0.5, 0, 0.4, 1.0), tool={"link": "hnad"})
    assert check_robot(scene_with(wrong_tool), wrong_tool, panda) == [
        ("robots[1].tool.link", "unknown link 'hnad'; did you mean 'hand'?")
    ]
    hinge = robot({"gripper": "close"}, gripper_joints=["joint1"])
    assert (
        "joint 'joint1' is a hinge" in dict(check_robot(scene_with(hinge), hinge, panda))["robots[1].gripper_joints[0]"]
    )
    unknown = robot(gripper_joints=["finger"])
    assert check_robot(scene_with(unknown), unknown, panda)[0][0] == "robots[1].gripper_joints[0]"
    loose = robot(reach(0.5, 0, 0.4, 1.0), fixed_base=False)
    assert "fixed_base: true" in check_robot(scene_with(loose), loose, panda)[0][1]
    flap = robot(reach(0.5, 0, 0.4, 1.0), model="cart.urdf", tool={"link": "flap"})
    assert "follows another one" in check_robot(scene_with(flap), flap, cart)[0][1]
    none = robot({"gripper": "open"}, model=PANDA.replace("panda.xml", "panda_nohand.xml"))
    assert "no sliding joints" in check_robot(scene_with(none), none, load_robot(none, Path()))[0][1]
    fast = robot({"velocity": {"joints": {"run": 0.9}, "for_s": 1.0}}, model="cart.urdf", control={"mode": "velocity"})
    assert check_robot(scene_with(fast), fast, cart) == [
        ("robots[1].script[0].velocity.joints.run", "expected a speed of at most 0.5, got 0.9")
    ]


def test_the_remedy_for_a_fast_script_works(panda: RobotModel) -> None:
    arm = robot(reach(0.3, -0.4, 0.1, 0.1))
    text = dict(check_robot(scene_with(arm), arm, panda))["robots[1].script[0].reach.over_s"]
    needed = float(text.rsplit(" ", 1)[1])
    enough, short = robot(reach(0.3, -0.4, 0.1, needed)), robot(reach(0.3, -0.4, 0.1, needed * 0.99))
    assert check_robot(scene_with(enough), enough, panda) == []
    assert check_robot(scene_with(short), short, panda)


def test_targets_do_not_depend_on_the_step(panda: RobotModel) -> None:
    arm = robot(reach(0.5, -0.2, 0.15, 0.8), {"gripper": "close"})
    fine, coarse = (plan_script(panda, arm, np.linspace(0, 1.2, n)) for n in (601, 301))
    np.testing.assert_allclose(fine.positions[::2], coarse.positions, atol=1e-12)
    for before, after in pairwise(coarse.tool[:, :3]):
        assert np.linalg.norm(after - before) < 0.01
