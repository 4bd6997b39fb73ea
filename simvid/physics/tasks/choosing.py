"""Which grasp of a body: sampled, within reach, free, quick to go on from, and rehearsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.physics.kinematics import follow_line
from simvid.physics.segments import Segment
from simvid.physics.tasks.arm import Arm
from simvid.physics.tasks.grasps import SLACK_M, Grasp, antipodal_pairs, candidates, surface
from simvid.physics.tasks.paths import MAX_NODES, PACE
from simvid.physics.tasks.reaching import out_of_reach, postures
from simvid.trajectory import pose_matrices

Array = NDArray[np.float64]
MAX_LOOKED_AT = 60
"""Grasps whose reach and clearance are looked at, at most."""
MISSES_PER_SIDE, MISSES_PER_PLACE, PLACE_M = 8, 3, 0.04
"""After so many grasps from one side, or from it and of one place, that cannot be done, the others are left out."""
POSTURES = 4
"""Of the arm, that are looked at for a grasp."""
LIFT_M = 0.1
"""So far the arm should be able to go straight up after a grasp."""
SLOW_S, MOST_SLOW = 1.5, 4
"""Grasps from which it goes on more slowly, near a singularity, wait until so many of them have been found."""
NEAR_LIMIT_RAD, NEAR_LIMIT_S = 0.05, 1.0
"""Postures so near to a joint's limit count as so much slower."""
REHEARSED_LIFT_M, REHEARSED_SLIP_M = 0.05, 0.015
LEAST_FRICTION = 0.5


@dataclass(frozen=True, eq=False)
class Chosen:
    """A grasp that the robot can do.

    Attributes:
        grasp: it.
        goal, before: world_from_tool on the body, and where the straight way to it begins, [4, 4].
        q_before: joint positions there, [J].
        q_goal: joint positions at ``goal``, at the end of the straight way, [J].
        onward_s: how long the straight way in, and what must follow it, take at the joints' pace.
        route: the free path to them; an empty hold until it is looked for.
    """

    grasp: Grasp
    goal: Array
    before: Array
    q_before: Array
    q_goal: Array
    onward_s: float
    route: Segment


