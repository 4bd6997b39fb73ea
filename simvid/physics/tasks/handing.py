"""Handover between two robots: each runs its own script, and they meet here."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.physics.tasks.arm import SETTLE_S, Arm, Motions
from simvid.physics.tasks.choosing import Wanted
from simvid.physics.tasks.holding import let_go, take
from simvid.physics.tasks.places import index_of
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Handover

Array = NDArray[np.float64]
LOOK_S = 0.02
TURNS_DEG = (0, 30, -30, 60, -60, 90, -90, 180)
"""How far the giver may turn what it holds about the vertical."""


@dataclass(frozen=True, eq=False)
class Meeting:
    """How far a handover is.

    Attributes:
        state: offered, taken or released.
        hand: where the giver's tool is [m], [3].
    """

    state: str
    hand: Array


Meetings: TypeAlias = MutableMapping[tuple[str, str], Meeting]
"""By giver and taker."""


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
    off = arm.told()
    off[:3, 3] -= middle
    turns = [pose_matrix(np.asarray(action.at_m), quat_from_euler_deg((0, 0, yaw))) for yaw in TURNS_DEG]
    yield arm.travel([arm.noisy(turn @ off) for turn in turns], below=".at_m")
    yield arm.hold(SETTLE_S)
    meetings[who] = Meeting("offered", arm.real()[:3, 3])
    yield from _waiting(arm, action, meetings, who, "taken")
    yield arm.hold(SETTLE_S)
    yield from let_go(arm, 0.12)
    meetings[who] = replace(meetings[who], state="released")


def _take(arm: Arm, action: Handover, meetings: Meetings, who: tuple[str, str]) -> Motions:
    part = index_of(arm, str(action.body), ".body")
    yield from _waiting(arm, action, meetings, who, "offered")
    yield from take(arm, part, Wanted(tries=12, clearance_m=0.1, lift=False, away=meetings[who].hand))
    meetings[who] = replace(meetings[who], state="taken")
    yield from _waiting(arm, action, meetings, who, "released")
    arm.remember(part)


def _waiting(arm: Arm, action: Handover, meetings: Meetings, who: tuple[str, str], wanted: str) -> Motions:
    start = arm.situation.time_s
    while who not in meetings or meetings[who].state != wanted:
        if arm.situation.time_s - start > action.timeout_s:
            other = who[1] if who[0] == arm.spec.name else who[0]
            arm.refuse(f"{other!r} did not come to the handover within {action.timeout_s:g} s", ".timeout_s")
        yield arm.hold(LOOK_S)
