"""Covers meshes with Gaussians of several spacings, and remembers the result in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets import splats
from simvid.assets.cache import cache_folder, key_of, load_arrays, store_arrays
from simvid.gaussians import Gaussians
from simvid.mesh import Mesh
from simvid.rendering.splats.detail import chosen_faces, face_geometry, welded

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
LEVELS_PER_OCTAVE = 4
WORTH_STORING = 100
"""Fewer Gaussians are made faster than read."""
CREASE = 0.8
"""Cosine between the normals of two faces under which an edge between them shapes the outline."""


@dataclass(frozen=True, eq=False)
class Cover:
    """Gaussians of one mesh, and the points of the surface that they stand for [m], float32 [N, 3]."""

    gaussians: Gaussians
    points: Floats


class Covering:
    """Covers meshes; equal meshes with equal wishes are covered once."""

    def __init__(self) -> None:
        self._made: dict[str, Cover] = {}

    def cover(self, mesh: Mesh, wanted_m: Array) -> Cover:
        """Gaussians whose spacing is ``wanted_m`` or a little less at each face [m], [F]; owner 0.

        Faces are grouped by spacing rounded down to quarters of an octave. The faces across a group's creases shape its
        edges, so that outlines are drawn in there as they would be on the whole mesh.

        Raises:
            AssetError: the mesh has no area.
        """
        level = level_of(wanted_m)
        key = key_of(
            _version(), mesh.vertices, mesh.faces, _or_nothing(mesh.normals), _or_nothing(mesh.uvs),
            _or_nothing(mesh.texture), _or_nothing(mesh.vertex_colors), mesh.base_color, level,
        )  # fmt: skip
        if key not in self._made:
            self._made[key] = _stored(key) or _covered(mesh, level, key)
        return self._made[key]


def level_of(wanted_m: Array) -> NDArray[np.int64]:
    """Group of faces that want Gaussians so far apart [m]; see ``spacing_of``."""
    return np.floor(LEVELS_PER_OCTAVE * np.log2(wanted_m) + 1e-6).astype(np.int64)


def spacing_of(level: NDArray[np.int64]) -> Array:
    """How far apart the Gaussians of a group lie [m]: ``level`` quarters of an octave from 1 m."""
    return np.asarray(2.0 ** (level / LEVELS_PER_OCTAVE))


def _or_nothing(array: NDArray[np.generic] | None) -> NDArray[np.generic]:
    return np.zeros(0) if array is None else array


def _covered(mesh: Mesh, level: NDArray[np.int64], key: str) -> Cover:
    groups, places = [], []
    rims = _crease_neighbours(mesh, level) if len(np.unique(level)) > 1 else {}
    for step in np.unique(level):
        spacing = float(spacing_of(step))
        own = level == step
        around = own | rims[int(step)] if rims else own
        made, points = splats.splat_faces(chosen_faces(mesh, around), spacing, own[around])
        groups.append(made)
        places.append(points)
    joined = Gaussians.concatenate(groups)
    order = morton_order(joined.means)
    cover = Cover(taken(joined, order), np.concatenate(places)[order])
    if len(cover.gaussians) >= WORTH_STORING:
        g = cover.gaussians
        store_arrays(
            _path(key),
            {"means": g.means, "quats": g.quats, "scales": g.scales, "opacities": g.opacities, "sh": g.sh,
             "points": cover.points},
        )  # fmt: skip
    return cover


def taken(gaussians: Gaussians, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Gaussians:
    """Some of the Gaussians, in the order of ``rows``."""
    g = gaussians
    return Gaussians(g.means[rows], g.quats[rows], g.scales[rows], g.opacities[rows], g.sh[rows], g.owner[rows])


def morton_order(points: Floats) -> NDArray[np.int64]:
    """Order of points along a Z-curve (Morton 1966): neighbours in space are neighbours in memory, [N]."""
    if not len(points):
        return np.zeros(0, np.int64)
    low = points.min(axis=0)
    size = float((points.max(axis=0) - low).max()) or 1.0
    cell = np.minimum((points - low) / size * 1024, 1023).astype(np.int64)
    code = np.zeros(len(points), np.int64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")


def _stored(key: str) -> Cover | None:
    arrays = load_arrays(_path(key))
    if arrays is None:
        return None
    points = arrays.pop("points")
    return Cover(Gaussians(**arrays, owner=np.zeros(len(points), np.int32)), points)


def _path(key: str) -> Path:
    return cache_folder() / "splats" / f"{key}.npz"


@cache
def _version() -> str:
    """Changes with the code that covers meshes."""
    folder = Path(splats.__file__).parent
    return key_of(*((folder / name).read_bytes() for name in ("splats.py", "splat_kernels.py", "mipmaps.py")), 1)


def _crease_neighbours(mesh: Mesh, level: NDArray[np.int64]) -> dict[int, NDArray[np.bool_]]:
    """For each level, the faces of other levels that meet one of its faces at a corner, across a crease."""
    _, normals, _ = face_geometry(mesh)
    corners = welded(mesh.vertices)[mesh.faces]
    count = int(corners.max()) + 1
    rims = {}
    for step in np.unique(level):
        own = level == step
        mean = np.zeros((count, 3))
        for k in range(3):
            np.add.at(mean, corners[own, k], normals[own])
        length = np.linalg.norm(mean, axis=1)
        mean /= np.maximum(length, 1e-12)[:, None]
        touching = length[corners] > 0
        across = np.einsum("fkd,fd->fk", mean[corners], normals) < CREASE
        rims[int(step)] = ~own & (touching & across).any(axis=1)
    return rims
