"""Compiled loop of ``simvid.assets.winding``; import only from there, inside functions (numba is heavy)."""

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


def _inlined(function: F) -> F:
    return cast("F", njit(inline="always", error_model="numpy")(function))


@_inlined
def _solid_angle(p: Array, a: Array, b: Array, c: Array) -> float:
    """Signed solid angle of a triangle (Van Oosterom & Strackee 1983)."""
    ax, ay, az = a[0] - p[0], a[1] - p[1], a[2] - p[2]
    bx, by, bz = b[0] - p[0], b[1] - p[1], b[2] - p[2]
    cx, cy, cz = c[0] - p[0], c[1] - p[1], c[2] - p[2]
    la = np.sqrt(ax * ax + ay * ay + az * az)
    lb = np.sqrt(bx * bx + by * by + bz * bz)
    lc = np.sqrt(cx * cx + cy * cy + cz * cz)
    triple = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    below = (
        la * lb * lc
        + (ax * bx + ay * by + az * bz) * lc
        + (bx * cx + by * cy + bz * cz) * la
        + (cx * ax + cy * ay + cz * az) * lb
    )
    return float(2.0 * np.arctan2(triple, below))


@_compiled
def winding(
    corners: Array, starts: NDArray[np.int64], centers: Array, dipoles: Array, far: Array, points: Array, out: Array
) -> None:
    """Winding numbers of points [Q, 3] into out [Q].

    Args:
        corners: of the triangles, sorted by cluster, [F, 3, 3].
        starts: first triangle of each cluster, and F at the end, [K + 1].
        centers: of the clusters, [K, 3].
        dipoles: sums of area times normal, [K, 3].
        far: distance from which on a cluster counts as a dipole, [K].
        points, out: see above.
    """
    for q in range(len(points)):
        p, total = points[q], 0.0
        for k in range(len(centers)):
            x, y, z = centers[k, 0] - p[0], centers[k, 1] - p[1], centers[k, 2] - p[2]
            square = x * x + y * y + z * z
            if square > far[k] * far[k]:
                total += (x * dipoles[k, 0] + y * dipoles[k, 1] + z * dipoles[k, 2]) / (square * np.sqrt(square))
            else:
                for f in range(starts[k], starts[k + 1]):
                    total += _solid_angle(p, corners[f, 0], corners[f, 1], corners[f, 2])
        out[q] = total / (4.0 * np.pi)
