"""COCO's run-length code of masks, in numpy alone; equal to the strings of pycocotools."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST_CHARACTER = 48
_BITS = 5
_MORE = 0x20
_SIGN = 0x10


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of runs of 0 and 1 in turn, down the columns, beginning with 0s (perhaps none); [H, W]."""
    flat = np.asarray(mask, np.bool_).T.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = [0, *edges.tolist(), len(flat)]
    lengths = [b - a for a, b in itertools.pairwise(bounds)]
    return [0, *lengths] if len(flat) and flat[0] else lengths


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The compressed form, ``{"size": [h, w], "counts": str}``, as in ``maskApi.c`` of the COCO API."""
    lengths = run_lengths(mask)
    text = []
    for k, length in enumerate(lengths):
        value = length - lengths[k - 2] if k > 2 else length
        more = True
        while more:
            bits = value & (_MORE - 1)
            value >>= _BITS
            more = value != (-1 if bits & _SIGN else 0)
            text.append(chr((bits | _MORE if more else bits) + _FIRST_CHARACTER))
    return {"size": list(mask.shape), "counts": "".join(text)}


def bounds(mask: NDArray[np.bool_]) -> list[float]:
    """x, y, width, height [px] of a mask that is not empty; pixel k covers k to k + 1."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    x, y = int(columns[0]), int(rows[0])
    return [float(x), float(y), float(columns[-1] + 1 - x), float(rows[-1] + 1 - y)]
