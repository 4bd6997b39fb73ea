"""Material and light buffers: what a picture was made up from, pixel by pixel, in linear light.

With the labels' pixels (the surface that owns a pixel, not the mix at its edge) and the picture's exposure,

    rgb = tone(albedo (1 - metallic) (light_diffuse + light_ambient) + light_specular + light_reflected + light_emitted)

Material and the light from all around are those of the Gaussians, blended as their colours are. The light of suns and
lamps is found anew for each pixel, at the place and with the normal that the labels have there: so its shadows are as
sharp as the shadow maps, while the picture's own have soft edges.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import srgb_to_linear
from simvid.frames import BUFFERS
from simvid.rendering.compositing import Surfaces
from simvid.rendering.ground.irradiance import ground_surface
from simvid.rendering.ground.plane import Background, GroundSeen
from simvid.rendering.ground.rays import Rays, place_on, ray_direction
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import ONE, PI, ZERO, Flags, Floats, Ints, Real, SplatArrays, Vec
from simvid.rendering.light.lamps import to_lamp
from simvid.rendering.light.lighting import LightArrays, SkyArrays, open_sky, sun_share
from simvid.rendering.light.shading import Surface, burley, gloss, made_of
from simvid.rendering.light.shadows import lifted, sees
from simvid.rendering.sight import Sight
from simvid.rendering.splats.visible import SURFACE_CHANNELS, Visible
from simvid.scene import Look

CHANNELS = 16
"""That Gaussians carry: albedo, roughness, metallic, share of the sky, light from all around, what is mirrored; and
reflectance head-on, sheen and clearcoat; and the radius of the disc [m]."""
FIRST = 3 + SURFACE_CHANNELS
SKY, CAPTURE, SPLATS, GROUND = 0, 1, 2, 3
"""What owns a pixel."""


class _Out(NamedTuple):
    """The buffers, float32 [H, W] or [H, W, 3], and what owns each pixel."""

    albedo: Floats
    roughness: Floats
    metallic: Floats
    light_diffuse: Floats
    light_specular: Floats
    light_ambient: Floats
    light_reflected: Floats
    light_emitted: Floats
    ambient_occlusion: Floats
    owner: NDArray[np.uint8]


class _Given(NamedTuple):
    """What materials are read from."""

    surfaces: Surfaces
    ground: GroundSeen
    ids: Ints
    depth: Floats
    baked: Flags
    look: Floats
    """Roughness and metalness of the ground."""


class _Pixels(NamedTuple):
    """What is known of each pixel."""

    surfaces: Surfaces
    depth: Floats
    normals: Floats
    """In the camera's frame."""
    turn: Floats
    """world_from_camera rotation, [3, 3]."""
    viewpoint: Floats
    rays: Rays
    ground: Floats
    """See ``Air.gloss``."""


