"""Which Gaussians of a part can be seen from outside it at all. Robots' meshes are full of screws and inner walls.

Gaussians lie below their surface. Below an inner wall that is outside: where the outer wall belongs to another mesh of
the part, or is nearer than that, they would stand out of it.
"""

from __future__ import annotations

import numpy as np

from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, ZERO, Array, Flags, Floats
from simvid.rendering.light.shadows import Casters, MapArrays, ShadowMaps, along, in_map

DIRECTIONS = 48
"""Directions from which a part is looked at, besides those of the cameras."""
LARGEST_MAP = 512


def visible_from_outside(
    casters: Casters, means: Floats, toward_cameras: Array, workers: Workers
) -> tuple[Flags, Flags]:
    """Whether each disc is seen from any of many directions far away, past the other discs of its part.

    A narrow gap between two panels, finer than the discs, counts as closed: what lies in it could only be drawn as
    specks.

    Args:
        casters: all discs of one part, in its frame.
        means: centres of their Gaussians [m], [N, 3].
        toward_cameras: unit directions in which cameras stand during the clip, [M, 3].
        workers: threads.

    Returns:
        Whether each disc is seen; and whether its Gaussian's centre stands out of the part, bool [N].
    """
    points, radii = casters.points, casters.radii
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    center, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2 + float(radii.max())
    directions = np.concatenate([_sphere(DIRECTIONS), toward_cameras])
    maps = ShadowMaps(directions, center, radius, float(np.median(radii)), LARGEST_MAP)
    maps.draw_moving(casters, workers)
    seen, out = np.zeros(len(points), np.bool_), np.zeros(len(points), np.bool_)

    def some(start: int, stop: int) -> None:
        _look(casters, maps.arrays, seen, start, stop)
        _stand_out(casters, means, maps.arrays, out, start, stop)

    workers.run(some, len(points), least=2048)
    return seen, out


def _sphere(count: int) -> Array:
    """Directions spread over the sphere (Fibonacci), [M, 3]."""
    k = np.arange(count) + 0.5
    z, azimuth = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=-1)


@kernel
def _look(casters: Casters, maps: MapArrays, seen: Flags, start: int, stop: int) -> None:
    size, texel = maps.grid.shape[1], maps.texel
    for i in range(start, stop):
        p = (casters.points[i, 0], casters.points[i, 1], casters.points[i, 2])
        n = (casters.normals[i, 0], casters.normals[i, 1], casters.normals[i, 2])
        for m in range(len(maps.grid)):
            facing = along(maps.frames, m, 2, n)
            if casters.closed[i] and facing < ZERO:
                continue
            x, y, h = in_map(maps, m, p)
            if not (ZERO <= x < size and ZERO <= y < size):
                seen[i] = True
                break
            slack = HALF * (casters.radii[i] + texel) / max(abs(facing), np.float32(0.3))
            if maps.grid[m, int(y), int(x)] <= h + slack:
                seen[i] = True
                break


@kernel
def _stand_out(casters: Casters, means: Floats, maps: MapArrays, out: Flags, start: int, stop: int) -> None:
    """Whether the way from a disc to its centre goes out through what is drawn around it in any map."""
    size = maps.grid.shape[1]
    for i in range(start, stop):
        p = (means[i, 0], means[i, 1], means[i, 2])
        before = (casters.points[i, 0], casters.points[i, 1], casters.points[i, 2])
        slack = HALF * casters.radii[i]
        for m in range(len(maps.grid)):
            x, y, h = in_map(maps, m, p)
            col, row = int(np.floor(x - HALF)), int(np.floor(y - HALF))
            if not (0 <= col < size - 1 and 0 <= row < size - 1):
                continue
            g = maps.grid
            nearest = max(g[m, row, col], g[m, row, col + 1], g[m, row + 1, col], g[m, row + 1, col + 1])
            if along(maps.frames, m, 2, before) < nearest < h - slack:
                out[i] = True
                break
