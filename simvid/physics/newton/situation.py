"""The running simulation as scripts see it, on MuJoCo's state: poses, distances, rehearsals in a copy."""

from __future__ import annotations

import copy
from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.physics.newton.world import World
from simvid.physics.scripts import JointTargets
from simvid.physics.segments import Segment
from simvid.physics.tasks.situation import Carried, Clash
from simvid.physics.tools import find_gripper, find_tool
from simvid.physics.watch import cross
from simvid.rotations import pose_vector
from simvid.success import Moment, part_boxes

Array = NDArray[np.float64]
MARGIN_M = 0.02
"""Gaps up to this size are seen."""


class NewtonSituation:
    """Looks at a world; nothing here changes it."""

    def __init__(self, world: World) -> None:
        """Prepare two copies: a model whose robots feel what is near, and states to try things on."""
        self._world = world
        self._wide = copy.copy(world.m)
        self._wide.geom_margin[:] = MARGIN_M
        self._probe = mujoco.MjData(self._wide)
        self._copy: Any = None
        self._boxes = part_boxes(world.assets)
        self._fixed = np.stack([pose_vector(p.pose) for p in world.assets.parts])
        self._first = read_state(world, world.d, self._fixed)[0]
        self._chains = [
            find_tool(model, spec, find_gripper(model, spec)[0])[0]
            for model, spec in zip(world.assets.robots, world.assets.scene.robots, strict=True)
        ]
        self._of_robot = [
            np.array([p.part.instance == robot.model.name and p.part.kind == "link" for p in world.assets.parts])
            for robot in world.robots
        ]

    @property
    def assets(self) -> SceneAssets:
        """The scene."""
        return self._world.assets

    @property
    def time_s(self) -> float:
        """Now."""
        return float(self._world.d.time)

    def moment(self) -> Moment:
        """As ``Situation.moment``."""
        return self._moment(self._world.d)

    def _moment(self, d: Any) -> Moment:
        poses, twists = read_state(self._world, d, self._fixed)
        ids = self._world.geom_ids - 1
        geoms = d.contact.geom[d.contact.dist < 0] if d.ncon else np.zeros((0, 2), int)
        pairs = frozenset((int(min(ids[a], ids[b])), int(max(ids[a], ids[b]))) for a, b in geoms)
        parts = [p.part for p in self.assets.parts]
        return Moment(parts, self._boxes, self._first, poses, twists, pairs)

    def joints(self, robot: int) -> Array:
        """As ``Situation.joints``."""
        return np.array(self._world.d.qpos[self._world.robots[robot].position_at])

    def clashes(self, robot: int, q: Array, carried: Carried | None, clearance_m: float) -> list[Clash]:
        """As ``Situation.clashes``."""
        if clearance_m > MARGIN_M:
            raise ValueError(f"clashes: expected a clearance of at most {MARGIN_M} m, got {clearance_m}")
        m, d, world = self._wide, self._probe, self._world
        d.qpos[:] = world.d.qpos
        d.qpos[world.robots[robot].position_at] = q
        mujoco.mj_kinematics(m, d)
        own = self._of_robot[robot]
        if carried is not None:
            self._carry(d, robot, q, carried)
            mujoco.mj_kinematics(m, d)
            own = own.copy()
            own[carried.part] = True
        mujoco.mj_collision(m, d)
        if not d.ncon:
            return []
        a, b = (world.geom_ids[d.contact.geom[:, k]] - 1 for k in (0, 1))
        near = (d.contact.dist < clearance_m) & (own[a] | own[b]) & (d.contact.exclude < 2)
        near &= ~(own[a] & own[b]) | (d.contact.dist < 0)
        if carried is not None:  # the hand and what it holds
            near &= ~((a == carried.part) & self._of_robot[robot][b] | (b == carried.part) & self._of_robot[robot][a])
        return [Clash(int(a[k]), int(b[k]), -float(d.contact.dist[k])) for k in np.flatnonzero(near)]

    def _carry(self, d: Any, robot: int, q: Array, carried: Carried) -> None:
        """Put a carried body where the tool takes it."""
        m = self._world.m
        joint = int(m.body_jntadr[self._world.bodies[carried.part]])
        if joint < 0 or int(m.jnt_type[joint]) != int(mujoco.mjtJoint.mjJNT_FREE):
            return
        at = int(m.jnt_qposadr[joint])
        d.qpos[at : at + 7] = pose_vector(self._chains[robot].pose(q) @ carried.tool_from_part)

    def rehearse(self, robot: int, start: Array, segments: list[Segment]) -> tuple[Moment, Array]:
        """As ``Situation.rehearse``; impacts and sliding friction are MuJoCo's own."""
        world, m = self._world, self._world.m
        if self._copy is None:
            self._copy = mujoco.MjData(m)
        d, own = self._copy, world.robots[robot]
        mujoco.mj_copyData(d, m, world.d)
        d.qpos[own.position_at], d.qvel[own.velocity_at], d.qfrc_applied[:] = start, 0.0, 0.0
        for segment in segments:
            h = float(m.opt.timestep)
            times = np.arange(1, max(1, round(segment.duration_s / h)) + 1, dtype=np.float64) * np.float64(h)
            positions, velocities = segment.at(times)
            controls = own.controls(m, JointTargets.bare(times, positions, velocities))
            for row in controls:
                d.ctrl[own.actuators] = row
                mujoco.mj_step(m, d)
        mujoco.mj_forward(m, d)
        return self._moment(d), np.array(d.qpos[own.position_at])


def read_state(world: World, d: Any, fixed: Array) -> tuple[Array, Array]:
    """Poses [B, 7] and twists [B, 6] of all parts after ``mj_kinematics``, ``mj_comPos`` and ``mj_comVel``."""
    m, moving = world.m, world.moving
    mujoco.mj_kinematics(m, d)
    mujoco.mj_comPos(m, d)
    mujoco.mj_comVel(m, d)
    poses, twists = fixed.copy(), np.zeros((len(fixed), 6))
    at = world.bodies[moving]
    poses[moving, :3], poses[moving, 3:] = d.xpos[at], d.xquat[at]
    spin = d.cvel[at, :3]
    twists[moving, :3] = d.cvel[at, 3:] + cross(spin, d.xpos[at] - d.subtree_com[m.body_rootid[at]])
    twists[moving, 3:] = spin
    return poses, twists
