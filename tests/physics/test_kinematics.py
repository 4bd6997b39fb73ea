"""Inverse kinematics: equal to MuJoCo's Jacobian, exact where it can be, nearest where it cannot, and without jumps."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.robot_model import RobotModel
from simvid.assets.robots import load_robot
from simvid.physics.kinematics import MAX_JUMP_RAD, REACHED_M, ToolChain, follow_line, nearest, pose_error, solve
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Robot

PANDA = "package://genesis/assets/xml/franka_emika_panda/panda.xml"
DOWN = quat_from_euler_deg((180, 0, 90))
TWO_LINKS = """<mujoco><compiler angle="radian"/><worldbody>
  <body><joint name="a" axis="0 0 1" range="-1.5 1.5"/><geom type="capsule" fromto="0 0 0 1 0 0" size="0.05"/>
    <body pos="1 0 0"><joint name="b" axis="0 0 1" range="0 2.5"/>
      <geom type="capsule" fromto="0 0 0 1 0 0" size="0.05"/>
      <body name="end" pos="1 0 0"><geom size="0.05"/></body></body></body></worldbody></mujoco>"""


@pytest.fixture(scope="module")
def panda() -> RobotModel:
    return load_robot(Robot.model_validate({"name": "arm", "model": PANDA}), Path())


@pytest.fixture(scope="module")
def hand(panda: RobotModel) -> ToolChain:
    return ToolChain.of(panda, panda.link_index("hand"), pose_matrix((0, 0, 0.1034)))


@pytest.fixture
def planar(tmp_path: Path) -> ToolChain:
    (tmp_path / "two.xml").write_text(TWO_LINKS)
    model = load_robot(Robot.model_validate({"name": "two", "model": "two.xml"}), tmp_path)
    return ToolChain.of(model, model.link_index("end"), np.eye(4))


def random_positions(model: RobotModel, count: int) -> NDArray[np.float64]:
    return np.random.default_rng(11).uniform(model.lower, model.upper, (count, len(model.joints)))


def test_jacobian_equals_mujocos(panda: RobotModel) -> None:
    m = mujoco.MjModel.from_xml_string(panda.xml)
    data = mujoco.MjData(m)
    chain = ToolChain.of(panda, panda.link_index("left_finger"), pose_matrix((0.01, 0.02, 0.05)))
    assert chain.joints == (0, 1, 2, 3, 4, 5, 6)  # finger_joint1 follows finger_joint2
    for q in random_positions(panda, 5):
        data.qpos[:] = q
        mujoco.mj_kinematics(m, data)
        mujoco.mj_comPos(m, data)
        pose, jacobian = chain.pose_and_jacobian(q)
        expected = np.zeros((2, 3, m.nv))
        mujoco.mj_jac(m, data, expected[0], expected[1], pose[:3, 3], m.body("left_finger").id)
        np.testing.assert_allclose(jacobian, expected.reshape(6, m.nv)[:, :7], atol=1e-12)
        np.testing.assert_allclose(pose, panda.forward(q)[chain.link] @ chain.offset, atol=1e-12)


def test_slides_and_references_enter_the_jacobian(tmp_path: Path) -> None:
    text = """<mujoco><compiler angle="radian"/><worldbody><body>
      <joint name="s" type="slide" axis="1 2 0" range="-1 1" ref="0.3"/><joint name="h" axis="0 1 1" pos="0.2 0 0"/>
      <geom size="0.1"/></body></worldbody></mujoco>"""
    (tmp_path / "a.xml").write_text(text)
    model = load_robot(Robot.model_validate({"name": "a", "model": "a.xml"}), tmp_path)
    chain = ToolChain.of(model, 0, pose_matrix((0.1, 0.2, 0.3)))
    q = np.array([0.5, -0.7])
    pose, jacobian = chain.pose_and_jacobian(q)
    np.testing.assert_allclose(pose, model.forward(q)[0] @ chain.offset, atol=1e-12)
    for column in range(2):
        step = np.zeros(2)
        step[column] = 1e-6
        difference = pose_error(chain.pose(q + step), chain.pose(q - step)) / 2e-6
        np.testing.assert_allclose(jacobian[:, column], difference, atol=1e-8)


def test_solve_finds_reachable_poses_within_the_limits(hand: ToolChain) -> None:
    model = hand.model
    for q in random_positions(model, 20):
        target = hand.pose(q)
        found = nearest(hand, target, model.home, orient=True)
        assert found.position_error_m < 1e-5
        assert found.rotation_error_rad < 1e-4
        np.testing.assert_allclose(hand.pose(found.q), target, atol=1e-4)
        assert (found.q >= model.lower - 1e-12).all()
        assert (found.q <= model.upper + 1e-12).all()
        np.testing.assert_array_equal(found.q[7:], model.home[7:])  # fingers are not in the chain


def test_unreachable_target_gives_the_nearest_point(planar: ToolChain) -> None:
    # two links of 1 m: the disc of radius 2 m, cut by the limits of joint a at +-1.5 rad
    for angle in (-1.2, 0.0, 0.7):
        target = pose_matrix((5 * np.cos(angle), 5 * np.sin(angle), 0.0))
        found = nearest(planar, target, planar.model.home, orient=False)
        np.testing.assert_allclose(found.pose[:3, 3], [2 * np.cos(angle), 2 * np.sin(angle), 0], atol=2e-3)
        assert found.position_error_m == pytest.approx(3.0, abs=1e-4)
        assert not found.reached


def test_a_joint_at_its_limit_leaves_the_work_to_the_others(planar: ToolChain) -> None:
    start = np.array([1.5, 0.0])
    target = planar.pose(np.array([1.2, 1.0]))
    found = solve(planar, target, start, orient=False)
    assert found.reached
    np.testing.assert_allclose(found.q, [1.2, 1.0], atol=1e-4)
    below = solve(planar, pose_matrix((1.5, -1.2, 0)), np.array([0.0, 0.5]), orient=False)  # elbow the other way: b < 0
    assert (below.q >= planar.model.lower).all()


def test_limits_seldom_stop_the_search(hand: ToolChain) -> None:
    """From home alone, with joints at their limits handed over to the others: 132 of 150 random poses."""
    many = np.random.default_rng(5).uniform(hand.model.lower, hand.model.upper, (150, 9))
    found = [solve(hand, hand.pose(q), hand.model.home) for q in many]
    assert sum(s.reached for s in found) >= 130
    assert np.mean([s.iterations for s in found]) < 20


def test_orientation_can_be_left_free(hand: ToolChain) -> None:
    target = pose_matrix((0.5, 0.3, 0.4), quat_from_euler_deg((10, 40, 0)))
    free = solve(hand, target, hand.model.home, orient=False)
    assert free.position_error_m < 1e-5
    assert float(np.linalg.norm(pose_error(target, free.pose)[3:])) > 0.3


def test_line_is_straight_and_keeps_orientation(hand: ToolChain) -> None:
    start = hand.model.home
    goal = pose_matrix((0.45, -0.35, 0.15), DOWN)
    line = follow_line(hand, start, goal, start, orient=True)
    assert line.missed is None
    a, b = hand.pose(start)[:3, 3], goal[:3, 3]
    for fraction, q in zip(line.fractions, line.knots, strict=True):
        pose = hand.pose(q)
        np.testing.assert_allclose(pose[:3, 3], a + fraction * (b - a), atol=1e-5)
        assert np.degrees(np.linalg.norm(pose_error(goal, pose)[3:])) < 0.05
    steps = np.abs(np.diff(line.knots, axis=0))
    assert steps.max() < 0.08  # a centimetre of way: no jump to another branch
    bends = np.abs(np.diff(line.knots, 2, axis=0))
    assert bends.max() < 0.3 * steps.max()  # neighbours differ smoothly


def test_redundant_joints_return_to_the_posture(hand: ToolChain) -> None:
    posture = hand.model.home
    tilted = posture.copy()
    tilted[[0, 2]] += (0.6, -0.6)  # the elbow swung out
    goal = hand.pose(tilted)
    goal[:3, 3] += (0.0, 0.0, 0.05)
    line = follow_line(hand, tilted, goal, posture, orient=True)
    assert line.missed is None
    away = np.linalg.norm(line.knots - posture, axis=1)
    assert away[-1] < 0.8 * away[0]
    still = follow_line(hand, tilted, goal, tilted, orient=True)
    assert np.linalg.norm(still.knots[-1] - tilted) < np.linalg.norm(line.knots[-1] - tilted)


def test_lines_end_where_only_a_jump_would_go_on(hand: ToolChain) -> None:
    """Of 60 lines of the Franka arm, five would go on by a jump of over half a radian within a centimetre."""
    rng = np.random.default_rng(2)
    low, high = hand.bounds
    jumps = 0
    for _ in range(60):
        q = hand.model.home.copy()
        q[list(hand.joints)] = rng.uniform(low + 0.3, high - 0.3)
        goal = hand.pose(q)
        goal[:3, 3] += rng.normal(0, 0.12, 3)
        line = follow_line(hand, q, goal, q, orient=True)
        assert np.abs(np.diff(line.knots, axis=0)).max(initial=0.0) <= MAX_JUMP_RAD
        jumps += line.missed is not None and line.missed.reached
    assert jumps > 0


def test_line_that_leaves_the_workspace_stops_there(hand: ToolChain) -> None:
    goal = pose_matrix((1.3, 0, 0.5), DOWN)
    line = follow_line(hand, hand.model.home, goal, hand.model.home, orient=True)
    assert line.missed is not None
    assert line.missed.position_error_m > REACHED_M
    assert len(line.knots) < len(line.fractions)


def test_same_input_same_result(hand: ToolChain) -> None:
    target = pose_matrix((1.4, 0.1, 0.2), DOWN)
    first, second = (nearest(hand, target, hand.model.home, orient=True) for _ in range(2))
    np.testing.assert_array_equal(first.q, second.q)
