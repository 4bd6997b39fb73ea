"""Tight 2-D boxes of what is seen, per part and per instance, from the ids of each frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.trajectory import Trajectory

Ints: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Boxes:
    """R rows sorted by (frame, id); one per id that is seen in a frame.

    Attributes:
        frame: [R].
        id: part id or instance id, see the table's name, [R].
        box_px: x0, y0, x1, y1 with x1 and y1 exclusive, so that a box of one pixel has width 1, [R, 4].
        pixels: number of pixels, [R].
        cut: the box touches the picture's border, bool [R].
    """

    frame: Ints
    id: Ints
    box_px: Ints
    pixels: Ints
    cut: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for f in fields(self):
            wanted = (len(self.frame), 4) if f.name == "box_px" else (len(self.frame),)
            if getattr(self, f.name).shape != wanted:
                raise ValueError(f"Boxes.{f.name}: expected shape {wanted}, got {getattr(self, f.name).shape}")

    def __len__(self) -> int:
        return len(self.frame)

    @staticmethod
    def concatenate(tables: Iterable[Boxes]) -> Boxes:
        """Join tables, in order."""
        rows = list(tables) or [Boxes.none()]
        return Boxes(*(np.concatenate([getattr(t, f.name) for t in rows]) for f in fields(Boxes)))

    @staticmethod
    def none() -> Boxes:
        """No box at all."""
        i = np.zeros(0, np.int32)
        return Boxes(i, i, np.zeros((0, 4), np.int32), i, np.zeros(0, np.bool_))


def part_boxes(ids: Ints, frame: int) -> Boxes:
    """Boxes of the parts seen in one frame.

    Args:
        ids: part id of each pixel, 0 = none, int32 [H, W].
        frame: its index.
    """
    return _boxes(ids, frame)


def instance_boxes(ids: Ints, frame: int, trajectory: Trajectory) -> Boxes:
    """Boxes of the instances seen in one frame; all links of a robot are one instance. Arguments as ``part_boxes``."""
    return _boxes(trajectory.instance_ids()[ids], frame)


def _boxes(ids: Ints, frame: int) -> Boxes:
    height, width = ids.shape
    count = int(ids.max(initial=0)) + 1
    rows, columns = (np.zeros((count, n), np.bool_) for n in (height, width))
    v, u = np.nonzero(ids)
    seen = ids[v, u]
    rows[seen, v] = True
    columns[seen, u] = True
    pixels = np.bincount(seen, minlength=count)
    present = np.flatnonzero(pixels)
    x0, y0 = columns[present].argmax(axis=1), rows[present].argmax(axis=1)
    x1 = width - columns[present, ::-1].argmax(axis=1)
    y1 = height - rows[present, ::-1].argmax(axis=1)
    return Boxes(
        np.full(len(present), frame, np.int32),
        present.astype(np.int32),
        np.stack([x0, y0, x1, y1], axis=1).astype(np.int32),
        pixels[present].astype(np.int32),
        (x0 == 0) | (y0 == 0) | (x1 == width) | (y1 == height),
    )
