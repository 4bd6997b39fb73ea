"""Textured mesh -> Gaussians: one flat Gaussian per patch of surface.

The surface is covered with points, about ten per Gaussian. A Poisson-disk subset of them becomes the sites, a Lloyd
step evens them out (Voronoi cells on the surface), and every Gaussian takes its position, normal, width and colour
from the points of its cell. So small triangles merge, large ones are divided, and a colour is the
mean of the texture over the cell.

A splat renderer widens every Gaussian by its low-pass filter (0.3 px^2 in 3DGS), and many overlapping Gaussians make
an outline yet wider, by about 1.4 px. The Gaussians therefore lie ``INSET`` spacings below the surface, which puts the
outline back where it belongs when one spacing is about one pixel. Drawn depth is deeper by the same small amount.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import linear_to_srgb, srgb_to_linear
from simvid.assets.mipmaps import lookup
from simvid.errors import AssetError
from simvid.gaussians import SH_C0, Gaussians
from simvid.mesh import Mesh

POINTS_PER_GAUSSIAN = 10
INSET = 1.2
"""Depth below the surface, in spacings."""
CREASE = 1.1
"""Times the inset, by which faces draw back from right-angled edges; less lets their neighbours show through."""
WIDTH = 2.2
"""Standard deviation of a Gaussian over that of its cell."""
THICKNESS = 0.08
"""Standard deviation along the normal, in spacings."""
OPACITY = 0.988
"""3DGS renderers leave out the Gaussian that would bring the transmittance to 1e-4 or below, and all behind it. One of
opacity a can do so from a transmittance of 1e-4 / (1 - a), so more opaque ones would leave pixels below alpha 0.99."""
LARGEST_COUNT = 3_000_000
"""More Gaussians than this for one mesh is taken for a mistake in the spacing."""

_DART_RADIUS = 0.785  # in spacings: maximal Poisson-disk sets then hold one site per spacing squared
_CELL_VARIANCE = 0.0802  # of a regular hexagon of unit area, along any axis
_STRIDE = 16  # darts are thrown at every sixteenth point, then at the next ones
_BEND = 1.0  # in spacings squared, see splat_kernels

Floats = NDArray[np.float32]


def splat_mesh(mesh: Mesh, spacing_m: float, *, owner: int, seed: int = 0, max_count: int | None = None) -> Gaussians:
    """Cover a mesh with flat Gaussians.

    Made for a ``spacing_m`` of 0.95 to 1.25 pixels at the nearest camera: closed surfaces are then opaque (alpha >=
    0.99 from one pixel inside the outline) and the outline of an object wider than 60 px is right to IoU >= 0.97.
    Farther away they stay opaque and become up to one pixel fat.

    Args:
        mesh: triangles with their colours, in the part's frame [m].
        spacing_m: mean distance between Gaussians [m].
        owner: id of the part.
        seed: of the sampling; the same mesh, spacing and seed give the same Gaussians.
        max_count: if given, the spacing grows until no more than this many are needed.

    Returns:
        Gaussians with local +z along the outward normal, one SH coefficient, sRGB albedo without light.

    Raises:
        AssetError: the mesh has no area, or the spacing would need more than ``LARGEST_COUNT`` Gaussians.
        ValueError: spacing or max_count is not positive.
    """
    if not (np.isfinite(spacing_m) and spacing_m > 0):
        raise ValueError(f"spacing_m: expected a number > 0, got {spacing_m}")
    if max_count is not None and max_count < 1:
        raise ValueError(f"max_count: expected at least 1, got {max_count}")
    surface = _Surface.of(mesh)
    area = float(surface.areas.sum())
    if max_count is not None:
        spacing_m = max(spacing_m, float(np.sqrt(area / max_count)))
    for _ in range(8):
        if area / spacing_m**2 > LARGEST_COUNT:
            raise AssetError(
                f"a mesh of {area:.4g} m² needs about {area / spacing_m**2:.3g} Gaussians at a spacing of "
                f"{spacing_m:.3g} m; at most {LARGEST_COUNT:,} are allowed: use a larger spacing, or max_count"
            )
        cells = _cells(surface, spacing_m, seed)
        if max_count is None or cells.count <= max_count:
            break
        spacing_m *= float(np.sqrt(cells.count / max_count)) * 1.01
    else:
        raise AssetError(f"no spacing gives at most max_count = {max_count} Gaussians: the mesh has too many edges")
    return _gaussians(mesh, surface, cells, spacing_m, owner)[0]


def splat_faces(
    mesh: Mesh, spacing_m: float, chosen: NDArray[np.bool_], *, seed: int = 0
) -> tuple[Gaussians, NDArray[np.float32]]:
    """Cover some faces of a mesh. The others only shape the edges, and get no Gaussians.

    Args:
        mesh: triangles with their colours, in the part's frame [m].
        spacing_m: mean distance between Gaussians [m], > 0.
        chosen: faces to cover, [F].
        seed: of the sampling.

    Returns:
        Gaussians with owner 0, and the point of the surface that each stands for [m], float32 [N, 3].

    Raises:
        AssetError: the mesh has no area.
    """
    surface = _Surface.of(mesh)
    cells = _cells(surface, spacing_m, seed)
    gaussians, points, face = _gaussians(mesh, surface, cells, spacing_m, 0)
    kept = chosen[face]
    g = gaussians
    some = Gaussians(g.means[kept], g.quats[kept], g.scales[kept], g.opacities[kept], g.sh[kept], g.owner[kept])
    return some, points[kept]


@dataclass(frozen=True, eq=False)
class _Surface:
    """The triangles that have an area: corners [F, 3, 3], unit normals [F, 3], areas [F], rows of mesh.faces [F]."""

    corners: Floats
    normals: Floats
    areas: NDArray[np.float64]
    faces: NDArray[np.int64]

    @staticmethod
    def of(mesh: Mesh) -> _Surface:
        corners = mesh.vertices[mesh.faces]
        cross = np.cross(
            (corners[:, 1] - corners[:, 0]).astype(np.float64), (corners[:, 2] - corners[:, 0]).astype(np.float64)
        )
        double = np.sqrt(np.einsum("fk,fk->f", cross, cross))
        kept = np.flatnonzero(double > 0)
        if not len(kept):
            raise AssetError(f"expected a mesh with some area, got {mesh!r} whose triangles all have none")
        normals = (cross[kept] / double[kept, None]).astype(np.float32)
        return _Surface(corners[kept], normals, 0.5 * double[kept], kept)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Points on the surface and the cell each belongs to."""

    points: Floats
    normals: Floats
    face: NDArray[np.int32]
    weights: Floats
    label: NDArray[np.int32]
    count: int


