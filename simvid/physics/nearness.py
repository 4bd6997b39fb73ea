"""How near the elements of two sheets or lines are: exact distances of points, edges and triangles, in numpy.

Two triangles are nearest at a corner and a face, or at two edges, unless an edge of one goes through the other
(Ericson 2005, "Real-Time Collision Detection", ch. 5). An edge of a line is a triangle whose last corners are one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
BLOCK = 2000
"""Elements of one side that are looked at together: bounds the memory."""


def pairs_within(one: Array, two: Array, reach: float) -> Iterator[tuple[Ints, Ints]]:
    """Rows of two sets of points [P, 3] and [Q, 3] that are within ``reach`` [m] of each other, block by block."""
    from scipy.spatial import cKDTree

    if not len(one) or not len(two):
        return
    tree = cKDTree(two)
    for first in range(0, len(one), BLOCK):
        found = cKDTree(one[first : first + BLOCK]).sparse_distance_matrix(tree, reach, output_type="ndarray")
        if len(found):
            yield found["i"].astype(np.int64) + first, found["j"].astype(np.int64)


def from_faces(points: Array, corners: Array) -> Array:
    """Distances [m], [N], of points [N, 3] from triangles [N, 3, 3], inside of which their feet are; others are inf."""
    a, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(u, v)
    square = np.einsum("nk,nk->n", normal, normal)
    good = square > 0
    square = np.where(good, square, 1.0)
    away = points - a
    s = np.einsum("nk,nk->n", np.cross(away, v), normal) / square
    t = np.einsum("nk,nk->n", np.cross(u, away), normal) / square
    height = np.abs(np.einsum("nk,nk->n", away, normal)) / np.sqrt(square)
    return np.where(good & (s >= 0) & (t >= 0) & (s + t <= 1), height, np.inf)


def between_edges(one: Array, two: Array) -> Array:
    """Distances [m], [N], of N pairs of segments [N, 2, 3] each."""
    u, v, w = one[:, 1] - one[:, 0], two[:, 1] - two[:, 0], one[:, 0] - two[:, 0]
    a, b, c = (np.einsum("nk,nk->n", x, y) for x, y in ((u, u), (u, v), (v, v)))
    d, e = np.einsum("nk,nk->n", u, w), np.einsum("nk,nk->n", v, w)
    tiny = 1e-30
    bend = a * c - b * b
    s = np.where(bend > 1e-12 * a * c, np.clip((b * e - c * d) / np.maximum(bend, tiny), 0, 1), 0.0)
    t = np.clip((b * s + e) / np.maximum(c, tiny), 0, 1)
    s = np.clip((b * t - d) / np.maximum(a, tiny), 0, 1)
    return np.asarray(np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=1))


def pierce(edges: Array, corners: Array) -> NDArray[np.bool_]:
    """Which segments [N, 2, 3] go through their triangles [N, 3, 3] (Moeller and Trumbore 1997)."""
    way, u, v = edges[:, 1] - edges[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    h = np.cross(way, v)
    det = np.einsum("nk,nk->n", u, h)
    good = np.abs(det) > 1e-30
    scale = 1 / np.where(good, det, 1.0)
    away = edges[:, 0] - corners[:, 0]
    q = np.cross(away, u)
    s = scale * np.einsum("nk,nk->n", away, h)
    t = scale * np.einsum("nk,nk->n", way, q)
    where = scale * np.einsum("nk,nk->n", v, q)
    return np.asarray(good & (s >= 0) & (t >= 0) & (s + t <= 1) & (where >= 0) & (where <= 1))
