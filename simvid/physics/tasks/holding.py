"""Grasp, lift, place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simvid.physics.segments import Straight
from simvid.physics.tasks.arm import SETTLE_S, Arm, Motions
from simvid.physics.tasks.choosing import Wanted, choose
from simvid.physics.tasks.places import index_of, place_of
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Grasp as GraspAction
from simvid.scene import Lift, SetDown
from simvid.trajectory import pose_matrices

Array = NDArray[np.float64]


def grasp(arm: Arm, action: GraspAction) -> Motions:
    """Open, go where a straight way to the body begins, along it, close."""
    part = index_of(arm, action.body, ".body")
    yield from take(arm, part, Wanted(action.approach, action.near, action.tries, action.clearance_m))


def take(arm: Arm, part: int, wanted: Wanted) -> Motions:
    """Grasp a part."""
    gripper = arm.gripper
    if gripper is None:
        arm.refuse("grasp needs a gripper; this robot has none (sliding joints of links called finger)")
    opened = arm.q.copy()
    opened[list(gripper.joints)] = gripper.positions(gripper.width_m)
    if np.abs(opened - arm.q).max() > 1e-3:
        yield Straight(0.25, arm.q, opened)
    chosen = choose(arm, part, wanted)
    yield chosen.route
    yield arm.hold(SETTLE_S)
    yield arm.line(arm.aimed(arm.noisy(chosen.goal)))
    yield arm.grip(0.0)
    yield arm.hold(SETTLE_S)
    arm.remember(part)


def lift(arm: Arm, action: Lift) -> Motions:
    """The tool straight up."""
    goal = arm.told()
    goal[2, 3] += action.by_m
    yield arm.line(goal, action.over_s, ".by_m")


def place(arm: Arm, action: SetDown) -> Motions:
    """Carry over the place, straight down, open, straight back."""
    if arm.held is None:
        arm.refuse("place needs something in the hand; grasp it first")
    arm.still_held()
    moment = arm.situation.moment()
    spot = place_of(action.at, moment, "top")
    up = np.array([0.0, 0.0, action.clearance_m])
    goals = list(_set_downs(arm, action, spot))
    over = [_moved(goal, up) for goal in goals]
    yield arm.travel(over, below=".at", onward=lambda k, q: arm.blocked(q, [goals[k]]))
    yield arm.hold(SETTLE_S)
    arm.still_held()
    chosen = _set_down(arm, spot, arm.told()[:3, :3] @ arm.held.tool_from_part[:3, :3], action.drop_m)
    yield arm.line(arm.aimed(arm.noisy(chosen)), below=".at")
    yield arm.hold(SETTLE_S)
    yield from let_go(arm, action.clearance_m)


def let_go(arm: Arm, clearance_m: float) -> Motions:
    """Open, and go straight back the way the hand points."""
    assert arm.gripper is not None, "something was held"
    yield arm.grip(arm.gripper.width_m, 0.3)
    arm.held = None
    away = arm.told()
    away[:3, 3] -= away[:3, :3] @ arm.approach * clearance_m
    yield arm.back(away)


def _set_downs(arm: Arm, action: SetDown, spot: Array) -> Iterator[Array]:
    """Tool poses that set the held part down, upright as it stood at first, the nearest turn first."""
    assert arm.held is not None
    moment = arm.situation.moment()
    first = pose_matrices(moment.first[arm.held.part])[:3, :3]
    now = arm.told()[:3, :3] @ arm.held.tool_from_part[:3, :3]
    if action.turn_deg is not None:
        turns = [np.radians(action.turn_deg)]
    else:
        off = now @ first.T  # its turn about the vertical
        yaw = float(np.arctan2(off[1, 0] - off[0, 1], off[0, 0] + off[1, 1]))
        turns = [yaw + np.radians(d) for d in (0, 30, -30, 60, -60, 90, -90, 135, -135, 180)]
    for turn in turns:
        upright = pose_matrix(np.zeros(3), quat_from_euler_deg((0, 0, float(np.degrees(turn)))))[:3, :3] @ first
        yield _set_down(arm, spot, upright, action.drop_m)


def _set_down(arm: Arm, spot: Array, turn: Array, drop_m: float) -> Array:
    """world_from_tool with the held part so turned, the middle of its lowest face over a spot."""
    assert arm.held is not None
    moment = arm.situation.moment()
    low, high = moment.box(arm.held.part)
    points = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    turned = points @ turn.T
    base = turned.mean(axis=0)
    base[2] = turned[:, 2].min()
    part = np.eye(4)
    part[:3, :3], part[:3, 3] = turn, spot - base + [0.0, 0.0, drop_m]
    return np.asarray(part @ np.linalg.inv(arm.held.tool_from_part))


def _moved(pose: Array, by: Array) -> Array:
    out = pose.copy()
    out[:3, 3] += by
    return out
