"""Rays through the pixels of a picture, for the kernels that meet them with the ground; of any lens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import Array, Vec


class Rays(NamedTuple):
    """Rays through the pixels of one picture: eye + turn @ (x0 + t a, y0 + t b, t) at depth t.

    Without a table: eye + t turn @ (u, v, 1).
    """

    turn: Array
    table: Array
    """x0, y0, a, b of each pixel, or of each node, [H, W, 4]; empty for plain pinholes."""
    eye: Array
    ground: float
    """Height of the ground [m], NaN without one: no ray meets it."""
    far: float
    """Ground beyond this depth is sky [m]."""


@inlined
def ray_direction(rays: Rays, row: int, col: int, u: float, v: float) -> tuple[float, float, float]:
    """Direction of a ray, with depth 1: of a pixel or node in the table, or at picture coordinates."""
    t = rays.turn
    if len(rays.table):
        a, b = rays.table[row, col, 2], rays.table[row, col, 3]
        return (
            t[0, 0] * a + t[0, 1] * b + t[0, 2],
            t[1, 0] * a + t[1, 1] * b + t[1, 2],
            t[2, 0] * a + t[2, 1] * b + t[2, 2],
        )
    return (
        t[0, 0] * u + t[0, 1] * v + t[0, 2],
        t[1, 0] * u + t[1, 1] * v + t[1, 2],
        t[2, 0] * u + t[2, 1] * v + t[2, 2],
    )


@inlined
def ray_origin(rays: Rays, row: int, col: int, axis: int) -> float:
    """One coordinate of where a ray starts [m]."""
    if len(rays.table):
        x, y = rays.table[row, col, 0], rays.table[row, col, 1]
        return float(rays.eye[axis] + rays.turn[axis, 0] * x + rays.turn[axis, 1] * y)
    return float(rays.eye[axis])


@inlined
def plane_depth(rays: Rays, row: int, col: int, dz: float) -> float:
    """Depth at which a ray whose direction has this z meets the ground; +inf where it does not."""
    t = (rays.ground - ray_origin(rays, row, col, 2)) / dz if dz != 0.0 else -1.0
    return t if 0.0 < t < rays.far else np.inf


@inlined
def ray_step(rays: Rays, row: int, col: int, axis: int, t: float) -> tuple[float, float, float]:
    """How a ray's point at depth t moves from one pixel to the next, over t: along a row (axis 0) or a column (1)."""
    m = rays.turn
    if len(rays.table) == 0:
        return m[0, axis], m[1, axis], m[2, axis]
    r, c = row, col
    if axis == 0:
        c = col - 1 if col + 1 == rays.table.shape[1] and col > 0 else col
    else:
        r = row - 1 if row + 1 == rays.table.shape[0] and row > 0 else row
    r1 = min(r + axis, rays.table.shape[0] - 1)
    c1 = min(c + 1 - axis, rays.table.shape[1] - 1)
    one, two = rays.table[r, c], rays.table[r1, c1]
    a = two[2] - one[2] + (two[0] - one[0]) / t
    b = two[3] - one[3] + (two[1] - one[1]) / t
    if not (np.isfinite(a) and np.isfinite(b)):
        a, b = 0.0, 0.0
    return m[0, 0] * a + m[0, 1] * b, m[1, 0] * a + m[1, 1] * b, m[2, 0] * a + m[2, 1] * b


@inlined
def place_on(rays: Rays, row: int, col: int, dx: float, dy: float, dz: float, t: float) -> Vec:
    """Point of a ray at a depth."""
    x, y, z = ray_origin(rays, row, col, 0), ray_origin(rays, row, col, 1), ray_origin(rays, row, col, 2)
    return np.float32(x + t * dx), np.float32(y + t * dy), np.float32(z + t * dz)
