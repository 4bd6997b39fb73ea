"""Shadow maps made from flat splats: what a light sees, as a grid of the surfaces nearest to it.

A light far away (a sun, or one direction of the sky) has a grid in the plane square to its direction. Every splat is
drawn into it as the flat disc that it is: the value of a texel is the largest coordinate towards the light of any disc
over its centre (Williams 1978, "Casting curved shadows on curved surfaces"). A point is lit where nothing lies nearer
to the light. Edges of sun shadows widen with the distance to what casts them (Fernando 2005, "Percentage-closer soft
shadows"), with fixed taps, so pictures have no noise.

Grids of parts that never move are drawn once and copied.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, ONE, ZERO, Array, Flags, Floats, Ints, Real, SplatArrays, Vec

NOTHING = np.float32(-1e30)
"""Value of a texel that no disc covers."""
REACH: Real = np.float32(9.0)
"""Largest half width of a shadow's soft edge, in texels."""


class Casters(NamedTuple):
    """Discs that throw shadows."""

    points: Floats
    """World centres [m], [N, 3]."""
    normals: Floats
    """Unit, [N, 3]."""
    radii: Floats
    """[m], [N]."""
    closed: Flags
    """A disc is the outside of something closed, so that its back needs no drawing, [N]."""


class Chosen(NamedTuple):
    """Which Gaussians are drawn as discs. For coarse maps there are fewer and wider ones, about as wide as asked for:
    one of m neighbours in memory, sqrt(m) times as wide."""

    rows: Ints
    """Those in the way of light, [N]."""
    radii: Floats
    closed: Flags
    few: Ints
    """Those for coarse maps, [K]."""
    wide: Floats
    """Their radii [m]."""
    few_closed: Flags

    def casters(self, splats: SplatArrays) -> tuple[Casters, Casters]:
        """All discs, and those for coarse maps, where the Gaussians are now."""
        fine, coarse = self.rows, self.few
        at, facing = splats.points, splats.normals
        return (
            Casters(at.take(fine, axis=0), facing.take(fine, axis=0), self.radii, self.closed),
            Casters(at.take(coarse, axis=0), facing.take(coarse, axis=0), self.wide, self.few_closed),
        )


def chosen(splats: SplatArrays, solid: Flags, radius_m: float) -> Chosen:
    """Discs of the Gaussians that are solid, [N]; those for coarse maps have about a radius of ``radius_m``."""
    rows = np.flatnonzero(solid).astype(np.int32)
    radii, closed = splats.radius[rows], splats.back[rows] < 1
    some, wide = thinned(radii, radius_m)
    return Chosen(rows, radii, closed, rows[some], wide, closed[some])


def thinned(radii: Floats, radius_m: float) -> tuple[NDArray[np.int64], Floats]:
    """Which of some discs stay in coarse maps, and their radii there [m], see ``Chosen``."""
    m = np.clip(np.round((radius_m / np.maximum(radii, 1e-9)) ** 2), 1, 16).astype(np.int64)
    rows = np.flatnonzero(np.arange(len(m)) % m == 0)
    return rows, (radii[rows] * 1.1 * np.sqrt(m[rows])).astype(np.float32)


class MapArrays(NamedTuple):
    """Grids of M directions, as kernels read them."""

    frames: Floats
    """Per direction the unit vectors right, up and towards the light, and the coordinates of the grid's corner along
    right and up [m], [M, 11]."""
    texel: Real
    """Edge of a texel [m]."""
    per_m: Real
    """Texels per metre."""
    grid: Floats
    """Coordinate towards the light of the nearest surface [m], [M, R, R]; R = 0 where nothing throws shadows."""


