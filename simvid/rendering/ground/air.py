"""Sky and haze along a ray: what is seen where nothing is, what far ground fades to, and what a glossy one mirrors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import HALF, ONE, PI, ZERO, Floats, Real, Vec
from simvid.rendering.light.brdf_table import environment_brdf
from simvid.rendering.light.level_gloss import level_mirrored
from simvid.rendering.light.lighting import SkyArrays, map_level, open_sky, sky_radiance
from simvid.rendering.light.shading import COAT_ROUGHNESS, above_ground, sheen_share


class Air(NamedTuple):
    """Sky and haze."""

    sky: SkyArrays
    suns: Floats
    """See ``SunArrays``."""
    gloss: Floats
    """See ``texture.ground_gloss``, [7]."""
    level: Floats
    """What that gloss shows of a map, see ``level_gloss``; empty where the split sum is taken."""
    glow: Real
    """Brightness of the halo around each sun."""
    haze: Real
    """Distance over which the ground fades [m]."""
    exposure: Real
    table: Floats


@inlined
def sky_color(d: Vec, air: Air) -> Vec:
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


@inlined
def fogged(distance: float, air: Air) -> Real:
    """How much of the colour of the horizon the ground has taken on."""
    away = np.float32(distance) / air.haze
    return ONE - np.exp(-away * away)


@inlined
def haze_color(d: Vec, air: Air) -> Vec:
    """What far ground fades to; as ``Environment.haze_radiance``."""
    if len(air.sky.map.levels):
        r, g, b = map_level(d, 0, air.sky.map)
    else:
        r, g, b = sky_radiance(ZERO, air.sky.colors, air.sky.falloff)
    return r, g, b


@inlined
def ground_brdf(d: Vec, air: Air) -> Vec:
    """``environment_brdf`` of the ground for a unit line of sight."""
    scale, bias, matte = environment_brdf(max(abs(d[2]), np.float32(0.02)), air.gloss[0], air.sky.brdf)
    return scale, bias, matte


@inlined
def mirrored_sky(d: Vec, share: Real, scale: Real, bias: Real, air: Air) -> Vec:
    """Radiance of the sky in the ground's gloss; ``share`` is the share of the sky that it sees."""
    up = (d[0], d[1], abs(d[2]))
    e0, e1, e2 = open_sky((ZERO, ZERO, ONE), air.sky)
    if len(air.level):
        m0, m1, m2 = level_mirrored((-d[0], -d[1], up[2]), (air.gloss[1], air.gloss[2], air.gloss[3]), air.level)
    else:
        m0, m1, m2 = above_ground(up, air.gloss[0], air.sky, True)
        if len(air.sky.map.levels) == 0:
            blur = min(air.gloss[0] * np.float32(1.2), ONE)
            m0, m1, m2 = m0 + (e0 / PI - m0) * blur, m1 + (e1 / PI - m1) * blur, m2 + (e2 / PI - m2) * blur
        m0, m1, m2 = (
            m0 * (air.gloss[1] * scale + bias),
            m1 * (air.gloss[2] * scale + bias),
            m2 * (air.gloss[3] * scale + bias),
        )
    soft = air.gloss[5] * sheen_share(up[2]) / PI
    m0, m1, m2 = m0 + e0 * soft, m1 + e1 * soft, m2 + e2 * soft
    if air.gloss[6] > ZERO:
        c0, c1, c2 = above_ground(up, COAT_ROUGHNESS, air.sky, True)
        scale, bias, _ = environment_brdf(up[2], COAT_ROUGHNESS, air.sky.brdf)
        sharp = np.float32(0.25) * air.gloss[6] * (np.float32(0.04) * scale + bias)
        m0, m1, m2 = m0 + c0 * sharp, m1 + c1 * sharp, m2 + c2 * sharp
    return m0 * share, m1 * share, m2 * share
