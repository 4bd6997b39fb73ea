"""What acts from outside, summed up per part and frame, so that the laws can be judged afterwards."""

from __future__ import annotations

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.physics.newton.world import World
from simvid.trajectory import OutsideRecord

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


class Ledger:
    """Takes impulses and work of the steps; ``record`` has them by frame."""

    def __init__(self, world: World) -> None:
        """Start empty."""
        scene = world.assets.scene
        self._per_frame, self._frame = scene.steps_per_frame, 1
        self._world, self._step_s = world, float(world.m.opt.timestep)
        shape = (scene.frame_count, len(world.assets.parts))
        self._impulses, self._turns, self._work = np.zeros((*shape, 3)), np.zeros(shape), np.zeros(shape)
        self._parts = self._free_parts()
        self._pull = np.zeros(world.m.nv)

    def _free_parts(self) -> tuple[Ints, Ints]:
        """Parts that float freely, and the first of their six degrees of freedom."""
        m = self._world.m
        free = int(mujoco.mjtJoint.mjJNT_FREE)
        found = [
            (k, int(m.jnt_dofadr[m.body_jntadr[b]]))
            for k, b in enumerate(self._world.bodies.tolist())
            if b > 0 and m.body_jntnum[b] == 1 and int(m.jnt_type[m.body_jntadr[b]]) == free
        ]
        return np.array([k for k, _ in found], np.intp), np.array([at for _, at in found], np.intp)

    def begin(self, step: int) -> None:
        """What comes is of this step."""
        self._frame = step // self._per_frame + 1

    def push(self, part: int, impulse_n_s: Array, work_j: float, turn_n_m_s: float = 0.0) -> None:
        """Something that pushed a part in this step."""
        self._impulses[self._frame, part] += impulse_n_s
        self._turns[self._frame, part] += turn_n_m_s
        self._work[self._frame, part] += work_j

    def pull(self, forces: Array) -> None:
        """Ties: forces of all constraint rows of the step, zero where they are of something else.

        The transposed Jacobian takes them to the bodies: of a free joint the first three degrees of freedom are the
        world's axes, the others the body's own axes about its origin.
        """
        m, d = self._world.m, self._world.d
        mujoco.mj_mulJacTVec(m, d, self._pull, forces)
        parts, at = self._parts
        push = self._pull[at[:, None] + np.arange(3)] * self._step_s
        turn = self._pull[at[:, None] + np.arange(3, 6)] * self._step_s
        bodies = self._world.bodies[parts]
        arm = m.body_ipos[bodies]
        local = np.einsum("kji,kj->ki", d.xmat[bodies].reshape(-1, 3, 3), push)
        self._impulses[self._frame, parts] += push
        self._turns[self._frame, parts] += np.linalg.norm(turn - np.cross(arm, local), axis=1)

    def record(self) -> OutsideRecord:
        """All frames."""
        return OutsideRecord(self._impulses, self._turns, self._work)
