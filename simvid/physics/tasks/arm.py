"""A robot while its script runs: where it is told to be, what it holds, and the motions that actions are made of."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.robot_model import RobotModel
from simvid.errors import SceneError
from simvid.physics.kinematics import ToolChain, follow_line, pose_error
from simvid.physics.scripts import DEFAULT_SPEED
from simvid.physics.segments import Hold, Segment, Spline, Straight
from simvid.physics.tasks.paths import LOADED_PACE, MAX_NODES, PACE, Found, Planner, nearest_path, timed_free
from simvid.physics.tasks.reaching import along, out_of_reach, point_text, postures
from simvid.physics.tasks.situation import Carried, Clash, Situation
from simvid.physics.tools import Gripper, grip_axes
from simvid.scene import Robot
from simvid.success import Moment
from simvid.trajectory import pose_matrices

Array = NDArray[np.float64]
Motions: TypeAlias = Generator[Segment, None, None]
"""An action: gives one motion after the other, and looks at the simulation in between."""
Onward: TypeAlias = Callable[[int, Array], str | None]
"""See ``Arm.travel``."""
TOOL_M_S = 0.35
"""Mean speed of the tool on straight lines."""
CLEARANCE_M = 0.01
"""Paths keep this far from everything; what servos sag must fit in."""
MAX_CHOICES = 6
"""Ends of a way that are looked at for one that can be gone to."""
ROUTES = 3
"""Paths around obstacles that are found, for a quick one."""
NO_NEARER_M = 1e-3
LEAST_RETREAT = 0.3
"""Share of a way back that must be possible."""
SETTLE_S = 0.08
"""Pause before what needs aim."""
LARGEST_AIM_M = 0.03
"""A tool that hangs lower than it is told to by more than this is pushed by something, not sagging."""
GRIP_S = 0.35


@dataclass(eq=False)
class Arm:
    """One robot that carries out a script.

    Attributes:
        index: which robot of the scene.
        model, spec: the robot.
        chain: its tool.
        gripper: its fingers, if it has some.
        situation: the simulation.
        rng: for postures, paths and grasps.
        q: joint positions that it is told now, [J].
        target_noise: where the tool is led to is off by this, [3].
        held: what the gripper holds, as far as the script knows.
        contents: parts that lie in what is held; they come along.
        path: field of the present action, for messages.
        log: what happened, for the record: time [s] and words.
    """

    index: int
    model: RobotModel
    spec: Robot
    chain: ToolChain
    gripper: Gripper | None
    situation: Situation
    rng: np.random.Generator
    q: Array
    target_noise: Array = field(default_factory=lambda: np.zeros(3))
    held: Carried | None = None
    contents: frozenset[int] = frozenset()
    path: str = ""
    log: list[tuple[float, str]] = field(default_factory=list)
    approach: Array = field(init=False)
    slide: Array = field(init=False)

    def __post_init__(self) -> None:
        self.approach, self.slide = grip_axes(self.model, self.gripper)

    def refuse(self, text: str, below: str = "") -> NoReturn:
        """Raise: this action cannot be done."""
        scene = self.situation.assets.scene
        raise SceneError(f"{scene.where(self.path + below)}: at t = {self.situation.time_s:.3g} s: {text}")

    def note(self, text: str) -> None:
        """Take down what happened."""
        self.log.append((round(self.situation.time_s, 6), f"{self.path.rpartition('script')[2]}: {text}"))

    @property
    def orient(self) -> bool:
        """Whether the arm can hold an orientation."""
        return len(self.chain.joints) >= 6

    @property
    def limits(self) -> Array:
        """Speed limits of the joints [rad/s or m/s], [J]."""
        return np.array([
            j.velocity_limit if np.isfinite(j.velocity_limit) else DEFAULT_SPEED[j.kind] for j in self.model.joints
        ])  # fmt: skip

    @property
    def pace(self) -> float:
        """Fastest speed of a joint where nothing else is asked [rad/s or m/s]."""
        return PACE if self.held is None else LOADED_PACE

    def told(self) -> Array:
        """world_from_tool where the tool is told to be, [4, 4]."""
        return self.chain.pose(self.q)

    def real(self) -> Array:
        """world_from_tool where the tool is, [4, 4]."""
        return self.chain.pose(self.situation.joints(self.index))

    def aimed(self, goal: Array) -> Array:
        """Where to tell the tool to go, so that it gets to a goal in spite of what it sags now."""
        off = self.told()[:3, 3] - self.real()[:3, 3]
        length = float(np.linalg.norm(off))
        out = goal.copy()
        if length <= LARGEST_AIM_M:
            out[:3, 3] += off
        return out

    def pose_of(self, part: int, moment: Moment | None = None) -> Array:
        """world_from_part now, [4, 4]."""
        return pose_matrices((moment or self.situation.moment()).poses[part])

    def tool_at(self, point: Array, approach: Array, closing: Array | None = None) -> Array:
        """world_from_tool with the tool's centre at a point, pointing along a direction.

        Args:
            point: [3].
            approach: unit, [3].
            closing: direction along which fingers move, made perpendicular to the first; None is the present one, or
                what is nearest to it.
        """
        if closing is None:
            closing = self.told()[:3, :3] @ self.slide
        closing = closing - approach * float(closing @ approach)
        if np.linalg.norm(closing) < 1e-3:
            closing = np.cross(approach, [0.0, 0.0, 1.0] if abs(approach[2]) < 0.9 else [1.0, 0.0, 0.0])
        closing = closing / np.linalg.norm(closing)
        world = np.stack([approach, closing, np.cross(approach, closing)], axis=1)
        tool = np.stack([self.approach, self.slide, np.cross(self.approach, self.slide)], axis=1)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = world @ tool.T, point
        return pose

    # motions: each starts where the robot is told to be now

    def hold(self, for_s: float) -> Hold:
        """Stay."""
        return Hold(for_s, self.q)

    def grip(self, width_m: float, over_s: float = GRIP_S) -> Straight:
        """Move the fingers; 0 presses."""
        if self.gripper is None:
            self.refuse("this robot has no gripper (sliding joints of links called finger); name gripper_joints")
        goal = self.q.copy()
        goal[list(self.gripper.joints)] = self.gripper.positions(min(width_m, self.gripper.width_m))
        return Straight(over_s, self.q, goal)

    def line(self, goal: Array, over_s: float | None = None, below: str = "") -> Spline:
        """The tool on a straight line to a pose; refuses what cannot be followed."""
        line = follow_line(self.chain, self.q, goal, self.q, orient=self.orient)
        if line.missed is not None:
            self.refuse(self._missed(goal, line.missed.pose), below)
        spline = Spline(1.0, line.fractions, line.knots, self.model.lower, self.model.upper)
        distance = float(np.linalg.norm(goal[:3, 3] - self.told()[:3, 3]))
        return self._paced(spline, over_s, distance / TOOL_M_S)

    def back(self, goal: Array) -> Spline:
        """The tool towards a pose as far as it can go straight, with another orientation if need be."""
        for orient in (self.orient, False):
            line = follow_line(self.chain, self.q, goal, self.q, orient=orient)
            last = len(line.knots) - 1
            if line.fractions[last] >= LEAST_RETREAT:
                share = float(line.fractions[last])
                if share < 1:
                    self.note(f"the way back ends after {share:.0%} of it")
                fractions = line.fractions[: last + 1] / share
                spline = Spline(1.0, fractions, line.knots, self.model.lower, self.model.upper)
                distance = float(np.linalg.norm(goal[:3, 3] - self.told()[:3, 3])) * share
                return self._paced(spline, None, distance / TOOL_M_S)
        return self.line(goal)  # says why

    def straight_s(self, start: Array, goal: Array) -> float | None:
        """How long the tool takes straight from joint positions to a pose [s]; None where it cannot."""
        line = follow_line(self.chain, start, goal, start, orient=self.orient)
        return None if line.missed is not None else self.takes_s(line.knots)

    def blocked(self, start: Array, poses: Sequence[Array]) -> str | None:
        """Why the tool cannot go straight from joint positions to poses one after the other; None where it can."""
        _, missed = along(self.chain, poses, start, orient=self.orient)
        if missed is None:
            return None
        return f"from there it could not go straight on at {point_text(missed.pose[:3, 3])}"

    def takes_s(self, knots: Array) -> float:
        """How long the joints take along knots that are evenly spaced [s], [K, J]."""
        spline = Spline(1.0, np.linspace(0, 1, len(knots)), knots, self.model.lower, self.model.upper)
        return float((spline.peak_speeds / np.minimum(self.limits, self.pace)).max(initial=0.0))

    def way(
        self, poses: Sequence[Array], over_s: float | None = None, below: str = "", *, loose: bool = False
    ) -> Spline:
        """The tool through poses that lie close to each other; ``loose`` lets orientation go where it must."""
        knots, missed = along(self.chain, poses, self.q, orient=self.orient)
        if missed is not None and loose:
            self.note(f"the hand turns on the way: {self._missed(poses[len(knots) - 1], missed.pose)}")
            knots, missed = along(self.chain, poses, self.q, orient=False)
        if missed is not None:
            self.refuse(self._missed(poses[len(knots) - 1], missed.pose), below)
        spline = Spline(1.0, np.linspace(0, 1, len(knots)), knots, self.model.lower, self.model.upper)
        return self._paced(spline, over_s, 0.3)

    def _missed(self, goal: Array, where: Array) -> str:
        text = out_of_reach(self.chain, goal, self.q, orient=self.orient)
        return f"the tool cannot go straight on at {point_text(where[:3, 3])}: {text}"

    def _paced(self, spline: Spline, over_s: float | None, gentle_s: float) -> Spline:
        """As long as asked, else as is gentle; longer where the joints' speed limits need it."""
        allowed = self.limits if over_s is not None else np.minimum(self.limits, self.pace)
        fastest = float((spline.peak_speeds / allowed).max(initial=0.0))
        duration = max(fastest, over_s if over_s is not None else max(0.15, gentle_s))
        if over_s is not None and fastest > over_s:
            self.note(f"takes {fastest:.2f} s instead of {over_s:g} s: the joints cannot be faster")
        return Spline(duration, spline.fractions, spline.knots, spline.lower, spline.upper)

    def travel(
        self, goals: Sequence[Array], over_s: float | None = None, *, ignored: frozenset[int] = frozenset(),
        below: str = "", orient: bool | None = None, onward: Onward | None = None,
    ) -> Spline:  # fmt: skip
        """The tool to the first of some poses that can be reached without touching anything, on a free path.

        Of some postures the nearest goes first to which the way in joint space is free, unless it is far and there is
        a shorter way around to a nearer one.

        Args:
            goals: world_from_tool, in the order of preference.
            over_s: how long; None is gentle.
            ignored: parts that may be touched.
            below: field for messages.
            orient: None holds the orientation where the arm can.
            onward: given the place of a goal in ``goals`` and joint positions there, why the arm cannot go on from
                there as it must; None where it can.
        """
        orient = self.orient if orient is None else orient and self.orient
        free = self.freely(ignored)
        ends, why = self._ends(goals, orient, ignored, onward)
        straight = self._planner(free).straight
        path = nearest_path(
            self.q, ends, lambda q: self._timed(np.stack([self.q, q]), free, over_s) if straight(self.q, q) else None,
            lambda q: self.route(q, free, over_s),
        )  # fmt: skip
        if path is not None:
            return path
        if ends:
            why = f"no free path was found within {MAX_NODES} branches"
        if why:
            self.refuse(f"{point_text(goals[0][:3, 3])} cannot be reached without touching something: {why}", below)
        self.refuse(out_of_reach(self.chain, goals[0], self.q, orient=orient), below)

    def _ends(
        self, goals: Sequence[Array], orient: bool, ignored: frozenset[int], onward: Onward | None
    ) -> tuple[list[Array], str]:
        """Joint positions at goals from which the arm can go on, nearest first; and why not others, in words."""
        why = ""
        ends: list[Array] = []
        for k, goal in enumerate(goals):
            for solution in postures(self.chain, goal, self.q, self.rng, orient=orient):
                fault = self.hit(solution.q, ignored) or (onward(k, solution.q) if onward is not None else None)
                if fault is None:
                    ends.append(solution.q)
                why = why or fault or ""
            if len(ends) >= MAX_CHOICES:
                break
        return sorted(ends, key=lambda q: float(np.abs(q - self.q).max()))[:MAX_CHOICES], why

    def route(self, goal: Array, free: Callable[[Array], bool], over_s: float | None = None) -> Spline | None:
        """A free joint path to joint positions, of some around obstacles the quickest; None where none is found."""
        planner = self._planner(free)
        best: tuple[Spline, Found] | None = None
        for _ in range(ROUTES):
            found = planner.path(self.q, goal)
            if found is None:
                break
            spline = self._timed(found.corners, free, over_s)
            if best is None or spline.duration_s < best[0].duration_s:
                best = spline, found
            if not found.nodes:
                break
        if best is None:
            return None
        if best[1].nodes:
            self.note(f"path around obstacles: {best[1].nodes} branches, {best[1].checks} checks")
        return best[0]

    def _planner(self, free: Callable[[Array], bool]) -> Planner:
        low, high = self.chain.bounds
        # samples stay near the middle of what unlimited joints can do
        low, high = np.maximum(low, -np.pi), np.minimum(high, np.pi)
        return Planner(free, list(self.chain.joints), low, high, self.rng, self._sweep)

    def _sweep(self, a: Array, b: Array) -> float:
        """At most how far the tool moves straight in joint space, by the Jacobians of three points of the way [m]."""
        way = np.abs(b - a)[list(self.chain.joints)]
        jacobians = [self.chain.pose_and_jacobian(q)[1][:3] for q in (a, (a + b) / 2, b)]
        return max(float(np.linalg.norm(j, axis=0) @ way) for j in jacobians)

    def _timed(self, corners: Array, free: Callable[[Array], bool], over_s: float | None) -> Spline:
        """Corners of a free path with their timing, rounded as far as that keeps it free."""
        return timed_free(corners, free, self.limits, self.model.lower, self.model.upper, over_s, self.pace)

    def freely(self, ignored: frozenset[int] = frozenset()) -> Callable[[Array], bool]:
        """A test of joint positions: nothing is nearer than ``CLEARANCE_M``, or than it is now where that is less."""
        now = self._near_now()

        def free(q: Array) -> bool:
            return all(
                c.a in ignored or c.b in ignored or c.depth_m <= now.get(c.pair, -np.inf) + NO_NEARER_M
                for c in self._clashes(q, CLEARANCE_M)
            )

        return free

    def _near_now(self) -> dict[tuple[int, int], float]:
        """What is near as the robot stands, such as a base's ground, and how deep."""
        return {c.pair: c.depth_m for c in self._clashes(self.q, CLEARANCE_M)}

    def _clashes(self, q: Array, clearance_m: float) -> list[Clash]:
        """As ``Situation.clashes``, with fingers that hold something where it lets them be."""
        if self.held is not None and self.gripper is not None:
            fingers = list(self.gripper.joints)
            q = q.copy()
            q[fingers] = self.situation.joints(self.index)[fingers]
        found = self.situation.clashes(self.index, q, self.held, clearance_m)
        if self.held is None or not self.contents:
            return found
        return [c for c in found if c.a not in self.contents and c.b not in self.contents]

    def hit(self, q: Array, ignored: frozenset[int] = frozenset()) -> str | None:
        """What would be touched, in words; what is as near now as it would be then does not count."""
        found = [c for c in self._clashes(q, CLEARANCE_M / 2) if c.a not in ignored and c.b not in ignored]
        now = self._near_now() if found else {}
        for c in found:
            if c.depth_m > now.get(c.pair, -np.inf) + NO_NEARER_M:
                parts = self.situation.assets.parts
                return f"{parts[c.a].part.name!r} would touch {parts[c.b].part.name!r}"
        return None

    def touches(self, q: Array, ignored: frozenset[int] = frozenset()) -> bool:
        """Whether something would be touched at joint positions."""
        return self.hit(q, ignored) is not None

    def remember(self, part: int) -> None:
        """Take note of how a part lies in the hand now."""
        moment, parts = self.situation.moment(), self.situation.assets.parts
        self.held = Carried(part, np.linalg.inv(self.real()) @ self.pose_of(part, moment))
        into = np.linalg.inv(self.pose_of(part, moment))
        low, high = moment.box(part)
        self.contents = frozenset(
            k
            for k, other in enumerate(parts)
            if k != part and other.part.kind == "body" and not other.part.fixed
            and (np.abs(into[:3, :3] @ moment.middle(k) + into[:3, 3] - (low + high) / 2) <= (high - low) / 2).all()
        )  # fmt: skip

    def still_held(self) -> bool:
        """Measure anew how the held part lies in the hand; False (and the old measure stays) where it is lost."""
        assert self.held is not None, "something is held"
        now = np.linalg.inv(self.real()) @ self.pose_of(self.held.part)
        error = pose_error(self.held.tool_from_part, now)
        if float(np.linalg.norm(error[:3])) > 0.06:
            name = self.situation.assets.parts[self.held.part].part.name
            self.note(f"{name} is not in the hand any more")
            return False
        self.held = Carried(self.held.part, now)
        return True

    def noisy(self, goal: Array) -> Array:
        """A goal, off by what the script's noise has drawn for this action."""
        out = goal.copy()
        out[:3, 3] += self.target_noise
        return out
