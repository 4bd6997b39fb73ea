"""Check (d): the tables of boxes against the masks."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.checking.base import Mask, Subject, spread
from simvid.clips.records import CheckRecord
from simvid.trajectory import Trajectory

Table: TypeAlias = dict[tuple[int, int], dict[str, str]]
"""(frame, id) -> the row."""
TIGHT = ("x_min", "y_min", "x_max", "y_max", "visible_px")
LOOSE = ("loose_x_min", "loose_y_min", "loose_x_max", "loose_y_max", "amodal_px")


def boxes_are_tight(subject: Subject) -> CheckRecord:
    """(d) Every box has the bounds and the number of pixels of its mask, exactly, and no mask lacks its box.

    Both tables are compared with ``ids``; loose boxes and visibility with the amodal masks where they are stored.
    """
    if not subject.has("ids") or "boxes.csv" not in subject.files:
        return subject.record("boxes_are_tight", None, note="needs ids and boxes.csv")
    frames = spread(subject.count)
    instances = subject.trajectory.instance_ids()
    ground = _ground_ids(subject.trajectory)
    tables = {name: _read(subject.folder / f"{name}.csv", key) for name, key in
              (("boxes", "instance_id"), ("part_boxes", "id"))}  # fmt: skip
    faults: list[str] = []
    for i, ids in zip(frames, subject.read("ids", frames), strict=True):
        solid = np.where(np.isin(ids, ground), 0, ids)
        for name, picture in (("boxes", instances[solid]), ("part_boxes", solid)):
            faults += [f"{name}.csv {text}" for text in _faults(tables[name], i, _masks(picture), TIGHT)]
    if subject.has("amodal"):
        for i, packed in zip(frames, subject.read("amodal", frames), strict=True):
            bits = np.unpackbits(packed, axis=-1, count=subject.camera.width).astype(np.bool_)
            masks = {k + 1: mask for k, mask in enumerate(bits) if mask.any()}
            faults += [f"boxes.csv {text}" for text in _faults(tables["boxes"], i, masks, LOOSE)]
            faults += _visibility_faults(tables["boxes"], i)
    note = "; ".join(faults[:3])
    return subject.judged("boxes_are_tight", {"wrong_boxes": len(faults)}, {"wrong_boxes": 0}, frames, note)


def _ground_ids(trajectory: Trajectory) -> list[int]:
    return [k for k, part in enumerate(trajectory.parts, start=1) if part.kind == "ground"]


def _read(path: Path, key: str) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        return {(int(row["frame"]), int(row[key])): row for row in csv.DictReader(file)}


def _masks(ids: NDArray[np.int32]) -> dict[int, Mask]:
    return {int(k): ids == k for k in np.unique(ids) if k}


def _faults(table: Table, frame: int, masks: Mapping[int, Mask], columns: tuple[str, ...]) -> list[str]:
    """What is wrong with the rows of one frame; rows without these columns have no mask."""
    found = []
    rows = {k: row for (i, k), row in table.items() if i == frame and row[columns[0]] != ""}
    for k in sorted(rows.keys() | masks.keys()):
        if k not in rows or k not in masks:
            found.append(
                f"frame {frame}, id {k}: " + ("a mask without a box" if k in masks else "a box without a mask")
            )
            continue
        v, u = np.nonzero(masks[k])
        right = [u.min(), v.min(), u.max() + 1, v.max() + 1, len(u)]
        given = [int(rows[k][name]) for name in columns]
        if given != right:
            found.append(f"frame {frame}, id {k}: expected {[int(n) for n in right]}, got {given}")
    return found


def _visibility_faults(table: Table, frame: int) -> list[str]:
    found = []
    for (i, k), row in table.items():
        if i == frame and row["amodal_px"]:
            right = int(row["visible_px"]) / int(row["amodal_px"])
            if not abs(right - float(row["visibility"])) < 1e-5:
                found.append(
                    f"boxes.csv frame {frame}, id {k}: expected visibility {right:.6f}, got {row['visibility']}"
                )
    return found
