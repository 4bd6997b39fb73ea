"""Where things are to each other, as a camera sees it, and how the camera moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.captions.events import touching
from simvid.captions.things import Thing
from simvid.frames import CameraPath
from simvid.trajectory import Trajectory

RelationKind: TypeAlias = Literal["left_of", "right_of", "in_front_of", "behind", "on"]
LEAST_M = 0.03
"""Things that are less apart along an axis are not said to be beside or behind each other."""
UPRIGHT = 0.7
STILL_M, STILL_RAD = 1e-3, 1e-3
RETURNED = 0.1
"""A camera that gets less far than this share of its way has gone there and back."""


@dataclass(frozen=True)
class Relation:
    """``first`` is ``kind`` ``second``."""

    kind: RelationKind
    first: str
    second: str

    def as_tree(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": self.kind, "first": self.first, "second": self.second}


def relations(
    trajectory: Trajectory, camera: CameraPath, named: Sequence[Thing], frame: int, supports: bool = True
) -> tuple[Relation, ...]:
    """All pairs, each once: left or right and in front or behind by the axes of the camera, and what lies on what.

    Args:
        trajectory: where things are; an instance is at the mean of its parts' origins.
        camera: that looks on.
        named: the things to speak of.
        frame: when.
        supports: whether to say what lies on what; of two that touch, the one that is pushed up lies on the other.
    """
    places = {thing.name: _place(trajectory, camera, thing.name, frame) for thing in named}
    found: list[Relation] = supports_at(trajectory, named, frame) if supports else []
    for a, b in combinations([t.name for t in named], 2):
        dx, _, dz = places[b] - places[a]
        if abs(dx) >= LEAST_M:
            found.append(Relation("left_of" if dx > 0 else "right_of", a, b))
        if abs(dz) >= LEAST_M:
            found.append(Relation("in_front_of" if dz > 0 else "behind", a, b))
    return tuple(found)


def supports_at(trajectory: Trajectory, named: Sequence[Thing], frame: int) -> list[Relation]:
    """What lies on what, by contacts whose normal is nearly upright; at the start, those of the first frame after."""
    c, parts = trajectory.contacts, trajectory.parts
    movable = {t.name for t in named if t.movable and not t.robot}
    known = {t.name for t in named}
    found = []
    for frames in touching(trajectory).values():
        for k in frames.get(max(frame, 1), []):
            up = float(c.normal[k, 2])  # from b to a
            a, b = parts[c.id_a[k] - 1].instance, parts[c.id_b[k] - 1].instance
            above, below = (a, b) if up > 0 else (b, a)
            relation = Relation("on", above, below)
            if abs(up) > UPRIGHT and above in movable and below in known and relation not in found:
                found.append(relation)
    return found


def _place(trajectory: Trajectory, camera: CameraPath, name: str, frame: int) -> NDArray[np.float64]:
    own = [k for k, p in enumerate(trajectory.parts) if p.instance == name]
    world = trajectory.poses[frame, own, :3].mean(axis=0)
    matrix = camera.camera_from_world[frame]
    return np.asarray(matrix[:3, :3] @ world + matrix[:3, 3])


@dataclass(frozen=True)
class CameraMotion:
    """How a camera moves through the clip: in words; from the first frame to the last along its first axes; and all its
    way."""

    words: str
    moved_m: tuple[float, float, float]
    turned_rad: float
    way_m: float
    way_rad: float

    def as_tree(self) -> dict[str, Any]:
        """For JSON."""
        return {"words": self.words, "moved_m": [round(v, 6) for v in self.moved_m],
                "turned_rad": round(self.turned_rad, 6), "way_m": round(self.way_m, 6),
                "way_rad": round(self.way_rad, 6)}  # fmt: skip


def camera_motion(camera: CameraPath) -> CameraMotion:
    """``stands still``, ``turns left``, ``circles to the right``, ``moves forward``, ``moves there and back``...

    Told by the sums of its steps from frame to frame, each along the camera's own axes then: a whole orbit is one.
    """
    poses = camera.world_from_camera
    steps, whole = np.linalg.inv(poses[:-1]) @ poses[1:], np.linalg.inv(poses[0]) @ poses[-1]
    x, y, z = whole[:3, 3].tolist()
    way_m, way_rad = np.linalg.norm(steps[:, :3, 3], axis=1).sum(), _angles(steps).sum()
    return CameraMotion(_words(poses, steps), (x, y, z), float(_angles(whole)), float(way_m), float(way_rad))


def _angles(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each pose turns [rad]."""
    return np.asarray(np.arccos(np.clip((np.trace(turns[..., :3, :3], axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


def _words(poses: NDArray[np.float64], steps: NDArray[np.float64]) -> str:
    ways, looks = steps[:, :3, 3], steps[:, :3, 2]
    turns = np.stack([np.arctan2(looks[:, 0], looks[:, 2]), np.arcsin(np.clip(-looks[:, 1], -1, 1))], axis=1)
    way, (sideways, upwards) = ways.sum(axis=0), turns.sum(axis=0)
    axis = int(np.argmax(np.abs(way)))
    if np.abs(poses - poses[:1]).max() < min(STILL_M, STILL_RAD):
        return "stands still"
    if np.linalg.norm(poses[:, :3, 3] - poses[0, :3, 3], axis=1).max() < STILL_M:
        if _returns(turns):
            return "turns there and back"
        if abs(sideways) >= abs(upwards):
            return f"turns {'right' if sideways > 0 else 'left'}"
        return f"tilts {'up' if upwards > 0 else 'down'}"
    if _returns(ways):
        return "moves there and back"
    if axis == 0 and abs(sideways) > STILL_RAD and way[0] * sideways < 0:
        return f"circles to the {'right' if way[0] > 0 else 'left'}"
    names = (("left", "right"), ("up", "down"), ("back", "forward"))  # y points down
    return f"moves {names[axis][int(way[axis] > 0)]}"


def _returns(steps: NDArray[np.float64]) -> bool:
    """Whether steps take back most of what they go."""
    return bool(np.linalg.norm(steps.sum(axis=0)) < RETURNED * np.linalg.norm(steps, axis=1).sum())