class Buffers:
    """Makes the buffers of one camera's frames."""

    def __init__(self, light: LightArrays, background: Background, ground: Look, exposure: float) -> None:
        """Set up.

        Args:
            light: of the scene; at each frame as it was updated last.
            background: what lies behind the splats.
            ground: how the ground looks.
            exposure: factor on all light.
        """
        self._light, self._background, self._ground = light, background, ground
        self._exposure = np.float32(exposure)

    def fill(self, visible: Visible, splats: SplatArrays, around: Floats, workers: Workers) -> None:
        """Write the last ``CHANNELS`` features, where there are any; ``around`` is what ``Shader.shade`` kept."""
        if visible.features.shape[1] >= FIRST + CHANNELS:
            workers.run(partial(_fill, visible.rows, splats, around, visible.features), len(visible.rows), least=2048)

    def make(
        self, surfaces: Surfaces, labels: dict[str, NDArray[Any]], baked: Flags, sight: Sight, workers: Workers
    ) -> dict[str, NDArray[Any]]:
        """All buffers of the picture drawn last, as arrays for ``Frame``.

        Args:
            surfaces: from the rasterizer, with the features filled in.
            labels: depth, ids and normals of the picture.
            baked: parts that are captures, by id, [B + 1].
            sight: camera and pose.
            workers: threads.
        """
        shape, f = surfaces.alpha.shape, np.float32
        arrays = {name: np.zeros((*shape, *trail), f) for name, trail in BUFFERS.items()}
        out = _Out(**arrays, owner=np.zeros(shape, np.uint8))
        ground = self._background.seen(workers)
        look = np.array([self._ground.roughness, self._ground.metallic], f)
        given, sky = _Given(surfaces, ground, labels["ids"], labels["depth"], baked, look), self._light.sky
        workers.run(lambda i, j: _material_rows(given, sky, out, i, j), shape[0], least=8)
        pose = sight.pose.astype(f)
        turn = np.ascontiguousarray(pose[:3, :3])
        eye = sight.viewpoint.astype(f)
        pixels = _Pixels(surfaces, labels["depth"], labels["normals"], turn, eye, ground.rays, ground.gloss)
        workers.run(lambda i, j: _direct_rows(pixels, self._light, out, i, j), shape[0], least=8)
        emitted, through = self._background.emitted(workers)
        workers.run(lambda i, j: _finish_rows(emitted, through, self._exposure, out, i, j), shape[0], least=8)
        captured = out.owner == CAPTURE
        if captured.any():
            out.albedo[captured] = own_colour(surfaces, captured)
        made: dict[str, NDArray[Any]] = {name: halves(array, workers) for name, array in arrays.items()}
        return made | {"buffers_valid": out.owner >= SPLATS}


def own_colour(surfaces: Surfaces, captured: Flags) -> Floats:
    """Linear colour of the pixels of captures, [N, 3], which stands for their albedo."""
    colour = surfaces.features[captured, :3] / surfaces.alpha[captured, None]
    return srgb_to_linear(np.clip(colour, 0, 1))


def halves(array: Floats, workers: Workers) -> NDArray[np.float16]:
    """Numbers from 0 on as float16, to nearest, ties to even; none becomes infinite. As ``astype``, on all threads."""
    out = np.empty(array.shape, np.uint16)
    flat, bits, made = array.reshape(-1), array.reshape(-1).view(np.int32), out.reshape(-1)
    workers.run(lambda i, j: _halve(flat, bits, made, i, j), array.size, least=1 << 14)
    return out.view(np.float16)


@kernel
def _halve(values: Floats, bits: Ints, out: NDArray[np.uint16], start: int, stop: int) -> None:
    """Bits of float16: below 2^-14 it counts in steps of 2^-24; else the exponent moves by 112, 13 digits go."""
    for i in range(start, stop):
        b = np.int64(bits[i])
        if b >= 0x477FF000:
            out[i] = np.uint16(0x7BFF)
        elif b < 0x38800000:
            out[i] = np.uint16(np.rint(values[i] * np.float32(16777216.0)))
        else:
            out[i] = np.uint16((b - (112 << 23) + 0xFFF + ((b >> 13) & 1)) >> 13)


@kernel
def _finish_rows(emitted: Floats, through: Floats, exposure: Real, out: _Out, start: int, stop: int) -> None:
    """Exposure, the haze over the ground, and what nothing reflects."""
    for row in range(start, stop):
        for col in range(through.shape[1]):
            owner = out.owner[row, col]
            factor = exposure * through[row, col] if owner == GROUND else exposure
            for k in range(3):
                out.light_diffuse[row, col, k] = ONE if owner == CAPTURE else out.light_diffuse[row, col, k] * factor
                out.light_specular[row, col, k] *= factor
                out.light_ambient[row, col, k] *= factor
                out.light_reflected[row, col, k] *= factor
                if owner in (GROUND, SKY):
                    out.light_emitted[row, col, k] = emitted[row, col, k]


