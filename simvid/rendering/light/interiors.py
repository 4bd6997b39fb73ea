"""Rooms as light: environment maps with high dynamic range, made by code from a seed, without any download.

Each map is the view from the middle of a made-up room: walls, floor, ceiling, things standing about, and panels that
shine (softboxes, windows, tubes). Every direction is a ray; a surface is lit by the panels that it sees (one shadow ray
to the middle of each) and by the light that goes round in the room, as in an integrating sphere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.light.maps import directions, upward_irradiance
from simvid.rendering.light.rooms import ROOMS, Room

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
Vector: TypeAlias = tuple[float, float, float]
INTERIORS = tuple(ROOMS)
IRRADIANCE = 1.6
"""Mean over the colours of what an upward surface receives from every map; of the order of the skies' at strength 1."""
SMALLEST_PX, LARGEST_PX = 16, 4096
AWAY_M = 1e-4
"""Shadow rays start this far above their surface."""


def interior(name: str, width: int = 1024, seed: int = 0) -> Floats:
    """Environment map of a room, float32 [width / 2, width, 3], linear radiance; read-only.

    Equirectangular, z up: row 0 is the zenith, the last row looks straight down. The middle of the picture is +x, a
    quarter to its right is -y, a quarter to its left is +y, as for someone who turns the head; see ``directions``.

    Args:
        name: one of ``INTERIORS``.
        width: of the map [px], even.
        seed: of what stands about and of the patterns; equal seeds give equal bits.

    Raises:
        ValueError: no such room, or a width that is odd or outside 16 to 4096.
    """
    if name not in ROOMS:
        raise ValueError(f"interior: expected one of {', '.join(INTERIORS)}, got {name!r}")
    if width % 2 or not SMALLEST_PX <= width <= LARGEST_PX:
        raise ValueError(f"width: expected an even number from {SMALLEST_PX} to {LARGEST_PX}, got {width}")
    return _made(name, width, seed)


