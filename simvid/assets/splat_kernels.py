"""Compiled loops of ``simvid.assets.splats``; import only from there, inside functions (numba is heavy).

Points and sites are oriented: a position and a unit normal. Their squared distance is |p - q|^2 + bend (1 - n.m), so
the two sides of a thin plate, or two faces that meet at a sharp edge, never share a site however close they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit  # noqa: TID253 - this module is the numba backend and is itself imported lazily
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Doubles = NDArray[np.float64]

F = TypeVar("F", bound=Callable[..., Any])

_R2_X, _R2_Y = 0.7548776662466927, 0.5698402909980532
_MOST = 128  # neighbours looked at per site; a flat sheet has about 25


def _compiled(function: F) -> F:
    """Compile on first call, keep the code on disk; the interpreter lock is free while it runs."""
    return cast("F", njit(cache=True, nogil=True)(function))


def _inlined(function: F) -> F:
    """A part of a kernel, copied into it."""
    return cast("F", njit(inline="always")(function))


@_compiled
def scatter(areas: Doubles, step: float, phase: Doubles) -> tuple[Any, Any]:
    """Spread points evenly over triangles by area.

    One point per ``step`` of accumulated area (systematic sampling), so tiny triangles share points in mesh order;
    inside a triangle the points follow the R2 sequence (Roberts 2018), shifted by ``phase`` in [0, 1), [F, 2].

    Returns:
        Face of each point, int32 [M], and its barycentric weights, float32 [M, 3].
    """
    m = max(1, int(np.floor(areas.sum() / step)))
    step = areas.sum() / m
    face = np.empty(m, np.int32)
    weights = np.empty((m, 3), np.float32)
    k, done, last = 0, 0.0, len(areas) - 1
    for f in range(len(areas)):
        done += areas[f]
        j = 0
        while k < m and ((k + 0.5) * step < done or f == last):
            u = phase[f, 0] + j * _R2_X
            v = phase[f, 1] + j * _R2_Y
            u -= np.floor(u)
            v -= np.floor(v)
            if u + v > 1.0:
                u, v = 1.0 - u, 1.0 - v
            face[k] = f
            weights[k, 0], weights[k, 1], weights[k, 2] = 1.0 - u - v, u, v
            k += 1
            j += 1
    return face, weights


@_compiled
def blend(weights: Floats, corners: Floats, face: Ints) -> Floats:
    """Barycentric mean of corner values [F, 3, D] at points with a face and weights [M, 3] -> float32 [M, D]."""
    width = corners.shape[2]
    out = np.empty((len(face), width), np.float32)
    for i in range(len(face)):
        f = face[i]
        for a in range(width):
            out[i, a] = (
                weights[i, 0] * corners[f, 0, a] + weights[i, 1] * corners[f, 1, a] + weights[i, 2] * corners[f, 2, a]
            )
    return out


@_compiled
def bilinear(image: NDArray[np.uint16], uvs: Floats, rows: NDArray[np.int64], out: Floats) -> None:
    """Repeating bilinear lookup in an image [h, w, 4] at uvs [N, 2] (origin at the bottom left).

    Writes values / 65535 into the given rows of ``out`` [N, 4].
    """
    h, w = image.shape[:2]
    for i in rows:
        u, v = float(uvs[i, 0]), float(uvs[i, 1])
        x = (u - np.floor(u)) * w - 0.5
        y = (1.0 - (v - np.floor(v))) * h - 0.5
        x0, y0 = int(np.floor(x)), int(np.floor(y))
        fx, fy = x - x0, y - y0
        left, right, top, bottom = x0 % w, (x0 + 1) % w, y0 % h, (y0 + 1) % h
        for c in range(4):
            upper = image[top, left, c] * (1.0 - fx) + image[top, right, c] * fx
            lower = image[bottom, left, c] * (1.0 - fx) + image[bottom, right, c] * fx
            out[i, c] = (upper * (1.0 - fy) + lower * fy) / 65535.0


@_inlined
def _bucket(x: int, y: int, z: int, mask: int) -> int:
    """Hash of a cell; blocks of four cubed cells stay together in memory (Teschner et al. 2003 for the blocks)."""
    block = ((x >> 2) * 73856093) ^ ((y >> 2) * 19349663) ^ ((z >> 2) * 83492791)
    return ((block << 6) | ((x & 3) << 4) | ((y & 3) << 2) | (z & 3)) & mask


@_inlined
def _cell(x: float) -> tuple[int, int, float]:
    """Cell of a coordinate in cell widths, the direction of the nearer neighbour, squared distance to its border."""
    cell = int(np.floor(x))
    within = x - cell
    if within < 0.5:
        return cell, -1, within * within
    return cell, 1, (1.0 - within) * (1.0 - within)


@_inlined
def _gap(p: Floats, n: Floats, i: int, q: Floats, m: Floats, j: int, bend: float) -> float:
    dx, dy, dz = p[i, 0] - q[j, 0], p[i, 1] - q[j, 1], p[i, 2] - q[j, 2]
    dot = n[i, 0] * m[j, 0] + n[i, 1] * m[j, 1] + n[i, 2] * m[j, 2]
    return float(dx * dx + dy * dy + dz * dz + bend * (1.0 - dot))


@_inlined
def _mask_for(count: int) -> int:
    mask = 64
    while mask < count:
        mask *= 2
    return mask - 1


@_compiled
def throw_darts(points: Floats, normals: Floats, order: NDArray[np.int64], radius: float, bend: float) -> Ints:
    """Poisson-disk subset: take points in ``order``, skip those nearer than ``radius`` to one taken before.

    Cells are two radii wide, so a point's own cell and the nearer neighbour along each axis hold all that can conflict.

    Returns:
        Indices taken, int32 [N].
    """
    m = len(points)
    mask = _mask_for(m // 2)
    head = np.full(mask + 1, -1, np.int32)
    chain = np.empty(m, np.int32)
    taken = np.empty(m, np.int32)
    count = 0
    inv, limit = 0.5 / radius, radius * radius
    for t in range(m):
        i = order[t]
        x, ax, rx = _cell(points[i, 0] * inv)
        y, ay, ry = _cell(points[i, 1] * inv)
        z, az, rz = _cell(points[i, 2] * inv)
        free = True
        for c in range(8):
            bx, by, bz = c & 1, (c >> 1) & 1, c >> 2
            if bx * rx + by * ry + bz * rz > 0.25:
                continue
            j: Any = head[_bucket(x + bx * ax, y + by * ay, z + bz * az, mask)]
            while j >= 0:
                if _gap(points, normals, i, points, normals, j, bend) < limit:
                    free = False
                    break
                j = chain[j]
            if not free:
                break
        if free:
            b = _bucket(x, y, z, mask)
            chain[i] = head[b]
            head[b] = i
            taken[count] = i
            count += 1
    return taken[:count].copy()


@_compiled
def _grid(sites: Floats, normals: Floats, inv: float) -> tuple[Any, Any, Any]:
    """Hash grid with cells of 1 / inv: first row of each bucket; sites and normals by bucket [N, 6]; their index."""
    mask = _mask_for(4 * len(sites))
    bucket = np.empty(len(sites), np.int32)
    first = np.zeros(mask + 2, np.int32)
    for i in range(len(sites)):
        x, y, z = sites[i, 0] * inv, sites[i, 1] * inv, sites[i, 2] * inv
        bucket[i] = _bucket(int(np.floor(x)), int(np.floor(y)), int(np.floor(z)), mask)
        first[bucket[i] + 1] += 1
    for b in range(mask + 1):
        first[b + 1] += first[b]
    rows = np.empty((len(sites), 6), np.float32)
    index = np.empty(len(sites), np.int32)
    filled = first[:-1].copy()
    for i in range(len(sites)):
        k = filled[bucket[i]]
        filled[bucket[i]] += 1
        index[k] = i
        for a in range(3):
            rows[k, a], rows[k, 3 + a] = sites[i, a], normals[i, a]
    return first, rows, index


@_compiled
def assign(
    points: Floats, normals: Floats, sites: Floats, turns: Floats, reach: float, bend: float, label: Ints
) -> None:
    """Write the nearest site (position, normal ``turns``) of each point into ``label``.

    A point without a site within ``reach`` keeps its label.
    """
    inv, wide = np.float32(0.5 / reach), np.float32(4.0 * reach * reach)
    one, bend32 = np.float32(1.0), np.float32(bend)
    first, rows, index = _grid(sites, turns, float(inv))
    mask = len(first) - 2
    for i in range(len(points)):
        px, py, pz, nx, ny, nz = points[i, 0], points[i, 1], points[i, 2], normals[i, 0], normals[i, 1], normals[i, 2]
        x, ax, rx = _cell(px * inv)
        y, ay, ry = _cell(py * inv)
        z, az, rz = _cell(pz * inv)
        best, found = np.float32(1e30), label[i]
        for c in range(8):
            bx, by, bz = c & 1, (c >> 1) & 1, c >> 2
            if (bx * rx + by * ry + bz * rz) * wide > best:
                continue
            b = _bucket(x + bx * ax, y + by * ay, z + bz * az, mask)
            for k in range(first[b], first[b + 1]):
                dx, dy, dz = px - rows[k, 0], py - rows[k, 1], pz - rows[k, 2]
                turn = one - nx * rows[k, 3] - ny * rows[k, 4] - nz * rows[k, 5]
                gap = dx * dx + dy * dy + dz * dz + bend32 * turn
                if gap < best:
                    best, found = gap, index[k]
        label[i] = found


@_compiled
def cell_means(values: Floats, label: Ints, sites: int) -> tuple[Any, Any]:
    """Mean of the rows of ``values`` [M, D] in each site's cell, float32 [N, D], and the count of each, int32 [N]."""
    width = values.shape[1]
    total = np.zeros((sites, width), np.float64)
    count = np.zeros(sites, np.int32)
    for i in range(len(values)):
        count[label[i]] += 1
        for a in range(width):
            total[label[i], a] += values[i, a]
    mean = np.empty((sites, width), np.float32)
    for s in range(sites):
        for a in range(width):
            mean[s, a] = total[s, a] / max(count[s], 1)
    return mean, count


