"""What a viewer shows of a clip besides pictures: parts, boxes, paths and contacts, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.clips.pictures import Picture, id_colors
from simvid.surfaces.boxes import boxes_at_m
from simvid.trajectory import EVENTS, pose_matrices

Floats: TypeAlias = NDArray[np.float64]
LONGEST_ARROW = 0.25
"""Length of the arrow of a strong contact, in sizes of the scene."""
STRONG = 95.0
"""Percentile of the impulses that gets the longest arrow."""
EDGES = np.array([[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7], [4, 5], [4, 6], [5, 7], [6, 7]])
"""Corners of a box (bit 0 is x, bit 1 y, bit 2 z) that its edges join."""


@dataclass(frozen=True, eq=False)
class ShownPart:
    """One part as a viewer lists it.

    Attributes:
        id: 1 and up.
        name, category, kind: as in the clip.
        color: of its id, uint8 [3].
        box_m: lowest and highest corner of what is seen of it, in its own frame [m], [2, 3]; None for what has none.
        moves: its pose changes in the clip.
        mass_kg: None for fixed parts.
    """

    id: int
    name: str
    category: str
    kind: str
    color: Picture
    box_m: Floats | None
    moves: bool
    mass_kg: float | None


@dataclass(frozen=True, eq=False)
class Contacts:
    """The contacts of one frame, C of them.

    Attributes:
        points: world [m], [C, 3].
        arrows: from the point along the impulse on the first part (on the second, if only that one can move), world
            [m]; contacts without one have none, [A, 2, 3].
        impulse_n_s: length of the impulse, [C].
        pairs: ids of the two parts, [C, 2].
    """

    points: Floats
    arrows: Floats
    impulse_n_s: Floats
    pairs: NDArray[np.int32]


class Content:
    """The clip's motion, ready to draw.

    Attributes:
        clip, trajectory, cameras: where it comes from.
        parts: all of them.
        boxed: those with a box, without the ground.
        deforming: ids of those that deform.
        colors: of ids 0, 1, …; uint8 [B + 1, 3].
    """

    def __init__(self, clip: Clip) -> None:
        self.clip, self.trajectory, self.cameras = clip, clip.trajectory, clip.cameras
        poses = self.trajectory.poses
        grounds = {part.id for part in clip.record.parts if part.kind == "ground"}
        self.colors = id_colors(len(clip.record.parts), grounds)
        moves = (poses != poses[:1]).any(axis=(0, 2))
        self.parts = tuple(
            ShownPart(
                part.id, part.name, part.category, part.kind, self.colors[part.id],
                None if part.box_m is None else np.array(part.box_m), bool(moves[part.id - 1]), part.mass_kg,
            )
            for part in clip.record.parts
        )  # fmt: skip

        self.boxed = tuple(part for part in self.parts if part.box_m is not None and part.kind != "ground")
        self.deforming = frozenset(motion.part + 1 for motion in self.trajectory.particles)

    def boxes_at(self, part: ShownPart) -> Floats:
        """A part's box at every frame in its own frame [m], [T, 2, 3]; that of what deforms is around it as it is then.

        As the label ``boxes_3d`` has it.
        """
        return np.asarray(self._boxes_m[:, part.id - 1])

    @cached_property
    def _boxes_m(self) -> Floats:
        nothing = np.full((2, 3), np.nan)
        return boxes_at_m(self.trajectory, np.array([nothing if p.box_m is None else p.box_m for p in self.parts]))

    @cached_property
    def bounds_m(self) -> Floats:
        """Lowest and highest corner of the world that matters [m], [2, 3]: all boxes at all frames.

        A part that flies off does not stretch it: the outermost 2 % of the corners of moving parts are left out.
        """
        fixed: list[Floats] = []
        moving: list[Floats] = []
        for part in self.boxed:
            assert part.box_m is not None, "it has a box"
            poses = pose_matrices(self.trajectory.poses[:, part.id - 1])
            corners = box_corners(part.box_m) @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
            (moving if part.moves else fixed).append(corners.reshape(-1, 3))
        if not fixed and not moving:
            return np.array([[-1.0, -1.0, 0.0], [1.0, 1.0, 1.0]])
        limits = [np.concatenate(fixed)] if fixed else []
        if moving:
            limits.append(np.percentile(np.concatenate(moving), [1, 99], axis=0))
        points = np.concatenate(limits)
        return np.stack([points.min(axis=0), points.max(axis=0)])

    @cached_property
    def size_m(self) -> float:
        """Longest side of ``bounds_m`` [m], at least 1 mm."""
        return max(float(np.ptp(self.bounds_m, axis=0).max()), 1e-3)

    def contacts(self, frame: int) -> Contacts:
        """Contacts of a frame, without those that have just ended."""
        table = self.trajectory.contacts
        rows = np.flatnonzero((table.frame == frame) & (table.event != EVENTS.index("end")))
        impulse = table.impulse_n_s[rows]
        length = np.linalg.norm(impulse, axis=1)
        shown = impulse * (LONGEST_ARROW * self.size_m / self.strong_n_s)
        shown /= np.maximum(length / self.strong_n_s, 1.0)[:, None]
        points = table.point_m[rows]
        pairs = np.stack([table.id_a[rows], table.id_b[rows]], axis=1)
        fixed = np.array([False, *(part.fixed for part in self.trajectory.parts)])[pairs]
        shown[fixed[:, 0] & ~fixed[:, 1]] *= -1
        pushing = length > 0
        arrows = np.stack([points, points + shown], axis=1)[pushing]
        return Contacts(points, arrows, length, pairs)

    @cached_property
    def strong_n_s(self) -> float:
        """Impulse per frame [N s] whose arrow is the longest."""
        lengths = np.linalg.norm(self.trajectory.contacts.impulse_n_s, axis=1)
        return max(float(np.percentile(lengths[lengths > 0], STRONG)), 1e-12) if (lengths > 0).any() else 1.0

    def paths(self) -> tuple[Floats, Picture]:
        """Ways of the middles of moving parts: segments [S, 2, 3] [m] and their colours [S, 3]."""
        segments, colors = [np.zeros((0, 2, 3))], [np.zeros((0, 3), np.uint8)]
        for part in self.parts:
            if part.moves:
                points = self.middles(part)
                segments.append(np.stack([points[:-1], points[1:]], axis=1))
                colors.append(np.repeat(part.color[None], len(points) - 1, axis=0))
        return np.concatenate(segments), np.concatenate(colors)

    def middles(self, part: ShownPart) -> Floats:
        """World position of the middle of a part's box (of its origin where it has none) at every frame, [T, 3]."""
        poses = pose_matrices(self.trajectory.poses[:, part.id - 1])
        middle = np.zeros(3) if part.box_m is None else part.box_m.mean(axis=0)
        return np.asarray(poses[:, :3, :3] @ middle + poses[:, :3, 3])

    def part(self, name: str) -> ShownPart:
        """The part with this name.

        Raises:
            KeyError: there is none.
        """
        return self.parts[self.trajectory.part_index(name)]


def box_corners(box_m: Floats) -> Floats:
    """The eight corners of a box given by two, [8, 3]; bit 0 of the index is x, bit 1 y, bit 2 z."""
    picks = (np.arange(8)[:, None] >> np.arange(3)) & 1
    return np.asarray(np.where(picks, box_m[1], box_m[0]))


def box_segments(box_m: Floats) -> Floats:
    """The twelve edges of a box, [12, 2, 3]."""
    return np.asarray(box_corners(box_m)[EDGES])