def _cells(surface: _Surface, spacing: float, seed: int) -> _Cells:
    """Even Voronoi cells of about spacing squared each; every cell has at least one point."""
    from simvid.assets import splat_kernels as kernels

    rng = np.random.default_rng(seed)
    phase = rng.random((len(surface.areas), 2))
    face, weights = kernels.scatter(surface.areas, spacing**2 / POINTS_PER_GAUSSIAN, phase)
    points = kernels.blend(weights, surface.corners, face)
    near = _by_place(points, 4 * spacing)  # neighbours in space become neighbours in memory: 3-10 times less time
    points, face, weights = points[near], face[near], weights[near]
    normals = np.ascontiguousarray(surface.normals[face])
    bend, radius = _BEND * spacing**2, _DART_RADIUS * spacing
    order = np.concatenate([np.arange(k, len(points), _STRIDE) for k in rng.permutation(_STRIDE)])
    taken = kernels.throw_darts(points, normals, order, radius, bend)
    label = np.zeros(len(points), np.int32)
    kernels.assign(points, normals, points[taken], normals[taken], 1.25 * radius, bend, label)
    # One Lloyd step; a second one was measured to change nothing that shows.
    sites, _ = kernels.cell_means(points, label, len(taken))
    turns, _ = kernels.cell_means(normals, label, len(taken))
    kernels.assign(points, normals, sites, _unit(turns), 1.25 * radius, bend, label)
    used = np.bincount(label, minlength=len(taken)) > 0
    dense = np.cumsum(used, dtype=np.int32) - 1
    return _Cells(points, normals, face, weights, dense[label], int(used.sum()))


def _by_place(points: Floats, cell: float) -> NDArray[np.int64]:
    """Order of the points by the cell of a coarse grid they lie in."""
    index = np.floor((points - points.min(axis=0)) / np.float32(cell)).astype(np.int64)
    size = index.max(axis=0) + 1
    return np.argsort((index[:, 0] * size[1] + index[:, 1]) * size[2] + index[:, 2], kind="stable")


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def _gaussians(
    mesh: Mesh, surface: _Surface, cells: _Cells, spacing: float, owner: int
) -> tuple[Gaussians, NDArray[np.float32], NDArray[np.int64]]:
    """One Gaussian for each cell, the cell's middle on the surface [N, 3], and a face it lies on [N]."""
    from simvid.assets import splat_kernels as kernels

    means, count = kernels.cell_means(cells.points, cells.label, cells.count)
    flat = _unit(kernels.cell_means(cells.normals, cells.label, cells.count)[0])
    normals = _shading_normals(mesh, surface, cells, flat)
    axes = _tangents(normals)
    sums = kernels.spreads(cells.points, cells.label, means, axes)
    scales, turn = _widths(sums, count, spacing)
    x = np.cos(turn)[:, None] * axes[:, 0] + np.sin(turn)[:, None] * axes[:, 1]
    color = kernels.cell_means(_point_colors(mesh, surface, cells), cells.label, cells.count)[0]
    sunk = kernels.erode(means, flat, kernels.inset_depths(means, flat, INSET * spacing, spacing), CREASE, spacing)
    alpha = np.clip(color[:, 3], 0.0, 1.0)
    seen = alpha > 0.02
    sh = ((linear_to_srgb(color[:, :3]) - 0.5) / SH_C0).astype(np.float32)[:, None, :]
    made = Gaussians(
        sunk[seen],
        _quaternions(x, normals)[seen],
        scales[seen],
        (OPACITY * alpha).astype(np.float32)[seen],
        sh[seen],
        np.full(int(seen.sum()), owner, np.int32),
    )
    face = np.zeros(cells.count, np.int64)
    face[cells.label] = surface.faces[cells.face]
    return made, means[seen], face[seen]


