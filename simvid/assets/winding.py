"""Is a point inside a mesh? By the generalised winding number, which bears holes and overlaps.

The winding number of a point is the sum of the signed solid angles of all triangles over 4 pi (Jacobson et al. 2013,
"Robust inside-outside segmentation using generalized winding numbers"): 1 inside a closed mesh, 0 outside, and between
where the mesh is open. Triangles that are far away count together, as a dipole (Barill et al. 2018, "Fast winding
numbers for soups and clouds"). The work is bounded: so many sums for each point, whatever the mesh.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.mesh import Mesh

Array: TypeAlias = NDArray[np.float64]
FAR = 3.0
"""A cluster counts as a dipole from so many of its radii on."""
PER_CLUSTER = 24
"""Triangles in a cluster, about."""


def winding_numbers(mesh: Mesh, points: Array) -> Array:
    """Winding number of a mesh about each point.

    Args:
        mesh: triangles, their outsides counter-clockwise.
        points: [Q, 3].

    Returns:
        float64 [Q]; to within 0.05 of the exact sum.
    """
    from simvid.assets.winding_kernels import winding

    corners = mesh.vertices[mesh.faces].astype(np.float64)
    if not len(corners) or not len(points):
        return np.zeros(len(points))
    clusters = np.argsort(_cells(corners.mean(axis=1)), kind="stable")
    corners = np.ascontiguousarray(corners[clusters])
    starts = np.append(np.arange(0, len(corners), PER_CLUSTER), len(corners))
    area_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    areas = np.linalg.norm(area_normals, axis=1) + 1e-300
    first = starts[:-1]
    weight = np.add.reduceat(areas, first)
    centers = np.add.reduceat(areas[:, None] * corners.mean(axis=1), first) / weight[:, None]
    dipoles = np.add.reduceat(area_normals, first)
    owner = np.repeat(np.arange(len(first)), np.diff(starts))
    reach = np.linalg.norm(corners - centers[owner][:, None], axis=2).max(axis=1)
    radii = np.maximum.reduceat(reach, first)
    out = np.empty(len(points))
    winding(corners, starts, centers, dipoles, FAR * radii, np.ascontiguousarray(points, np.float64), out)
    return out


def _cells(centers: Array) -> NDArray[np.int64]:
    """Place of each centre along a Z-order curve, so that neighbours in order are neighbours in space (Morton 1966)."""
    low = centers.min(axis=0)
    size = max(float((centers.max(axis=0) - low).max()), 1e-30)
    index = np.minimum(((centers - low) / size * 1024).astype(np.int64), 1023)
    code = np.zeros(len(centers), np.int64)
    for bit in range(10):
        for axis in range(3):
            code |= ((index[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code
