"""How much light reaches a point: suns through shadow maps, the sky through what stands in its way, lamps, bounce.

The light of an open sky depends on a surface's tilt alone and comes from a table. What is in its way is found with a
dome of directions of equal solid angle, each with a coarse shadow map, so that corners, undersides and the ground
around things darken as they should (ambient occlusion, Zhukov et al. 1998, with directional maps). A Gaussian looks in
one of six interleaved sets of directions and takes the mean with its neighbours (Keller & Heidrich 2001,
"Interleaved sampling"). Light from bodies and ground is found in ``bounces``; without it, light from below is one
bounce off the ground, as if it lay open.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, NO_GROUND, ONE, PI, TWO, ZERO, Array, Floats, Real, Vec
from simvid.rendering.light.brdf_table import brdf_table
from simvid.rendering.light.environment import Environment
from simvid.rendering.light.lamps import LampArrays, LampMaps
from simvid.rendering.light.maps import (
    ROUGHNESS,
    Lights,
    downward_irradiance,
    irradiance_table,
    looked_up,
    mirrored_levels,
    shrunk,
    split,
)
from simvid.rendering.light.shadows import Casters, MapArrays, ShadowMaps, disc_taps, in_map, lit_share, soft_share

SETS = 6
"""Interleaved sets of directions."""
SET_SIZE = 8
"""Directions in a set."""
TILTS = 64
"""Entries of the table of open-sky light."""
TURNS = 32
"""Columns of that table where the light comes from a map."""
TAPS = 24
"""Lookups of a soft shadow."""
LARGEST_SUN_MAP = 2048
LARGEST_DOME_MAP = 192
LARGEST_PANEL_MAP = 512
"""Lights in a map are wide, so their shadows are soft."""
NO_LIGHTS = Lights(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
DOME_DISC = 1.0
"""Radius of the discs drawn for the sky, in texels of its maps."""


class SunArrays(NamedTuple):
    """Suns and their shadows."""

    lights: Floats
    """Unit direction to the sun, irradiance on a surface that faces it in linear RGB, and the tangent of half the angle
    that it takes up, [S, 7]."""
    gleams: bool
    """Whether they shine in the gloss of things. Lights in a map do not: they are mirrored with it."""
    maps: MapArrays
    taps: Floats
    """Points of the unit disc, [K, 2]."""


class MapLevels(NamedTuple):
    """An environment map and what rougher and rougher surfaces mirror of it."""

    texels: Floats
    """All levels one after the other, [P, 3]."""
    levels: NDArray[np.int64]
    """First texel, height and width of each level, [L, 3]; L = 0 under an open sky."""
    roughness: Floats
    """Of each level, [L]."""


class SkyArrays(NamedTuple):
    """The sky and what hides it."""

    dome: Floats
    """Directions and the brightness of the sky there, SETS sets one after the other, [M, 4]."""
    maps: MapArrays
    open_sky: Floats
    """Irradiance of the whole sky on a surface whose normal's z is -1 to 1 in even steps, by azimuth in even steps from
    0 on where it depends on that, linear RGB, [TILTS, 1 or TURNS, 3]."""
    colors: Floats
    """Linear RGB rows: radiance at the zenith, at the horizon and below it without a ground; light from an open ground
    on a surface that faces it; radiance of the open ground; [5, 3]."""
    falloff: Real
    """How fast the horizon's colour gives way to the zenith's."""
    ground_height: Real
    """NO_GROUND without one."""
    map: MapLevels
    brdf: Floats
    """See ``brdf_table``."""


BOUNCE, GROUND = 3, 4
"""Rows of ``SkyArrays.colors``."""


class LightArrays(NamedTuple):
    """All light at one frame."""

    suns: SunArrays
    sky: SkyArrays
    lamps: LampArrays
    panels: SunArrays
    """The brightest patches of an environment map; the sky is what is left of it."""


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
        panels, rest = NO_LIGHTS, None
        if environment.surroundings is not None:
            panels, rest = split(environment.surroundings)
        directions, radiance = _dome(environment, rest)
        largest = (LARGEST_SUN_MAP, LARGEST_DOME_MAP) if shadows else (0, 0)
        coarse = LARGEST_PANEL_MAP if shadows else 0
        self._panels = ShadowMaps(panels.directions, center, radius_m, finest_m, coarse)
        self._suns = ShadowMaps(environment.sun_directions, center, radius_m, finest_m, largest[0])
        self._dome = ShadowMaps(directions, center, radius_m, 2 * finest_m, largest[1])
        self._lamps = LampMaps(environment.lamp_positions, environment.lamp_intensity, shadows=shadows)
        ground = environment.ground_height_m
        open_ground = environment.open_ground_irradiance() * environment.ground_albedo
        below = np.pi * environment.sky[2] if rest is None else downward_irradiance(rest)
        bounce = below if ground is None else open_ground
        f = np.float32
        brightness = np.maximum(radiance.mean(axis=1, keepdims=True), 1e-6)
        self.arrays = LightArrays(
            _sun_arrays(
                Lights(
                    environment.sun_directions,
                    environment.sun_irradiance,
                    np.full(len(environment.sun_directions), environment.sun_spread_rad),
                ),
                self._suns.arrays,
                gleams=True,
            ),
            SkyArrays(
                np.concatenate([directions, brightness], axis=1).astype(f),
                self._dome.arrays,
                (_open_sky(environment) if rest is None else irradiance_table(rest, TILTS, TURNS)).astype(f),
                np.concatenate([environment.sky, bounce[None], open_ground[None] / np.pi]).astype(f),
                f(environment.sky_falloff),
                f(NO_GROUND if ground is None else ground),
                _map_levels(environment.surroundings),
                brdf_table().copy(),
            ),
            self._lamps.arrays,
            _sun_arrays(panels, self._panels.arrays, gleams=False),
        )

    @property
    def dome_disc_m(self) -> float:
        """Good radius of the discs that are drawn for the sky [m]."""
        return DOME_DISC * self._dome.texel_m

    def draw_still(self, casters: Casters, thin: Casters, workers: Workers) -> None:
        """Draw what never moves into the maps: all discs for suns and lamps, thinned ones for the sky."""
        self._suns.draw_still(casters, workers)
        self._panels.draw_still(casters, workers)
        self._lamps.draw_still(casters, workers)
        self._dome.draw_still(thin, workers)

    def update(self, casters: Casters, thin: Casters, workers: Workers) -> None:
        """Draw what moves, for a new frame."""
        self._suns.draw_moving(casters, workers)
        self._panels.draw_moving(casters, workers)
        self._lamps.draw_moving(casters, workers)
        self._dome.draw_moving(thin, workers)


def _sun_arrays(lights: Lights, maps: MapArrays, *, gleams: bool) -> SunArrays:
    spread = np.tan(np.minimum(lights.half_angles, 0.7))[:, None]
    rows = np.concatenate([lights.directions, lights.irradiance, spread], axis=1).astype(np.float32)
    return SunArrays(rows, gleams, maps, disc_taps(TAPS))


def _map_levels(surroundings: Floats | None) -> MapLevels:
    if surroundings is None:
        return MapLevels(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64), np.zeros(0, np.float32))
    pictures = mirrored_levels(surroundings)
    sizes = np.array([p.shape[:2] for p in pictures], np.int64)
    first = np.concatenate([[0], np.cumsum(sizes.prod(axis=1))[:-1]])
    texels = np.concatenate([p.reshape(-1, 3) for p in pictures]).astype(np.float32)
    return MapLevels(texels, np.column_stack([first, sizes]).astype(np.int64), np.array(ROUGHNESS, np.float32))


def _dome(environment: Environment, rest: Floats | None) -> tuple[Array, Array]:
    """Directions [M, 3] of all sets and their radiance [M, 3]; of the rest of a map where there is one.

    Each set is a Fibonacci dome; the sets interleave in height and are turned against each other.
    """
    j, k = np.meshgrid(np.arange(SET_SIZE), np.arange(SETS))
    z = (1 - (j + (k + 0.5) / SETS) / SET_SIZE).ravel()
    azimuth = (np.pi * (1 + 5**0.5) * j + 2 * np.pi * k / SETS / SET_SIZE * 5).ravel()
    ring = np.sqrt(1 - z * z)
    directions = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=-1)
    if rest is None:
        return directions, environment.sky_radiance(directions)
    around = looked_up(shrunk(rest, 16), directions)
    return directions, np.sqrt(around * around.mean())  # one direction must not decide alone: a set has few


def _open_sky(environment: Environment) -> Array:
    """Light of the sky alone by tilt, [TILTS, 1, 3]."""
    directions, radiance = environment.sky_dome(4096)
    up = np.linspace(-1, 1, TILTS)
    normals = np.stack([np.sqrt(1 - up * up), np.zeros(TILTS), up], axis=-1)
    cosine = np.maximum(normals @ directions.T, 0)
    return np.asarray(cosine @ radiance * (2 * np.pi / len(directions)))[:, None]


@inlined
def open_sky(n: Vec, sky: SkyArrays) -> Vec:
    """Irradiance of the whole sky on a surface with this normal, linear RGB."""
    t = (n[2] + ONE) * np.float32(0.5 * (TILTS - 1))
    k = min(max(int(t), 0), TILTS - 2)
    t -= np.float32(k)
    e = sky.open_sky
    turns = e.shape[1]
    i, j, u = 0, 0, ZERO
    if turns > 1:
        u = np.arctan2(n[1], n[0]) * np.float32(0.5 / np.pi * turns)
        if u < ZERO:
            u += np.float32(turns)
        i = min(int(u), turns - 1)
        u -= np.float32(i)
        j = (i + 1) % turns
    a, b, c, d = (ONE - t) * (ONE - u), (ONE - t) * u, t * (ONE - u), t * u
    return (
        a * e[k, i, 0] + b * e[k, j, 0] + c * e[k + 1, i, 0] + d * e[k + 1, j, 0],
        a * e[k, i, 1] + b * e[k, j, 1] + c * e[k + 1, i, 1] + d * e[k + 1, j, 1],
        a * e[k, i, 2] + b * e[k, j, 2] + c * e[k + 1, i, 2] + d * e[k + 1, j, 2],
    )


@inlined
def map_level(d: Vec, level: int, found: MapLevels) -> Vec:
    """Bilinear radiance of one level of a map in a unit direction; as ``maps.looked_up``."""
    first, h, w = found.levels[level, 0], found.levels[level, 1], found.levels[level, 2]
    x = (PI - np.arctan2(d[1], d[0])) * np.float32(w) / (TWO * PI) - HALF
    y = np.arccos(min(max(d[2], -ONE), ONE)) * np.float32(h) / PI - HALF
    y = min(max(y, ZERO), np.float32(h - 1))
    left, top = int(np.floor(x)), min(int(y), h - 2)
    u, v = x - np.float32(left), y - np.float32(top)
    l0, l1 = left % w, (left + 1) % w
    r0, r1 = first + top * w, first + (top + 1) * w
    a, b, c, e = (ONE - u) * (ONE - v), u * (ONE - v), (ONE - u) * v, u * v
    t = found.texels
    return (
        a * t[r0 + l0, 0] + b * t[r0 + l1, 0] + c * t[r1 + l0, 0] + e * t[r1 + l1, 0],
        a * t[r0 + l0, 1] + b * t[r0 + l1, 1] + c * t[r1 + l0, 1] + e * t[r1 + l1, 1],
        a * t[r0 + l0, 2] + b * t[r0 + l1, 2] + c * t[r1 + l0, 2] + e * t[r1 + l1, 2],
    )


@inlined
def map_radiance(d: Vec, roughness: Real, found: MapLevels) -> Vec:
    """What a surface of some roughness mirrors of a map in a unit direction."""
    level, last = 0, len(found.levels) - 1
    while level < last - 1 and roughness > found.roughness[level + 1]:
        level += 1
    low, high = found.roughness[level], found.roughness[level + 1]
    t = min(max((roughness - low) / (high - low), ZERO), ONE)
    a0, a1, a2 = map_level(d, level, found)
    b0, b1, b2 = map_level(d, level + 1, found)
    return a0 + (b0 - a0) * t, a1 + (b1 - a1) * t, a2 + (b2 - a2) * t


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
    return soft_share(s, suns.maps, suns.lights[s, 6], suns.taps, p, n)


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
