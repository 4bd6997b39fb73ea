"""What is seen from many points in many directions at once: bundles of parallel rays (Hachisuka 2005, "High-quality
global illumination rendering using rasterization").

For each direction all discs that face against it are put into lists, one for each texel of a plane square to it. A
ray from a point looks through the list of its texel for the nearest disc that it meets. So no search tree is built,
and whatever moves costs what stands still does. Directions are fixed in the world: the same for all frames.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, ONE, ZERO, Array, Floats, Ints, Real, Vec
from simvid.rendering.light.shadows import along, frames_of

DIRECTIONS = 64
"""Over the whole sphere."""
SIDE = 128
"""Texels along a side of a plane."""
LEAST_COSINE: Real = np.float32(0.05)
"""Rays nearer to a surface than this are left out."""
STEEP: Real = np.float32(0.15)
"""Discs seen at a smaller cosine are met where their middle is."""
NOTHING, INSIDE = -1, -2
"""What a ray meets that goes to the sky, and one that goes into its own surface."""


class Bundles(NamedTuple):
    """Directions and their planes."""

    frames: Floats
    """As ``shadows.MapArrays.frames``; the third axis is the direction of the rays, [D, 11]."""
    texel: Real
    """Edge of a texel [m]."""


class Discs(NamedTuple):
    """Discs that rays meet, at their fronts only; rays start from the same points."""

    points: Floats
    """[m], [S, 3]."""
    normals: Floats
    """Unit, [S, 3]."""
    radii: Floats
    """[m], [S]."""


class Plane(NamedTuple):
    """The ground, as nodes of a square grid; rays start from the nodes too."""

    height: Real
    """[m]; ``NO_GROUND`` without one: then what goes down goes on for ever."""
    corner: Floats
    """Place of the first node [m], [2]."""
    step: Real
    """Between nodes [m]."""
    side: int
    """Nodes along a side; 0 without ground."""


class _World(NamedTuple):
    """What rays are followed in, and lists of discs by texel for one direction."""

    found: Bundles
    plane: Plane
    side: int
    """Texels along a side."""
    heads: Ints
    """First entry of each texel's list, or ``NOTHING``, [side^2]."""
    entries: Ints
    """A disc and the next entry, [E, 2]."""
    rows: Floats
    """Of each disc point, normal and radius, and the cosine between its normal and the way back along the rays of that
    direction, [S, 8]."""


def bundles(center: Array, radius_m: float, count: int = DIRECTIONS, side: int = SIDE) -> Bundles:
    """Directions evenly over the sphere (Fibonacci), and planes over a ball of the world."""
    k = np.arange(count) + 0.5
    z, azimuth = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z * z)
    directions = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=-1)
    return Bundles(frames_of(directions, center, radius_m), np.float32(2 * radius_m / side))


def seen(found: Bundles, discs: Discs, plane: Plane, side: int, workers: Workers) -> Ints:
    """What each ray meets first.

    Args:
        found: directions.
        discs: S discs.
        plane: the ground, with side^2 nodes.
        side: texels along a side of the planes of ``found``.
        workers: threads.

    Returns:
        Of the rays of discs and then of nodes: the number of a disc, S + that of a node, S + side^2 for what is below
        without ground or beyond its nodes; else ``NOTHING`` or ``INSIDE``, int32 [S + side^2, D].
    """
    rays = len(discs.points) + plane.side**2
    out = np.full((rays, len(found.frames)), INSIDE, np.int32)
    across = 2 * discs.radii.astype(np.float64) / float(found.texel) + 2
    room = int(np.square(across).sum()) + 1

    def some(start: int, stop: int) -> None:
        heads, entries = np.empty(side * side, np.int32), np.empty((room, 2), np.int32)
        rows = np.column_stack([discs.points, discs.normals, discs.radii, discs.radii])
        _see(_World(found, plane, side, heads, entries, rows), out, start, stop)

    workers.run(some, len(found.frames))
    return out


@kernel
def _see(world: _World, out: Ints, start: int, stop: int) -> None:
    """Directions start to stop - 1."""
    found, rows, plane = world.found, world.rows, world.plane
    count = len(rows)
    for m in range(start, stop):
        _list(world, m)
        d = _three(found.frames, m, 6)
        for i in range(count):
            n = _three(rows, i, 3)
            if _dot(n, d) > LEAST_COSINE:
                out[i, m] = _met(world, m, _three(rows, i, 0), n)
        if d[2] <= LEAST_COSINE:
            continue
        for row in range(plane.side):
            y = plane.corner[1] + plane.step * np.float32(row)
            for col in range(plane.side):
                p = (plane.corner[0] + plane.step * np.float32(col), y, plane.height)
                out[count + row * plane.side + col, m] = _met(world, m, p, (ZERO, ZERO, ONE))


