"""The contact sheet of a clip: its frames, refined frames and labels, camera under camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from simvid.clips.arrays import ArrayFile
from simvid.clips.contact_sheet import PAPER, Colors, Row, draw_sheet, label_rows, save_png, tile_size
from simvid.clips.pictures import Picture
from simvid.clips.writing import captions, sheet_frames
from simvid.trajectory import Part


@dataclass(frozen=True)
class View:
    """A camera's folder, and the refined pictures of the same camera: name of the refinement -> array file."""

    camera: str
    folder: Path
    fps: float
    refined: Mapping[str, Path] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    """Arrays in the folder that are not shown."""


def write_overview(path: Path, title: str, facts: Sequence[str], parts: Sequence[Part], views: Sequence[View]) -> None:
    """Draw and write the sheet.

    Args:
        path: of the picture.
        title: over every block.
        facts: below the title, after the camera's name: frames, engine, renderer.
        parts: for the names of ids.
        views: one block each.
    """
    blocks = [_block(title, facts, parts, view) for view in views]
    width = max(block.shape[1] for block in blocks)
    padded = []
    for block in blocks:
        canvas = np.empty((block.shape[0], width, 3), np.uint8)
        canvas[:] = PAPER
        canvas[:, : block.shape[1]] = block
        padded.append(canvas)
    save_png(path, np.concatenate(padded))


def _block(title: str, facts: Sequence[str], parts: Sequence[Part], view: View) -> Picture:
    indices, frames = sheet_frames(view.folder, view.hidden)
    height, width = frames[0].rgb.shape[:2]
    rows = [Row("rgb", "as rendered", tuple(f.rgb for f in frames))]
    for name, path in view.refined.items():
        rows.append(Row("refined", name, tuple(ArrayFile(path).read(indices))))
    rows += label_rows(frames, Colors.of(frames, parts), tile_size(width, height))
    subtitle = "  ·  ".join((f"camera {view.camera}, {width} x {height} px", *facts))
    return draw_sheet(title, subtitle, captions(indices, view.fps), rows)
