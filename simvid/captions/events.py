"""Events of a trajectory: who touched, grasped, lifted, pushed over or dropped what, and when. Nothing is estimated.

Instances are bodies and whole robots. Frames are whole; an interval names its first and last frame. Further events are
defined in ``handling`` and ``deformation``; ``all_events.events`` has all.

| event | interval | definition |
|---|---|---|
| contact | frames in which the two touch | the contact table has a row that begins or persists for any of their parts |
| move | frames in which a body is under way | its origin is faster than 0.02 m/s; it gets 1 cm away |
| fall | frames in which a body falls | it touches nothing and sinks faster than 0.05 m/s, by 2 cm or more in all |
| grasp | frames in which a robot holds a body | two links touch it from opposite sides (normals 120 degrees apart) |
| lift | frames of a grasp in which a body is in the air | it touches nothing but robots, and rises by 1 cm or more |
| break | one frame | the first after a joint or tie gave way under its load; measured: the load |
| topple | one frame | the first in which the direction that was up at the start is more than 60 degrees from up |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.trajectory import EVENTS, Trajectory, pose_matrices

EventKind: TypeAlias = Literal[
    "contact", "move", "fall", "grasp", "lift", "topple", "break",
    "release", "push", "slide", "tip", "open",
    "deform", "flow",
]  # fmt: skip
"""Those of this file; of ``handling``; of ``deformation``."""
Pair: TypeAlias = tuple[str, str]
MOVE_M_S, MOVE_M = 0.02, 0.01
FALL_M_S, FALL_M = 0.05, 0.02
LIFT_M = 0.01
FLUSH_STEPS, SETTLE_M = 2.5, 0.002
"""What touches within the first frame does so from the start if it is sooner, or comes less far."""
LEAST_FRAMES = 2
"""Shorter moves, falls and grasps are none."""
OPPOSITE = -0.5
TOPPLE_COS = 0.5


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        kind: which.
        things: names of the instances; of a grasp and a lift, the robot and then the body.
        first, last: frames.
        start_s, end_s: times; of a contact that begins in the clip, that of its first step.
        begins: False where it was so from the start of the clip.
        measured: numbers by name, with their unit.
    """

    kind: EventKind
    things: tuple[str, ...]
    first: int
    last: int
    start_s: float
    end_s: float
    begins: bool = True
    measured: Mapping[str, float] = field(default_factory=dict)

    def as_tree(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": self.kind, "things": list(self.things), "start_s": round(self.start_s, 6),
                "end_s": round(self.end_s, 6), "first_frame": self.first, "last_frame": self.last,
                "from_the_start": not self.begins,
                "measured": {k: round(v, 6) for k, v in self.measured.items()}}  # fmt: skip


def intervals(frames: Iterable[int]) -> list[tuple[int, int]]:
    """Runs of whole numbers that follow each other: first and last of each."""
    found: list[tuple[int, int]] = []
    for t in sorted(set(frames)):
        if found and t == found[-1][1] + 1:
            found[-1] = (found[-1][0], t)
        else:
            found.append((t, t))
    return found


