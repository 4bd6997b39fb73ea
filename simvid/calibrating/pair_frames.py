"""Frames of pairs as the probe learns from them and as the gate judges them: plain arrays and exact labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simvid.refining.pair_sets import pair_folders
from simvid.refining.pairs import PairRecord, read_record

NEEDED = ("coarse", "target", "depth", "normals", "flow_backward", "ids", "visible")
"""Arrays of a pair that the gate reads."""
MOST_DETAIL_PX, MOST_BLUR_PX = 1.6, 0.5
"""Spacing and blur of splats that the gate is calibrated for: 1.1 and 0 are the renderers' own."""


@dataclass(frozen=True, eq=False)
class PairFrames:
    """One pair, its arrays mapped from the disk and still in their codes (``simvid.refining.pairs``)."""

    folder: Path
    record: PairRecord
    arrays: dict[str, NDArray[Any]]

    def decoded(self, name: str, frames: slice | int = slice(None)) -> NDArray[Any]:
        """An array of the pair as in ``Frames``: depth and flow in float32, normals of length 1 or 0, ids in int32."""
        array = np.asarray(self.arrays[name][frames])
        if name == "normals":
            there = (array != 0).any(axis=-1, keepdims=True)
            return np.where(there, array.astype(np.float32) / 127.5 - 1, 0).astype(np.float32)
        if name == "depth":
            return array.astype(np.float32) * np.float32(self.record.depth_scale_m)
        if name == "ids":
            return array.astype(np.int32)
        return array.astype(np.float32) if name == "flow_backward" else array


def pair_frames(folder: Path, split: Literal["train", "held_out"]) -> list[PairFrames]:
    """The pairs of a split that carry all that is needed, by name. Pairs that are being written are not seen."""
    found = []
    for path in pair_folders(folder):
        record = read_record(path)
        if record.split == split and set(NEEDED) <= set(record.arrays):
            arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in NEEDED}
            found.append(PairFrames(path, record, arrays))
    return found


def is_fine(record: PairRecord) -> bool:
    """Whether the coarse pictures are about as good as those of clips by default: those of pairs are often worse."""
    worse = record.coarseness
    sharp = worse.get("detail_px", 0.0) <= MOST_DETAIL_PX and worse.get("blur_px", 0.0) <= MOST_BLUR_PX
    return sharp and worse.get("shadows", 1.0) > 0


def spread(pairs: list[PairFrames], count: int) -> list[PairFrames]:
    """So many of them at most, spread evenly."""
    return [pairs[k] for k in sorted({round(k) for k in np.linspace(0, len(pairs) - 1, min(count, len(pairs)))})]
