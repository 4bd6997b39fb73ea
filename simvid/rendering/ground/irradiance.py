"""Light on the ground, per pixel: which share of the sky it sees, and what it gets of suns and lamps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.rendering.ground.rays import Rays, place_on, plane_depth, ray_direction
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.types import HALF, ONE, PI, ZERO, Floats, Real, Vec
from simvid.rendering.light.lamps import LampArrays, to_lamp
from simvid.rendering.light.lighting import SET_SIZE, SETS, SkyArrays, SunArrays, sun_share
from simvid.rendering.light.nearby import Bounced, on_ground
from simvid.rendering.light.shading import Surface, burley, gloss
from simvid.rendering.light.shadows import in_map, lit_share

NODE_PX = 4
"""The share of the sky that the ground sees is found at every fourth pixel and interpolated."""
COVERED: Real = np.float32(0.998)
"""Pixels that splats cover this much show nothing of what is behind."""


@kernel
def open_nodes(
    rays: Rays, covered: Floats, sky: SkyArrays, places: Floats, nodes: Floats, start: int, stop: int
) -> None:
    """Share of the sky seen from the ground at the corners of blocks of NODE_PX pixels, as ``sky_share`` has it.

    One where there is no ground, or none to be seen in the blocks around. ``places`` is room for those of the nodes,
    [3, rows, columns].
    """
    maps, d, last = sky.maps, sky.dome, nodes.shape[1]
    if maps.grid.shape[1] == 0:
        nodes[start:stop] = ONE
        return
    for row in range(start, stop):
        for col in range(last):
            places[0, row, col], places[1, row, col], places[2, row, col] = _place_of(rays, covered, row, col)
            nodes[row, col] = ZERO
        total = ZERO
        for k in range(SETS * SET_SIZE):
            c = d[k, 2]  # with the normal of the ground
            if c <= np.float32(0.02):
                continue
            off = maps.texel * (np.float32(1.9) - np.float32(1.2) * c)
            c *= d[k, 3]
            total += c
            for col in range(last):
                x, y, h = in_map(maps, k, (places[0, row, col], places[1, row, col], places[2, row, col] + off))
                nodes[row, col] += c * lit_share(maps.grid, k, x, y, h + HALF * maps.texel)
        for col in range(last):
            nodes[row, col] = nodes[row, col] / total if total > ZERO else ONE


@inlined
def _place_of(rays: Rays, covered: Floats, row: int, col: int) -> Vec:
    """Where the ray of a node meets the ground; NaN where that is not seen, which lies in no map."""
    dx, dy, dz = ray_direction(rays, row, col, float(col * NODE_PX), float(row * NODE_PX))
    t = plane_depth(rays, row, col, dz)
    if t < np.inf and _seen_around(covered, row, col):
        p: Vec = place_on(rays, row, col, dx, dy, dz, t)
        return p
    nowhere = np.float32(np.nan)
    return nowhere, nowhere, nowhere


@inlined
def _seen_around(covered: Floats, row: int, col: int) -> bool:
    """Whether any pixel of the blocks around a node shows what is behind."""
    top, bottom = max((row - 1) * NODE_PX, 0), min((row + 1) * NODE_PX, covered.shape[0])
    left, right = max((col - 1) * NODE_PX, 0), min((col + 1) * NODE_PX, covered.shape[1])
    for y in range(top, bottom):
        for x in range(left, right):
            if covered[y, x] <= COVERED:
                return True
    return False


@kernel
def bounced_nodes(rays: Rays, bounced: Bounced, nodes: Floats, start: int, stop: int) -> None:
    """Irradiance from bodies on the ground there, [3, rows, columns]."""
    for row in range(start, stop):
        for col in range(nodes.shape[2]):
            dx, dy, dz = ray_direction(rays, row, col, float(col * NODE_PX), float(row * NODE_PX))
            t = plane_depth(rays, row, col, dz)
            nodes[0, row, col], nodes[1, row, col], nodes[2, row, col] = ZERO, ZERO, ZERO
            if t < np.inf:
                p = place_on(rays, row, col, dx, dy, dz, t)
                nodes[0, row, col], nodes[1, row, col], nodes[2, row, col] = on_ground(p[0], p[1], bounced)


@inlined
def between(nodes: Floats, row: int, col: int) -> Real:
    """Bilinear value of the nodes at the centre of a pixel."""
    x, y = (np.float32(col) + HALF) / np.float32(NODE_PX), (np.float32(row) + HALF) / np.float32(NODE_PX)
    c, r = int(x), int(y)
    u, v = x - np.float32(c), y - np.float32(r)
    upper = nodes[r, c] + (nodes[r, c + 1] - nodes[r, c]) * u
    lower = nodes[r + 1, c] + (nodes[r + 1, c + 1] - nodes[r + 1, c]) * u
    return upper + (lower - upper) * v


class OnGround(NamedTuple):
    """Light of suns and lamps on the ground, to be added to, [H, W, 3]."""

    matte: Floats
    """Irradiance, times the factor of the matte part for the eye (``shading.burley``)."""
    gloss: Floats
    """Radiance of their gloss."""


@inlined
def ground_surface(p: Vec, d: Vec, look: Floats) -> Surface:
    """White ground at a place, for a unit line of sight; ``look`` as in ``Air.gloss``."""
    none, white = (ZERO, ZERO, ZERO), ONE / PI
    v = (-d[0], -d[1], -d[2])
    nv = max(abs(d[2]), np.float32(0.02))
    f0 = (look[1], look[2], look[3])
    return Surface(
        p, (ZERO, ZERO, ONE), v, nv, (white, white, white), f0, look[0], none, ONE, look[5], np.float32(0.25) * look[6]
    )


@inlined
def _seen(rays: Rays, row: int, col: int, t: float, look: Floats) -> Surface:
    """The ground under the centre of a pixel at a depth."""
    dx, dy, dz = ray_direction(rays, row, col, col + 0.5, row + 0.5)
    per = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz)
    d = (np.float32(dx * per), np.float32(dy * per), np.float32(dz * per))
    s: Surface = ground_surface(place_on(rays, row, col, dx, dy, dz, t), d, look)
    return s


@kernel
def add_suns(
    rays: Rays, depth: Floats, covered: Floats, suns: SunArrays, look: Floats, out: OnGround, start: int, stop: int
) -> None:
    """Add the light of suns on the ground."""
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            t = np.float64(depth[row, col])
            if covered[row, col] > COVERED or t == np.inf:
                continue
            s = _seen(rays, row, col, t, look)
            for k in range(len(suns.lights)):
                d = (suns.lights[k, 0], suns.lights[k, 1], suns.lights[k, 2])
                if d[2] <= ZERO:
                    continue
                e = d[2] * sun_share(k, s.p, s.n, suns)
                if e <= ZERO:
                    continue
                matte = e * burley(s.v, s.nv, d, d[2], s.roughness)
                for c in range(3):
                    out.matte[row, col, c] += matte * suns.lights[k, 3 + c]
                if suns.gleams:
                    r, g, b = gloss(s, d, d[2])
                    out.gloss[row, col, 0] += e * suns.lights[k, 3] * r
                    out.gloss[row, col, 1] += e * suns.lights[k, 4] * g
                    out.gloss[row, col, 2] += e * suns.lights[k, 5] * b


@kernel
def add_lamps(
    rays: Rays, depth: Floats, covered: Floats, lamps: LampArrays, look: Floats, out: OnGround, start: int, stop: int
) -> None:
    """Add the light of lamps on the ground."""
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            t = np.float64(depth[row, col])
            if covered[row, col] > COVERED or t == np.inf:
                continue
            s = _seen(rays, row, col, t, look)
            for k in range(len(lamps.lights)):
                d, cosine, fall = to_lamp(k, lamps, s.p, s.n)
                e = cosine * fall
                if cosine <= ZERO or e <= ZERO:
                    continue
                matte = e * burley(s.v, s.nv, d, cosine, s.roughness)
                r, g, b = gloss(s, d, cosine)
                for c in range(3):
                    out.matte[row, col, c] += matte * lamps.lights[k, 3 + c]
                out.gloss[row, col, 0] += e * lamps.lights[k, 3] * r
                out.gloss[row, col, 1] += e * lamps.lights[k, 4] * g
                out.gloss[row, col, 2] += e * lamps.lights[k, 5] * b