@kernel
def _fill(rows: Ints, splats: SplatArrays, around: Floats, out: Floats, start: int, stop: int) -> None:
    """Material of each Gaussian, and the light from all around."""
    for slot in range(start, stop):
        i = rows[slot]
        if splats.baked[i]:
            for k in range(CHANNELS):
                out[slot, FIRST + k] = ZERO
            continue
        for k in range(3):
            out[slot, FIRST + k] = splats.albedo[i, k] * (ONE - splats.gloss[i, 3])
        for k in range(6):
            out[slot, FIRST + 6 + k] = around[slot, k]
        out[slot, FIRST + 3], out[slot, FIRST + 4] = splats.gloss[i, 0], splats.gloss[i, 1]
        out[slot, FIRST + 5] = around[slot, 6]
        out[slot, FIRST + 12], out[slot, FIRST + 13] = splats.gloss[i, 2], splats.gloss[i, 4]
        out[slot, FIRST + 14], out[slot, FIRST + 15] = splats.gloss[i, 5], splats.radius[i]


@kernel
def _material_rows(given: _Given, sky: SkyArrays, out: _Out, start: int, stop: int) -> None:
    """Who owns each pixel, its material and the light from all around."""
    surfaces, ground, depth, look = given.surfaces, given.ground, given.depth, given.look
    e0, e1, e2 = open_sky((ZERO, ZERO, ONE), sky)
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            if np.isfinite(surfaces.median_depth[row, col]):
                if given.baked[given.ids[row, col]]:
                    out.owner[row, col] = CAPTURE
                    out.roughness[row, col], out.ambient_occlusion[row, col] = ONE, ONE
                    continue
                out.owner[row, col] = SPLATS
                w, per = surfaces.features, ONE / surfaces.alpha[row, col]
                for k in range(3):
                    out.albedo[row, col, k] = w[row, col, FIRST + k] * per
                    out.light_ambient[row, col, k] = w[row, col, FIRST + 6 + k] * per
                    out.light_reflected[row, col, k] = w[row, col, FIRST + 9 + k] * per
                out.roughness[row, col] = min(w[row, col, FIRST + 3] * per, ONE)
                out.metallic[row, col] = min(w[row, col, FIRST + 4] * per, ONE)
                out.ambient_occlusion[row, col] = min(w[row, col, FIRST + 5] * per, ONE)
            elif depth[row, col] < np.inf:
                out.owner[row, col] = GROUND
                for k in range(3):
                    out.albedo[row, col, k] = ground.albedo[row, col, k]
                    out.light_reflected[row, col, k] = ground.mirrored[row, col, k]
                share, matte, b = ground.open_sky[row, col], ground.matte[row, col] / PI, ground.bounced
                out.light_ambient[row, col, 0] = (e0 * share + b[row, col, 0]) * matte
                out.light_ambient[row, col, 1] = (e1 * share + b[row, col, 1]) * matte
                out.light_ambient[row, col, 2] = (e2 * share + b[row, col, 2]) * matte
                out.roughness[row, col], out.metallic[row, col] = look[0], look[1]
                out.ambient_occlusion[row, col] = ground.open_sky[row, col]