@_compiled
def spreads(points: Floats, label: Ints, means: Floats, axes: Floats) -> Doubles:
    """Sums of squares (xx, xy, yy) of each cell in its tangent plane, [N, 3]; ``axes`` [N, 2, 3] span that plane."""
    total = np.zeros((len(means), 3), np.float64)
    for i in range(len(points)):
        s = label[i]
        x, y = 0.0, 0.0
        for a in range(3):
            d = points[i, a] - means[s, a]
            x += d * axes[s, 0, a]
            y += d * axes[s, 1, a]
        total[s, 0] += x * x
        total[s, 1] += x * y
        total[s, 2] += y * y
    return total


@_compiled
def inset_depths(sites: Floats, normals: Floats, depth: float, spacing: float) -> Floats:
    """Depth that every site may sink by: ``depth``, or 0.4 of the thickness where the solid is thin, float32 [N]."""
    down = 1.25 * depth
    inv = 0.5 / np.sqrt(down * down + spacing * spacing)
    first, rows, _ = _grid(sites, normals, inv)
    mask = len(first) - 2
    depths = np.empty(len(sites), np.float32)
    for i in range(len(sites)):
        x, ax, _ = _cell((sites[i, 0] - down * normals[i, 0]) * inv)
        y, ay, _ = _cell((sites[i, 1] - down * normals[i, 1]) * inv)
        z, az, _ = _cell((sites[i, 2] - down * normals[i, 2]) * inv)
        depths[i] = depth
        for c in range(8):
            b = _bucket(x + (c & 1) * ax, y + ((c >> 1) & 1) * ay, z + (c >> 2) * az, mask)
            for k in range(first[b], first[b + 1]):
                squared, behind, dot = 0.0, 0.0, 0.0
                for a in range(3):
                    d = sites[i, a] - rows[k, a]
                    squared += d * d
                    behind += d * normals[i, a]
                    dot += normals[i, a] * rows[k, 3 + a]
                if dot < -0.5 and behind > 0.0 and squared - behind * behind < spacing * spacing:
                    depths[i] = min(depths[i], 0.4 * behind)
    return depths


