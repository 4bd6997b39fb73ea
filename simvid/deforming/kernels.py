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
def spread_means(particles: Array, origin: Array, cell: float, reach: float, sums: Array) -> None:
    """Add the weights of particles [P, 3] and weight times place, from the node, to the nodes of a grid.

    ``sums`` is [X, Y, Z, 4]; every node within reach of a particle must be in it.
    """
    around = int(np.ceil(reach / cell))
    for p in range(len(particles)):
        x, y, z = (
            (particles[p, 0] - origin[0]) / cell,
            (particles[p, 1] - origin[1]) / cell,
            (particles[p, 2] - origin[2]) / cell,
        )
        i0, j0, k0 = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        for i in range(i0 - around + 1, i0 + around + 1):
            for j in range(j0 - around + 1, j0 + around + 1):
                for k in range(k0 - around + 1, k0 + around + 1):
                    dx, dy, dz = x - i, y - j, z - k
                    share = 1.0 - (dx * dx + dy * dy + dz * dz) * (cell / reach) ** 2
                    if share > 0.0:
                        w = share * share * share
                        sums[i, j, k, 0] += w
                        sums[i, j, k, 1] += w * dx
                        sums[i, j, k, 2] += w * dy
                        sums[i, j, k, 3] += w * dz
