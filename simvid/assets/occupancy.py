"""A closed surface around a cloud of points: the collider of a Gaussian capture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.mesh import Mesh

CELLS = 32
"""Cells along the longest edge; the surface lies within one cell of the outermost points."""

_DIRECTIONS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
_QUADS = np.array(
    [
        [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1]],
        [[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0]],
        [[0, 1, 0], [0, 1, 1], [1, 1, 1], [1, 1, 0]],
        [[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]],
        [[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]],
        [[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0]],
    ]
)


def occupancy_mesh(points: NDArray[np.float32], cells: int = CELLS) -> Mesh:
    """Boundary of the filled voxels that hold points [N, 3]; gaps of one cell are closed and hollows filled.

    The result may touch itself along edges where voxels meet at a corner; convex decomposition takes that as it is.
    """
    from scipy import ndimage

    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    cell = max(float((high - low).max()) / cells, 1e-6)
    index = np.floor((points - low) / cell).astype(np.int64) + 2
    grid = np.zeros(index.max(axis=0) + 3, bool)
    grid[tuple(index.T)] = True
    cube = np.ones((3, 3, 3), bool)
    grid = ndimage.binary_fill_holes(ndimage.binary_closing(grid, cube))
    labels, count = ndimage.label(grid, cube)
    if count > 1:
        sizes = ndimage.sum_labels(grid, labels, np.arange(1, count + 1))
        grid = labels == 1 + int(np.argmax(sizes))
    quads = []
    for direction, quad in zip(_DIRECTIONS, _QUADS, strict=True):
        neighbour = np.roll(grid, -direction, axis=(0, 1, 2))
        exposed = np.argwhere(grid & ~neighbour)
        quads.append(exposed[:, None, :] + quad[None])
    corners = np.concatenate(quads)
    unique, inverse = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    q = inverse.reshape(-1, 4)
    faces = np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]]).astype(np.int32)
    return Mesh(((unique - 2) * cell + low).astype(np.float32), faces)
