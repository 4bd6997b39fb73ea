"""Boxes of a clip: ``boxes.csv`` of a camera, read back; and 3-D boxes of parts at each frame."""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.export.base import View
from simvid.surfaces.boxes import boxes_at_m

Row: TypeAlias = dict[str, str]


def box_rows(view: View) -> dict[int, list[Row]]:
    """Frame -> its rows, as text by column."""
    found: dict[int, list[Row]] = defaultdict(list)
    with (view.clip.path / view.record.folder / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found[int(row["frame"])].append(row)
    return found


def boxes_now_m(clip: Clip) -> NDArray[np.float64]:
    """Lowest and highest corner of each part at each frame, along the axes of its pose [m]; NaN without; [T, B, 2, 3].

    As in ``boxes_3d``: that of a deformable part is around what it is then.
    """
    rest = np.full((len(clip.record.parts), 2, 3), np.nan)
    for k, part in enumerate(clip.record.parts):
        if part.box_m is not None:
            rest[k] = part.box_m
    return boxes_at_m(clip.trajectory, rest)
