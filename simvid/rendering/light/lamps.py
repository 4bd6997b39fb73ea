"""Shadows of lamps: six grids around each lamp, one for each side of a cube, of the depth of the nearest surface."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, ONE, ZERO, Array, Floats, Real, Vec
from simvid.rendering.light.shadows import Casters, disc_taps

TAPS = 16
"""Lookups of a soft shadow."""
SIDE = 384
"""Texels along a side of the cube."""
FAR = np.float32(1e30)
SIDES = np.array(
    [
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[0, -1, 0], [0, 0, 1], [-1, 0, 0]],
        [[-1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    ],
    np.float32,
)
"""Rows right, up and outwards of each side of the cube, [6, 3, 3]."""
WIDE: Real = np.float32(2.0)
"""Half width of the soft edge in texels."""


class LampArrays(NamedTuple):
    """Lamps and what they see."""

    lights: Floats
    """Place in the world [m] and irradiance at one metre in linear RGB, [L, 6]."""
    sides: Floats
    """``SIDES``."""
    taps: Floats
    """Points of the unit disc, [K, 2]."""
    grid: Floats
    """Depth outwards from the lamp of the nearest surface [m], [6 L, R, R]; R = 0 without shadows."""


class LampMaps:
    """Grids of all lamps."""

    def __init__(self, positions: Array, intensity: Array, *, shadows: bool) -> None:
        size = SIDE if shadows else 0
        grid = np.full((6 * len(positions), size, size), FAR, np.float32)
        lights = np.concatenate([positions, intensity], axis=1).astype(np.float32)
        self.arrays = LampArrays(lights, SIDES, disc_taps(TAPS), grid)
        self._still = self.arrays._replace(grid=grid.copy())

    def draw_still(self, casters: Casters, workers: Workers) -> None:
        """Draw what never moves; kept for all frames."""
        self._draw(self._still, casters, workers)

    def draw_moving(self, casters: Casters, workers: Workers) -> None:
        """Start a frame: what never moves, and these discs on top."""
        self.arrays.grid[:] = self._still.grid
        self._draw(self.arrays, casters, workers)

    def _draw(self, lamps: LampArrays, casters: Casters, workers: Workers) -> None:
        def some(start: int, stop: int) -> None:
            _draw(casters, lamps, start, stop)

        if len(casters.points) and lamps.grid.size:
            workers.run(some, len(lamps.grid))


@inlined
def _along(lamps: LampArrays, side: int, row: int, v: Vec) -> Real:
    return lamps.sides[side, row, 0] * v[0] + lamps.sides[side, row, 1] * v[1] + lamps.sides[side, row, 2] * v[2]


@kernel
def _draw(casters: Casters, lamps: LampArrays, start: int, stop: int) -> None:
    """Draw all discs into the grids start to stop - 1."""
    grid = lamps.grid
    size = grid.shape[1]
    half = np.float32(size) * HALF
    for m in range(start, stop):
        lamp, side = m // 6, m % 6
        for i in range(len(casters.points)):
            c = (
                casters.points[i, 0] - lamps.lights[lamp, 0],
                casters.points[i, 1] - lamps.lights[lamp, 1],
                casters.points[i, 2] - lamps.lights[lamp, 2],
            )
            z = _along(lamps, side, 2, c)
            r = casters.radii[i]
            if z < max(r, np.float32(1e-3)):
                continue
            n = (casters.normals[i, 0], casters.normals[i, 1], casters.normals[i, 2])
            level = n[0] * c[0] + n[1] * c[1] + n[2] * c[2]
            if casters.closed[i] and level > ZERO:
                continue
            cx, cy = _along(lamps, side, 0, c), _along(lamps, side, 1, c)
            x, y = (cx / z + ONE) * half, (cy / z + ONE) * half
            reach = max(r / z * half * np.float32(1.4), HALF)
            nx, ny, nz = _along(lamps, side, 0, n), _along(lamps, side, 1, n), _along(lamps, side, 2, n)
            x0, x1 = max(int(np.ceil(x - reach - HALF)), 0), min(int(np.floor(x + reach - HALF)), size - 1)
            y0, y1 = max(int(np.ceil(y - reach - HALF)), 0), min(int(np.floor(y + reach - HALF)), size - 1)
            for row in range(y0, y1 + 1):
                v = (np.float32(row) + HALF) / half - ONE
                for col in range(x0, x1 + 1):
                    u = (np.float32(col) + HALF) / half - ONE
                    slope = nx * u + ny * v + nz
                    depth = level / slope if abs(slope) > np.float32(1e-6) else z
                    depth = min(max(depth, z - r), z + r)
                    dx, dy, dz = depth * u - cx, depth * v - cy, depth - z
                    if dx * dx + dy * dy + dz * dz <= r * r:
                        grid[m, row, col] = min(grid[m, row, col], depth)


@inlined
def lamp_share(lamp: int, lamps: LampArrays, p: Vec, n: Vec) -> Real:
    """Share of a lamp that is seen from a surface point with a normal, in [0, 1]."""
    grid = lamps.grid
    size = grid.shape[1]
    if size == 0:
        return ONE
    half = np.float32(size) * HALF
    vx, vy, vz = p[0] - lamps.lights[lamp, 0], p[1] - lamps.lights[lamp, 1], p[2] - lamps.lights[lamp, 2]
    off = np.float32(2.5) * max(abs(vx), abs(vy), abs(vz)) / half
    c = (vx + n[0] * off, vy + n[1] * off, vz + n[2] * off)
    side = 0
    for other in range(1, 6):
        side = other if _along(lamps, other, 2, c) > _along(lamps, side, 2, c) else side
    z = _along(lamps, side, 2, c)
    x, y = (_along(lamps, side, 0, c) / z + ONE) * half, (_along(lamps, side, 1, c) / z + ONE) * half
    m, limit = 6 * lamp + side, z - np.float32(0.5) * off
    lit = ZERO
    for k in range(len(lamps.taps)):
        fx = min(max(x + lamps.taps[k, 0] * WIDE - HALF, ZERO), np.float32(size) - np.float32(1.001))
        fy = min(max(y + lamps.taps[k, 1] * WIDE - HALF, ZERO), np.float32(size) - np.float32(1.001))
        col, row = int(fx), int(fy)
        u, v = fx - np.float32(col), fy - np.float32(row)
        col1, row1 = min(col + 1, size - 1), min(row + 1, size - 1)
        a = ONE if grid[m, row, col] >= limit else ZERO
        b = ONE if grid[m, row, col1] >= limit else ZERO
        d = ONE if grid[m, row1, col] >= limit else ZERO
        e = ONE if grid[m, row1, col1] >= limit else ZERO
        lit += (a * (ONE - u) + b * u) * (ONE - v) + (d * (ONE - u) + e * u) * v
    return lit / np.float32(len(lamps.taps))


@inlined
def to_lamp(lamp: int, lamps: LampArrays, p: Vec, n: Vec) -> tuple[Vec, Real, Real]:
    """Unit direction to a lamp, its cosine with the normal, and how much of its light reaches the point [1/m^2]."""
    at = lamps.lights
    dx, dy, dz = at[lamp, 0] - p[0], at[lamp, 1] - p[1], at[lamp, 2] - p[2]
    fall = ONE / max(dx * dx + dy * dy + dz * dz, np.float32(1e-4))
    near = np.sqrt(fall)
    dx, dy, dz = dx * near, dy * near, dz * near
    cosine = n[0] * dx + n[1] * dy + n[2] * dz
    if cosine > ZERO:
        fall *= lamp_share(lamp, lamps, p, n)
    return (dx, dy, dz), cosine, fall
