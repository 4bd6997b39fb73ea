"""The log of a run: log.csv, curves.png, and grids of samples."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simvid.clips.folders import clear_os_errors, new_file

_SIZE, _MARGIN, _COLUMNS = (320, 150), 30, 3


class Log:
    """Rows of (step, name, value), in a file that grows by whole lines."""

    def __init__(self, out: Path) -> None:
        self.out, self.path = out, out / "log.csv"
        with clear_os_errors(out):
            out.mkdir(parents=True, exist_ok=True)

    def cut(self, step: int) -> None:
        """Forget rows after a step: those of steps that a killed run did after its last checkpoint."""
        rows = [row for row in self.rows() if row[0] <= step]
        with new_file(self.path) as path, path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("step", "name", "value"))
            writer.writerows(rows)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write some values of a step."""
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerows((step, name, repr(value)) for name, value in values.items())

    def rows(self) -> list[tuple[int, str, float]]:
        """What is written; the heading, and a line that was cut off, are left out."""
        if not self.path.is_file():
            return []
        found = []
        with self.path.open(newline="") as file:
            for row in csv.reader(file):
                try:
                    found.append((int(row[0]), row[1], float(row[2])))
                except (ValueError, IndexError):
                    continue
        return found

    def draw(self) -> None:
        """Curves of all names, into curves.png."""
        from PIL import Image, ImageDraw

        series: dict[str, list[tuple[int, float]]] = {}
        for step, name, value in self.rows():
            if name not in ("rate", "seconds"):
                series.setdefault(name, []).append((step, value))
        width, height = _SIZE
        rows = -(-len(series) // _COLUMNS)
        sheet = Image.new("RGB", (_COLUMNS * width, max(rows, 1) * height), "white")
        pen = ImageDraw.Draw(sheet)
        for k, (name, points) in enumerate(series.items()):
            left, top = k % _COLUMNS * width, k // _COLUMNS * height
            _curve(pen, (left, top), name, points)
        with new_file(self.out / "curves.png") as path, path.open("wb") as file:
            sheet.save(file, "PNG")


def _curve(pen: Any, corner: tuple[int, int], name: str, points: Sequence[tuple[int, float]]) -> None:
    (width, height), (left, top) = _SIZE, corner
    steps, values = (np.array(column, np.float64) for column in zip(*points, strict=True))
    low, high = float(values.min()), float(values.max())
    x = left + _MARGIN + (width - 2 * _MARGIN) * (steps - steps[0]) / max(steps[-1] - steps[0], 1)
    y = top + height - _MARGIN - (height - 2 * _MARGIN) * (values - low) / max(high - low, 1e-12)
    box = (left + _MARGIN, top + _MARGIN, left + width - _MARGIN, top + height - _MARGIN)
    pen.rectangle(box, outline=(200, 200, 200))
    line = list(zip(x.tolist(), y.tolist(), strict=True))
    if len(line) > 1:
        pen.line(line, fill=(30, 90, 200), width=2)
    pen.text((left + _MARGIN, top + 8), f"{name}  {values[-1]:.4g}", fill="black")
    pen.text(
        (left + _MARGIN, top + height - _MARGIN + 4), f"{low:.4g} to {high:.4g}, step {int(steps[-1])}", fill="grey"
    )


def sample_grid(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """One row for each clip: coarse, refined, true. Tensors [3, H, W] in -1 to 1; clips may differ in size."""
    from PIL import Image

    lines = [np.concatenate([_bytes(picture) for picture in row], axis=1) for row in rows]
    width = max(line.shape[1] for line in lines)
    padded = [np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as place, place.open("wb") as file:
        Image.fromarray(np.concatenate(padded)).save(file, "PNG")


def _bytes(picture: Any) -> Any:
    return ((picture.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