class ShadowMaps:
    """Grids for M directions over one ball of the world."""

    def __init__(self, directions: Array, center: Array, radius_m: float, texel_m: float, largest: int) -> None:
        """Set up empty grids.

        Args:
            directions: unit, towards the light, [M, 3].
            center: [m], [3].
            radius_m: of the ball.
            texel_m: wanted edge of a texel; made larger where the grid would have more than ``largest`` texels a side.
            largest: see texel_m; 0 for no shadows at all.
        """
        side = 2 * radius_m
        size = int(np.clip(np.ceil(side / texel_m), 8, largest)) if largest else 0
        self.texel_m = side / max(size, 1)
        frames = frames_of(directions, center, radius_m)
        grid = np.full((len(directions), size, size), NOTHING, np.float32)
        self.arrays = MapArrays(frames, np.float32(self.texel_m), np.float32(1 / self.texel_m), grid)
        self._still = self.arrays._replace(grid=grid.copy())

    def draw_still(self, casters: Casters, workers: Workers) -> None:
        """Draw what never moves; kept for all frames."""
        self._draw(self._still, casters, workers)

    def draw_moving(self, casters: Casters, workers: Workers) -> None:
        """Start a frame: what never moves, and these discs on top."""
        self.arrays.grid[:] = self._still.grid
        self._draw(self.arrays, casters, workers)

    def _draw(self, maps: MapArrays, casters: Casters, workers: Workers) -> None:
        def some(start: int, stop: int) -> None:
            _draw(casters, maps, start, stop)

        if len(casters.points) and maps.grid.size:
            workers.run(some, len(maps.grid))


def frames_of(directions: Array, center: Array, radius_m: float) -> Floats:
    """``MapArrays.frames`` of unit directions [M, 3] over a ball of the world, [M, 11]."""
    axes = np.array([_frame(d) for d in directions]).reshape(-1, 3, 3)
    return np.concatenate([axes.reshape(-1, 9), axes[:, :2] @ center - radius_m], axis=1).astype(np.float32)


def _frame(direction: Array) -> Array:
    """Rows right, up, direction of a right-handed frame, [3, 3]."""
    helper = np.array([0.0, 0, 1]) if abs(direction[2]) < 0.9 else np.array([0.0, 1, 0])
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(direction, right), direction])


@inlined
def along(frames: Floats, m: int, axis: int, v: Vec) -> Real:
    """Component of a vector along axis 0 (right), 1 (up) or 2 (towards the light) of direction m."""
    k = 3 * axis
    return frames[m, k] * v[0] + frames[m, k + 1] * v[1] + frames[m, k + 2] * v[2]


@inlined
def in_map(maps: MapArrays, m: int, p: Vec) -> Vec:
    """A world point in grid m: column and row in texels from the corner, and the coordinate towards the light [m]."""
    f = maps.frames
    return (along(f, m, 0, p) - f[m, 9]) * maps.per_m, (along(f, m, 1, p) - f[m, 10]) * maps.per_m, along(f, m, 2, p)


@kernel
def _draw(casters: Casters, maps: MapArrays, start: int, stop: int) -> None:
    """Draw all discs into the grids start to stop - 1."""
    step, grid = maps.texel, maps.grid
    size = grid.shape[1]
    for m in range(start, stop):
        for i in range(len(casters.points)):
            normal = (casters.normals[i, 0], casters.normals[i, 1], casters.normals[i, 2])
            facing = along(maps.frames, m, 2, normal)
            if casters.closed[i] and facing < np.float32(-0.05):
                continue
            x, y, h = in_map(maps, m, (casters.points[i, 0], casters.points[i, 1], casters.points[i, 2]))
            if abs(facing) < np.float32(0.15):
                facing = np.float32(0.15) if facing >= ZERO else np.float32(-0.15)
            slope = step / facing
            sx, sy = -along(maps.frames, m, 0, normal) * slope, -along(maps.frames, m, 1, normal) * slope
            reach = max(casters.radii[i] / step, HALF)
            limit = (reach * step) ** 2
            x0, x1 = max(int(np.ceil(x - reach - HALF)), 0), min(int(np.floor(x + reach - HALF)), size - 1)
            y0, y1 = max(int(np.ceil(y - reach - HALF)), 0), min(int(np.floor(y + reach - HALF)), size - 1)
            for row in range(y0, y1 + 1):
                dy = np.float32(row) + HALF - y
                for col in range(x0, x1 + 1):
                    dx = np.float32(col) + HALF - x
                    rise = sx * dx + sy * dy
                    inside = (dx * dx + dy * dy) * step * step + rise * rise <= limit
                    grid[m, row, col] = max(grid[m, row, col], h + rise if inside else NOTHING)
            if ZERO <= x < size and ZERO <= y < size:  # a disc between the centres of texels leaves a trace too
                row, col = int(y), int(x)
                grid[m, row, col] = max(grid[m, row, col], h)


