"""Positions and speeds at t = 0, in MuJoCo's coordinates."""

from __future__ import annotations

from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.errors import SceneError
from simvid.physics.kinematic import start_pose
from simvid.rotations import pose_vector

Array = NDArray[np.float64]
SPEED_SLACK = 1e-6
"""Part of a given speed that a joint may not carry [m/s or rad/s]."""


def set_start(m: Any, d: Any, assets: SceneAssets, bodies: NDArray[np.int32], parents: tuple[int, ...]) -> None:
    """Set the start of all bodies; robots have theirs already.

    Raises:
        SceneError: a speed that the body's joint does not allow.
    """
    free = int(mujoco.mjtJoint.mjJNT_FREE)
    tied: list[int] = []
    for k, part in enumerate(assets.parts):
        joint = int(m.body_jntadr[bodies[k]]) if bodies[k] > 0 else -1
        if part.part.kind != "body" or joint < 0:
            continue
        if int(m.jnt_type[joint]) != free:
            tied.append(k)
            continue
        at, speed_at = int(m.jnt_qposadr[joint]), int(m.jnt_dofadr[joint])
        d.qpos[at : at + 7] = pose_vector(start_pose(part))
        if part.body is not None and part.body.motion is None:
            d.qvel[speed_at : speed_at + 3] = part.body.velocity_m_s
            d.qvel[speed_at + 3 : speed_at + 6] = part.pose[:3, :3].T @ part.body.angular_velocity_rad_s
    for k in sorted(tied, key=lambda j: _depth(j, parents)):  # parents first: speeds are relative to theirs
        _set_tied(m, d, assets.parts[k], int(bodies[k]))


def _depth(part: int, parents: tuple[int, ...]) -> int:
    depth = 0
    while parents[part] >= 0:
        part, depth = parents[part], depth + 1
    return depth


def _set_tied(m: Any, d: Any, part: PartAssets, body: int) -> None:
    """Speeds of a joint from those of its body: the joint's own share is solved for, the rest must be nothing."""
    if part.body is None:
        return
    wanted = np.array([*part.body.velocity_m_s, *part.body.angular_velocity_rad_s], np.float64)
    joint = int(m.body_jntadr[body])
    at = int(m.jnt_dofadr[joint])
    count = 3 if int(m.jnt_type[joint]) == int(mujoco.mjtJoint.mjJNT_BALL) else 1
    mujoco.mj_kinematics(m, d)
    mujoco.mj_comPos(m, d)
    jacobian = np.zeros((6, m.nv))
    mujoco.mj_jacBody(m, d, jacobian[:3], jacobian[3:], body)
    carried = jacobian @ d.qvel
    given = [bool(np.any(wanted[:3])), bool(np.any(wanted[3:]))]
    if not any(given):
        return
    rows = np.repeat(given, 3)
    own = jacobian[:, at : at + count]
    speed, *_ = np.linalg.lstsq(own[rows], (wanted - carried)[rows], rcond=None)
    left = (wanted - carried - own @ speed)[rows]
    if float(np.abs(left).max()) > SPEED_SLACK * max(1.0, float(np.abs(wanted).max())):
        raise SceneError(
            f"body {part.part.name!r}: its joint does not allow the velocity_m_s and angular_velocity_rad_s given; it "
            f"would leave {np.array2string(left, precision=3)} over. Give the one that the joint carries: "
            "angular_velocity_rad_s along a hinge's axis, velocity_m_s along a slider's, any about a ball's anchor"
        )
    d.qvel[at : at + count] = speed
