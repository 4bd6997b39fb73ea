"""Compiled loop of ``simvid.deforming.nets``; import only from there, inside functions (numba is heavy)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit  # noqa: TID253 - this module is the numba backend and is itself imported lazily
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., object])
Array = NDArray[np.float64]


def _compiled(function: F) -> F:
    return cast("F", njit(cache=True, nogil=True, error_model="numpy")(function))


@_compiled
def add_blobs(
    centers: Array, maps: Array, reach: Array, weights: Array, origin: Array, cell: float, field: Array
) -> None:
    """Add blobs (see ``simvid.deforming.blobs``) to the nodes of a grid [X, Y, Z] that holds all that they reach."""
    for p in range(len(centers)):
        first, last = np.empty(3, np.int64), np.empty(3, np.int64)
        for a in range(3):
            first[a] = int(np.ceil((centers[p, a] - reach[p, a] - origin[a]) / cell))
            last[a] = int(np.floor((centers[p, a] + reach[p, a] - origin[a]) / cell))
        for i in range(first[0], last[0] + 1):
            for j in range(first[1], last[1] + 1):
                for k in range(first[2], last[2] + 1):
                    x = origin[0] + i * cell - centers[p, 0]
                    y = origin[1] + j * cell - centers[p, 1]
                    z = origin[2] + k * cell - centers[p, 2]
                    share = 1.0
                    for a in range(3):
                        along = maps[p, a, 0] * x + maps[p, a, 1] * y + maps[p, a, 2] * z
                        share -= along * along
                    if share > 0.0:
                        field[i, j, k] += weights[p] * share * share * share
