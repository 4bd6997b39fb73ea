"""Events of handling: what robots do with bodies beyond holding them. Nothing is estimated.

| event | interval | definition |
|---|---|---|
| release | one frame | the first one after a grasp that ends within the clip |
| push | frames in which a robot pushes a body | it touches it without grasping it, and the body is faster than 0.02 m/s; the body gets 1 cm away |
| slide | frames in which a held body slides on the ground or on what is fixed | it touches it and is faster than 0.02 m/s; its way is 5 cm or more |
| tip | frames in which a held body is tipped | the direction that was up at the start is more than 60 degrees from up |
| open | one frame | the first in which a body on a joint, which a robot has touched before, is turned by more than 15 degrees or 5 cm away from where it was at the start |

Pushes, slides and tips last two frames or more.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from simvid.captions.events import (
    LEAST_FRAMES,
    MOVE_M,
    MOVE_M_S,
    TOPPLE_COS,
    Event,
    bodies,
    event,
    intervals,
    touched,
)
from simvid.trajectory import Trajectory, pose_matrices

SLIDE_M = 0.05
OPEN_RAD, OPEN_M = np.radians(15.0), 0.05


def handling(trajectory: Trajectory, held: Iterable[Event], jointed: Collection[str]) -> list[Event]:
    """All of them, from the grasps of a trajectory and the names of the bodies that hang on joints."""
    grasps = list(held)
    return [
        *releases(trajectory, grasps),
        *pushes(trajectory, grasps),
        *slides(trajectory, grasps),
        *tips(trajectory, grasps),
        *openings(trajectory, jointed),
    ]


def releases(trajectory: Trajectory, held: Iterable[Event]) -> list[Event]:
    """Every time that a robot lets go, with the body's speed then [m/s]."""
    speeds, index = _speeds(trajectory), _index(trajectory)
    return [
        event(trajectory, "release", g.things, g.last + 1, g.last + 1,
              {"speed_m_s": float(speeds[g.last + 1, index[g.things[1]]])})
        for g in held if g.last + 1 < trajectory.frame_count
    ]  # fmt: skip


def pushes(trajectory: Trajectory, held: Iterable[Event]) -> list[Event]:
    """Every push, with how far the body gets [m]."""
    speeds, near, found = _speeds(trajectory), touched(trajectory), []
    grasped = {(*g.things, t) for g in held for t in range(g.first, g.last + 1)}
    for robot in _robots(trajectory):
        for body, k in _index(trajectory).items():
            frames = [
                t for t, others in near[body].items()
                if robot in others and (robot, body, t) not in grasped and speeds[t, k] > MOVE_M_S
            ]  # fmt: skip
            for first, last in intervals(frames):
                way = trajectory.poses[first : last + 1, k, :3]
                far = float(np.linalg.norm(way - way[0], axis=-1).max())
                if last - first + 1 >= LEAST_FRAMES and far >= MOVE_M:
                    found.append(event(trajectory, "push", (robot, body), first, last, {"distance_m": far}))
    return found


def slides(trajectory: Trajectory, held: Iterable[Event]) -> list[Event]:
    """Every time that a held body is drawn over something, with the length of its way [m]."""
    speeds, near, index, found = _speeds(trajectory), touched(trajectory), _index(trajectory), []
    fixed = {p.instance for p in trajectory.parts if p.fixed}
    for grasp in held:
        body = grasp.things[1]
        fast = [t for t in range(grasp.first, grasp.last + 1) if speeds[t, index[body]] > MOVE_M_S]
        for other in sorted({n for t in fast for n in near[body].get(t, ())} & fixed):
            for first, last in intervals(t for t in fast if other in near[body].get(t, ())):
                steps = np.diff(trajectory.poses[first : last + 1, index[body], :3], axis=0)
                length = float(np.linalg.norm(steps, axis=-1).sum())
                if last - first + 1 >= LEAST_FRAMES and length >= SLIDE_M:
                    found.append(event(trajectory, "slide", (*grasp.things, other), first, last, {"way_m": length}))
    return found


def tips(trajectory: Trajectory, held: Iterable[Event]) -> list[Event]:
    """Every time that a held body is tipped, with its greatest tilt [rad]."""
    found, index = [], _index(trajectory)
    for grasp in held:
        cosines = _up(trajectory, index[grasp.things[1]])
        over = [t for t in range(grasp.first, grasp.last + 1) if cosines[t] < TOPPLE_COS]
        for first, last in intervals(over):
            if last - first + 1 >= LEAST_FRAMES:
                tilt = float(np.arccos(np.clip(cosines[first : last + 1].min(), -1, 1)))
                found.append(event(trajectory, "tip", grasp.things, first, last, {"tilt_rad": tilt}))
    return found


def openings(trajectory: Trajectory, jointed: Collection[str]) -> list[Event]:
    """The moment at which a robot has opened a door or a drawer, with how far it gets [rad, m]."""
    near, robots, found = touched(trajectory), set(_robots(trajectory)), []
    for body, k in _index(trajectory).items():
        touches = sorted((t, r) for t, others in near[body].items() for r in others & robots)
        if body not in jointed or not touches:
            continue
        turn = 2 * np.arccos(np.clip(np.abs(trajectory.poses[:, k, 3:] @ trajectory.poses[0, k, 3:]), 0, 1))
        away = np.linalg.norm(trajectory.poses[:, k, :3] - trajectory.poses[0, k, :3], axis=-1)
        wide = np.flatnonzero((turn > OPEN_RAD) | (away > OPEN_M))
        after = wide[wide >= touches[0][0]]
        if len(after):
            t = int(after[0])
            robot = [r for f, r in touches if f <= t][-1]
            measured = {"turned_rad": float(turn.max()), "distance_m": float(away.max())}
            found.append(event(trajectory, "open", (robot, body), t, t, measured))
    return found


def _robots(trajectory: Trajectory) -> list[str]:
    return sorted({p.instance for p in trajectory.parts if p.kind == "link"})


def _index(trajectory: Trajectory) -> dict[str, int]:
    """Part of each body that may move."""
    return {trajectory.parts[k].instance: k for k in bodies(trajectory)}


def _speeds(trajectory: Trajectory) -> NDArray[np.float64]:
    """Of each part's origin [m/s], [T, B]."""
    return np.asarray(np.linalg.norm(trajectory.twists[..., :3], axis=-1))


def _up(trajectory: Trajectory, part: int) -> NDArray[np.float64]:
    """Cosine between up and the direction that was up at the start, [T]."""
    turns = pose_matrices(trajectory.poses[:, part])[:, :3, :3]
    return np.asarray((turns @ turns[0].T)[:, 2, 2])
