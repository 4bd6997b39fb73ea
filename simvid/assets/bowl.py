"""A hollow bowl as convex pieces, since engines make every moving or contact mesh convex."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from simvid.mesh import Mesh

RINGS, SEGMENTS = 5, 20
"""Pieces: a facet of 18 degrees lies at most r (1 - cos 9 deg) = 1.2 % of the radius inside the true sphere."""

_HEXAHEDRON = np.array(
    [[0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4], [2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6],
     [1, 3, 5], [3, 7, 5]], np.int32,
)  # fmt: skip


def bowl_pieces(radius_m: float, thickness_m: float) -> tuple[Mesh, ...]:
    """The shell between ``radius_m`` and ``radius_m + thickness_m`` below z = 0, as RINGS x SEGMENTS convex blocks.

    Corners lie on the two spheres, so pieces meet without gaps and the pole piece is a wedge.
    """
    polar = np.linspace(np.pi, np.pi / 2, RINGS + 1)
    azimuth = np.linspace(0, 2 * np.pi, SEGMENTS + 1)
    pieces = []
    for p0, p1 in pairwise(polar):
        for a0, a1 in pairwise(azimuth):
            corners = [
                r * np.array([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)])
                for r in (radius_m, radius_m + thickness_m)
                for p in (p0, p1)
                for a in (a0, a1)
            ]
            pieces.append(Mesh(np.array(corners, np.float32), _HEXAHEDRON))
    return tuple(pieces)