@inlined
def lifted(p: Vec, n: Vec, radius: Real, texel: Real) -> Vec:
    """Where to look from at a surface that is known by discs of a radius [m]: their planes hide its curves and edges.

    Points are looked up a texel or two above the surface in any case; discs wider than that need more.
    """
    lift = max(radius - texel, ZERO)
    return p[0] + n[0] * lift, p[1] + n[1] * lift, p[2] + n[2] * lift


@inlined
def lit_share(grid: Floats, m: int, x: Real, y: Real, h: Real) -> Real:
    """Bilinear share of the four texels of grid m around (x, y) [texels] in which nothing lies above h."""
    size = grid.shape[1]
    fx, fy = x - HALF, y - HALF
    if not (fx >= 0 and fy >= 0 and fx < size - 1 and fy < size - 1):
        return ONE
    col, row = int(fx), int(fy)
    u, v = fx - np.float32(col), fy - np.float32(row)
    a = ONE if grid[m, row, col] <= h else ZERO
    b = ONE if grid[m, row, col + 1] <= h else ZERO
    c = ONE if grid[m, row + 1, col] <= h else ZERO
    d = ONE if grid[m, row + 1, col + 1] <= h else ZERO
    return (a * (ONE - u) + b * u) * (ONE - v) + (c * (ONE - u) + d * u) * v


@inlined
def soft_share(m: int, maps: MapArrays, spread: Real, taps: Floats, p: Vec, n: Vec) -> Real:
    """Share of a light's disc that is seen from a surface point with a normal, in [0, 1].

    ``spread`` is the tangent of half the angle that the light takes up; ``taps`` are points of the unit disc [K, 2].
    Neighbouring texels are compared with the plane of the surface, which therefore throws no shadow on itself.
    """
    size, texel = maps.grid.shape[1], maps.texel
    facing = along(maps.frames, m, 2, n)
    if facing <= ZERO:
        return ZERO
    off = texel * (np.float32(2.2) - np.float32(1.4) * facing)
    x, y, h = in_map(maps, m, (p[0] + n[0] * off, p[1] + n[1] * off, p[2] + n[2] * off))
    if not (x > -REACH and y > -REACH and x < size + REACH and y < size + REACH):
        return ONE
    h += np.float32(0.6) * texel
    steep = -texel / max(facing, np.float32(0.2))
    sx, sy = along(maps.frames, m, 0, n) * steep, along(maps.frames, m, 1, n) * steep
    blockers, total = 0, ZERO
    for k in range(0, len(taps), 2):
        dx, dy = taps[k, 0] * REACH, taps[k, 1] * REACH
        col, row = int(np.floor(x + dx)), int(np.floor(y + dy))
        if 0 <= col < size and 0 <= row < size:
            above = maps.grid[m, row, col] - (h + sx * dx + sy * dy)
            if above > ZERO:
                blockers += 1
                total += above
    if blockers == 0:
        return lit_share(maps.grid, m, x, y, h)
    wide = min(max(total / np.float32(blockers) * spread * maps.per_m, ONE), REACH)
    lit = ZERO
    for k in range(len(taps)):
        dx, dy = taps[k, 0] * wide, taps[k, 1] * wide
        lit += lit_share(maps.grid, m, x + dx, y + dy, h + sx * dx + sy * dy)
    return lit / np.float32(len(taps))


@inlined
def sees(m: int, maps: MapArrays, p: Vec, n: Vec) -> bool:
    """Whether a surface point with a normal that faces a light sees its middle: a hard shadow."""
    size, texel = maps.grid.shape[1], maps.texel
    if size == 0:
        return True
    off = texel * (np.float32(2.2) - np.float32(1.4) * along(maps.frames, m, 2, n))
    x, y, h = in_map(maps, m, (p[0] + n[0] * off, p[1] + n[1] * off, p[2] + n[2] * off))
    lit: bool = lit_share(maps.grid, m, x, y, h + np.float32(0.6) * texel) >= HALF
    return lit


def disc_taps(count: int) -> Floats:
    """Evenly spread points of the unit disc (Vogel 1979), float32 [K, 2]."""
    k = np.arange(count) + 0.5
    r, angle = np.sqrt(k / count), k * np.pi * (3 - 5**0.5)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1).astype(np.float32)
