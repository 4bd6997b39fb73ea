"""Grasp, lift, place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.physics.kinematics import solve
from simvid.physics.segments import Segment, Straight
from simvid.physics.tasks.arm import SETTLE_S, Arm, Motions
from simvid.physics.tasks.grasps import SLACK_M, Grasp, antipodal_pairs, candidates, surface
from simvid.physics.tasks.paths import MAX_NODES
from simvid.physics.tasks.places import index_of, place_of
from simvid.physics.tasks.reaching import out_of_reach, postures
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Grasp as GraspAction
from simvid.scene import Lift, SetDown
from simvid.trajectory import pose_matrices

Array = NDArray[np.float64]
MAX_LOOKED_AT = 60
"""Grasps whose reach and clearance are looked at, at most."""
MISSES_PER_SIDE = 4
"""After so many grasps from one side that cannot be done, the others from there are left out."""
REHEARSED_LIFT_M, REHEARSED_SLIP_M = 0.05, 0.015
LEAST_FRICTION = 0.5


@dataclass(frozen=True, eq=False)
class Chosen:
    """A grasp that the robot can do.

    Attributes:
        grasp: it.
        goal, before: world_from_tool on the body, and where the straight way to it begins, [4, 4].
        q_before: joint positions there, [J].
        q_goal: joint positions at ``goal``, [J].
        route: the free path to them; an empty hold until it is looked for.
    """

    grasp: Grasp
    goal: Array
    before: Array
    q_before: Array
    q_goal: Array
    route: Segment


Fit: TypeAlias = Callable[[Chosen], bool]
"""What a grasp must be good for besides holding."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """Which grasp is looked for: see ``scene.Grasp``; ``lift`` says whether the rehearsal lifts the part, ``fit`` what
    else the grasp must be good for."""

    approach: str = "any"
    near: str = "middle"
    tries: int = 8
    clearance_m: float = 0.08
    lift: bool = True
    fit: Fit | None = None


def grasp(arm: Arm, action: GraspAction) -> Motions:
    """Open, go where a straight way to the body begins, along it, close."""
    part = index_of(arm, action.body, ".body")
    yield from take(arm, part, Wanted(action.approach, action.near, action.tries, action.clearance_m))


def take(arm: Arm, part: int, wanted: Wanted) -> Motions:
    """Grasp a part."""
    gripper = arm.gripper
    if gripper is None:
        arm.refuse("grasp needs a gripper; this robot has none (sliding joints of links called finger)")
    opened = arm.q.copy()
    opened[list(gripper.joints)] = gripper.positions(gripper.width_m)
    if np.abs(opened - arm.q).max() > 1e-3:
        yield Straight(0.25, arm.q, opened)
    chosen = choose(arm, part, wanted)
    yield chosen.route
    yield arm.hold(SETTLE_S)
    yield arm.line(arm.aimed(arm.noisy(chosen.goal)))
    yield arm.grip(0.0)
    yield arm.hold(SETTLE_S)
    arm.remember(part)


def choose(arm: Arm, part: int, wanted: Wanted) -> Chosen:
    """The first grasp, in order of cost, that can be reached, touches nothing else, and holds in a rehearsal."""
    name = arm.situation.assets.parts[part].part.name
    found = _sampled(arm, part, wanted)
    rehearsed, last = 0, ""
    for option in _reachable(arm, found, part, wanted.clearance_m):
        if wanted.fit is not None and not wanted.fit(option):
            last = last or "the arm cannot go on from there as it must"
            continue
        if rehearsed >= wanted.tries:
            break
        rehearsed += 1
        held, last = _rehearsal(arm, option, part, lift=wanted.lift)
        if not held:
            continue
        around = frozenset({part}) if arm.touches(option.q_before) else frozenset[int]()
        route = arm.route(option.q_before, arm.freely(around))
        if route is not None:
            arm.note(f"grasp of {name}: {option.grasp.width_m * 1000:.0f} mm wide, rehearsal {rehearsed}")
            return replace(option, route=route)
        last = f"it holds, but no free path to it was found within {MAX_NODES} branches"
    if not last:
        goal = arm.tool_at(found[0].center, found[0].approach, found[0].closing)
        arm.refuse(
            f"none of {min(len(found), MAX_LOOKED_AT)} grasps of {name!r} can be reached without touching something; "
            f"the best: {out_of_reach(arm.chain, goal, arm.q, orient=True)}", ".body",
        )  # fmt: skip
    arm.refuse(
        f"none of {rehearsed} rehearsed grasps holds {name!r} (the last: {last}); give it more friction, try another "
        "approach, or raise tries", ".body",
    )  # fmt: skip


def _sampled(arm: Arm, part: int, wanted: Wanted) -> list[Grasp]:
    """Grasps of a part that the gripper opens wide enough for, best first."""
    assert arm.gripper is not None
    moment, parts = arm.situation.moment(), arm.situation.assets.parts
    name, pose = parts[part].part.name, pose_matrices(moment.poses[part])
    friction = max([LEAST_FRICTION, *(c.friction for c in parts[part].colliders)])
    pairs = antipodal_pairs(surface(parts[part]), friction, arm.rng)
    if len(pairs.widths) and pairs.widths.min() > arm.gripper.width_m - SLACK_M:
        arm.refuse(too_wide(name, float(pairs.widths.min()), arm.gripper.width_m), ".body")
    corners = moment.corners(part)
    low, high = float(corners[:, 2].min()), float(corners[:, 2].max())
    height = {"top": high - 0.25 * (high - low), "bottom": low + 0.25 * (high - low)}.get(wanted.near)
    found = candidates(pairs, pose, widest_m=arm.gripper.width_m, approach=wanted.approach, near_z=height)
    if not found:
        arm.refuse(f"no grasp of {name!r} was found from this side; try approach: any", ".body")
    return found


def too_wide(name: str, narrowest_m: float, gripper_m: float) -> str:
    """The message for a body that no grasp fits around."""
    return (
        f"{name!r} is too wide: its narrowest grasp found is {narrowest_m * 1000:.0f} mm, the gripper opens to "
        f"{gripper_m * 1000:.0f} mm, and {SLACK_M * 1000:.0f} mm must be left"
    )


def _reachable(arm: Arm, found: list[Grasp], part: int, clearance_m: float) -> Iterator[Chosen]:
    """Grasps within reach, whose straight way in touches nothing but, at its end, the body."""
    body = frozenset({part})
    seen: list[Grasp] = []
    missed: dict[tuple[int, ...], int] = {}
    for option in found:
        if len(seen) >= MAX_LOOKED_AT:
            return
        side = tuple(
            int(c) for c in np.round([*(2 * option.approach), *np.abs(2 * option.closing), option.width_m / 0.02])
        )
        if missed.get(side, 0) >= MISSES_PER_SIDE or any(
            np.linalg.norm(option.center - other.center) < 0.008 and option.approach @ other.approach > 0.97
            for other in seen
        ):
            continue
        seen.append(option)
        chosen = _reach(arm, option, clearance_m, body)
        if chosen is not None:
            yield chosen
        else:
            missed[side] = missed.get(side, 0) + 1


def _reach(arm: Arm, option: Grasp, clearance_m: float, body: frozenset[int]) -> Chosen | None:
    best: tuple[float, Chosen] | None = None
    for closing in (option.closing, -option.closing):
        goal = arm.tool_at(option.center, option.approach, closing)
        for at_goal in postures(arm.chain, goal, arm.q, arm.rng, orient=True)[:3]:
            if arm.touches(at_goal.q, body):
                continue
            before = goal.copy()
            before[:3, 3] -= option.approach * clearance_m
            start = solve(arm.chain, before, at_goal.q)
            if not start.reached or arm.touches(start.q, body):
                continue
            middle = solve(arm.chain, (goal + before) / 2, start.q)
            if np.abs(start.q - at_goal.q).max() > 1.2 or not middle.reached or arm.touches(middle.q, body):
                continue
            far = float(np.abs(start.q - arm.q).max())
            if best is None or far < best[0]:
                best = far, Chosen(option, goal, before, start.q, at_goal.q, arm.hold(0.0))
            break
    return None if best is None else best[1]


def _rehearsal(arm: Arm, option: Chosen, part: int, *, lift: bool) -> tuple[bool, str]:
    """Whether the body stays in the hand when it is grasped and lifted (or pulled back) in a copy of the simulation."""
    assert arm.gripper is not None
    told = arm.q
    try:
        arm.q = option.q_before.copy()
        motions: list[Segment] = []
        for make in (
            lambda: arm.line(option.goal, 0.3),
            lambda: arm.grip(0.0, 0.25),
            lambda: arm.hold(0.1),
        ):
            motions.append(make())
            arm.q = motions[-1].end
        start = option.q_before
        gripped, q = arm.situation.rehearse(arm.index, start, motions)
        held = np.linalg.inv(arm.chain.pose(q)) @ pose_matrices(gripped.poses[part])
        if not lift:
            width = float(np.abs(q[list(arm.gripper.joints)] - arm.gripper.closed).sum())
            return width > 0.5 * option.grasp.width_m, f"the fingers close to {width * 1000:.0f} mm"
        up = arm.chain.pose(arm.q)
        up[2, 3] += REHEARSED_LIFT_M
        motions += [arm.line(up, 0.35)]
        arm.q = motions[-1].end
        motions += [arm.hold(0.15)]
        lifted, q = arm.situation.rehearse(arm.index, start, motions)
        after = np.linalg.inv(arm.chain.pose(q)) @ pose_matrices(lifted.poses[part])
        rise = float(lifted.poses[part, 2] - gripped.poses[part, 2])
        slip = float(np.linalg.norm(after[:3, 3] - held[:3, 3]))
        ok = rise > 0.6 * REHEARSED_LIFT_M and slip < REHEARSED_SLIP_M
        return ok, f"it rises by {rise * 1000:.0f} mm and slips by {slip * 1000:.0f} mm"
    finally:
        arm.q = told


def lift(arm: Arm, action: Lift) -> Motions:
    """The tool straight up."""
    goal = arm.told()
    goal[2, 3] += action.by_m
    yield arm.line(goal, action.over_s, ".by_m")


def place(arm: Arm, action: SetDown) -> Motions:
    """Carry over the place, straight down, open, straight back."""
    if arm.held is None:
        arm.refuse("place needs something in the hand; grasp it first")
    arm.still_held()
    moment = arm.situation.moment()
    spot = place_of(action.at, moment, "top")
    up = np.array([0.0, 0.0, action.clearance_m])
    goals = list(_set_downs(arm, action, spot))
    over = [_moved(goal, up) for goal in goals]
    yield arm.travel(over, below=".at")
    yield arm.hold(SETTLE_S)
    arm.still_held()
    chosen = _set_down(arm, spot, arm.told()[:3, :3] @ arm.held.tool_from_part[:3, :3], action.drop_m)
    yield arm.line(arm.aimed(arm.noisy(chosen)), below=".at")
    yield arm.hold(SETTLE_S)
    yield from let_go(arm, action.clearance_m)


def let_go(arm: Arm, clearance_m: float) -> Motions:
    """Open, and go straight back the way the hand points."""
    assert arm.gripper is not None, "something was held"
    yield arm.grip(arm.gripper.width_m, 0.3)
    arm.held = None
    away = arm.told()
    away[:3, 3] -= away[:3, :3] @ arm.approach * clearance_m
    yield arm.line(away)


def _set_downs(arm: Arm, action: SetDown, spot: Array) -> Iterator[Array]:
    """Tool poses that set the held part down, upright as it stood at first, the nearest turn first."""
    assert arm.held is not None
    moment = arm.situation.moment()
    first = pose_matrices(moment.first[arm.held.part])[:3, :3]
    now = arm.told()[:3, :3] @ arm.held.tool_from_part[:3, :3]
    if action.turn_deg is not None:
        turns = [np.radians(action.turn_deg)]
    else:
        off = now @ first.T  # its turn about the vertical
        yaw = float(np.arctan2(off[1, 0] - off[0, 1], off[0, 0] + off[1, 1]))
        turns = [yaw + np.radians(d) for d in (0, 30, -30, 60, -60, 90, -90, 135, -135, 180)]
    for turn in turns:
        upright = pose_matrix(np.zeros(3), quat_from_euler_deg((0, 0, float(np.degrees(turn)))))[:3, :3] @ first
        yield _set_down(arm, spot, upright, action.drop_m)


def _set_down(arm: Arm, spot: Array, turn: Array, drop_m: float) -> Array:
    """world_from_tool with the held part so turned, the middle of its lowest face over a spot."""
    assert arm.held is not None
    moment = arm.situation.moment()
    low, high = moment.box(arm.held.part)
    points = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    turned = points @ turn.T
    base = turned.mean(axis=0)
    base[2] = turned[:, 2].min()
    part = np.eye(4)
    part[:3, :3], part[:3, 3] = turn, spot - base + [0.0, 0.0, drop_m]
    return np.asarray(part @ np.linalg.inv(arm.held.tool_from_part))


def _moved(pose: Array, by: Array) -> Array:
    out = pose.copy()
    out[:3, 3] += by
    return out
