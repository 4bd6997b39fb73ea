"""Runs scripts that look at the simulation: plans the next motion when the last one ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.scripts import JointTargets, motions_of
from simvid.physics.segments import Segment
from simvid.physics.tasks.arm import Arm, Motions
from simvid.physics.tasks.handing import Meetings, handover
from simvid.physics.tasks.holding import grasp, lift, place
from simvid.physics.tasks.moving import move_base, reach, wait_until, without_base
from simvid.physics.tasks.noise import joint_noise, rng_of
from simvid.physics.tasks.opening import open_body
from simvid.physics.tasks.pouring import pour
from simvid.physics.tasks.pushing import push, wipe
from simvid.physics.tasks.situation import Situation
from simvid.physics.tasks.walking import gait
from simvid.physics.tools import find_gripper, find_tool
from simvid.scene import (
    Action,
    Gait,
    Grasp,
    GripperTo,
    Handover,
    Lift,
    MoveBase,
    Open,
    Pour,
    Push,
    Reach,
    SetDown,
    WaitUntil,
    Wipe,
)

Array = NDArray[np.float64]
MAX_EMPTY = 1000
"""Motions shorter than a step that may follow each other."""


@dataclass(eq=False)
class _Script:
    """One robot's script on its way."""

    arm: Arm
    targets: JointTargets
    noise: Array | None
    motions: Iterator[Segment]
    phases: list[tuple[float, int]] = field(default_factory=list)
    """When each action began, and which it was; -1 is the end."""
    filled: int = 1
    """Rows of the targets that are settled."""
    until_s: float = 0.0
    """End of the last motion."""
    over: bool = False


class Runner:
    """Keeps the joint targets of all robots whose scripts look at the simulation one motion ahead.

    Attributes:
        scripts: by robot index; robots with scripts that are planned before are not in it.
    """

    def __init__(self, situation: Situation, targets: tuple[JointTargets, ...]) -> None:
        """Start the scripts.

        Args:
            situation: the simulation at t = 0.
            targets: of each robot; those of looking scripts hold its start, and are filled as time goes on.
        """
        self._meetings: Meetings = {}
        scene = situation.assets.scene
        self.scripts: dict[int, _Script] = {}
        for k, (robot, model) in enumerate(zip(scene.robots, situation.assets.robots, strict=True)):
            if not any(action.looks for action in robot.script):
                continue
            gripper, _ = find_gripper(model, robot)
            chain, _ = find_tool(model, robot, gripper)
            start = np.clip(model.home, model.lower, model.upper)
            arm = Arm(k, model, robot, chain, gripper, situation, rng_of(scene.seed, f"{robot.name} script"), start)
            arm.chain = without_base(arm)
            noise = joint_noise(scene, robot, len(start), gripper, len(targets[k].times_s) - 1)
            script = _Script(arm, targets[k], noise, iter(()))
            script.motions = self._all(script)
            self.scripts[k] = script

    def before(self, step: int) -> list[tuple[int, int, int]]:
        """Settle what the robots are told at the end of a step, from the state before it.

        Returns:
            (robot, first row, end row) of the joint targets that are new.
        """
        changed = []
        for k, script in self.scripts.items():
            first = script.filled
            while script.filled <= step + 1 and not script.over:
                self._next(script)
            if script.filled > first:
                changed.append((k, first, script.filled))
        return changed

    def _next(self, script: _Script) -> None:
        """Take one motion in."""
        arm, times = script.arm, script.targets.times_s
        for _ in range(MAX_EMPTY):
            now = max(script.until_s, float(times[script.filled - 1]))
            segment = next(script.motions, None)
            if segment is None:
                script.over = True
                script.phases.append((now, -1))
                self._fill(script, len(times), None, now)
                return
            script.until_s = now + segment.duration_s
            end = int(np.searchsorted(times, script.until_s - 1e-12))
            if end > script.filled:
                self._fill(script, end, segment, now)
                arm.q = segment.end
                return
            arm.q = segment.end
        raise PhysicsError(f"robot {arm.spec.name!r}: {arm.path} goes on without taking time; please report this")

    def _fill(self, script: _Script, end: int, segment: Segment | None, start_s: float) -> None:
        rows = slice(script.filled, end)
        targets, noise = script.targets, script.noise
        if segment is None:
            targets.positions[rows], targets.velocities[rows] = script.arm.q, 0.0
        else:
            targets.positions[rows], targets.velocities[rows] = segment.at(targets.times_s[rows] - start_s)
        if noise is not None:
            targets.positions[rows] += noise[rows]
            step = float(targets.times_s[1] - targets.times_s[0])
            targets.velocities[rows] += (noise[rows] - noise[rows.start - 1 : end - 1]) / step
            model = script.arm.model
            np.clip(targets.positions[rows], model.lower, model.upper, out=targets.positions[rows])
        script.filled = end

    def _all(self, script: _Script) -> Iterator[Segment]:
        arm = script.arm
        for k, action in enumerate(arm.spec.script):
            arm.path = f"robots[{arm.index}].script[{k}].{action.kind}"
            script.phases.append((max(script.until_s, 0.0), k))
            noise = arm.spec.noise
            arm.target_noise = arm.rng.normal(0.0, noise.target_m, 3) if noise and noise.target_m else np.zeros(3)
            yield from motions(arm, action, self._meetings)


MAKERS: dict[type, Callable[..., Motions]] = {
    Gait: gait, Grasp: grasp, Lift: lift, MoveBase: move_base, Open: open_body, SetDown: place, Pour: pour,
    Push: push, Reach: reach, WaitUntil: wait_until, Wipe: wipe,
}  # fmt: skip


def motions(arm: Arm, action: Action, meetings: Meetings) -> Motions:
    """The motions of one action, each planned when the one before has ended."""
    value = action.value
    if isinstance(value, Handover):
        yield from handover(arm, value, meetings)
    elif action.looks:
        yield from MAKERS[type(value)](arm, value)
    else:
        segments, faults = motions_of(arm.model, arm.spec, arm.q, action)
        if faults:
            path, text = faults[0]
            arm.refuse(text, path)
        if value == "open" or isinstance(value, GripperTo):
            arm.held = None
        yield from segments
