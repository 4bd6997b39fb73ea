"""Reach around obstacles, wait until something is true, drive a base."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.physics.segments import Straight
from simvid.physics.tasks.arm import Arm, Motions
from simvid.physics.tasks.paths import PACE
from simvid.physics.tasks.places import place_of
from simvid.rotations import matrix_from_quat, quat_from_euler_deg
from simvid.scene import MoveBase, Reach, WaitUntil
from simvid.success import holds

Array = NDArray[np.float64]
LOOK_S = 0.02
"""How often ``wait_until`` looks."""
AXIS_COS = 0.98


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
        now = float(np.arctan2(here[1, 0], here[0, 0]))
        off = (np.radians(action.yaw_deg) - now + np.pi) % (2 * np.pi) - np.pi
        goal[turn] += off * np.sign(_axis(arm, turn)[2])
    kept = np.clip(goal, arm.model.lower, arm.model.upper)
    reached = here[:2, 3] + axes @ (kept[slides] - arm.q[slides])
    missing = float(np.linalg.norm(reached - np.asarray(action.to_m)))
    if missing > 0.005:
        arm.refuse(
            f"({action.to_m[0]:.3f}, {action.to_m[1]:.3f}) m cannot be driven to; the nearest is ({reached[0]:.3f}, "
            f"{reached[1]:.3f}) m, {missing:.3f} m away", ".to_m",
        )  # fmt: skip
    straight = Straight(1.0, arm.q, kept)
    gentle = float((straight.peak_speeds / np.minimum(arm.limits, PACE)).max(initial=0.0))
    free = arm.freely()
    for share in np.linspace(0.0, 1.0, 30):
        if not free(arm.q + (kept - arm.q) * share):
            arm.refuse(f"something is in the way after {share:.0%} of it", ".to_m")
    yield Straight(action.over_s or max(0.3, gentle), arm.q, kept)
