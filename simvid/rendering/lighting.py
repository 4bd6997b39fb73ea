"""How much light reaches a point: suns through shadow maps, the sky through what stands in its way, lamps, bounce.

The light of an open sky depends on a surface's tilt alone and comes from a table. What is in its way is found with a
dome of directions of equal solid angle, each with a coarse shadow map, so that corners, undersides and the ground
around things darken as they should (ambient occlusion, Zhukov et al. 1998, with directional maps). A Gaussian looks in
one of six interleaved sets of directions and takes the mean with its neighbours (Keller & Heidrich 2001,
"Interleaved sampling"). Light from below is one bounce off the ground, as if it lay open.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.rendering.environment import Environment
from simvid.rendering.jit import inlined
from simvid.rendering.kernel_types import HALF, NO_GROUND, ONE, ZERO, Array, Floats, Real, Vec
from simvid.rendering.lamps import LampArrays, LampMaps
from simvid.rendering.shadows import Casters, MapArrays, ShadowMaps, disc_taps, in_map, lit_share, soft_share
from simvid.rendering.threads import Workers

SETS = 6
"""Interleaved sets of directions."""
SET_SIZE = 8
"""Directions in a set."""
TILTS = 64
"""Entries of the table of open-sky light."""
TAPS = 24
"""Lookups of a soft shadow."""
LARGEST_SUN_MAP = 2048
LARGEST_DOME_MAP = 192
DOME_DISC = 1.0
"""Radius of the discs drawn for the sky, in texels of its maps."""


class SunArrays(NamedTuple):
    """Suns and their shadows."""

    lights: Floats
    """Unit direction to the sun and irradiance on a surface that faces it in linear RGB, [S, 6]."""
    spread: Real
    """Tangent of half the angle that a sun takes up."""
    maps: MapArrays
    taps: Floats
    """Points of the unit disc, [K, 2]."""


class SkyArrays(NamedTuple):
    """The sky and what hides it."""

    dome: Floats
    """Directions and the brightness of the sky there, SETS sets one after the other, [M, 4]."""
    maps: MapArrays
    open_sky: Floats
    """Irradiance of the whole sky on a surface whose normal's z is -1 to 1 in even steps, linear RGB, [TILTS, 3]."""
    colors: Floats
    """Linear RGB rows: radiance at the zenith, at the horizon and below it without a ground; light from an open ground
    on a surface that faces it; radiance of the open ground; [5, 3]."""
    falloff: Real
    """How fast the horizon's colour gives way to the zenith's."""
    ground_height: Real
    """NO_GROUND without one."""


BOUNCE, GROUND = 3, 4
"""Rows of ``SkyArrays.colors``."""


class LightArrays(NamedTuple):
    """All light at one frame."""

    suns: SunArrays
    sky: SkyArrays
    lamps: LampArrays


class Lighting:
    """The light of a scene at the frame updated last."""

    def __init__(
        self, environment: Environment, center: Array, radius_m: float, finest_m: float, *, shadows: bool = True
    ) -> None:
        """Set up maps over a ball of the world.

        Args:
            environment: lights of the scene.
            center: of the region in which shadows matter [m], [3].
            radius_m: of that region.
            finest_m: size of the smallest visible detail; no map is finer.
            shadows: False for light that goes through everything.
        """
        directions, radiance = _dome(environment)
        largest = (LARGEST_SUN_MAP, LARGEST_DOME_MAP) if shadows else (0, 0)
        self._suns = ShadowMaps(environment.sun_directions, center, radius_m, finest_m, largest[0])
        self._dome = ShadowMaps(directions, center, radius_m, 2 * finest_m, largest[1])
        self._lamps = LampMaps(environment.lamp_positions, environment.lamp_intensity, shadows=shadows)
        ground = environment.ground_height_m
        open_ground = environment.open_ground_irradiance() * environment.ground_albedo
        bounce = np.pi * environment.sky[2] if ground is None else open_ground
        f = np.float32
        brightness = np.maximum(radiance.mean(axis=1, keepdims=True), 1e-6)
        self.arrays = LightArrays(
            SunArrays(
                np.concatenate([environment.sun_directions, environment.sun_irradiance], axis=1).astype(f),
                f(np.tan(environment.sun_spread_rad)),
                self._suns.arrays,
                disc_taps(TAPS),
            ),
            SkyArrays(
                np.concatenate([directions, brightness], axis=1).astype(f),
                self._dome.arrays,
                _open_sky(environment).astype(f),
                np.concatenate([environment.sky, bounce[None], open_ground[None] / np.pi]).astype(f),
                f(environment.sky_falloff),
                f(NO_GROUND if ground is None else ground),
            ),
            self._lamps.arrays,
        )

    @property
    def dome_disc_m(self) -> float:
        """Good radius of the discs that are drawn for the sky [m]."""
        return DOME_DISC * self._dome.texel_m

    def draw_still(self, casters: Casters, thin: Casters, workers: Workers) -> None:
        """Draw what never moves into the maps: all discs for suns and lamps, thinned ones for the sky."""
        self._suns.draw_still(casters, workers)
        self._lamps.draw_still(casters, workers)
        self._dome.draw_still(thin, workers)

    def update(self, casters: Casters, thin: Casters, workers: Workers) -> None:
        """Draw what moves, for a new frame."""
        self._suns.draw_moving(casters, workers)
        self._lamps.draw_moving(casters, workers)
        self._dome.draw_moving(thin, workers)


