"""Rotation of free bodies and tops, with their angular momentum kept.

MuJoCo's step treats the gyroscopic torque to first order: a free box's angular momentum drifts by percents per second
and a fast top on a ball joint diverges. Here, after each step, the rotation of every body that floats freely or hangs
on a ball joint from the world is done again from the same torques: the angular momentum L gets h times the torque
(kick), then the body turns for h with L fixed in the world (drift), by the implicit midpoint rule on the rotation group
(Krysl and Endres 2005): second order, and L is kept exactly. Bodies that barely turn, and balls, keep MuJoCo's step.
"""

from __future__ import annotations

from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.mass import combine
from simvid.assets.parts import MassProperties, SceneAssets
from simvid.physics.newton.spin_kernels import Spinning, turn_bodies

Array = NDArray[np.float64]
ROUND = 1e-9
"""Relative spread of the principal moments below which a body is a ball."""


class Spinner:
    """Does the rotations of one model again."""

    def __init__(
        self, m: Any, d: Any, assets: SceneAssets, bodies: NDArray[np.int32], *, hung_only: bool = False
    ) -> None:
        """Find the bodies that it can do; ``hung_only`` leaves free ones to the engine."""
        self._d, self._step = d, float(m.opt.timestep)
        free, hung = int(mujoco.mjtJoint.mjJNT_FREE), int(mujoco.mjtJoint.mjJNT_BALL)
        kinds = {hung} if hung_only else {free, hung}
        found: list[tuple[int, int, bool, Array, Array]] = []
        for k, part in enumerate(assets.parts):
            body = int(bodies[k])
            if part.mass is None or body <= 0 or m.body_jntnum[body] != 1:
                continue
            joint = int(m.body_jntadr[body])
            kind = int(m.jnt_type[joint])
            if kind not in kinds or int(m.body_weldid[m.body_parentid[body]]) != 0 or _carries(m, body):
                continue
            mass = _welded_mass(m, assets, bodies, k)
            inertia, center = mass.inertia_kg_m2, mass.center_m
            if kind == hung:
                arm = center - m.jnt_pos[joint]
                inertia = inertia + mass.mass_kg * (arm @ arm * np.eye(3) - np.outer(arm, arm))
            moments = np.linalg.eigvalsh(inertia)
            if np.ptp(moments) > ROUND * moments[-1] or (kind == free and np.any(center)):
                at, speed = int(m.jnt_qposadr[joint]), int(m.jnt_dofadr[joint])
                found.append((at, speed, kind == free, inertia, center))
        self._bodies = Spinning(
            np.array([f[0] for f in found], np.int64), np.array([f[1] for f in found], np.int64),
            np.array([f[2] for f in found], np.bool_), np.array([f[3] for f in found]).reshape(-1, 3, 3),
            np.array([np.linalg.inv(f[3]) for f in found], np.float64).reshape(-1, 3, 3),
            np.array([f[4] for f in found]).reshape(-1, 3),
        )  # fmt: skip
        self._any = bool(found)
        self._position, self._speed = d.qpos.copy(), d.qvel.copy()

    def before(self) -> None:
        """Remember the state before a step."""
        if self._any:
            self._position[:] = self._d.qpos
            self._speed[:] = self._d.qvel

    def after(self) -> None:
        """Do the rotations of the step again."""
        if self._any:
            d = self._d
            turn_bodies(self._bodies, self._position, self._speed, d.qacc, self._step, d.qpos, d.qvel)


def _carries(m: Any, body: int) -> bool:
    """Whether something hangs on a body by a joint."""
    own = m.body_weldid == body
    return bool((own[m.body_parentid] & ~own).any())


def _welded_mass(m: Any, assets: SceneAssets, bodies: NDArray[np.int32], part: int) -> MassProperties:
    """Of a part with all that is welded to it, in the part's frame."""
    pieces = []
    frame = np.linalg.inv(assets.parts[part].pose)
    for k, other in enumerate(assets.parts):
        if other.mass is not None and int(m.body_weldid[bodies[k]]) == int(bodies[part]):
            place = frame @ other.pose
            turn = place[:3, :3]
            center = turn @ other.mass.center_m + place[:3, 3]
            pieces.append((other.mass.mass_kg, center, turn @ other.mass.inertia_kg_m2 @ turn.T))
    return combine(pieces)
