"""``boxes.csv`` and ``part_boxes.csv``: what is seen where, frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvid.clips.tables import write_table
from simvid.frames import Frame
from simvid.rendering.boxes import Boxes, instance_boxes, part_boxes
from simvid.trajectory import Trajectory

EDGES = ("x_min", "y_min", "x_max", "y_max", "visible_px", "cut")
LOOSE = ("loose_x_min", "loose_y_min", "loose_x_max", "loose_y_max", "amodal_px", "visibility")
BOX_COLUMNS = ("frame", "instance_id", "instance", "category", *EDGES, *LOOSE)
PART_BOX_COLUMNS = ("frame", "id", "part", "category", *EDGES)
Row = tuple[object, ...]


class BoxTables:
    """Collects the boxes of the frames that pass by. The ground has none."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        solid = [(k, p) for k, p in enumerate(trajectory.parts, start=1) if p.kind != "ground"]
        self._parts = {k: (p.name, p.category) for k, p in solid}
        self._instances = {p.instance_id: (p.instance, p.category) for _, p in solid}
        self._part_rows: list[Row] = []
        self._rows: list[Row] = []

    def add(self, index: int, frame: Frame) -> None:
        """Take in one frame with ``ids``, and ``amodal`` where it has that."""
        if frame.ids is None:
            return
        self._part_rows += [
            (index, k, *self._parts[k], *edges)
            for k, edges in _edges(part_boxes(frame.ids, index)).items()
            if k in self._parts
        ]
        tight = _edges(instance_boxes(frame.ids, index, self._trajectory))
        loose = _loose(frame, tight) if frame.amodal is not None else {}
        for k, name in sorted(self._instances.items()):
            if k in tight or k in loose:
                nothing: Row = ("", "", "", "", 0, 0)
                self._rows.append((index, k, *name, *tight.get(k, nothing), *loose.get(k, ("",) * len(LOOSE))))

    def write(self, folder: Path) -> None:
        """Write both tables."""
        write_table(folder / "boxes.csv", BOX_COLUMNS, self._rows)
        write_table(folder / "part_boxes.csv", PART_BOX_COLUMNS, self._part_rows)


def _edges(table: Boxes) -> dict[int, Row]:
    """id -> the columns ``EDGES``."""
    columns = (table.id, table.box_px, table.pixels, table.cut)
    return {int(k): (*box.tolist(), int(n), int(cut)) for k, box, n, cut in zip(*columns, strict=True)}


def _loose(frame: Frame, tight: dict[int, Row]) -> dict[int, Row]:
    """Instance id -> the columns ``LOOSE``, for those whose amodal mask is not empty."""
    assert frame.amodal is not None, "the frame has amodal masks"
    found: dict[int, Row] = {}
    for k in np.flatnonzero(frame.amodal.any(axis=(1, 2))) + 1:
        mask = frame.amodal_mask(int(k))
        total, seen = int(np.count_nonzero(mask)), tight.get(int(k))
        visible = 0 if seen is None else int(str(seen[4]))
        found[int(k)] = (*mask_bounds(mask), total, round(visible / total, 6))
    return found


def mask_bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 (exclusive) of a mask that is not empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
