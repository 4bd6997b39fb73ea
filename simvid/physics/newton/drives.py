"""All that acts on the world from outside: keyframed paths, joint targets, kicks."""

from __future__ import annotations

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.physics.kinematic import KeyframedPath
from simvid.physics.newton.world import World
from simvid.physics.scripts import JointTargets
from simvid.physics.tasks.noise import kicks as random_kicks
from simvid.rotations import quat_multiply

Array = NDArray[np.float64]


class Drives:
    """Tables for S steps. ``apply(s)`` sets up step s, from time s h to (s + 1) h.

    A keyframed body has the velocity of its path and the force that its path needs, so that what stands on it is
    dragged along and what hangs from it feels its acceleration.
    """

    def __init__(self, world: World, targets: tuple[JointTargets, ...], steps: int) -> None:
        """Tabulate.

        Args:
            world: the scene.
            targets: of each robot, at S + 1 times.
            steps: S.
        """
        self._world = world
        m, h = world.m, float(world.m.opt.timestep)
        self._control_at = np.concatenate([np.zeros(0, np.int32), *(r.actuators for r in world.robots)])
        self._targets = targets
        controls = [r.controls(m, t) for r, t in zip(world.robots, targets, strict=True)]
        widths = [c.shape[1] for c in controls]
        self._columns = [slice(sum(widths[:k]), sum(widths[: k + 1])) for k in range(len(widths))]
        self._controls = np.concatenate(controls, axis=1) if controls else np.zeros((steps + 1, 0))
        paths = {
            k: KeyframedPath.of(part.body.motion)
            for k, part in enumerate(world.assets.parts)
            if part.body is not None and part.body.motion is not None
        }
        self.paths = paths
        joints = [int(m.body_jntadr[world.bodies[k]]) for k in paths]
        self._position_at = np.concatenate([np.zeros(0, int), *(m.jnt_qposadr[j] + np.arange(7) for j in joints)])
        self._speed_at = np.concatenate([np.zeros(0, int), *(m.jnt_dofadr[j] + np.arange(6) for j in joints)])
        tables = [_table(path, steps, h) for path in paths.values()]
        self._positions = np.concatenate([np.zeros((steps + 1, 0)), *(t[0] for t in tables)], axis=1)
        self._speeds = np.concatenate([np.zeros((steps, 0)), *(t[1] for t in tables)], axis=1)
        pushes = np.concatenate([np.zeros((steps, 0)), *(t[2] for t in tables)], axis=1)
        self._pushes = pushes * m.dof_armature[self._speed_at]
        self._kicks = self._scheduled(h)
        self._kicked = False

    def retarget(self, robot: int, first: int, end: int) -> None:
        """Take in joint targets of a robot that have changed, from one row to before another."""
        found, targets = self._world.robots[robot], self._targets[robot]
        rows = slice(first, end)
        changed = JointTargets.bare(targets.times_s[rows], targets.positions[rows], targets.velocities[rows])
        self._controls[rows, self._columns[robot]] = found.controls(self._world.m, changed)

    def _scheduled(self, h: float) -> dict[int, list[tuple[int, Array, Array]]]:
        """Step -> (body, impulse, point in the body's frame)."""
        kicks: dict[int, list[tuple[int, Array, Array]]] = {}
        for k, part in enumerate(self._world.assets.parts):
            if part.body is None or not self._world.moving[k]:
                continue
            for kick in part.body.impulses:
                step = round(kick.t_s / h)
                entry = (int(self._world.bodies[k]), np.array(kick.impulse_n_s), np.array(kick.at_m))
                kicks.setdefault(step, []).append(entry)
        names = {p.part.name: k for k, p in enumerate(self._world.assets.parts)}
        for push in random_kicks(self._world.assets.scene):
            k = names[push.body]
            entry = (
                int(self._world.bodies[k]),
                np.array(push.impulse_n_s),
                self._world.m.body_ipos[self._world.bodies[k]],
            )
            kicks.setdefault(round(push.t_s / h), []).append(entry)
        return kicks

    def apply(self, step: int) -> None:
        """Set controls, keyframed states and forces for a step."""
        d = self._world.d
        if len(self._control_at):
            d.ctrl[self._control_at] = self._controls[step + 1]
        if self._kicked:
            d.qfrc_applied[:] = 0.0
            self._kicked = False
        if len(self._speed_at):
            d.qpos[self._position_at] = self._positions[step]
            d.qvel[self._speed_at] = self._speeds[step]
            d.qfrc_applied[self._speed_at] = self._pushes[step]
        if step in self._kicks:
            self._kick(self._kicks[step])

    def _kick(self, kicks: list[tuple[int, Array, Array]]) -> None:
        """Forces whose integral over one step is the impulse."""
        m, d = self._world.m, self._world.d
        mujoco.mj_kinematics(m, d)
        mujoco.mj_comPos(m, d)
        h = float(m.opt.timestep)
        for body, impulse, at in kicks:
            point = d.xpos[body] + d.xmat[body].reshape(3, 3) @ at
            mujoco.mj_applyFT(m, d, impulse / h, np.zeros(3), point, body, d.qfrc_applied)
        self._kicked = True

    def finish(self, step: int) -> None:
        """Put keyframed bodies exactly where they are before a step."""
        if len(self._position_at):
            self._world.d.qpos[self._position_at] = self._positions[step]


def _table(path: KeyframedPath, steps: int, h: float) -> tuple[Array, Array, Array]:
    """Positions [S + 1, 7], and before each step speeds [S, 6] and accelerations [S, 6] in MuJoCo's coordinates.

    MuJoCo steps semi-implicitly: v' = v + h a, x' = x + h v'. So v' = (x' - x) / h, turned into the body's axes.
    """
    poses, _ = path.at(np.arange(steps + 1, dtype=np.float64) * np.float64(h))
    after = np.zeros((steps, 6))
    after[:, :3] = np.diff(poses[:, :3], axis=0) / h
    inverse = poses[:-1, 3:] * (1.0, -1.0, -1.0, -1.0)
    turn = quat_multiply(inverse, poses[1:, 3:])
    turn *= np.where(turn[:, :1] < 0, -1.0, 1.0)
    sine = np.linalg.norm(turn[:, 1:], axis=1)
    angle = 2 * np.arctan2(sine, turn[:, 0])
    after[:, 3:] = turn[:, 1:] * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-300), 2.0)[:, None] / h
    before = np.vstack([after[:1], after[:-1]])
    return poses, before, (after - before) / h
