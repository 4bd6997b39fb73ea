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
    """How a camera moves through the clip: in words, and from the first frame to the last along its first axes."""

    words: str
    moved_m: tuple[float, float, float]
    turned_rad: float

    def as_tree(self) -> dict[str, Any]:
        """For JSON."""
        return {"words": self.words, "moved_m": [round(v, 6) for v in self.moved_m],
                "turned_rad": round(self.turned_rad, 6)}  # fmt: skip


def camera_motion(camera: CameraPath) -> CameraMotion:
    """``stands still``, ``turns left``, ``circles to the right``, ``moves forward`` and so on."""
    poses = camera.world_from_camera
    relative = np.linalg.inv(poses[0]) @ poses[-1]
    move, turn = relative[:3, 3], relative[:3, :3]
    angle = float(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    still = np.abs(poses - poses[:1]).max() < min(STILL_M, STILL_RAD)
    forward = turn[:, 2]  # where it looks at last, along its first axes
    sideways, upwards = float(forward[0]), -float(forward[1])
    axis = int(np.argmax(np.abs(move)))
    if still:
        words = "stands still"
    elif np.linalg.norm(move) < STILL_M:
        if abs(sideways) >= abs(upwards):
            words = f"turns {'right' if sideways > 0 else 'left'}"
        else:
            words = f"tilts {'up' if upwards > 0 else 'down'}"
    elif axis == 0 and angle > STILL_RAD and move[0] * sideways < 0:
        words = f"circles to the {'right' if move[0] > 0 else 'left'}"
    else:
        ways = (("left", "right"), ("up", "down"), ("back", "forward"))  # y points down
        words = f"moves {ways[axis][int(move[axis] > 0)]}"
    return CameraMotion(words, (float(move[0]), float(move[1]), float(move[2])), angle)
