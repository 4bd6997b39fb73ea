"""Cells of a grid -> tetrahedra, six to a cell, that fit together (Freudenthal 1942; Kuhn 1960)."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from simvid.errors import AssetError

Array = NDArray[np.float64]
Ints = NDArray[np.int32]


def lattice_tetrahedra(middles: Array, step: Array) -> tuple[Array, Ints]:
    """Nodes and tetrahedra of cells.

    Every cell is cut in the same way, along its diagonal (1, 1, 1): so faces of neighbours have the same diagonals, and
    nodes within have equally many tetrahedra round them.

    Args:
        middles: of cells of one grid along the axes [m], [C, 3].
        step: edges of a cell [m], [3].

    Returns:
        Nodes [m], [V, 3], and right-handed tetrahedra, six in a row for each cell, int32 [6 C, 4].

    Raises:
        AssetError: cells that do not hang together by faces.
    """
    index = np.rint((middles - middles.min(axis=0)) / step).astype(np.int64)
    _check_whole(index, float(np.cbrt(step.prod())))
    ways = []
    for order in permutations(range(3)):
        corner = [np.zeros(3, np.int64)]
        for axis in order:
            corner.append(corner[-1] + np.eye(3, dtype=np.int64)[axis])
        odd = np.linalg.det(np.array(corner[1:], float) - corner[0]) < 0
        ways.append([corner[k] for k in ((0, 2, 1, 3) if odd else (0, 1, 2, 3))])
    corners = (index[:, None, None] + np.array(ways)).reshape(-1, 3)
    nodes, rows = np.unique(corners, axis=0, return_inverse=True)
    low = middles.min(axis=0) - step / 2
    return low + nodes * step, rows.reshape(-1, 4).astype(np.int32)


def _check_whole(index: NDArray[np.int64], spacing: float) -> None:
    """Refuse cells that are in several pieces, or hang together by edges and corners alone."""
    from scipy import ndimage

    taken = np.zeros(tuple(index.max(axis=0) + 1), np.bool_)
    taken[tuple(index.T)] = True
    labels, count = ndimage.label(taken)
    if count > 1:
        sizes = np.bincount(labels.ravel())[1:]
        raise AssetError(
            f"particle_spacing_m: cells of {spacing:.3g} m of this body fall into {count} pieces, the largest with "
            f"{sizes.max()} of {sizes.sum()} cells, that share no face: elements would not hold them together; give "
            f"{spacing / 2:.2g} or less, or method: mpm"
        )