@_compiled
def erode(sites: Floats, normals: Floats, depths: Floats, crease: float, spacing: float) -> Floats:
    """Sink every site below the surface that the sites around it describe.

    Each neighbour is a plane (its position and normal). A site behind that plane must end at least the neighbour's
    depth below it, ``crease`` times that depth where the plane is square to the site's own, less where the edge between
    them is sharper. So faces shrink away from convex edges as a solid does when it is eroded. Planes in front of which
    the site lies (concave edges) and the opposite side of the solid do not count. Sites with neighbours on one side
    only, at the border of an open sheet, draw back by up to half a spacing.

    Returns:
        New positions, float32 [N, 3].
    """
    reach = 1.9 * spacing
    first, rows, index = _grid(sites, normals, 0.5 / reach)
    sunk = sites.copy()
    near = np.empty(_MOST, np.int32)
    wanted = np.empty(_MOST, np.float32)
    lean = np.empty(3, np.float64)
    for i in range(len(sites)):
        count = _planes_around(sites[i], normals[i], first, rows, reach, near, lean)
        tilt = np.sqrt(lean[0] ** 2 + lean[1] ** 2 + lean[2] ** 2)
        back = min(0.5 * spacing, max(0.0, tilt - 0.3 * spacing)) / max(tilt, 1e-12)
        for a in range(3):
            sunk[i, a] += back * lean[a] - depths[i] * normals[i, a]
        for k in range(count):
            dot = 0.0
            for a in range(3):
                dot += normals[i, a] * rows[near[k], 3 + a]
            share = crease + (1.0 - crease) * dot if dot > 0.0 else crease * (1.0 + 0.85 * dot)
            wanted[k] = depths[index[near[k]]] * share
        for _ in range(3):
            for k in range(count):
                j = near[k]
                short = wanted[k]
                for a in range(3):
                    short -= (rows[j, a] - sunk[i, a]) * rows[j, 3 + a]
                if short > 0.0:
                    for a in range(3):
                        sunk[i, a] -= short * rows[j, 3 + a]
    return sunk


