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
from simvid.rendering.kernels.types import HALF, ZERO, Array, Floats, Ints, Real, Vec
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
    discs: Discs
    plane: Plane
    side: int
    """Texels along a side."""
    heads: Ints
    """First entry of each texel's list, or ``NOTHING``, [side^2]."""
    entries: Ints
    """A disc and the next entry, [E, 2]."""


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
        _see(_World(found, discs, plane, side, heads, entries), out, start, stop)

    workers.run(some, len(found.frames))
    return out


@kernel
def _see(world: _World, out: Ints, start: int, stop: int) -> None:
    """Directions start to stop - 1."""
    found, discs, plane = world.found, world.discs, world.plane
    count = len(discs.points)
    for m in range(start, stop):
        _list(world, m)
        d = (found.frames[m, 6], found.frames[m, 7], found.frames[m, 8])
        for i in range(count):
            n = (discs.normals[i, 0], discs.normals[i, 1], discs.normals[i, 2])
            if n[0] * d[0] + n[1] * d[1] + n[2] * d[2] > LEAST_COSINE:
                p = (discs.points[i, 0], discs.points[i, 1], discs.points[i, 2])
                out[i, m] = _met(world, m, p, n)
        if d[2] <= LEAST_COSINE:
            continue
        for k in range(plane.side * plane.side):
            x = plane.corner[0] + plane.step * np.float32(k % plane.side)
            y = plane.corner[1] + plane.step * np.float32(k // plane.side)
            up = (ZERO, ZERO, np.float32(1))
            out[count + k, m] = _met(world, m, (x, y, plane.height), up)


@inlined
def _list(world: _World, m: int) -> None:
    """Put the discs that face against direction m into the lists of the texels that they cover."""
    found, discs, side, heads, entries = world.found, world.discs, world.side, world.heads, world.entries
    for k in range(len(heads)):
        heads[k] = NOTHING
    used, step, f = 0, found.texel, found.frames
    for i in range(len(discs.points)):
        n = (discs.normals[i, 0], discs.normals[i, 1], discs.normals[i, 2])
        facing = along(f, m, 2, n)
        if facing > -LEAST_COSINE:
            continue
        p = (discs.points[i, 0], discs.points[i, 1], discs.points[i, 2])
        x, y = (along(f, m, 0, p) - f[m, 9]) / step, (along(f, m, 1, p) - f[m, 10]) / step
        slope = step / min(facing, -STEEP)
        sx, sy = -along(f, m, 0, n) * slope, -along(f, m, 1, n) * slope
        reach = max(discs.radii[i] / step, HALF)
        limit = (reach * step) ** 2
        x0, x1 = max(int(np.ceil(x - reach - HALF)), 0), min(int(np.floor(x + reach - HALF)), side - 1)
        y0, y1 = max(int(np.ceil(y - reach - HALF)), 0), min(int(np.floor(y + reach - HALF)), side - 1)
        middle = int(np.floor(y)) * side + int(np.floor(x)) if ZERO <= x < side and ZERO <= y < side else -1
        for row in range(y0, y1 + 1):
            dy = np.float32(row) + HALF - y
            for col in range(x0, x1 + 1):
                dx = np.float32(col) + HALF - x
                rise = sx * dx + sy * dy
                at = row * side + col
                if (dx * dx + dy * dy) * step * step + rise * rise <= limit or at == middle:
                    entries[used, 0], entries[used, 1] = i, heads[at]
                    heads[at] = used
                    used += 1


@inlined
def _met(world: _World, m: int, p: Vec, n: Vec) -> int:
    """What the ray of direction m from a point with a normal meets first.

    Only discs count that lie in front of the point's surface and have the point in front of theirs: so flat and
    convex surfaces do not meet themselves.
    """
    found, discs, plane, side = world.found, world.discs, world.plane, world.side
    f = found.frames
    d = (f[m, 6], f[m, 7], f[m, 8])
    best, nearest = NOTHING, np.float32(1e30)
    count = len(discs.points)
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
        wx, wy, wz = discs.points[j, 0] - p[0], discs.points[j, 1] - p[1], discs.points[j, 2] - p[2]
        slack = np.float32(0.02) * discs.radii[j]
        before = -(wx * discs.normals[j, 0] + wy * discs.normals[j, 1] + wz * discs.normals[j, 2])
        if before <= slack or wx * n[0] + wy * n[1] + wz * n[2] <= -discs.radii[j]:
            continue
        facing = -(d[0] * discs.normals[j, 0] + d[1] * discs.normals[j, 1] + d[2] * discs.normals[j, 2])
        t = before / facing if facing > STEEP else wx * d[0] + wy * d[1] + wz * d[2]
        if ZERO < t < nearest:
            best, nearest = j, t
    return best
