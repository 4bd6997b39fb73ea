"""Light that falls on the ground, per pixel: of the sky, of suns, of lamps."""

from __future__ import annotations

import numpy as np

from simvid.rendering.ground.rays import Rays, place_on, plane_depth, ray_direction
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.types import HALF, ONE, ZERO, Floats, Real
from simvid.rendering.light.lamps import LampArrays, to_lamp
from simvid.rendering.light.lighting import SETS, SkyArrays, SunArrays, open_sky, sky_share, sun_share

NODE_PX = 4
"""The share of the sky that the ground sees is found at every fourth pixel and interpolated."""
COVERED: Real = np.float32(0.998)
"""Pixels that splats cover this much show nothing of what is behind."""


@kernel
def open_nodes(rays: Rays, sky: SkyArrays, nodes: Floats, start: int, stop: int) -> None:
    """Share of the sky seen from the ground at the corners of blocks of NODE_PX pixels."""
    for row in range(start, stop):
        for col in range(nodes.shape[1]):
            dx, dy, dz = ray_direction(rays, row, col, float(col * NODE_PX), float(row * NODE_PX))
            t = plane_depth(rays, row, col, dz)
            nodes[row, col] = ONE
            if t < np.inf:
                nodes[row, col] = sky_share(place_on(rays, row, col, dx, dy, dz, t), (ZERO, ZERO, ONE), sky, 0, SETS)


@inlined
def between(nodes: Floats, row: int, col: int) -> Real:
    """Bilinear value of the nodes at the centre of a pixel."""
    x, y = (np.float32(col) + HALF) / np.float32(NODE_PX), (np.float32(row) + HALF) / np.float32(NODE_PX)
    c, r = int(x), int(y)
    u, v = x - np.float32(c), y - np.float32(r)
    upper = nodes[r, c] + (nodes[r, c + 1] - nodes[r, c]) * u
    lower = nodes[r + 1, c] + (nodes[r + 1, c + 1] - nodes[r + 1, c]) * u
    return upper + (lower - upper) * v


@kernel
def set_sky(sky: SkyArrays, nodes: Floats, out: Floats, start: int, stop: int) -> None:
    """Irradiance of the sky on the ground."""
    e0, e1, e2 = open_sky((ZERO, ZERO, ONE), sky)
    for row in range(start, stop):
        for col in range(out.shape[1]):
            share = between(nodes, row, col)
            out[row, col, 0], out[row, col, 1], out[row, col, 2] = e0 * share, e1 * share, e2 * share


@kernel
def add_suns(rays: Rays, depth: Floats, covered: Floats, suns: SunArrays, out: Floats, start: int, stop: int) -> None:
    """Add the irradiance of suns on the ground."""
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            t = np.float64(depth[row, col])
            if covered[row, col] > COVERED or t == np.inf:
                continue
            dx, dy, dz = ray_direction(rays, row, col, col + 0.5, row + 0.5)
            p = place_on(rays, row, col, dx, dy, dz, t)
            for s in range(len(suns.lights)):
                e = suns.lights[s, 2]
                if e > ZERO:
                    e *= sun_share(s, p, (ZERO, ZERO, ONE), suns)
                    for k in range(3):
                        out[row, col, k] += e * suns.lights[s, 3 + k]


@kernel
def add_lamps(
    rays: Rays, depth: Floats, covered: Floats, lamps: LampArrays, out: Floats, start: int, stop: int
) -> None:
    """Add the irradiance of lamps on the ground."""
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            t = np.float64(depth[row, col])
            if covered[row, col] > COVERED or t == np.inf:
                continue
            dx, dy, dz = ray_direction(rays, row, col, col + 0.5, row + 0.5)
            p = place_on(rays, row, col, dx, dy, dz, t)
            for s in range(len(lamps.lights)):
                _, cosine, fall = to_lamp(s, lamps, p, (ZERO, ZERO, ONE))
                if cosine > ZERO:
                    for k in range(3):
                        out[row, col, k] += cosine * fall * lamps.lights[s, 3 + k]