Fit: TypeAlias = Callable[[Chosen], float | None]
"""What a grasp must be good for besides holding: how long that takes [s], None where it cannot be done."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """Which grasp is looked for: see ``scene.Grasp``; ``lift`` says whether the rehearsal lifts the part, ``fit`` what
    else the grasp must be good for, ``away`` where a hand already is [m], [3]."""

    approach: str = "any"
    near: str = "middle"
    tries: int = 8
    clearance_m: float = 0.08
    lift: bool = True
    fit: Fit | None = None
    away: Array | None = None


def choose(arm: Arm, part: int, wanted: Wanted) -> Chosen:
    """The first grasp, in order of cost, that can be reached, touches nothing else, and holds in a rehearsal."""
    name = arm.situation.assets.parts[part].part.name
    found = _sampled(arm, part, wanted)
    rehearsed, last = 0, ""
    for option in _quick_first(_reachable(arm, found, part, wanted)):
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
            f"none of {min(len(found), MAX_LOOKED_AT)} grasps of {name!r} can be reached without touching something, "
            f"and gone on from; the best: {out_of_reach(arm.chain, goal, arm.q, orient=True)}", ".body",
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
    found = candidates(
        pairs, pose, widest_m=arm.gripper.width_m, approach=wanted.approach, near_z=height, away=wanted.away
    )
    if not found:
        arm.refuse(f"no grasp of {name!r} was found from this side; try approach: any", ".body")
    return found


def too_wide(name: str, narrowest_m: float, gripper_m: float) -> str:
    """The message for a body that no grasp fits around."""
    return (
        f"{name!r} is too wide: its narrowest grasp found is {narrowest_m * 1000:.0f} mm, the gripper opens to "
        f"{gripper_m * 1000:.0f} mm, and {SLACK_M * 1000:.0f} mm must be left"
    )


def _quick_first(options: Iterator[Chosen]) -> Iterator[Chosen]:
    """Grasps that can be gone on from quickly in their order; one of the slow ones when some have been seen."""
    slow: list[Chosen] = []
    for option in options:
        slow.append(option)
        if option.onward_s <= SLOW_S or len(slow) >= MOST_SLOW:
            quickest = min(slow, key=lambda o: o.onward_s)
            slow.remove(quickest)
            yield quickest
    yield from sorted(slow, key=lambda option: option.onward_s)


def _reachable(arm: Arm, found: list[Grasp], part: int, wanted: Wanted) -> Iterator[Chosen]:
    """Grasps within reach, whose straight way in touches nothing but, at its end, the body."""
    seen: list[Grasp] = []
    missed: dict[tuple[int, ...], int] = {}
    for option in found:
        if len(seen) >= MAX_LOOKED_AT:
            return
        side = _rounded([*(2 * option.approach), *np.abs(2 * option.closing), option.width_m / 0.02])
        place = side + _rounded([*(option.center / PLACE_M)])
        if (
            missed.get(side, 0) >= MISSES_PER_SIDE
            or missed.get(place, 0) >= MISSES_PER_PLACE
            or any(
                np.linalg.norm(option.center - other.center) < 0.008 and option.approach @ other.approach > 0.97
                for other in seen
            )
        ):
            continue
        seen.append(option)
        chosen = _reach(arm, option, part, wanted)
        if chosen is not None:
            yield chosen
        else:
            missed[side], missed[place] = missed.get(side, 0) + 1, missed.get(place, 0) + 1


def _rounded(values: list[float]) -> tuple[int, ...]:
    return tuple(int(c) for c in np.round(values))


def _reach(arm: Arm, option: Grasp, part: int, wanted: Wanted) -> Chosen | None:
    """The posture for a grasp that is reached and gone on from soonest."""
    best: tuple[float, Chosen] | None = None
    for closing in (option.closing, -option.closing):
        goal = arm.tool_at(option.center, option.approach, closing)
        before = goal.copy()
        before[:3, 3] -= option.approach * wanted.clearance_m
        for at_goal in postures(arm.chain, goal, arm.q, arm.rng, orient=True)[:POSTURES]:
            chosen = _way_in(arm, option, (before, goal), at_goal.q, part, lift=wanted.lift)
            if chosen is None:
                continue
            there_s = float(np.abs(chosen.q_before - arm.q).max()) / PACE
            if best is not None and there_s + chosen.onward_s >= best[0]:
                continue
            if wanted.fit is not None:
                fit_s = wanted.fit(chosen)
                if fit_s is None:
                    continue
                chosen = replace(chosen, onward_s=chosen.onward_s + fit_s)
            takes_s = chosen.onward_s + there_s
            if best is None or takes_s < best[0]:
                best = takes_s, chosen
    return None if best is None else best[1]


def _way_in(
    arm: Arm, option: Grasp, ends: tuple[Array, Array], at_goal: Array, part: int, *, lift: bool
) -> Chosen | None:
    """A grasp with the straight way in, if it is free, and the way up after it can be gone, too."""
    if _touches(arm, at_goal, part):
        return None
    before, goal = ends
    out = follow_line(arm.chain, at_goal, before, at_goal, orient=arm.orient)
    if out.missed is not None or arm.touches(out.knots[-1], frozenset({part})):
        return None
    q_before = out.knots[-1]
    way = follow_line(arm.chain, q_before, goal, q_before, orient=arm.orient)
    if way.missed is not None or any(_touches(arm, way.knots[k], part) for k in (len(way.knots) // 2, -1)):
        return None
    onward_s = arm.takes_s(way.knots)
    if lift:
        up = goal.copy()
        up[2, 3] += LIFT_M
        lifted_s = arm.straight_s(way.knots[-1], up)
        if lifted_s is None:
            return None
        onward_s += lifted_s
    low, high = arm.chain.bounds
    at = way.knots[:, list(arm.chain.joints)]
    if float(np.minimum(at - low, high - at).min()) < NEAR_LIMIT_RAD:
        onward_s += NEAR_LIMIT_S
    return Chosen(option, goal, before, q_before, way.knots[-1], onward_s, arm.hold(0.0))


def _touches(arm: Arm, q: Array, part: int) -> bool:
    """Whether the arm would touch something at joint positions, or anything but its fingers the body to grasp."""
    assert arm.gripper is not None
    if arm.touches(q, frozenset({part})):
        return True
    moment = arm.situation.moment()
    links = {arm.model.joints[j].link for j in arm.gripper.joints}
    fingers = {moment.index(f"{arm.model.name}/{arm.model.links[link].name}") for link in links}
    clashes = arm.situation.clashes(arm.index, q, arm.held, 0.0)
    return any(part in (c.a, c.b) and not {c.a, c.b} & fingers for c in clashes)


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
