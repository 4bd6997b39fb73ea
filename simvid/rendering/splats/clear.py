"""Which meshes one sees through or into: clear ones, half-clear ones, and those whose faces look inwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simvid.mesh import Mesh
from simvid.scene import Look

FLAT_SIDES = 24
"""A mesh with so many sides at most is a polyhedron; a clear one is taken for a pane or a block."""
THIN_WALL = 0.12
"""A clear mesh is thin where its wall, twice the volume over the area, is less than this share of its size."""
HOLLOW = 0.05
"""A mesh whose faces look inwards holds at least this share of the square of what a ball of its area would."""
OPEN = 0.1
"""Share of its area that a closed mesh may be short of."""
LEAST_COVER = 0.02
"""A mesh that has less of its surface gets no Gaussians."""


def is_sheer(look: Look, mesh: Mesh) -> bool:
    """Whether a mesh of a look shows what is behind it much as it is: a clear pane, block or thin wall.

    Clear bodies that are round and thick bend what is behind them beyond recognition; they show the surroundings.
    """
    if look.transmission <= 0:
        return False
    if is_polyhedron(mesh):
        return True
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    double = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    volume = abs(float((corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum())) / 6
    return bool(4 * volume / double.sum() < THIN_WALL * np.ptp(mesh.vertices, axis=0).max())


def is_polyhedron(mesh: Mesh) -> bool:
    """Whether a mesh has few sides, all flat."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double = np.linalg.norm(cross, axis=1)
    return len(np.unique(np.round(cross[double > 0] / double[double > 0, None], 2), axis=0)) <= FLAT_SIDES


def cover_of(mesh: Mesh) -> float:
    """Share of its surface that a half-clear mesh, such as a plastic bag, has: glTF's alpha of a blended material.

    1 where that is not the same all over, and where a texture says it pixel by pixel, as for the outline of leaves:
    there it says how far the surface goes.
    """
    if mesh.vertex_colors is None or (mesh.texture is not None and mesh.uvs is not None):
        return 1.0
    alpha = mesh.vertex_colors[:, 3]
    return float(alpha[0]) / 255 if alpha[0] > LEAST_COVER * 255 and (alpha == alpha[0]).all() else 1.0


def as_solid(mesh: Mesh) -> Mesh:
    """The mesh as if all of its surface were there."""
    if cover_of(mesh) == 1 or mesh.vertex_colors is None:
        return mesh
    colors = mesh.vertex_colors.copy()
    colors[:, 3] = 255
    return replace(mesh, vertex_colors=colors)


def looks_inwards(mesh: Mesh) -> bool:
    """Whether a mesh bounds a solid by itself, nearly, with faces that look inwards: a sky dome, or a mistake.

    The inner wall of a cup looks inwards too, and should; but its faces all together do not look every way alike.
    """
    corners = mesh.vertices[mesh.faces].astype(np.float64) - mesh.bounds.mean(axis=0)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    volume, area = (corners[:, 0] * cross).sum() / 6, np.linalg.norm(cross, axis=1).sum() / 2
    closes = np.linalg.norm(cross.sum(axis=0)) / 2 < OPEN * area
    return bool(volume < 0 and closes and 36 * np.pi * volume**2 > HOLLOW * area**3)


def facing_out(mesh: Mesh) -> Mesh:
    """The mesh with faces that look outwards: Gaussians lie below them, not above."""
    if not looks_inwards(mesh):
        return mesh
    return replace(mesh, faces=mesh.faces[:, ::-1].copy(), normals=None if mesh.normals is None else -mesh.normals)
