"""Reach around obstacles, wait until something is true, drive a base."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simvid.physics.kinematics import ToolChain
from simvid.physics.segments import Straight
from simvid.physics.tasks.arm import Arm, Motions
from simvid.physics.tasks.paths import STEP_M
from simvid.physics.tasks.places import place_of
from simvid.rotations import matrix_from_quat, quat_from_euler_deg
from simvid.scene import MoveBase, Reach, WaitUntil
from simvid.success import holds

Array = NDArray[np.float64]
LOOK_S = 0.02
"""How often ``wait_until`` looks."""
AXIS_COS = 0.98
DRIVE_M_S2, TURN_RAD_S2 = 1.0, 2.0
"""Largest acceleration of a base where no time is asked for."""
PEAK_ACCELERATION = 5.7735
"""Of a minimum-jerk move over distance and time 1: 10 / sqrt(3)."""
ARRIVED, ARRIVE_S = 0.005, 2.0
"""A base this near to its place [m or rad] is there; longest wait for it."""
ARM_JOINTS = 6
"""An arm of so many joints does without its base."""


def reach(arm: Arm, action: Reach) -> Motions:
    """The tool to a place, on a free path."""
    assert action.to is not None
    goal = arm.told()
    goal[:3, 3] = place_of(action.to, arm.situation.moment())
    if action.rotation_deg is not None:
        goal[:3, :3] = matrix_from_quat(quat_from_euler_deg(action.rotation_deg))
    yield arm.travel([arm.noisy(goal)], action.over_s, below=".to")


def wait_until(arm: Arm, action: WaitUntil) -> Motions:
    """Hold until all conditions are true, or the time is up."""
    start = arm.situation.time_s
    while arm.situation.time_s - start < action.timeout_s:
        moment = arm.situation.moment()
        if all(holds(predicate, moment)[0] for predicate in action.all):
            return
        yield arm.hold(LOOK_S)
    arm.note(f"wait_until: not true after {action.timeout_s:g} s")


def base_joints(arm: Arm) -> tuple[list[int], int | None]:
    """Joints that slide over the ground, and the one that turns about the vertical; those the scene names, else the
    first joints of the tool's chain as long as they are such."""
    model = arm.model
    if arm.spec.base_joints is not None:
        chosen = [model.joint_index(name) for name in arm.spec.base_joints if name in model.joint_names]
    else:
        chosen = []
        for j in model.chain(arm.chain.link):
            joint = model.joints[j]
            if joint.kind != "slide" and not (chosen and _vertical(arm, j)):
                break
            chosen.append(j)
    slides = [j for j in chosen if model.joints[j].kind == "slide" and not _vertical(arm, j)]
    turns = [j for j in chosen if model.joints[j].kind == "hinge" and _vertical(arm, j)]
    return slides, turns[0] if turns else None


def without_base(arm: Arm) -> ToolChain:
    """The arm's tool on the joints that are not its base's, where enough are left: grasping does not drive."""
    slides, turn = base_joints(arm)
    own = tuple(j for j in arm.chain.joints if j not in slides and j != turn)
    return replace(arm.chain, joints=own) if slides and len(own) >= ARM_JOINTS else arm.chain


def _axis(arm: Arm, joint: int) -> Array:
    """World axis of a joint as the robot stands."""
    found = arm.model.joints[joint]
    return np.asarray(arm.model.forward(arm.q)[found.link][:3, :3] @ found.axis)


def _vertical(arm: Arm, joint: int) -> bool:
    return abs(float(_axis(arm, joint)[2])) > AXIS_COS


def move_base(arm: Arm, action: MoveBase) -> Motions:
    """Straight over the ground in joint space, turning evenly."""
    slides, turn = base_joints(arm)
    if not slides:
        arm.refuse("move_base needs joints that slide over the ground (base_joints); this robot has none")
    last = arm.model.joints[turn if turn is not None else slides[-1]].link
    here = arm.model.forward(arm.q)[last]
    way = np.asarray(action.to_m) - here[:2, 3]
    axes = np.stack([_axis(arm, j)[:2] for j in slides], axis=1)
    moves = np.linalg.lstsq(axes, way, rcond=None)[0]
    goal = arm.q.copy()
    goal[slides] += moves
    if action.yaw_deg is not None:
        if turn is None:
            arm.refuse("this base has no joint that turns about the vertical", ".yaw_deg")
        goal[turn] = _turned(arm, turn, float(np.arctan2(here[1, 0], here[0, 0])), action.yaw_deg)
    kept = np.clip(goal, arm.model.lower, arm.model.upper)
    reached = here[:2, 3] + axes @ (kept[slides] - arm.q[slides])
    missing = float(np.linalg.norm(reached - np.asarray(action.to_m)))
    if missing > 0.005:
        arm.refuse(
            f"({action.to_m[0]:.3f}, {action.to_m[1]:.3f}) m cannot be driven to; the nearest is ({reached[0]:.3f}, "
            f"{reached[1]:.3f}) m, {missing:.3f} m away", ".to_m",
        )  # fmt: skip
    for share in np.linspace(0.0, 1.0, max(30, int(np.ceil(float(np.abs(kept - arm.q).max()) / STEP_M)))):
        if (hit := arm.hit(arm.q + (kept - arm.q) * share)) is not None:
            arm.refuse(f"{hit} after {share:.0%} of the way; drive around it over another point", ".to_m")
    yield Straight(_drive_s(arm, kept, slides, action.over_s), arm.q, kept)
    driven = slides if turn is None else [*slides, turn]
    for _ in range(round(ARRIVE_S / LOOK_S)):
        if float(np.abs(arm.situation.joints(arm.index) - arm.q)[driven].max()) <= ARRIVED:
            return
        yield arm.hold(LOOK_S)
    arm.note(f"move_base: not there {ARRIVE_S:g} s after it should have been")


def _turned(arm: Arm, turn: int, heading: float, yaw_deg: float) -> float:
    """Position of the turning joint at a heading, the nearest one within its limits [rad]."""
    sign, now = float(np.sign(_axis(arm, turn)[2])), float(arm.q[turn])
    off = (np.radians(yaw_deg) - heading + np.pi) % (2 * np.pi) - np.pi
    low, high = float(arm.model.lower[turn]), float(arm.model.upper[turn])
    found = [now + sign * (off + 2 * np.pi * k) for k in range(-2, 3)]
    allowed = [q for q in found if low - 1e-9 <= q <= high + 1e-9]
    if not allowed:
        ends = sorted(float(np.degrees(heading + sign * (q - now))) for q in (low, high))
        arm.refuse(f"expected a heading in [{ends[0]:.6g}, {ends[1]:.6g}] deg, got {yaw_deg:g}", ".yaw_deg")
    return float(min(allowed, key=lambda q: abs(q - now)))


def _drive_s(arm: Arm, goal: Array, slides: list[int], over_s: float | None) -> float:
    """As long as asked, else as is gentle for a heavy base; longer where the joints' speed limits need it."""
    straight = Straight(1.0, arm.q, goal)
    needed = float((straight.peak_speeds / arm.limits).max(initial=0.0))
    if over_s is not None:
        if needed > over_s:
            arm.note(f"takes {needed:.2f} s instead of {over_s:g} s: the joints cannot be faster")
        return max(over_s, needed)
    most = np.where(np.isin(np.arange(len(goal)), slides), DRIVE_M_S2, TURN_RAD_S2)
    gentle = float(np.sqrt(PEAK_ACCELERATION * (np.abs(goal - arm.q) / most).max(initial=0.0)))
    return max(0.3, needed, gentle)
