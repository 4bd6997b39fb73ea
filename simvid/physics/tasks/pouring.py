"""Pour what is in a held vessel into another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from simvid.physics.segments import PEAK_SLOPE, Segment
from simvid.physics.tasks.arm import SETTLE_S, Arm, Motions
from simvid.physics.tasks.places import place_of
from simvid.physics.tasks.reaching import along, out_of_reach, postures
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Pour

Array = NDArray[np.float64]
POSES = 24
YAWS_DEG = (0, 30, -30, 60, -60, 90, -90, 120, -120)
"""How far the vessel may be turned about the vertical before it is tilted."""
POSTURES = 3
QUICK_S, MOST_WAYS = 4.0, 4
"""A way this quick is taken at once, else the quickest of so many."""


@dataclass(frozen=True, eq=False)
class _Aim:
    """Over the place, at the height of the lip [m], [3], and how far before it the lip stands [m]."""

    above: Array
    back_m: float


@dataclass(frozen=True, eq=False)
class _Way:
    """A way to pour: the tool before the tilt [4, 4], its joint positions [J], the poses of the tilt, and how long it
    takes to get there straight and to tilt [s]."""

    upright: Array
    q: Array
    poses: list[Array]
    takes_s: float


def pour(arm: Arm, action: Pour) -> Motions:
    """The lip before the place, tilt about the lip, wait, tilt back.

    The lip is the point of the vessel's upper rim that becomes its lowest. It stands back from the place by half of
    how far the stream can jump, so that what leaves slowly and what leaves fast land evenly about the place. Which way
    the vessel tilts is what the arm can do: about the line between the fingers, or about the way the hand points, the
    vessel turned about the vertical.
    """
    if arm.held is None:
        arm.refuse("pour needs a vessel in the hand; grasp it first")
    arm.still_held()
    place = place_of(action.into, arm.situation.moment(), "top")
    corners = arm.situation.moment().corners(arm.held.part)
    back_m = jump(float(np.ptp(corners[:, 2])), action.tilt_deg, action.height_m) / 2
    way, route = _chosen(arm, action, _Aim(place + np.array([0.0, 0.0, action.height_m]), back_m))
    yield route
    yield arm.hold(SETTLE_S)
    yield arm.way(way.poses, action.over_s, below=".tilt_deg")
    yield arm.hold(action.hold_s)
    yield arm.way([*way.poses[-2::-1], way.upright], 0.7 * action.over_s, below=".tilt_deg")


def jump(depth_m: float, tilt_deg: float, height_m: float) -> float:
    """How far beyond the lip the fastest of what is poured lands [m]; what leaves slowly falls at the lip.

    It slides without friction from the bottom along the wall, which points downwards by a at the end of the tilt, and
    falls freely from the lip: v^2 = 2 g depth sin(a), height = v sin(a) t + g t^2 / 2, x = v cos(a) t. g cancels out.

    Args:
        depth_m: of the vessel.
        tilt_deg: at the end; 90 lays the wall level.
        height_m: of the lip over the place.
    """
    down = np.radians(np.clip(tilt_deg - 90.0, 0.0, 90.0))
    slid, sunk = depth_m * np.sin(down), depth_m * np.sin(down) ** 3
    return float(2 * np.cos(down) * np.sqrt(slid) * (np.sqrt(sunk + height_m) - np.sqrt(sunk)))


def _chosen(arm: Arm, action: Pour, aim: _Aim) -> tuple[_Way, Segment]:
    """A quick way that the arm can go without touching anything, and the path to it."""
    touched: list[str] = []
    kept: list[_Way] = []
    for way in chain(_ways(arm, action, aim, touched), [None]):
        if way is not None:
            kept.append(way)
        while kept and (way is None or min(w.takes_s for w in kept) <= QUICK_S or len(kept) >= MOST_WAYS):
            quickest = min(kept, key=lambda w: w.takes_s)
            kept.remove(quickest)
            route = arm.route(quickest.q, arm.freely())
            if route is not None:
                return quickest, route
            touched.append("no free path there was found")
    first = next(_uprights(arm, aim))[0]
    why = f" without touching something ({touched[0]}); raise height_m" if touched else (
        "; " + out_of_reach(arm.chain, first, arm.q, orient=arm.orient)
    )  # fmt: skip
    arm.refuse(f"the arm cannot tilt what it holds by {action.tilt_deg:g} deg there{why}", ".into")


def _ways(arm: Arm, action: Pour, aim: _Aim, touched: list[str]) -> Iterator[_Way]:
    """Ways to tilt that touch nothing; what others would touch goes to ``touched``."""
    assert arm.held is not None
    carried = frozenset({arm.held.part})
    for upright, lip, axis in _uprights(arm, aim):
        poses = _tilted(upright, lip, axis, action.tilt_deg)
        for posture in postures(arm.chain, upright, arm.q, arm.rng, orient=arm.orient)[:POSTURES]:
            if (hit := arm.hit(posture.q)) is not None:
                touched.append(hit)
                continue
            knots, missed = along(arm.chain, poses, posture.q, orient=arm.orient)
            if missed is not None:
                continue
            if (hit := next((h for q in knots[::6] if (h := arm.hit(q, carried))), None)) is not None:
                touched.append(hit)
                continue
            there_s = PEAK_SLOPE * float(np.abs(posture.q - arm.q).max()) / arm.pace
            yield _Way(upright, posture.q, poses, there_s + max(action.over_s, arm.takes_s(knots)))


def _uprights(arm: Arm, aim: _Aim) -> Iterator[tuple[Array, Array, Array]]:
    """Tool poses with the vessel upright and its lip before the place, the lip, and the level axis to tilt about."""
    assert arm.held is not None
    moment = arm.situation.moment()
    corners = moment.corners(arm.held.part)
    top = corners.mean(axis=0)
    top[2] = corners[:, 2].max()
    size = np.ptp(corners[:, :2], axis=0).min() / 2
    tool = arm.told()
    for yaw in YAWS_DEG:
        turn = pose_matrix(np.zeros(3), quat_from_euler_deg((0, 0, yaw)))
        turned = turn @ tool
        over = turn[:3, :3] @ top
        for direction in (arm.approach, arm.slide):
            level = turned[:3, :3] @ direction * (1, 1, 0)
            if np.linalg.norm(level) < 0.5:
                continue
            level /= np.linalg.norm(level)
            for axis in (level, -level):
                upright = turned.copy()
                forward = np.cross(axis, [0.0, 0.0, 1.0])
                lip = aim.above - forward * aim.back_m
                upright[:3, 3] += lip - (over + forward * size)
                yield upright, lip, axis


def _tilted(upright: Array, lip: Array, axis: Array, by_deg: float) -> list[Array]:
    """Tool poses that turn about a point."""
    poses = []
    for share in np.linspace(0, 1, POSES + 1)[1:]:
        half = np.radians(by_deg) * share / 2
        turn = pose_matrix(np.zeros(3), [np.cos(half), *(np.sin(half) * axis)])
        turn[:3, 3] = lip - turn[:3, :3] @ lip
        poses.append(turn @ upright)
    return poses
