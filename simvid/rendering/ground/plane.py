"""What lies behind the splats: an endless ground plane and the sky, computed per pixel.

The ground is not made of splats. A plane that fills half the picture would need more Gaussians than everything else,
would blur towards the horizon, and its depth would be as rough as its Gaussians. A ray meets a plane in one division:
depth, normal and flow are exact, the texture is filtered for each pixel (anisotropic lookups in a pyramid, after
McCormack et al. 1999, "Feline"), shadows of the splats fall on it through the same shadow maps, and it costs about as
much as shading the splats in front of it.

What is not right about it: it is always behind the splats, so things below the plane must be left out (their Gaussians
are dropped when their surface is under it, and the half of a Gaussian that dips below is still drawn); it mirrors the
sky, but neither suns nor things; and with distance it fades to the colour of the horizon, or of the room around, so
that there is no hard edge against the sky.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.ground.rays import Rays, place_on, plane_depth, ray_direction, ray_origin, ray_step
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, ONE, PI, ZERO, Floats, Real, Vec
from simvid.rendering.light.brdf_table import environment_brdf
from simvid.rendering.light.environment import Environment
from simvid.rendering.light.lamps import LampArrays, to_lamp
from simvid.rendering.light.lighting import (
    SETS,
    LightArrays,
    SkyArrays,
    SunArrays,
    map_level,
    open_sky,
    sky_radiance,
    sky_share,
    sun_share,
)
from simvid.rendering.light.shading import above_ground
from simvid.rendering.sight import Sight, ray_nodes
from simvid.rendering.tone import compressed, encoded, srgb_table

MOST_TAPS = 16
NODE_PX = 4
"""The share of the sky that the ground sees is found at every fourth pixel and interpolated."""
MATTE = np.array([1, 0, 0, 0, 0], np.float32)
"""Gloss of a ground without any."""
COVERED: Real = np.float32(0.998)
"""Pixels that splats cover this much show nothing of what is behind."""


class Pyramid(NamedTuple):
    """A repeating texture in linear light with halved copies of itself, row 0 at y = 0."""

    texels: Floats
    """All levels one after the other, [P, 3]."""
    levels: NDArray[np.int64]
    """First texel, height and width of each level, [L, 3]."""
    size_m: np.float32
    """Edge of the tile."""


def pyramid(image: Floats, size_m: float) -> Pyramid:
    """Pyramid of an image in linear light, float32 [h, w, 3]; sides must be powers of two."""
    levels, rows, first = [], [], 0
    while True:
        height, width = image.shape[:2]
        levels.append((first, height, width))
        rows.append(image.reshape(-1, 3))
        first += height * width
        if height == 1 and width == 1:
            break
        h, w = max(height // 2, 1), max(width // 2, 1)
        image = image.reshape(h, height // h, w, width // w, 3).mean(axis=(1, 3), dtype=np.float32)
    return Pyramid(np.ascontiguousarray(np.concatenate(rows)), np.array(levels, np.int64), np.float32(size_m))


class Backdrop(NamedTuple):
    """What is seen where nothing is in front."""

    rgb: Floats
    """Display colours in [0, 1], [H, W, 3]; undefined where splats cover the pixel."""
    depth: Floats
    """z [m] of the ground, +inf for the sky, [H, W]."""


class GroundSeen(NamedTuple):
    """The ground of the picture drawn last, without its light; undefined where there is none."""

    rays: Rays
    albedo: Floats
    """Linear RGB, [H, W, 3]."""
    open_sky: Floats
    """Share of the sky that it sees, [H, W]."""
    mirrored: Floats
    """Radiance of the sky in its gloss, [H, W, 3]."""


class _Behind(NamedTuple):
    """What is known of each pixel when the backdrop is coloured."""

    covered: Floats
    albedo: Floats
    light: Floats
    nodes: Floats


class _Air(NamedTuple):
    """Sky and haze."""

    sky: SkyArrays
    suns: Floats
    """See ``SunArrays``."""
    gloss: Floats
    """Roughness of the ground, its reflectance head-on in linear RGB, and its metalness, [5]."""
    glow: Real
    """Brightness of the halo around each sun."""
    haze: Real
    """Distance over which the ground fades [m]."""
    exposure: Real
    table: Floats


class Background:
    """Draws the backdrop of one camera; buffers and the ground's texture are reused while the camera stands still."""

    def __init__(
        self, environment: Environment, texture: Pyramid, *, haze_m: float, far_m: float, gloss: Floats = MATTE
    ) -> None:
        ground = environment.ground_height_m
        self._environment, self._texture, self._far_m = environment, texture, far_m
        self._haze_m, self._table = np.float32(haze_m), srgb_table()
        self._ground_m = np.nan if ground is None else float(ground)
        self._gloss = gloss
        self._drawn: Sight | None = None
        self._last: tuple[Rays, _Air] | None = None
        self._make_room(0, 0)

    def _make_room(self, height: int, width: int) -> None:
        f = np.float32
        self._backdrop = Backdrop(np.empty((height, width, 3), f), np.empty((height, width), f))
        self._albedo, self._light = np.empty((height, width, 3), f), np.empty((height, width, 3), f)
        self._nodes = np.ones((-(-height // NODE_PX) + 1, -(-width // NODE_PX) + 1), f)

    def draw(self, sight: Sight, light: LightArrays, covered: Floats, workers: Workers) -> Backdrop:
        """The backdrop of a sight; valid until the next call.

        Args:
            sight: camera and pose.
            light: light at this frame.
            covered: alpha of the splats, [H, W]; covered pixels are skipped.
            workers: threads.
        """
        height, width = covered.shape
        if self._backdrop.depth.shape != covered.shape:
            self._make_room(height, width)
        out, pose = self._backdrop, sight.pose
        turn = pose[:3, :3] @ np.linalg.inv(sight.camera.K) if sight.camera.lens.plain else pose[:3, :3]
        table = np.ascontiguousarray(sight.rays)
        rays = Rays(np.ascontiguousarray(turn), table, np.ascontiguousarray(pose[:3, 3]), self._ground_m, self._far_m)
        if self._drawn is None or not _same(sight, self._drawn):
            workers.run(lambda i, j: _ground_rows(rays, self._texture, out.depth, self._albedo, i, j), height, least=16)
            self._drawn = sight
        if np.isfinite(self._ground_m):
            nodes = rays._replace(table=np.ascontiguousarray(ray_nodes(sight, NODE_PX, *self._nodes.shape)))
            self._light_ground(rays, nodes, light, covered, workers)
        environment, f = self._environment, np.float32
        air = _Air(
            light.sky, light.suns.lights, self._gloss, f(environment.sun_glow), self._haze_m,
            f(environment.exposure), self._table,
        )  # fmt: skip
        behind = _Behind(covered, self._albedo, self._light, self._nodes)
        workers.run(lambda i, j: _color_rows(rays, air, behind, out, i, j), height, least=8)
        self._last = rays, air
        return out

    def seen(self, workers: Workers) -> GroundSeen:
        """The ground of the picture drawn last."""
        assert self._last is not None, "draw a picture first"
        share = np.empty_like(self._backdrop.depth)
        workers.run(lambda i, j: _share_rows(self._nodes, share, i, j), len(share), least=16)
        rays, air = self._last
        mirrored, depth = np.empty_like(self._albedo), self._backdrop.depth
        workers.run(partial(_mirror_rows, rays, air, depth, self._nodes, mirrored), len(depth), least=8)
        return GroundSeen(rays, self._albedo, share, mirrored)

    def emitted(self, workers: Workers) -> tuple[Floats, Floats]:
        """Of the picture drawn last: radiance of sky and haze with exposure, and the share of light from the ground
        that comes through the haze; [H, W, 3] and [H, W].
        """
        assert self._last is not None, "draw a picture first"
        rays, air = self._last
        radiance, through = np.empty_like(self._backdrop.rgb), np.empty_like(self._backdrop.depth)
        depth = self._backdrop.depth
        workers.run(lambda i, j: _emit_rows(rays, air, depth, radiance, through, i, j), len(depth), least=16)
        return radiance, through

    def _light_ground(self, rays: Rays, nodes: Rays, light: LightArrays, covered: Floats, workers: Workers) -> None:
        """Irradiance at each pixel of the ground that is seen."""
        depth, lamps = self._backdrop.depth, light.lamps
        workers.run(lambda i, j: _open_nodes(nodes, light.sky, self._nodes, i, j), len(self._nodes), least=4)
        run = partial(workers.run, count=len(depth), least=8)
        run(lambda i, j: _set_sky(light.sky, self._nodes, self._light, i, j))
        for suns in (light.suns, light.panels):
            if len(suns.lights):
                run(partial(_add_suns, rays, depth, covered, suns, self._light))
        if len(lamps.lights):
            run(lambda i, j: _add_lamps(rays, depth, covered, lamps, self._light, i, j))


def _same(one: Sight, other: Sight) -> bool:
    """Whether two sights have the same rays."""
    a, b = one.camera, other.camera
    same = a.lens == b.lens and np.array_equal(a.K, b.K) and (a.width, a.height) == (b.width, b.height)
    return bool(same and np.array_equal(one.pose, other.pose))


@kernel
def _ground_rows(rays: Rays, texture: Pyramid, depth: Floats, albedo: Floats, start: int, stop: int) -> None:
    """Depth of the plane and the mean of its texture over each pixel."""
    to_texels = np.float64(texture.levels[0, 2]) / np.float64(texture.size_m)
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            dx, dy, dz = ray_direction(rays, row, col, col + 0.5, row + 0.5)
            t = plane_depth(rays, row, col, dz)
            depth[row, col] = t
            if t == np.inf:
                continue
            s = t * to_texels
            ax, ay, az = ray_step(rays, row, col, 0, t)
            bx, by, bz = ray_step(rays, row, col, 1, t)
            ux = s * (ax - dx * az / dz)
            uy = s * (ay - dy * az / dz)
            vx = s * (bx - dx * bz / dz)
            vy = s * (by - dy * bz / dz)
            x = (ray_origin(rays, row, col, 0) + t * dx) * to_texels
            y = (ray_origin(rays, row, col, 1) + t * dy) * to_texels
            r, g, b = _filtered(texture, x, y, ux, uy, vx, vy)
            albedo[row, col, 0], albedo[row, col, 1], albedo[row, col, 2] = r, g, b


@inlined
def _filtered(texture: Pyramid, x: float, y: float, ux: float, uy: float, vx: float, vy: float) -> Vec:
    """Mean of the texture over a parallelogram about (x, y) with edges u and v, all in texels of level 0."""
    if len(texture.levels) == 1:
        r, g, bl = _texel(texture, len(texture.levels) - 1, x, y)
        return r, g, bl
    # Axes of the ellipse: singular values of [[ux, vx], [uy, vy]].
    a, b, c = ux * ux + vx * vx, ux * uy + vx * vy, uy * uy + vy * vy
    mid, swing = (a + c) / 2, np.sqrt(((a - c) / 2) ** 2 + b * b)
    major, minor = np.sqrt(mid + swing), np.sqrt(max(mid - swing, 0.0))
    angle = 0.5 * np.arctan2(2 * b, a - c)
    taps = min(max(int(np.ceil(major / max(minor, 1.0))), 1), MOST_TAPS)
    level = min(np.log2(max(major / taps, minor, 1.0)), len(texture.levels) - 1.0)
    low = int(level)
    share = np.float32(level - low)
    step_x, step_y = np.cos(angle) * major / taps, np.sin(angle) * major / taps
    r, g, bl = ZERO, ZERO, ZERO
    for k in range(taps):
        o = k - (taps - 1) / 2
        for extra in range(2):
            weight = share if extra else ONE - share
            if weight > ZERO:
                r1, g1, b1 = _texel(texture, min(low + extra, len(texture.levels) - 1), x + o * step_x, y + o * step_y)
                r, g, bl = r + weight * r1, g + weight * g1, bl + weight * b1
    n = np.float32(taps)
    return r / n, g / n, bl / n


@inlined
def _texel(texture: Pyramid, level: int, x: float, y: float) -> Vec:
    """Bilinear colour of a level at (x, y), in texels of level 0."""
    first, h, w = texture.levels[level, 0], texture.levels[level, 1], texture.levels[level, 2]
    fx = x * w / texture.levels[0, 2] - 0.5
    fy = y * h / texture.levels[0, 1] - 0.5
    cx, cy = np.floor(fx), np.floor(fy)
    u, v = np.float32(fx - cx), np.float32(fy - cy)
    x0, y0 = int(cx) % w, int(cy) % h
    x1, y1 = (x0 + 1) % w, (y0 + 1) % h
    a, b, c, d = first + y0 * w + x0, first + y0 * w + x1, first + y1 * w + x0, first + y1 * w + x1
    wa, wb, wc, wd = (ONE - u) * (ONE - v), u * (ONE - v), (ONE - u) * v, u * v
    t = texture.texels
    return (
        wa * t[a, 0] + wb * t[b, 0] + wc * t[c, 0] + wd * t[d, 0],
        wa * t[a, 1] + wb * t[b, 1] + wc * t[c, 1] + wd * t[d, 1],
        wa * t[a, 2] + wb * t[b, 2] + wc * t[c, 2] + wd * t[d, 2],
    )


@kernel
def _open_nodes(rays: Rays, sky: SkyArrays, nodes: Floats, start: int, stop: int) -> None:
    """Share of the sky seen from the ground at the corners of blocks of NODE_PX pixels."""
    for row in range(start, stop):
        for col in range(nodes.shape[1]):
            dx, dy, dz = ray_direction(rays, row, col, float(col * NODE_PX), float(row * NODE_PX))
            t = plane_depth(rays, row, col, dz)
            nodes[row, col] = ONE
            if t < np.inf:
                nodes[row, col] = sky_share(place_on(rays, row, col, dx, dy, dz, t), (ZERO, ZERO, ONE), sky, 0, SETS)


@inlined
def _between(nodes: Floats, row: int, col: int) -> Real:
    """Bilinear value of the nodes at the centre of a pixel."""
    x, y = (np.float32(col) + HALF) / np.float32(NODE_PX), (np.float32(row) + HALF) / np.float32(NODE_PX)
    c, r = int(x), int(y)
    u, v = x - np.float32(c), y - np.float32(r)
    upper = nodes[r, c] + (nodes[r, c + 1] - nodes[r, c]) * u
    lower = nodes[r + 1, c] + (nodes[r + 1, c + 1] - nodes[r + 1, c]) * u
    return upper + (lower - upper) * v


@kernel
def _set_sky(sky: SkyArrays, nodes: Floats, out: Floats, start: int, stop: int) -> None:
    """Irradiance of the sky on the ground."""
    e0, e1, e2 = open_sky((ZERO, ZERO, ONE), sky)
    for row in range(start, stop):
        for col in range(out.shape[1]):
            share = _between(nodes, row, col)
            out[row, col, 0], out[row, col, 1], out[row, col, 2] = e0 * share, e1 * share, e2 * share


@kernel
def _add_suns(rays: Rays, depth: Floats, covered: Floats, suns: SunArrays, out: Floats, start: int, stop: int) -> None:
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
def _add_lamps(
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


@kernel
def _color_rows(rays: Rays, air: _Air, behind: _Behind, out: Backdrop, start: int, stop: int) -> None:
    """Display colours of ground and sky where splats do not cover them."""
    covered, albedo, light, nodes = behind
    plain = (ONE - air.gloss[4]) / PI
    for row in range(start, stop):
        for col in range(out.depth.shape[1]):
            if covered[row, col] > COVERED:
                continue
            dx, dy, dz = ray_direction(rays, row, col, col + 0.5, row + 0.5)
            length = np.sqrt(dx * dx + dy * dy + dz * dz)
            if np.isnan(length):  # outside the image circle of a fisheye
                out.rgb[row, col, 0], out.rgb[row, col, 1], out.rgb[row, col, 2] = ZERO, ZERO, ZERO
                continue
            t = np.float64(out.depth[row, col])
            if t == np.inf:
                r, g, b = _sky((np.float32(dx / length), np.float32(dy / length), np.float32(dz / length)), air)
            else:
                d = (np.float32(dx / length), np.float32(dy / length), np.float32(dz / length))
                fog = _fog(t * length, air)
                s0, s1, s2 = _haze(d, air)
                m0, m1, m2 = _mirrored(d, _between(nodes, row, col), air)
                r = albedo[row, col, 0] * light[row, col, 0] * plain + m0
                g = albedo[row, col, 1] * light[row, col, 1] * plain + m1
                b = albedo[row, col, 2] * light[row, col, 2] * plain + m2
                r, g, b = r + (s0 - r) * fog, g + (s1 - g) * fog, b + (s2 - b) * fog
            r, g, b = compressed(r * air.exposure, g * air.exposure, b * air.exposure)
            out.rgb[row, col, 0] = encoded(r, air.table)
            out.rgb[row, col, 1] = encoded(g, air.table)
            out.rgb[row, col, 2] = encoded(b, air.table)


@inlined
def _fog(distance: float, air: _Air) -> Real:
    """How much of the colour of the horizon the ground has taken on."""
    away = np.float32(distance) / air.haze
    return ONE - np.exp(-away * away)


@inlined
def _haze(d: Vec, air: _Air) -> Vec:
    """What far ground fades to; as ``Environment.haze_radiance``."""
    if len(air.sky.map.levels):
        r, g, b = map_level(d, 0, air.sky.map)
    else:
        r, g, b = sky_radiance(ZERO, air.sky.colors, air.sky.falloff)
    return r, g, b


@inlined
def _mirrored(d: Vec, share: Real, air: _Air) -> Vec:
    """Radiance of the sky in the ground's gloss; ``share`` is the share of the sky that it sees."""
    scale, bias = environment_brdf(max(abs(d[2]), np.float32(0.02)), air.gloss[0], air.sky.brdf)
    up = (d[0], d[1], abs(d[2]))
    m0, m1, m2 = above_ground(up, air.gloss[0], air.sky, True)
    if len(air.sky.map.levels) == 0:
        e0, e1, e2 = open_sky((ZERO, ZERO, ONE), air.sky)
        blur = min(air.gloss[0] * np.float32(1.2), ONE)
        m0, m1, m2 = m0 + (e0 / PI - m0) * blur, m1 + (e1 / PI - m1) * blur, m2 + (e2 / PI - m2) * blur
    return (
        m0 * share * (air.gloss[1] * scale + bias),
        m1 * share * (air.gloss[2] * scale + bias),
        m2 * share * (air.gloss[3] * scale + bias),
    )


@kernel
def _mirror_rows(rays: Rays, air: _Air, depth: Floats, nodes: Floats, out: Floats, start: int, stop: int) -> None:
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            out[row, col, 0], out[row, col, 1], out[row, col, 2] = ZERO, ZERO, ZERO
            if depth[row, col] < np.inf:
                dx, dy, dz = ray_direction(rays, row, col, col + 0.5, row + 0.5)
                length = np.sqrt(dx * dx + dy * dy + dz * dz)
                d = (np.float32(dx / length), np.float32(dy / length), np.float32(dz / length))
                out[row, col, 0], out[row, col, 1], out[row, col, 2] = _mirrored(d, _between(nodes, row, col), air)


@kernel
def _share_rows(nodes: Floats, out: Floats, start: int, stop: int) -> None:
    for row in range(start, stop):
        for col in range(out.shape[1]):
            out[row, col] = _between(nodes, row, col)


@kernel
def _emit_rows(rays: Rays, air: _Air, depth: Floats, out: Floats, through: Floats, start: int, stop: int) -> None:
    """Radiance of sky and haze, and what the haze lets through."""
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            dx, dy, dz = ray_direction(rays, row, col, col + 0.5, row + 0.5)
            length = np.sqrt(dx * dx + dy * dy + dz * dz)
            t = np.float64(depth[row, col])
            r, g, b, clear = ZERO, ZERO, ZERO, ONE
            if np.isnan(length):  # outside the image circle of a fisheye
                clear = ONE
            elif t == np.inf:
                r, g, b = _sky((np.float32(dx / length), np.float32(dy / length), np.float32(dz / length)), air)
            else:
                fog = _fog(t * length, air)
                s0, s1, s2 = _haze((np.float32(dx / length), np.float32(dy / length), np.float32(dz / length)), air)
                r, g, b, clear = s0 * fog, s1 * fog, s2 * fog, ONE - fog
            out[row, col, 0], out[row, col, 1], out[row, col, 2] = r * air.exposure, g * air.exposure, b * air.exposure
            through[row, col] = clear


@inlined
def _sky(d: Vec, air: _Air) -> Vec:
    """Radiance of the sky with a halo and a disc for each sun."""
    if len(air.sky.map.levels):
        r, g, b = map_level(d, 0, air.sky.map)
    else:
        r, g, b = sky_radiance(d[2], air.sky.colors, air.sky.falloff)
    if air.glow <= ZERO:
        return r, g, b
    for s in range(len(air.suns)):
        c = max(d[0] * air.suns[s, 0] + d[1] * air.suns[s, 1] + d[2] * air.suns[s, 2], ZERO)
        halo = air.glow * (np.float32(0.12) * c ** np.float32(12.0) + HALF * c ** np.float32(400.0))
        if c > np.float32(0.99996):
            halo += np.float32(4.0) * air.glow
        r += halo * air.suns[s, 3]
        g += halo * air.suns[s, 4]
        b += halo * air.suns[s, 5]
    return r, g, b
