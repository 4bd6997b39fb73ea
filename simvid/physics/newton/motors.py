"""Motors on the bodies' joints: actuators of MuJoCo, on and off by their windows."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco  # noqa: TID253  only the Newton engine imports this module

from simvid.physics.influences import window
from simvid.physics.newton.joint_settings import driven
from simvid.physics.newton.world import World

GAIN, LIMITED_GAIN = 10.0, 2.0
"""Of a speed motor, over inertia / step, taken implicitly: what a load does in a step is left over divided by this.
With a limit it is 2, the most for which a last step at the limit, which may pass the speed by part of itself, is
followed by steps below the limit; with more it would swing between both limits for ever."""
EXPLICIT_GAIN = 0.9
"""With a limit, beside robots, where steps are explicit (``robots.fold_damping``): 1 takes all that is missing in one
step. Without a limit there the gain stays, and step x gain is armature, which is the same as taking it implicitly."""


@dataclass(frozen=True)
class _Motor:
    actuator: int
    dof: int
    first: int
    end: int
    gain: float
    damping: float
    armature: float
    target: float


class Motors:
    """Switches the motors of a world on and off."""

    def __init__(self, world: World) -> None:
        self._m, self._d = world.m, world.d
        h = float(self._m.opt.timestep)
        explicit = int(self._m.opt.integrator) == int(mujoco.mjtIntegrator.mjINT_EULER)
        limited = EXPLICIT_GAIN if explicit else LIMITED_GAIN
        self._armature = self._m.dof_armature.copy()
        self._motors: list[_Motor] = []
        for k, motors in driven(world.assets):
            for n, motor in enumerate(motors):
                actuator = int(self._m.actuator(f"motor{k}_{n}").id)
                dof = int(self._m.jnt_dofadr[int(self._m.actuator_trnid[actuator, 0])])
                speed, push, limit = motor.drive
                start, end = window(motor)
                inertia = 1 / float(self._m.dof_invweight0[dof])
                gain = (GAIN if limit is None else limited) * inertia / h if speed is not None else 1.0
                target = speed if speed is not None else push
                assert target is not None
                last = round(min(end, 1e9) / h)
                damping = gain if speed is not None else 0.0
                armature = h * damping if explicit and limit is None else 0.0
                self._motors.append(_Motor(actuator, dof, round(start / h), last, gain, damping, armature, target))
        self._times = {m.first for m in self._motors} | {m.end for m in self._motors} | {0}
        self.some = bool(self._motors)

    def apply(self, step: int) -> None:
        """Set gains and targets where something changes with a step."""
        if step not in self._times:
            return
        self._m.dof_armature[:] = self._armature
        for motor in self._motors:
            on = motor.first <= step < motor.end
            self._m.actuator_gainprm[motor.actuator, 0] = motor.gain if on else 0.0
            self._m.actuator_biasprm[motor.actuator, 2] = -motor.damping if on else 0.0
            self._m.dof_armature[motor.dof] += motor.armature if on else 0.0
            self._d.ctrl[motor.actuator] = motor.target if on else 0.0
