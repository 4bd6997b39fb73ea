"""Meshes of one part that touch: what lies between them is left out, and faces that go on are not drawn back.

Gaussians end short of the edges of their own mesh, so that outlines are sharp. Where another mesh of the part goes on
from there, the outline is none: the gap would show the dark faces between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.winding import winding_numbers
from simvid.mesh import Mesh

Array: TypeAlias = NDArray[np.float64]
BURIED = 0.3
"""How deep in another mesh what is above a Gaussian lies if it is taken to be between the two, in its disc's radii."""
DRAWN_BACK = 0.1
"""A Gaussian that stands so far beside its point of the surface was drawn back from an edge, in radii."""
AHEAD = 0.9
"""How far beyond the edge, and how near to there, the other mesh is looked for, in radii."""
LEVEL = (0.9, 0.2)
"""Least cosine between the normals of faces that go on, and largest step between them, in radii."""


def buried(points: Array, normals: Array, radii: Array, others: Sequence[Mesh]) -> NDArray[np.bool_]:
    """Which Gaussians look into the inside of another mesh.

    Args:
        points: of the surface [m], [N, 3].
        normals: unit, outward, [N, 3].
        radii: of the discs that the Gaussians stand for [m], [N].
        others: closed meshes of the same part.
    """
    above = points + BURIED * radii[:, None] * normals
    found = np.zeros(len(points), np.bool_)
    for mesh in others:
        low, high = mesh.bounds
        near = np.flatnonzero(((above > low) & (above < high)).all(axis=1) & ~found)
        if len(near):
            found[near] = winding_numbers(mesh, above[near]) > 0.5
    return found


def carried_on(
    means: Array, points: Array, normals: Array, radii: Array, around: tuple[Array, Array]
) -> tuple[NDArray[np.bool_], Array]:
    """Which Gaussians were drawn back from an edge where another mesh goes on, and the way back to the edge [N, 3].

    Args:
        means: of the Gaussians [m], [N, 3].
        points, normals, radii: as for ``buried``.
        around: points and normals of all other meshes' Gaussians, [M, 3] each.
    """
    from scipy.spatial import cKDTree

    back = points - means
    back -= np.einsum("nk,nk->n", back, normals)[:, None] * normals
    length = np.linalg.norm(back, axis=1)
    found = np.zeros(len(means), np.bool_)
    drawn = np.flatnonzero(length > DRAWN_BACK * radii)
    if not len(drawn) or not len(around[0]):
        return found, back
    beyond = points[drawn] + (AHEAD * radii[drawn] / length[drawn])[:, None] * back[drawn]
    near = cKDTree(around[0]).query_ball_point(beyond, AHEAD * radii[drawn])
    for i, rows in zip(drawn.tolist(), near, strict=True):
        if rows:
            alike = around[1][rows] @ normals[i] > LEVEL[0]
            level = np.abs((around[0][rows] - points[i]) @ normals[i]) < LEVEL[1] * radii[i]
            found[i] = bool((alike & level).any())
    return found, back
