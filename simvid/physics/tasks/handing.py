"""Handover between two robots: each runs its own script, and they meet here."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TypeAlias

import numpy as np

from simvid.physics.tasks.arm import SETTLE_S, Arm, Motions
from simvid.physics.tasks.holding import Wanted, let_go, take
from simvid.physics.tasks.places import index_of
from simvid.scene import Handover

Meetings: TypeAlias = MutableMapping[tuple[str, str], str]
"""(giver, taker) -> offered, taken or released."""
LOOK_S = 0.02


def handover(arm: Arm, action: Handover, meetings: Meetings) -> Motions:
    """Give to, or take from, another robot."""
    if action.to is not None:
        yield from _give(arm, action, meetings, (arm.spec.name, action.to))
    else:
        assert action.take_from is not None
        yield from _take(arm, action, meetings, (action.take_from, arm.spec.name))


def _give(arm: Arm, action: Handover, meetings: Meetings, who: tuple[str, str]) -> Motions:
    if arm.held is None:
        arm.refuse("handover needs something in the hand; grasp it first")
    arm.still_held()
    middle = arm.situation.moment().middle(arm.held.part)
    goal = arm.told()
    goal[:3, 3] += np.asarray(action.at_m) - middle
    yield arm.travel([arm.noisy(goal)], below=".at_m")
    yield arm.hold(SETTLE_S)
    meetings[who] = "offered"
    yield from _waiting(arm, action, meetings, who, "taken")
    yield arm.hold(SETTLE_S)
    yield from let_go(arm, 0.12)
    meetings[who] = "released"


def _take(arm: Arm, action: Handover, meetings: Meetings, who: tuple[str, str]) -> Motions:
    part = index_of(arm, str(action.body), ".body")
    yield from _waiting(arm, action, meetings, who, "offered")
    yield from take(arm, part, Wanted(tries=12, clearance_m=0.1, lift=False))
    meetings[who] = "taken"
    yield from _waiting(arm, action, meetings, who, "released")
    arm.remember(part)


def _waiting(arm: Arm, action: Handover, meetings: Meetings, who: tuple[str, str], wanted: str) -> Motions:
    start = arm.situation.time_s
    while meetings.get(who) != wanted:
        if arm.situation.time_s - start > action.timeout_s:
            other = who[1] if who[0] == arm.spec.name else who[0]
            arm.refuse(f"{other!r} did not come to the handover within {action.timeout_s:g} s", ".timeout_s")
        yield arm.hold(LOOK_S)