@_compiled
def _planes_around(
    site: Floats, normal: Floats, first: Ints, rows: Floats, reach: float, near: Ints, lean: Doubles
) -> int:
    """Write rows of the grid that lie within ``reach``, face the same way and have the site behind them into ``near``.

    ``lean`` becomes the mean step in the tangent plane towards all that face the same way; it is short inside a sheet.

    Returns:
        The number of rows written.
    """
    mask = len(first) - 2
    x, ax, _ = _cell(site[0] * 0.5 / reach)
    y, ay, _ = _cell(site[1] * 0.5 / reach)
    z, az, _ = _cell(site[2] * 0.5 / reach)
    count, around = 0, 0
    lean[:] = 0.0
    for c in range(8):
        b = _bucket(x + (c & 1) * ax, y + ((c >> 1) & 1) * ay, z + (c >> 2) * az, mask)
        for k in range(first[b], first[b + 1]):
            squared, ahead, dot = 0.0, 0.0, 0.0
            for a in range(3):
                d = rows[k, a] - site[a]
                squared += d * d
                ahead += d * rows[k, 3 + a]
                dot += normal[a] * rows[k, 3 + a]
            if dot < -0.5 or squared > reach * reach:
                continue
            around += 1
            for a in range(3):
                lean[a] += rows[k, a] - site[a]
            if ahead > -0.025 * reach and count < _MOST:
                near[count] = k
                count += 1
    lift = (lean[0] * normal[0] + lean[1] * normal[1] + lean[2] * normal[2]) / max(around, 1)
    for a in range(3):
        lean[a] = lean[a] / max(around, 1) - lift * normal[a]
    return count
