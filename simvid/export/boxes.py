"""``boxes.csv`` of a camera, read back."""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import TypeAlias

from simvid.export.base import View

Row: TypeAlias = dict[str, str]


def box_rows(view: View) -> dict[int, list[Row]]:
    """Frame -> its rows, as text by column."""
    found: dict[int, list[Row]] = defaultdict(list)
    with (view.clip.path / view.record.folder / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found[int(row["frame"])].append(row)
    return found
