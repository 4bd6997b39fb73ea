"""Open drawers and doors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.physics.tasks.arm import SETTLE_S, Arm, Motions
from simvid.physics.tasks.choosing import Chosen, Wanted
from simvid.physics.tasks.holding import let_go, take
from simvid.physics.tasks.places import index_of
from simvid.physics.tasks.reaching import along
from simvid.rotations import pose_matrix
from simvid.scene import Hinge, Open, Slider

Array = NDArray[np.float64]
POSES = 24
"""Poses along the opening that inverse kinematics goes through."""
LOOKED_AT = 8
"""Of them, to see whether a grasp is good for it."""
SAG_M = 0.006
"""A Franka's hand hangs so much lower than it is told to, at most."""
FRAGILE_S = 3.0
"""Grasps that can be led along the joint, but not from where the hand will be told to be, count as so much slower."""


def open_body(arm: Arm, action: Open) -> Motions:
    """Grasp the handle, lead the hand along the joint, let go."""
    part = index_of(arm, action.body, ".body")
    handle = part if action.handle is None else index_of(arm, action.handle, ".handle")
    joint = _joint(arm, part, action)
    shares = np.linspace(0, 1, POSES + 1)[1:]

    def leads(option: Chosen) -> float | None:
        """How long the hand takes to follow the handle all the way; None where it cannot.

        The hand will be told to be a little higher than the grasp, for what the servos sag. Where that is too high
        for the joints' limits, the hand would turn in the grasp: such grasps come last.
        """
        looked_at = shares[2 :: POSES // LOOKED_AT]
        knots, missed = along(arm.chain, _led(joint, action, looked_at, option.goal), option.q_goal, orient=arm.orient)
        if missed is not None:
            return None
        told = _raised(option.goal)
        _, missed = along(arm.chain, [told, *_led(joint, action, looked_at, told)], option.q_goal, orient=arm.orient)
        return arm.takes_s(knots) + (FRAGILE_S if missed is not None else 0.0)

    yield from take(arm, handle, Wanted(approach="side", lift=False, fit=leads))
    yield arm.hold(SETTLE_S)
    start = arm.told()
    poses = _led(joint, action, shares, start)
    below = ".by_m" if action.by_m is not None else ".by_deg"
    yield arm.way(poses, action.over_s, below=below, loose=True)
    yield arm.hold(SETTLE_S)
    if action.release:
        yield from let_go(arm, 0.08)


def _led(joint: Slider | Hinge, action: Open, shares: Array, start: Array) -> list[Array]:
    """Where the hand is led from a pose [4, 4], at shares of the opening."""
    return [_opened(joint, action, share) @ start for share in shares]


def _raised(pose: Array) -> Array:
    """A little higher."""
    out = pose.copy()
    out[2, 3] += SAG_M
    return out


def _joint(arm: Arm, part: int, action: Open) -> Slider | Hinge:
    """The joint of the body, or of the one that it is welded to."""
    body = arm.situation.assets.parts[part].body
    joint = body.joint.value if body is not None and body.joint is not None else None
    if isinstance(joint, Slider):
        if action.by_m is None:
            arm.refuse(f"{action.body!r} slides; give by_m", ".by_deg")
        return joint
    if isinstance(joint, Hinge):
        if action.by_deg is None:
            arm.refuse(f"{action.body!r} turns on a hinge; give by_deg", ".by_m")
        return joint
    arm.refuse(f"{action.body!r} has no slider or hinge to open it by", ".body")


def _opened(joint: Slider | Hinge, action: Open, share: float) -> Array:
    """How the opening has moved things by a share of it, in the world, [4, 4]; parents stand still."""
    axis = np.asarray(joint.axis) / np.linalg.norm(joint.axis)
    if isinstance(joint, Slider):
        assert action.by_m is not None
        return pose_matrix(axis * action.by_m * share)
    assert action.by_deg is not None
    half = np.radians(action.by_deg) * share / 2
    turn = pose_matrix(np.zeros(3), [np.cos(half), *(np.sin(half) * axis)])
    anchor = np.asarray(joint.anchor_m)
    turn[:3, 3] = anchor - turn[:3, :3] @ anchor
    return turn