def _dome(environment: Environment) -> tuple[Array, Array]:
    """Directions [M, 3] of all sets and their radiance [M, 3].

    Each set is a Fibonacci dome; the sets interleave in height and are turned against each other.
    """
    j, k = np.meshgrid(np.arange(SET_SIZE), np.arange(SETS))
    z = (1 - (j + (k + 0.5) / SETS) / SET_SIZE).ravel()
    azimuth = (np.pi * (1 + 5**0.5) * j + 2 * np.pi * k / SETS / SET_SIZE * 5).ravel()
    ring = np.sqrt(1 - z * z)
    directions = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=-1)
    return directions, environment.sky_radiance(directions)


def _open_sky(environment: Environment) -> Array:
    """Light of the sky alone by tilt, [TILTS, 3]."""
    directions, radiance = environment.sky_dome(4096)
    up = np.linspace(-1, 1, TILTS)
    normals = np.stack([np.sqrt(1 - up * up), np.zeros(TILTS), up], axis=-1)
    cosine = np.maximum(normals @ directions.T, 0)
    return np.asarray(cosine @ radiance * (2 * np.pi / len(directions)))


@inlined
def open_sky(up: Real, sky: SkyArrays) -> Vec:
    """Irradiance of the whole sky on a surface whose normal's z is ``up``, linear RGB."""
    t = (up + ONE) * np.float32(0.5 * (TILTS - 1))
    k = min(max(int(t), 0), TILTS - 2)
    t -= np.float32(k)
    e = sky.open_sky
    return (
        e[k, 0] + (e[k + 1, 0] - e[k, 0]) * t,
        e[k, 1] + (e[k + 1, 1] - e[k, 1]) * t,
        e[k, 2] + (e[k + 1, 2] - e[k, 2]) * t,
    )


@inlined
def sky_share(p: Vec, n: Vec, sky: SkyArrays, first: int, sets: int) -> Real:
    """Share of the sky's light that reaches a surface point; looks in ``sets`` sets of directions from ``first`` on."""
    if sky.maps.grid.shape[1] == 0:
        return ONE
    seen, total = ZERO, ZERO
    texel, d = sky.maps.texel, sky.dome
    for k in range(first, first + sets * SET_SIZE):
        c = n[0] * d[k, 0] + n[1] * d[k, 1] + n[2] * d[k, 2]
        if c <= np.float32(0.02):
            continue
        off = texel * (np.float32(1.9) - np.float32(1.2) * c)
        x, y, h = in_map(sky.maps, k, (p[0] + n[0] * off, p[1] + n[1] * off, p[2] + n[2] * off))
        c *= d[k, 3]
        total += c
        seen += c * lit_share(sky.maps.grid, k, x, y, h + HALF * texel)
    return seen / total if total > ZERO else ONE


@inlined
def sun_share(s: int, p: Vec, n: Vec, suns: SunArrays) -> Real:
    """Share of sun ``s`` that a surface point sees."""
    if suns.maps.grid.shape[1] == 0:
        return ONE
    return soft_share(s, suns.maps, suns.spread, suns.taps, p, n)


@inlined
def sky_radiance(up: Real, colors: Floats, falloff: Real) -> Vec:
    """Radiance of the sky in a direction whose z is ``up``; as ``Environment.sky_radiance``."""
    s = colors
    row = 0 if up >= ZERO else 2
    t = np.exp(-falloff * up) if up >= ZERO else np.exp(np.float32(8.0) * up)
    return (
        s[row, 0] + (s[1, 0] - s[row, 0]) * t,
        s[row, 1] + (s[1, 1] - s[row, 1]) * t,
        s[row, 2] + (s[1, 2] - s[row, 2]) * t,
    )