@inlined
def _dot(a: Vec, b: Vec) -> Real:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def _three(rows: Floats, i: int, first: int) -> Vec:
    """Three neighbouring numbers of a row."""
    return rows[i, first], rows[i, first + 1], rows[i, first + 2]


@inlined
def _list(world: _World, m: int) -> None:
    """Put the discs that face against direction m into the lists of the texels that they cover."""
    side, heads, entries, rows = world.side, world.heads, world.entries, world.rows
    for k in range(len(heads)):
        heads[k] = NOTHING
    step, f, last = world.found.texel, world.found.frames, np.float32(side - 1)
    right, up, toward = _three(f, m, 0), _three(f, m, 3), _three(f, m, 6)
    left, low = f[m, 9], f[m, 10]
    used = 0
    for i in range(len(rows)):
        n = _three(rows, i, 3)
        facing = _dot(toward, n)
        rows[i, 7] = -facing
        if facing > -LEAST_COSINE:
            continue
        p = _three(rows, i, 0)
        x, y = (_dot(right, p) - left) / step, (_dot(up, p) - low) / step
        slope = step / min(facing, -STEEP)
        sx, sy = -_dot(right, n) * slope, -_dot(up, n) * slope
        reach = max(rows[i, 6] / step, HALF)
        limit = (reach * step) * (reach * step)
        x0, x1 = int(max(np.ceil(x - reach - HALF), ZERO)), int(min(np.floor(x + reach - HALF), last))
        y0, y1 = int(max(np.ceil(y - reach - HALF), ZERO)), int(min(np.floor(y + reach - HALF), last))
        middle = int(np.floor(y)) * side + int(np.floor(x)) if ZERO <= x < side and ZERO <= y < side else -1
        for row in range(y0, y1 + 1):
            dy = np.float32(row) + HALF - y
            for col in range(x0, x1 + 1):
                dx = np.float32(col) + HALF - x
                rise = sx * dx + sy * dy
                at = row * side + col
                covers = ((dx * dx + dy * dy) * step * step + rise * rise <= limit) | (at == middle)
                before = heads[at]
                entries[used, 0], entries[used, 1] = i, before  # written over if it does not cover: no branch
                heads[at] = used if covers else before
                used += 1 if covers else 0


@inlined
def _met(world: _World, m: int, p: Vec, n: Vec) -> int:
    """What the ray of direction m from a point with a normal meets first.

    Only discs count that lie in front of the point's surface and have the point in front of theirs: so flat and
    convex surfaces do not meet themselves.
    """
    found, rows, plane, side = world.found, world.rows, world.plane, world.side
    f = found.frames
    d = _three(f, m, 6)
    best, nearest = NOTHING, np.float32(1e30)
    count = len(rows)
    if d[2] < ZERO:
        best = count + plane.side * plane.side
        if plane.side > 0:
            t = (plane.height - p[2]) / d[2]
            nearest = max(t, ZERO)
            u = (p[0] + t * d[0] - plane.corner[0]) / plane.step + HALF
            v = (p[1] + t * d[1] - plane.corner[1]) / plane.step + HALF
            if u >= ZERO and v >= ZERO and u < plane.side and v < plane.side:
                best = count + int(v) * plane.side + int(u)
    x, y = (along(f, m, 0, p) - f[m, 9]) / found.texel, (along(f, m, 1, p) - f[m, 10]) / found.texel
    if not (x >= ZERO and y >= ZERO and x < side and y < side):
        return best
    entries = world.entries
    at = world.heads[int(y) * side + int(x)]
    while at != NOTHING:
        j = entries[at, 0]
        at = entries[at, 1]
        way, radius, facing = (rows[j, 0] - p[0], rows[j, 1] - p[1], rows[j, 2] - p[2]), rows[j, 6], rows[j, 7]
        before = -_dot(way, _three(rows, j, 3))
        t = before / facing if facing > STEEP else _dot(way, d)
        counts = (before > np.float32(0.02) * radius) & (_dot(way, n) > -radius) & (t > ZERO) & (t < nearest)
        best, nearest = (j, t) if counts else (best, nearest)
    return best