@inlined
def _surface_at(pixels: _Pixels, out: _Out, row: int, col: int) -> Surface:
    """The surface under the centre of a pixel."""
    dx, dy, dz = ray_direction(pixels.rays, row, col, col + 0.5, row + 0.5)
    p: Vec = place_on(pixels.rays, row, col, dx, dy, dz, np.float64(pixels.depth[row, col]))
    t, a, b, c = pixels.turn, pixels.normals[row, col, 0], pixels.normals[row, col, 1], pixels.normals[row, col, 2]
    nx = t[0, 0] * a + t[0, 1] * b + t[0, 2] * c
    ny = t[1, 0] * a + t[1, 1] * b + t[1, 2] * c
    nz = t[2, 0] * a + t[2, 1] * b + t[2, 2] * c
    vx, vy, vz = pixels.viewpoint[0] - p[0], pixels.viewpoint[1] - p[1], pixels.viewpoint[2] - p[2]
    near = ONE / np.sqrt(vx * vx + vy * vy + vz * vz)
    vx, vy, vz = vx * near, vy * near, vz * near
    nv: Real = max(nx * vx + ny * vy + nz * vz, np.float32(0.02))
    if out.owner[row, col] == GROUND:
        g: Surface = ground_surface(p, (-vx, -vy, -vz), pixels.ground)
        return g
    albedo = (out.albedo[row, col, 0], out.albedo[row, col, 1], out.albedo[row, col, 2])
    w, per = pixels.surfaces.features, ONE / pixels.surfaces.alpha[row, col]
    head_on, sheen, coat = w[row, col, FIRST + 12] * per, w[row, col, FIRST + 13] * per, w[row, col, FIRST + 14] * per
    finish = (out.roughness[row, col], out.metallic[row, col], head_on, ZERO, sheen, coat)
    s: Surface = made_of(p, (nx, ny, nz), (vx, vy, vz), nv, albedo, finish)
    return s


@inlined
def _radius_at(surfaces: Surfaces, row: int, col: int) -> Real:
    """Radius of the discs that a pixel of splats shows [m]."""
    return surfaces.features[row, col, FIRST + 15] / surfaces.alpha[row, col]


@kernel
def _direct_rows(pixels: _Pixels, light: LightArrays, out: _Out, start: int, stop: int) -> None:
    """Light of suns and lamps at each pixel, with hard shadows, and of wide lights in a map, with soft ones.

    The gloss of the latter is mirrored with the map.
    """
    suns, lamps, panels = light.suns, light.lamps, light.panels
    for row in range(start, stop):
        for col in range(pixels.depth.shape[1]):
            owner = out.owner[row, col]
            if owner < SPLATS:
                continue
            s = _surface_at(pixels, out, row, col)
            radius = _radius_at(pixels.surfaces, row, col) if owner == SPLATS else ZERO
            for k in range(len(suns.lights)):
                d = (suns.lights[k, 0], suns.lights[k, 1], suns.lights[k, 2])
                cosine = s.n[0] * d[0] + s.n[1] * d[1] + s.n[2] * d[2]
                if cosine > ZERO and sees(k, suns.maps, lifted(s.p, s.n, radius, suns.maps.texel), s.n):
                    g, f = gloss(s, d, cosine), burley(s.v, s.nv, d, cosine, s.roughness) / PI
                    for c in range(3):
                        out.light_diffuse[row, col, c] += suns.lights[k, 3 + c] * cosine * f
                        out.light_specular[row, col, c] += suns.lights[k, 3 + c] * cosine * g[c]
            for k in range(len(panels.lights)):
                d = (panels.lights[k, 0], panels.lights[k, 1], panels.lights[k, 2])
                cosine = s.n[0] * d[0] + s.n[1] * d[1] + s.n[2] * d[2]
                if cosine > ZERO:
                    cosine *= burley(s.v, s.nv, d, cosine, s.roughness)
                    cosine *= sun_share(k, lifted(s.p, s.n, radius, panels.maps.texel), s.n, panels) / PI
                    for c in range(3):
                        out.light_diffuse[row, col, c] += panels.lights[k, 3 + c] * cosine
            for k in range(len(lamps.lights)):
                d, cosine, fall = to_lamp(k, lamps, s.p, s.n)
                if cosine > ZERO and fall > ZERO:
                    g, f = gloss(s, d, cosine), burley(s.v, s.nv, d, cosine, s.roughness) / PI
                    for c in range(3):
                        out.light_diffuse[row, col, c] += lamps.lights[k, 3 + c] * fall * cosine * f
                        out.light_specular[row, col, c] += lamps.lights[k, 3 + c] * fall * cosine * g[c]
