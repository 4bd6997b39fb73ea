"""Compiled loops of ``simvid.surfaces.draw``; import only from there, inside functions (numba is heavy).

A pixel's ray is x(z) = o + z d with d_z = 1, whatever the lens. It meets the triangle a, b, c where the three edge
functions e_ab = d . ((a - o) x (b - o)), e_bc and e_ca have one sign (Olano & Greer 1997, "Triangle scan conversion
using 2D homogeneous coordinates"; Shirley & Morley 2003, "Realistic ray tracing", ch. 2), at z = n . (a - o) / n . d
with n = (b - a) x (c - a). Nothing is interpolated, so z is exact at every pixel's centre. Borders count as inside, so
that neighbours leave no gap. Both sides of a triangle are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit  # noqa: TID253 - this module is the numba backend and is itself imported lazily
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., object])
Array = NDArray[np.float64]


def _compiled(function: F) -> F:
    """``njit``, without hiding the function's type."""
    return cast("F", njit(cache=True, nogil=True, error_model="numpy")(function))


def _inlined(function: F) -> F:
    return cast("F", njit(inline="always", error_model="numpy")(function))


@_inlined
def _edge(ray: Array, p: Array, q: Array) -> float:
    """d . ((p - o) x (q - o))."""
    px, py, qx, qy = p[0] - ray[0], p[1] - ray[1], q[0] - ray[0], q[1] - ray[1]
    return float(ray[2] * (py * q[2] - p[2] * qy) + ray[3] * (p[2] * qx - px * q[2]) + px * qy - py * qx)


@_inlined
def _meets(ray: Array, a: Array, b: Array, c: Array) -> float:
    """z of the ray's point on the triangle, NaN beside it."""
    ab, bc, ca = _edge(ray, a, b), _edge(ray, b, c), _edge(ray, c, a)
    if not ((ab >= 0.0 and bc >= 0.0 and ca >= 0.0) or (ab <= 0.0 and bc <= 0.0 and ca <= 0.0)):
        return np.nan
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    along = nx * ray[2] + ny * ray[3] + nz
    if along == 0.0:
        return np.nan
    return float((nx * (a[0] - ray[0]) + ny * (a[1] - ray[1]) + nz * a[2]) / along)


@_compiled
def pose_vertices(vertices: Array, part: NDArray[np.int32], maps: Array, out: Array) -> None:
    """Apply to each vertex [V, 3] the map [B, 3, 4] of its part [V]; into out [V, 3]."""
    for i in range(len(vertices)):
        m, x, y, z = maps[part[i]], vertices[i, 0], vertices[i, 1], vertices[i, 2]
        for k in range(3):
            out[i, k] = m[k, 0] * x + m[k, 1] * y + m[k, 2] * z + m[k, 3]


@_compiled
def pinhole_windows(
    vertices: Array,
    faces: NDArray[np.int32],
    K: Array,
    width: int,
    height: int,
    near_m: float,
    windows: NDArray[np.int32],
) -> None:
    """Windows [F, 4] of the faces that are wholly in front of a plain pinhole; empty behind it, -1 for those between.

    Arguments as ``simvid.surfaces.windows.face_windows``.
    """
    for f in range(len(faces)):
        ahead = 0
        for n in range(3):
            ahead += vertices[faces[f, n], 2] > near_m
        if ahead < 3:
            windows[f] = -1 if ahead else 0
            continue
        u0, v0, u1, v1 = np.inf, np.inf, -np.inf, -np.inf
        for n in range(3):
            p = vertices[faces[f, n]]
            u, v = K[0, 0] * p[0] / p[2] + K[0, 2], K[1, 1] * p[1] / p[2] + K[1, 2]
            u0, v0, u1, v1 = min(u0, u), min(v0, v), max(u1, u), max(v1, v)
        windows[f, 0] = min(max(np.ceil(u0 - 1), 0), width)
        windows[f, 1] = min(max(np.ceil(v0 - 1), 0), height)
        windows[f, 2] = max(min(max(np.floor(u1 + 1), 0), width), windows[f, 0])
        windows[f, 3] = max(min(max(np.floor(v1 + 1), 0), height), windows[f, 1])


@_compiled
def draw_nearest(
    vertices: Array,
    faces: NDArray[np.int32],
    owners: NDArray[np.int32],
    windows: NDArray[np.int32],
    rays: Array,
    near_m: float,
    z: NDArray[np.float32],
    ids: NDArray[np.int32],
) -> None:
    """Put the nearest surface of each pixel into z [H, W] and its owner into ids [H, W], where nearer than z.

    Args:
        vertices: in the camera's frame [m], [V, 3].
        faces: [F, 3].
        owners: of each face, [F].
        windows: columns x0 to x1 and rows y0 to y1 (exclusive) in which a face may be seen, [F, 4] as x0, y0, x1, y1.
        rays: x0, y0, a, b of the points (x0 + z a, y0 + z b, z) that each pixel sees, [H, W, 4].
        near_m: nothing nearer is seen.
        z, ids: changed in place.
    """
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        for row in range(windows[f, 1], windows[f, 3]):
            for col in range(windows[f, 0], windows[f, 2]):
                at = _meets(rays[row, col], a, b, c)
                if at >= near_m and at < z[row, col]:
                    z[row, col] = at
                    ids[row, col] = owners[f]


@_compiled
def draw_mask(
    vertices: Array,
    faces: NDArray[np.int32],
    windows: NDArray[np.int32],
    rays: Array,
    near_m: float,
    mask: NDArray[np.bool_],
) -> None:
    """Set the pixels of mask [H, W] under some faces, whatever is in front; arguments as ``draw_nearest``."""
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        for row in range(windows[f, 1], windows[f, 3]):
            for col in range(windows[f, 0], windows[f, 2]):
                if not mask[row, col] and _meets(rays[row, col], a, b, c) >= near_m:
                    mask[row, col] = True
