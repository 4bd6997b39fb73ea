"""Motors on the bodies' joints: actuators of MuJoCo, on and off by their windows."""

from __future__ import annotations

from dataclasses import dataclass

from simvid.physics.influences import window
from simvid.physics.newton.joint_settings import driven
from simvid.physics.newton.world import World

GAIN, LIMITED_GAIN = 10.0, 2.0
"""Of a speed motor, over inertia / step, taken implicitly: what a load does in a step is left over divided by this.
With a limit it is 2, the most for which a last step at the limit, which may pass the speed by part of itself, is
followed by steps below the limit; with more it would swing between both limits for ever."""


@dataclass(frozen=True)
class _Motor:
    actuator: int
    first: int
    end: int
    gain: float
    damping: float
    target: float


class Motors:
    """Switches the motors of a world on and off."""

    def __init__(self, world: World) -> None:
        self._m, self._d = world.m, world.d
        h = float(self._m.opt.timestep)
        self._motors: list[_Motor] = []
        for k, motors in driven(world.assets):
            for n, motor in enumerate(motors):
                actuator = int(self._m.actuator(f"motor{k}_{n}").id)
                joint = int(self._m.actuator_trnid[actuator, 0])
                speed, push, limit = motor.drive
                start, end = window(motor)
                inertia = 1 / float(self._m.dof_invweight0[self._m.jnt_dofadr[joint]])
                gain = (GAIN if limit is None else LIMITED_GAIN) * inertia / h if speed is not None else 1.0
                target = speed if speed is not None else push
                assert target is not None
                last = round(min(end, 1e9) / h)
                damping = gain if speed is not None else 0.0
                self._motors.append(_Motor(actuator, round(start / h), last, gain, damping, target))
        self._times = {m.first for m in self._motors} | {m.end for m in self._motors} | {0}
        self.some = bool(self._motors)

    def apply(self, step: int) -> None:
        """Set gains and targets where something changes with a step."""
        if step not in self._times:
            return
        for motor in self._motors:
            on = motor.first <= step < motor.end
            self._m.actuator_gainprm[motor.actuator, 0] = motor.gain if on else 0.0
            self._m.actuator_biasprm[motor.actuator, 2] = -motor.damping if on else 0.0
            self._d.ctrl[motor.actuator] = motor.target if on else 0.0