@lru_cache(maxsize=8)
def _made(name: str, width: int, seed: int) -> Floats:
    room = ROOMS[name](np.random.default_rng([seed, INTERIORS.index(name)]))
    rays = directions(width).reshape(-1, 3)
    made = _seen(room, rays).reshape(width // 2, width, 3).astype(np.float32)
    made *= np.float32(IRRADIANCE / upward_irradiance(made).mean())
    made.setflags(write=False)
    return made


def _seen(room: Room, rays: Array) -> Array:
    """Radiance along rays from the room's eye, [N, 3]."""
    solid = _Solid.of(room)
    n = len(rays)
    t, which, normals, light = np.empty(n), np.empty(n, np.int64), np.zeros((n, 3)), np.empty((n, 3))
    _cast(room.size_m, room.eye, rays, solid, t, which, normals)
    places = room.eye + t[:, None] * rays
    _gather(solid, room.ambient(), places, normals, light)
    albedo, shining = np.zeros((n, 3)), np.zeros((n, 3))
    for k in np.unique(which):
        rows = which == k
        if k > len(room.blocks):
            shining[rows] = room.panels[k - 1 - len(room.blocks)].radiance
        else:
            paint = room.blocks[k - 1].albedo if k else room.albedo
            albedo[rows] = paint(places[rows], normals[rows])
    return albedo * light / np.pi + shining


class _Solid(NamedTuple):
    """A room's blocks and panels as arrays."""

    low: Array
    """[B, 3]."""
    high: Array
    centers: Array
    """[P, 3]."""
    u: Array
    v: Array
    facing: Array
    areas: Array
    """[P]."""
    radiance: Array

    @staticmethod
    def of(room: Room) -> _Solid:
        low, high = (np.array([getattr(b, name) for b in room.blocks]).reshape(-1, 3) for name in ("low", "high"))
        rows = [(p.center, p.u, p.v, p.normal, p.area, p.radiance) for p in room.panels]
        return _Solid(low, high, *(np.array(column, np.float64) for column in zip(*rows, strict=True)))


@inlined
def _enters(solid: _Solid, b: int, o: Vector, d: Vector) -> tuple[float, int]:
    """Distance at which a ray goes into a block, and the axis of the side that it meets; inf where it misses it."""
    first, last, axis = -np.inf, np.inf, 0
    for k in range(3):
        if d[k] == 0.0:
            if o[k] < solid.low[b, k] or o[k] > solid.high[b, k]:
                return np.inf, 0
            continue
        one, two = (solid.low[b, k] - o[k]) / d[k], (solid.high[b, k] - o[k]) / d[k]
        if min(one, two) > first:
            first, axis = min(one, two), k
        last = min(last, max(one, two))
    return (first, axis) if 0.0 < first < last else (np.inf, 0)


@kernel
def _cast(
    size: Array, eye: Array, rays: Array, solid: _Solid, distance: Array, which: NDArray[np.int64], normals: Array
) -> None:
    """What each ray meets: 0 is the room itself, then blocks, then panels; how far away, and its normal."""
    for i in range(len(rays)):
        o, d = (eye[0], eye[1], eye[2]), (rays[i, 0], rays[i, 1], rays[i, 2])
        best, axis, hit = np.inf, 0, 0
        for k in range(3):
            t = ((size[k] if d[k] > 0.0 else 0.0) - eye[k]) / d[k] if d[k] != 0.0 else np.inf
            if t < best:
                best, axis = t, k
        for b in range(len(solid.low)):
            t, side = _enters(solid, b, o, d)
            if t < best:
                best, axis, hit = t, side, b + 1
        normals[i, axis] = -1.0 if d[axis] > 0.0 else 1.0
        for p in range(len(solid.centers)):
            toward, gap, a, b1 = 0.0, 0.0, 0.0, 0.0
            for k in range(3):
                toward += d[k] * solid.facing[p, k]
                gap += (solid.centers[p, k] - eye[k]) * solid.facing[p, k]
            if toward >= 0.0 or gap / toward >= best:
                continue
            t, uu, vv = gap / toward, 0.0, 0.0
            for k in range(3):
                x = eye[k] + t * d[k] - solid.centers[p, k]
                a, b1 = a + x * solid.u[p, k], b1 + x * solid.v[p, k]
                uu, vv = uu + solid.u[p, k] ** 2, vv + solid.v[p, k] ** 2
            if t > 0.0 and abs(a) <= uu and abs(b1) <= vv:
                best, hit = t, len(solid.low) + 1 + p
        distance[i], which[i] = best, hit


@kernel
def _gather(solid: _Solid, ambient: Array, places: Array, normals: Array, light: Array) -> None:
    """Light on surface points: from the panels, as if each were a small source, and from all around, [N, 3]."""
    for i in range(len(places)):
        for k in range(3):
            light[i, k] = ambient[k]
        o = (
            places[i, 0] + AWAY_M * normals[i, 0],
            places[i, 1] + AWAY_M * normals[i, 1],
            places[i, 2] + AWAY_M * normals[i, 2],
        )
        for p in range(len(solid.centers)):
            d = (solid.centers[p, 0] - o[0], solid.centers[p, 1] - o[1], solid.centers[p, 2] - o[2])
            square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
            leaving = -(d[0] * solid.facing[p, 0] + d[1] * solid.facing[p, 1] + d[2] * solid.facing[p, 2])
            arriving = d[0] * normals[i, 0] + d[1] * normals[i, 1] + d[2] * normals[i, 2]
            if leaving <= 0.0 or arriving <= 0.0:
                continue
            free = True
            for b in range(len(solid.low)):
                if _enters(solid, b, o, d)[0] < 1.0:
                    free = False
                    break
            if free:
                factor = leaving * arriving / square * solid.areas[p] / (square + solid.areas[p] / np.pi)
                for k in range(3):
                    light[i, k] += factor * solid.radiance[p, k]
