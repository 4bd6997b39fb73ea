"""``boxes.csv`` and ``part_boxes.csv``: what is seen where, frame by frame."""

from __future__ import annotations

from pathlib import Path

from simvid.clips.tables import write_table
from simvid.frames import Frame
from simvid.rendering.boxes import Boxes, instance_boxes, part_boxes
from simvid.trajectory import Trajectory

EDGES = ("x_min", "y_min", "x_max", "y_max", "visible_px", "cut")
BOX_COLUMNS = ("frame", "instance_id", "instance", "category", *EDGES)
PART_BOX_COLUMNS = ("frame", "id", "part", "category", *EDGES)


class BoxTables:
    """Collects the boxes of the frames that pass by. The ground has none."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        solid = [(k, p) for k, p in enumerate(trajectory.parts, start=1) if p.kind != "ground"]
        self._parts = {k: (p.name, p.category) for k, p in solid}
        self._instances = {p.instance_id: (p.instance, p.category) for _, p in solid}
        self._part_rows: list[tuple[object, ...]] = []
        self._rows: list[tuple[object, ...]] = []

    def add(self, index: int, frame: Frame) -> None:
        """Take in one frame."""
        if frame.ids is not None:
            self._part_rows += _rows(part_boxes(frame.ids, index), self._parts)
            self._rows += _rows(instance_boxes(frame.ids, index, self._trajectory), self._instances)

    def write(self, folder: Path) -> None:
        """Write both tables."""
        write_table(folder / "boxes.csv", BOX_COLUMNS, self._rows)
        write_table(folder / "part_boxes.csv", PART_BOX_COLUMNS, self._part_rows)


def _rows(table: Boxes, names: dict[int, tuple[str, str]]) -> list[tuple[object, ...]]:
    columns = (table.frame, table.id, table.box_px, table.pixels, table.cut)
    return [
        (int(frame), int(k), *names[int(k)], *box.tolist(), int(pixels), int(cut))
        for frame, k, box, pixels, cut in zip(*columns, strict=True)
        if int(k) in names
    ]
