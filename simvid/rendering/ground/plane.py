"""What lies behind the splats: an endless ground plane and the sky, computed per pixel.

The ground is not made of splats. A plane that fills half the picture would need more Gaussians than everything else,
would blur towards the horizon, and its depth would be as rough as its Gaussians. A ray meets a plane in one division:
depth, normal and flow are exact, the texture is filtered for each pixel, shadows of the splats fall on it through the
same shadow maps, and it costs about as much as shading the splats in front of it.

What is not right about it: it is always behind the splats, so things below the plane must be left out (their Gaussians
are dropped when their surface is under it, and the half of a Gaussian that dips below is still drawn); it mirrors sky,
suns and lamps, but no things; and with distance it fades to the colour of the horizon, or of the room around, so that
there is no hard edge against the sky.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from simvid.rendering.ground.air import Air, fogged, ground_brdf, haze_color, mirrored_sky, sky_color
from simvid.rendering.ground.irradiance import (
    COVERED,
    NODE_PX,
    OnGround,
    add_lamps,
    add_suns,
    between,
    bounced_nodes,
    open_nodes,
)
from simvid.rendering.ground.pyramid import Pyramid, filtered
from simvid.rendering.ground.rays import Rays, plane_depth, ray_direction, ray_origin, ray_step
from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import ONE, PI, ZERO, Floats
from simvid.rendering.light.environment import Environment
from simvid.rendering.light.level_gloss import level_gloss
from simvid.rendering.light.lighting import LightArrays, open_sky
from simvid.rendering.light.nearby import NO_BOUNCES, Bounced
from simvid.rendering.sight import Sight, ray_nodes
from simvid.rendering.tone import blendable, srgb_table

MATTE = np.array([1, 0, 0, 0, 0, 0, 0], np.float32)
"""Gloss of a ground without any."""


class Backdrop(NamedTuple):
    """What is seen where nothing is in front."""

    rgb: Floats
    """Light relative to display white, or display colours, see ``Background``; undefined where splats cover the pixel,
    [H, W, 3]."""
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
    matte: Floats
    """Factor of its matte part for the light from all around, see ``environment_brdf``, [H, W]."""
    bounced: Floats
    """Irradiance from bodies, [H, W, 3]."""
    gloss: Floats
    """See ``Air.gloss``."""


class _Behind(NamedTuple):
    """What is known of each pixel when the backdrop is coloured."""

    covered: Floats
    albedo: Floats
    light: OnGround
    nodes: Floats
    """Share of the sky, see ``open_nodes``."""
    bounced: Floats
    """See ``bounced_nodes``."""


class Background:
    """Draws the backdrop of one camera; buffers and the ground's texture are reused while the camera stands still."""

    def __init__(
        self, environment: Environment, texture: Pyramid, *, haze_m: float, far_m: float, gloss: Floats = MATTE,
        shown: bool = False,
    ) -> None:  # fmt: skip
        """With ``shown``, colours are display colours; else light, see ``tone.blendable``."""
        ground = environment.ground_height_m
        self._environment, self._texture, self._far_m = environment, texture, far_m
        self._haze_m, self._table = np.float32(haze_m), srgb_table()
        self._ground_m = np.nan if ground is None else float(ground)
        self._gloss, self._shown = gloss, shown
        self._level = level_gloss(environment.surroundings, float(gloss[0]))
        self._drawn: Sight | None = None
        self._last: tuple[Rays, Air] | None = None
        self._make_room(0, 0)

    def _make_room(self, height: int, width: int) -> None:
        f = np.float32
        self._backdrop = Backdrop(np.empty((height, width, 3), f), np.empty((height, width), f))
        self._albedo, self._bare = np.empty((height, width, 3), f), np.zeros((height, width), f)
        self._light = OnGround(np.zeros((height, width, 3), f), np.zeros((height, width, 3), f))
        self._nodes = np.ones((-(-height // NODE_PX) + 1, -(-width // NODE_PX) + 1), f)
        self._places, self._bounced = (np.zeros((3, *self._nodes.shape), f) for _ in range(2))

    def draw(
        self, sight: Sight, light: LightArrays, covered: Floats, workers: Workers, bounced: Bounced = NO_BOUNCES
    ) -> Backdrop:
        """The backdrop of a sight; valid until the next call.

        Args:
            sight: camera and pose.
            light: light at this frame.
            covered: alpha of the splats, [H, W]; covered pixels are skipped, but for display colours.
            workers: threads.
            bounced: light from bodies.
        """
        height, width = covered.shape
        if self._backdrop.depth.shape != covered.shape:
            self._make_room(height, width)
        if self._shown:  # what captures cover may sink into the ground yet
            covered = self._bare
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
            rows = len(self._nodes)
            workers.run(lambda i, j: bounced_nodes(nodes, bounced, self._bounced, i, j), rows, least=4)
        environment, f = self._environment, np.float32
        air = Air(
            light.sky, light.suns.lights, self._gloss, self._level, f(environment.sun_glow), self._haze_m,
            f(environment.exposure), self._table,
        )  # fmt: skip
        behind = _Behind(covered, self._albedo, self._light, self._nodes, self._bounced)
        workers.run(lambda i, j: _color_rows(rays, air, self._shown, behind, out, i, j), height, least=8)
        self._last = rays, air
        return out

    @property
    def albedo(self) -> Floats:
        """Of the ground of the picture drawn last, linear RGB, undefined where there is none, [H, W, 3]."""
        return self._albedo

    def seen(self, workers: Workers) -> GroundSeen:
        """The ground of the picture drawn last."""
        assert self._last is not None, "draw a picture first"
        share, bounced = np.empty_like(self._backdrop.depth), np.empty_like(self._albedo)
        for nodes, out in zip((self._nodes, *self._bounced), (share, *np.moveaxis(bounced, -1, 0)), strict=True):
            workers.run(partial(_share_rows, nodes, out), len(share), least=16)
        rays, air = self._last
        depth = self._backdrop.depth
        mirrored, matte = np.empty_like(self._albedo), np.empty_like(depth)
        workers.run(partial(_mirror_rows, rays, air, depth, self._nodes, mirrored, matte), len(depth), least=8)
        return GroundSeen(rays, self._albedo, share, mirrored, matte, bounced, self._gloss)

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
        """Share of the sky, and light of suns and lamps, at each pixel of the ground that is seen."""
        depth, lamps = self._backdrop.depth, light.lamps
        workers.run(
            partial(open_nodes, nodes, covered, light.sky, self._places, self._nodes), len(self._nodes), least=4
        )
        run = partial(workers.run, count=len(depth), least=8)
        for array in self._light:
            array[:] = 0
        for suns in (light.suns, light.panels):
            if len(suns.lights):
                run(partial(add_suns, rays, depth, covered, suns, self._gloss, self._light))
        if len(lamps.lights):
            run(partial(add_lamps, rays, depth, covered, lamps, self._gloss, self._light))


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
            r, g, b = filtered(texture, x, y, ux, uy, vx, vy)
            albedo[row, col, 0], albedo[row, col, 1], albedo[row, col, 2] = r, g, b


@kernel
def _color_rows(rays: Rays, air: Air, shown: bool, behind: _Behind, out: Backdrop, start: int, stop: int) -> None:
    """Colours of ground and sky where splats do not cover them."""
    covered, albedo, light, nodes, bounced = behind
    plain = (ONE - air.gloss[4]) / PI
    e0, e1, e2 = open_sky((ZERO, ZERO, ONE), air.sky)
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
                r, g, b = sky_color((np.float32(dx / length), np.float32(dy / length), np.float32(dz / length)), air)
            else:
                d = (np.float32(dx / length), np.float32(dy / length), np.float32(dz / length))
                fog = fogged(t * length, air)
                s0, s1, s2 = haze_color(d, air)
                share = between(nodes, row, col)
                scale, bias, matte = ground_brdf(d, air)
                m0, m1, m2 = mirrored_sky(d, share, scale, bias, air)
                share *= matte
                b0, b1, b2 = between(bounced[0], row, col), between(bounced[1], row, col), between(bounced[2], row, col)
                a, found = albedo[row, col], light.matte[row, col]
                r = a[0] * (found[0] + e0 * share + b0 * matte) * plain + m0 + light.gloss[row, col, 0]
                g = a[1] * (found[1] + e1 * share + b1 * matte) * plain + m1 + light.gloss[row, col, 1]
                b = a[2] * (found[2] + e2 * share + b2 * matte) * plain + m2 + light.gloss[row, col, 2]
                r, g, b = r + (s0 - r) * fog, g + (s1 - g) * fog, b + (s2 - b) * fog
            r, g, b = blendable(r * air.exposure, g * air.exposure, b * air.exposure, shown, air.table)
            out.rgb[row, col, 0], out.rgb[row, col, 1], out.rgb[row, col, 2] = r, g, b


@kernel
def _mirror_rows(
    rays: Rays, air: Air, depth: Floats, nodes: Floats, out: Floats, matte: Floats, start: int, stop: int
) -> None:
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            out[row, col, 0], out[row, col, 1], out[row, col, 2] = ZERO, ZERO, ZERO
            matte[row, col] = ONE
            if depth[row, col] < np.inf:
                dx, dy, dz = ray_direction(rays, row, col, col + 0.5, row + 0.5)
                length = np.sqrt(dx * dx + dy * dy + dz * dz)
                d = (np.float32(dx / length), np.float32(dy / length), np.float32(dz / length))
                scale, bias, matte[row, col] = ground_brdf(d, air)
                m0, m1, m2 = mirrored_sky(d, between(nodes, row, col), scale, bias, air)
                out[row, col, 0], out[row, col, 1], out[row, col, 2] = m0, m1, m2


@kernel
def _share_rows(nodes: Floats, out: Floats, start: int, stop: int) -> None:
    for row in range(start, stop):
        for col in range(out.shape[1]):
            out[row, col] = between(nodes, row, col)


@kernel
def _emit_rows(rays: Rays, air: Air, depth: Floats, out: Floats, through: Floats, start: int, stop: int) -> None:
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
                r, g, b = sky_color((np.float32(dx / length), np.float32(dy / length), np.float32(dz / length)), air)
            else:
                fog = fogged(t * length, air)
                d = (np.float32(dx / length), np.float32(dy / length), np.float32(dz / length))
                s0, s1, s2 = haze_color(d, air)
                r, g, b, clear = s0 * fog, s1 * fog, s2 * fog, ONE - fog
            out[row, col, 0], out[row, col, 1], out[row, col, 2] = r * air.exposure, g * air.exposure, b * air.exposure
            through[row, col] = clear