def touching(trajectory: Trajectory) -> dict[Pair, dict[int, list[int]]]:
    """Pair of instances (by name, in the order of their ids) -> frame -> rows of the contact table that say so."""
    c, parts = trajectory.contacts, trajectory.parts
    found: dict[Pair, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    end = EVENTS.index("end")
    for k in range(len(c)):
        a, b = parts[c.id_a[k] - 1], parts[c.id_b[k] - 1]
        if c.event[k] != end and a.instance_id != b.instance_id:
            first, second = sorted((a, b), key=lambda p: p.instance_id)
            found[first.instance, second.instance][int(c.frame[k])].append(k)
    return found


def contacts(trajectory: Trajectory) -> list[Event]:
    """Every touch of two instances, with its impulse [N s] in its first frame and in all; and how fast each was one
    frame before [m/s], a robot's fastest link for a robot."""
    c, found = trajectory.contacts, list[Event]()
    strength = np.linalg.norm(c.impulse_n_s, axis=1)
    for pair, frames in touching(trajectory).items():
        for first, last in intervals(frames):
            rows = frames[first]
            whole = [k for t in range(first, last + 1) for k in frames[t]]
            begins = first > 1 or (first == 1 and _comes(trajectory, rows))
            start_s = float(c.time_s[rows].min()) if begins else first / trajectory.fps
            fast = [_speed(trajectory, name, max(first - 1, 0)) for name in pair]
            found.append(Event("contact", pair, first, last, start_s, last / trajectory.fps, begins, {
                "first_impulse_n_s": float(strength[rows].sum()), "impulse_n_s": float(strength[whole].sum()),
                "first_speed_m_s": fast[0], "second_speed_m_s": fast[1]}))  # fmt: skip
    return found


def _comes(trajectory: Trajectory, rows: list[int]) -> bool:
    """Whether two that touch before the first frame is over come together then; what starts flush touches in the first
    two steps, or settles by less than 2 mm, as a stack does."""
    c, poses = trajectory.contacts, trajectory.poses
    k = min(rows, key=lambda row: c.time_s[row])
    a, b, time_s = c.id_a[k] - 1, c.id_b[k] - 1, float(c.time_s[k])
    steps = poses[1, :, :3] - poses[0, :, :3], trajectory.twists[0, :, :3] * time_s
    way = max(float(np.linalg.norm(step[a] - step[b])) for step in steps)
    return time_s > FLUSH_STEPS * trajectory.step_s > 0 and way > SETTLE_M


def _speed(trajectory: Trajectory, name: str, frame: int) -> float:
    own = [k for k, p in enumerate(trajectory.parts) if p.instance == name]
    return float(np.linalg.norm(trajectory.twists[frame, own, :3], axis=-1).max())


def bodies(trajectory: Trajectory) -> list[int]:
    """Indices of the parts that are bodies which may move."""
    return [k for k, p in enumerate(trajectory.parts) if p.kind == "body" and not p.fixed]


def moves(trajectory: Trajectory) -> list[Event]:
    """Every time that a body is under way, with how far it gets [m] and its greatest speed [m/s]."""
    found = []
    for k in bodies(trajectory):
        speed = np.linalg.norm(trajectory.twists[:, k, :3], axis=-1)
        for first, last in intervals(np.flatnonzero(speed > MOVE_M_S).tolist()):
            way = trajectory.poses[first : last + 1, k, :3]
            far = float(np.linalg.norm(way - way[0], axis=-1).max())
            if last - first + 1 >= LEAST_FRAMES and far >= MOVE_M:
                measured = {"distance_m": far, "speed_m_s": float(speed[first : last + 1].max())}
                found.append(event(trajectory, "move", (trajectory.parts[k].instance,), first, last, measured))
    return found


def falls(trajectory: Trajectory, jointed: Collection[str] = ()) -> list[Event]:
    """Every free fall, with its depth [m]."""
    found, near = [], touched(trajectory)
    torn = {e.things[0]: e.first for e in breaks(trajectory)}
    for k in bodies(trajectory):
        name = trajectory.parts[k].instance
        sinking = np.flatnonzero(trajectory.twists[:, k, 2] < -FALL_M_S)
        free = [int(t) for t in sinking if not near[name].get(int(t)) and t >= torn.get(name, 0)]
        for first, last in intervals(free):
            drop = float(trajectory.poses[first, k, 2] - trajectory.poses[last, k, 2])
            if last - first + 1 >= LEAST_FRAMES and drop >= FALL_M and name not in jointed:
                found.append(event(trajectory, "fall", (name,), first, last, {"drop_m": drop}))
    return found


def grasps(trajectory: Trajectory) -> list[Event]:
    """Every time that a robot holds a body between two of its links."""
    found = []
    robots = {p.instance for p in trajectory.parts if p.kind == "link"}
    free = {trajectory.parts[k].instance for k in bodies(trajectory)}
    for pair, frames in touching(trajectory).items():
        robot = next((n for n in pair if n in robots), None)
        body = next((n for n in pair if n in free), None)
        if robot is None or body is None:
            continue
        held = [t for t, rows in frames.items() if _between_links(trajectory, rows, body)]
        for first, last in intervals(held):
            if last - first + 1 >= LEAST_FRAMES:
                found.append(event(trajectory, "grasp", (robot, body), first, last, {}))
    return found


def _between_links(trajectory: Trajectory, rows: list[int], body: str) -> bool:
    """Whether normals of two links' contacts, pointing from the body, are opposite."""
    c, parts = trajectory.contacts, trajectory.parts
    sides: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
    for k in rows:
        a_is_link = parts[c.id_a[k] - 1].instance != body
        link = int(c.id_a[k] if a_is_link else c.id_b[k])
        sides[link].append(c.normal[k] if a_is_link else -c.normal[k])
    links = list(sides)
    return any(
        float(n @ m) < OPPOSITE
        for i, one in enumerate(links) for other in links[i + 1 :] for n in sides[one] for m in sides[other]
    )  # fmt: skip


def lifts(trajectory: Trajectory, held: Iterable[Event]) -> list[Event]:
    """Every time that a grasped body is in the air, with how far it rises [m]."""
    found, near = [], touched(trajectory)
    robots = {p.instance for p in trajectory.parts if p.kind == "link"}
    index = {trajectory.parts[k].instance: k for k in bodies(trajectory)}
    for grasp in held:
        body = grasp.things[1]
        air = [t for t in range(grasp.first, grasp.last + 1) if near[body].get(t, set()) <= robots]
        for first, last in intervals(air):
            heights = trajectory.poses[first : last + 1, index[body], 2]
            rise = float(heights.max() - heights[0])
            if rise >= LIFT_M:
                found.append(event(trajectory, "lift", grasp.things, first, last, {"rise_m": rise}))
    return found


def topples(trajectory: Trajectory, round_things: Collection[str]) -> list[Event]:
    """The moment at which a body has gone over, with its greatest tilt [rad]."""
    found = []
    for k in bodies(trajectory):
        name = trajectory.parts[k].instance
        turns = pose_matrices(trajectory.poses[:, k])[:, :3, :3]
        cosines = (turns @ turns[0].T)[:, 2, 2]
        over = np.flatnonzero(cosines < TOPPLE_COS)
        if len(over) and name not in round_things:
            t = int(over[0])
            tilt = float(np.arccos(np.clip(cosines.min(), -1, 1)))
            found.append(event(trajectory, "topple", (name,), t, t, {"tilt_rad": tilt}))
    return found


def breaks(trajectory: Trajectory) -> list[Event]:
    """Every joint or tie that gave way: what came off, what it came off (unless that is the world), the load."""
    instances = {p.name: p.instance for p in trajectory.parts}
    found = []
    for tie in trajectory.ties:
        if tie.kind == "break":
            things = tuple(dict.fromkeys(instances[name] for name in tie.things))
            frame = min(int(np.ceil(tie.time_s * trajectory.fps - 1e-9)), trajectory.frame_count - 1)
            measured = {"force_n": tie.force_n, "torque_n_m": tie.torque_n_m}
            found.append(Event("break", things, frame, frame, tie.time_s, tie.time_s, True, measured))
    return found


def touched(trajectory: Trajectory) -> dict[str, dict[int, set[str]]]:
    """Instance -> frame -> what it touches."""
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for (a, b), frames in touching(trajectory).items():
        for t in frames:
            found[a][t].add(b)
            found[b][t].add(a)
    return found


def event(
    trajectory: Trajectory, kind: EventKind, things: tuple[str, ...], first: int, last: int, measured: dict[str, float]
) -> Event:
    """An event of whole frames."""
    fps = trajectory.fps
    return Event(kind, things, first, last, first / fps, last / fps, first > 0, measured)