def _shading_normals(mesh: Mesh, surface: _Surface, cells: _Cells, flat: Floats) -> Floats:
    """The mesh's smooth normals averaged over each cell; the cell's own where there are none or they are far off."""
    if mesh.normals is None:
        return flat
    from simvid.assets import splat_kernels as kernels

    smooth = kernels.blend(cells.weights, mesh.normals[mesh.faces[surface.faces]], cells.face)
    smooth = _unit(kernels.cell_means(smooth, cells.label, cells.count)[0])
    close = np.einsum("nd,nd->n", smooth, flat) > 0.8
    return np.where(close[:, None], smooth, flat).astype(np.float32)


def _tangents(normals: Floats) -> Floats:
    """Two unit axes square to each unit normal, [N, 2, 3] (Duff et al. 2017, "Building an orthonormal basis")."""
    x, y, z = normals.T.astype(np.float64)
    sign = np.where(z >= 0, 1.0, -1.0)
    a = -1.0 / (sign + z)
    b = x * y * a
    first = np.stack([1.0 + sign * x * x * a, sign * b, -sign * x], axis=1)
    second = np.stack([b, sign + y * y * a, -y], axis=1)
    return np.stack([first, second], axis=1).astype(np.float32)


def _widths(sums: NDArray[np.float64], count: NDArray[np.int32], spacing: float) -> tuple[Floats, NDArray[np.float64]]:
    """Standard deviations [N, 3] and the angle of the first axis in the tangent plane [N], from a cell's spread.

    A few points say little about a cell, so three points' worth of a regular cell are mixed in.
    """
    prior, weight = _CELL_VARIANCE * spacing**2, 3.0
    own = spacing**2 / POINTS_PER_GAUSSIAN / 12
    xx = (sums[:, 0] + weight * prior) / (count + weight) + own
    yy = (sums[:, 2] + weight * prior) / (count + weight) + own
    xy = sums[:, 1] / (count + weight)
    mid, swing = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    major, minor = (np.sqrt(np.maximum(v, 0.0)) * WIDTH for v in (mid + swing, mid - swing))
    low, high = 2 * THICKNESS * spacing, 1.1 * spacing
    scales = np.stack([np.clip(major, low, high), np.clip(minor, low, high), np.full(len(xx), THICKNESS * spacing)], 1)
    return scales.astype(np.float32), 0.5 * np.arctan2(2 * xy, xx - yy)


def _point_colors(mesh: Mesh, surface: _Surface, cells: _Cells) -> Floats:
    """Linear colour and alpha of every point, float32 [M, 4]."""
    from simvid.assets import splat_kernels as kernels

    factor = np.append(srgb_to_linear(np.asarray(mesh.base_color)), 1.0).astype(np.float32)
    faces = mesh.faces[surface.faces]
    if mesh.texture is not None and mesh.uvs is not None:
        corners = mesh.uvs[faces]
        edge1, edge2 = (corners[:, k].astype(np.float64) - corners[:, 0] for k in (1, 2))
        uv_area = 0.5 * np.abs(edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0])
        height, width = mesh.texture.shape[:2]
        texels = np.sqrt(uv_area * height * width / surface.areas * (surface.areas.sum() / len(cells.points)))
        uvs = kernels.blend(cells.weights, corners, cells.face)
        return lookup(mesh.texture, uvs, texels[cells.face]) * factor
    if mesh.vertex_colors is not None:
        linear = mesh.vertex_colors.astype(np.float32) / 255.0
        linear[:, :3] = srgb_to_linear(linear[:, :3])
        return kernels.blend(cells.weights, linear[faces], cells.face) * factor
    return np.broadcast_to(factor, (len(cells.points), 4)).copy()


def _quaternions(x: NDArray[np.floating], z: Floats) -> Floats:
    """Unit quaternions (w, x, y, z) [N, 4] of frames with these x and z axes (Shepperd 1978, all four cases)."""
    x64, z64 = x.astype(np.float64), z.astype(np.float64)
    y64 = np.cross(z64, x64)
    m = np.stack([x64, y64, z64], axis=2)
    a, b, c = m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]
    squares = np.stack([1 + a + b + c, 1 + a - b - c, 1 - a + b - c, 1 - a - b + c], axis=1)
    wx, wy, wz = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    xy, xz, yz = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    rows = np.stack(
        [
            np.stack([squares[:, 0], wx, wy, wz], 1),
            np.stack([wx, squares[:, 1], xy, xz], 1),
            np.stack([wy, xy, squares[:, 2], yz], 1),
            np.stack([wz, xz, yz, squares[:, 3]], 1),
        ],
        axis=1,
    )
    best = rows[np.arange(len(rows)), np.argmax(squares, axis=1)]
    return np.asarray(best / np.linalg.norm(best, axis=1, keepdims=True), np.float32)
