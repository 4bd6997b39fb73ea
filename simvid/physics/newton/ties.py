"""Ties between MuJoCo's bodies that come, go and break: equality constraints, switched on and off.

Joints that can break are such ties between free bodies, since MuJoCo's own joints are part of the tree of bodies and
cannot be taken out. A weld has six rows, three of force on the anchor and three of torque about it (its rotation rows
are half the angle, in the second body's axes); a ball has the first three; a hinge is two balls on its axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.physics.newton.obstacles import floats
from simvid.physics.newton.tie_plans import Tie, ties_of
from simvid.physics.newton.world import World
from simvid.rotations import quat_multiply
from simvid.trajectory import TieEvent

Array = NDArray[np.float64]
ARM_M = 0.05
"""Of the two balls of a hinge from its anchor."""
NEVER = 1 << 60
STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)


@dataclass(eq=False)
class _State:
    """A tie as MuJoCo has it."""

    tie: Tie
    rows: tuple[int, ...]
    """Its equality constraints."""
    exclude: int
    signature: int
    start: int
    end: int
    on: bool = False


class Ties:
    """Switches the ties of a world on and off, and watches what they bear. ``events`` tells what happened."""

    def __init__(self, world: World) -> None:
        self._world, self._step_s = world, float(world.m.opt.timestep)
        self.events: list[TieEvent] = []
        self._states = [self._state(n, tie) for n, tie in enumerate(ties_of(world.assets))]
        self._times = {s.start for s in self._states} | {s.end for s in self._states}
        self.kept: frozenset[int] = frozenset()
        """Parts that do not float while something ties them, by other ties or at once, to what does not."""
        self._watched: list[_State] = []
        self._rows: list[int] = []
        self._saved = np.zeros(mujoco.mj_stateSize(world.m, STATE))
        self._acceleration = np.zeros(world.m.nv)

    def _state(self, n: int, tie: Tie) -> _State:
        m = self._world.m
        rows = tuple(m.equality(f"tie{n}_{side}").id for side in range(2 if tie.kind == "hinge" else 1))
        exclude = mujoco.mj_name2id(m, mujoco.mjtObj.mjOBJ_EXCLUDE, f"tie{n}")
        signature = int(m.exclude_signature[exclude]) if exclude >= 0 else 0
        if exclude >= 0:
            m.exclude_signature[exclude] = 0
        end = NEVER if np.isinf(tie.end_s) else round(tie.end_s / self._step_s)
        return _State(tie, rows, exclude, signature, round(tie.start_s / self._step_s), end)

    def before(self, step: int) -> dict[str, int]:
        """Begin and end what begins and ends with a step; the number of bodies of each hold begun."""
        held: dict[str, int] = {}
        if step not in self._times:
            return held
        m, d = self._world.m, self._world.d
        mujoco.mj_kinematics(m, d)
        for state in self._states:
            if state.on and state.end == step:
                self._switch(state, on=False)
                self._told("release", state, step * self._step_s)
            elif state.start == step and not state.on:
                there = self._is_there(state.tie)
                if state.tie.place is not None:
                    held[state.tie.name] = held.get(state.tie.name, 0) + there
                if there:
                    self._fix(state)
                    self._switch(state, on=True)
                if there and step:
                    self._told("tie", state, step * self._step_s)
        return held

    def _is_there(self, tie: Tie) -> bool:
        if tie.place is None:
            return True
        body = int(self._world.bodies[tie.a])
        return bool(tie.place.holds(self._world.d.xipos[[body]])[0])

    def _fix(self, state: _State) -> None:
        """Keep the bodies as they stand now."""
        m, d, tie = self._world.m, self._world.d, state.tie
        one, two = (0 if k < 0 else int(self._world.bodies[k]) for k in (tie.a, tie.b))
        turns = [d.xmat[body].reshape(3, 3) for body in (one, two)]
        for row, sign in zip(state.rows, (1.0, -1.0), strict=False):
            arm = sign * ARM_M * tie.axis if tie.kind == "hinge" else np.zeros(3)
            anchor = d.xpos[one] + turns[0] @ (tie.point + arm)
            places = [turn.T @ (anchor - d.xpos[body]) for turn, body in zip(turns, (one, two), strict=True)]
            data = m.eq_data[row]
            if tie.kind == "weld":
                data[:3], data[3:6] = places[1], places[0]
                data[6:10] = quat_multiply(d.xquat[one] * (1, -1, -1, -1), d.xquat[two])
                data[10] = 1.0
            else:
                data[:3], data[3:6] = places

    def _switch(self, state: _State, *, on: bool) -> None:
        m, d = self._world.m, self._world.d
        state.on = on
        for row in state.rows:
            d.eq_active[row] = on
        if state.exclude >= 0:
            m.exclude_signature[state.exclude] = state.signature if on else 0
        self._watched = [s for s in self._states if s.on and s.tie.breaks is not None]
        self._rows = [row for s in self._states if s.on for row in s.rows]
        self.kept = self._find_kept()

    def _find_kept(self) -> frozenset[int]:
        world, found = self._world, set[int]()
        ends = [pair for s in self._states if s.on for pair in ((s.tie.a, s.tie.b), (s.tie.b, s.tie.a))]
        fast = {k for pair in ends for k in pair if k < 0 or not floats(world.m, int(world.bodies[k]))}
        while new := {k for k, other in ends if k >= 0 and k not in found and other in fast | found}:
            found |= new
        return frozenset(found)

    def save(self) -> None:
        """Remember the state before a step that may break something."""
        if self._watched:
            mujoco.mj_getState(self._world.m, self._world.d, self._saved, STATE)
            self._acceleration[:] = self._world.d.qacc

    def broke(self, step: int) -> bool:
        """Break the tie that the step has overloaded most, and go back to before the step.

        A brittle tie passes on nothing of a blow that it cannot bear, and what it leaves to the others shows when the
        step is taken again; so a step is taken until nothing is overloaded, at most once for each tie.
        """
        worst, found = 1.0, None
        for state in self._watched:
            breaks = state.tie.breaks
            assert breaks is not None
            load = self._load(state)
            limits = (breaks.force_n or np.inf, breaks.torque_n_m or np.inf)
            over = max(value / limit for value, limit in zip(load, limits, strict=True))
            if over > worst:
                worst, found = over, (state, load)
        if found is None:
            return False
        mujoco.mj_setState(self._world.m, self._world.d, self._saved, STATE)
        self._world.d.qacc[:] = self._acceleration
        self._switch(found[0], on=False)
        self.save()  # with that tie off
        self._told("break", found[0], (step + 1) * self._step_s, *found[1])
        return True

    def forces(self) -> NDArray[np.float64] | None:
        """Of all constraint rows in the last step those of ties [N and N m]; None where nothing is tied."""
        if not self._rows:
            return None
        d = self._world.d
        ours = np.zeros(len(d.efc_force))
        mine = np.isin(d.efc_id[: d.ne], self._rows) & (
            d.efc_type[: d.ne] == int(mujoco.mjtConstraint.mjCNSTR_EQUALITY)
        )
        ours[: d.ne][mine] = d.efc_force[: d.ne][mine]
        return ours

    def _load(self, state: _State) -> tuple[float, float]:
        """Force [N] and torque about the anchor [N m] in the last step."""
        d, kind = self._world.d, state.tie.kind
        ids = d.efc_id[: d.ne]
        equality = d.efc_type[: d.ne] == int(mujoco.mjtConstraint.mjCNSTR_EQUALITY)
        forces = [d.efc_force[: d.ne][equality & (ids == row)] for row in state.rows]
        if kind == "weld":
            return float(np.linalg.norm(forces[0][:3])), float(np.linalg.norm(forces[0][3:])) / 2
        force = np.sum(forces, axis=0)
        if kind == "ball":
            return float(np.linalg.norm(force)), 0.0
        axis = d.xmat[int(self._world.bodies[state.tie.a])].reshape(3, 3) @ state.tie.axis
        return float(np.linalg.norm(force)), float(np.linalg.norm(np.cross(ARM_M * axis, forces[0] - forces[1])))

    def _told(self, kind: Any, state: _State, time_s: float, force: float = 0.0, torque: float = 0.0) -> None:
        parts = [p.part.name for p in self._world.assets.parts]
        things = tuple(parts[k] for k in (state.tie.a, state.tie.b) if k >= 0)
        self.events.append(TieEvent(kind, state.tie.name, things, time_s, force, torque))
