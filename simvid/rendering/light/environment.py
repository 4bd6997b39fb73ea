"""Lights of a scene in numbers: suns, lamps, and a sky that lights, is reflected and is seen.

All values are linear light. A white diffuse surface that faces a sun of strength 3 has radiance 3 / pi, a little under
display white at exposure 1; the presets of the sky are on the same scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.light.maps import looked_up, upward_irradiance
from simvid.rendering.light.presets import LOOKS
from simvid.scene import Look, PointLight, Scene, Sky, Sun

Array: TypeAlias = NDArray[np.float64]
DEFAULT_GROUND_COLOR = (0.62, 0.61, 0.59)
"""sRGB of a ground without a colour of its own."""


@dataclass(frozen=True)
class SkyLook:
    """A preset at strength 1. Radiances are linear RGB."""

    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    below: tuple[float, float, float]
    """Under the horizon, where there is no ground."""
    falloff: float
    """How fast the horizon's colour gives way to the zenith's; per unit of the direction's z."""
    glow: float
    """Brightness of the halo around each sun."""
    sun_spread_deg: float
    """Half the angle that a sun takes up: how soft its shadows are."""
    haze_m: float
    """Distance at which the ground has taken on 63 % of the horizon's colour."""


SKIES: dict[str, SkyLook] = {
    "studio": SkyLook((0.30, 0.31, 0.33), (0.52, 0.53, 0.55), (0.30, 0.30, 0.30), 2.5, 0.0, 1.6, 9.0),
    "clear": SkyLook((0.09, 0.20, 0.48), (0.50, 0.62, 0.80), (0.22, 0.22, 0.21), 4.0, 0.5, 0.8, 60.0),
    "overcast": SkyLook((0.62, 0.64, 0.68), (0.46, 0.49, 0.53), (0.28, 0.28, 0.28), 2.0, 0.05, 5.0, 40.0),
    "sunset": SkyLook((0.13, 0.15, 0.30), (0.72, 0.38, 0.20), (0.16, 0.12, 0.10), 3.5, 1.2, 1.2, 45.0),
    "night": SkyLook((0.006, 0.009, 0.020), (0.020, 0.026, 0.045), (0.008, 0.009, 0.012), 3.0, 0.02, 1.2, 40.0),
}
DARK = SkyLook((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, 0.0, 0.8, 60.0)
"""Without a sky light there is none: a black background and no light but suns and lamps."""
INSIDE = SkyLook((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, 0.0, 1.0, 5.0)
"""Inside a room, whose map says the rest; its floor takes over from the scene's ground after a few metres."""
SURROUNDINGS_PX = 1024
"""Width of environment maps."""


@dataclass(frozen=True, eq=False)
class Environment:
    """All light of a scene.

    Attributes:
        sun_directions: unit, from the surface to the sun, [S, 3].
        sun_irradiance: on a surface that faces the sun, linear RGB, [S, 3].
        lamp_positions: world [m], [L, 3].
        lamp_intensity: irradiance at one metre, linear RGB, [L, 3].
        sky: rows zenith, horizon, below [3, 3], linear RGB.
        sky_falloff, sun_glow, sun_spread_rad, haze_m: see ``SkyLook``.
        ground_height_m: of the ground plane; None without one.
        ground_albedo: its mean colour, linear RGB, [3]; what shines back up at things.
        exposure: factor on all light before the tone curve.
        surroundings: radiance from all around instead of the sky's gradient, laid out as ``maps`` says,
            float32 [h, 2 h, 3]; None for a sky.
    """

    sun_directions: Array
    sun_irradiance: Array
    lamp_positions: Array
    lamp_intensity: Array
    sky: Array
    sky_falloff: float
    sun_glow: float
    sun_spread_rad: float
    haze_m: float
    ground_height_m: float | None
    ground_albedo: Array
    exposure: float = 1.0
    surroundings: NDArray[np.float32] | None = None

    def sky_radiance(self, directions: Array) -> Array:
        """Linear radiance of the sky in unit directions [..., 3] (no sun), [..., 3]."""
        if self.surroundings is not None:
            return looked_up(self.surroundings, directions)
        up = directions[..., 2:]
        zenith, horizon, below = self.sky
        above = zenith + (horizon - zenith) * np.exp(-self.sky_falloff * np.maximum(up, 0))
        under = below + (horizon - below) * np.exp(8 * np.minimum(up, 0))
        return np.asarray(np.where(up >= 0, above, under))

    def haze_radiance(self, directions: Array) -> Array:
        """What far ground fades to: the horizon, or what of the surroundings is seen there, [..., 3]."""
        if self.surroundings is None:
            return np.broadcast_to(self.sky[1], directions.shape)
        return self.sky_radiance(directions)

    def sky_dome(self, count: int) -> tuple[Array, Array]:
        """The upper sky as ``count`` directions [M, 3] of equal solid angle (Fibonacci) and their radiance [M, 3]."""
        k = np.arange(count) + 0.5
        z, azimuth = 1 - k / count, np.pi * (1 + 5**0.5) * k
        ring = np.sqrt(1 - z * z)
        directions = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=-1)
        return directions, self.sky_radiance(directions)

    def open_ground_irradiance(self) -> Array:
        """Light on an upward surface with nothing in the way, linear RGB, [3]."""
        suns = (self.sun_irradiance * np.maximum(self.sun_directions[:, 2:], 0)).sum(axis=0)
        if self.surroundings is not None:
            return np.asarray(upward_irradiance(self.surroundings) + suns)
        directions, radiance = self.sky_dome(256)
        sky = (radiance * directions[:, 2:]).mean(axis=0) * 2 * np.pi
        return np.asarray(sky + suns)


def environment_of(scene: Scene, *, exposure: float = 1.0) -> Environment:
    """Read a scene's lights and ground. A sky of its own takes the place of its look's.

    Suns that shine upwards and lamps below the ground light nothing where there is a ground: it lets no light through.
    """
    floor = -np.inf if scene.ground is None else scene.ground.height_m
    lights = [light.value for light in (*(LOOKS[scene.look].lights if scene.look else ()), *scene.lights)]
    suns = [s for s in lights if isinstance(s, Sun) and (scene.ground is None or s.direction[2] <= 0)]
    lamps = [p for p in lights if isinstance(p, PointLight) and p.position_m[2] > floor]
    sky = next((light for light in reversed(lights) if isinstance(light, Sky)), None)
    around = None if sky is None or sky.preset in SKIES else _surroundings(sky)
    look = DARK if sky is None else INSIDE if around is not None else SKIES[sky.preset]
    ground = scene.ground
    color = ground_look(scene).base_color or DEFAULT_GROUND_COLOR
    return Environment(
        sun_directions=np.array([_unit([-c for c in s.direction]) for s in suns]).reshape(-1, 3),
        sun_irradiance=np.array([s.strength * linear(s.color) for s in suns]).reshape(-1, 3),
        lamp_positions=np.array([p.position_m for p in lamps], dtype=np.float64).reshape(-1, 3),
        lamp_intensity=np.array([p.strength * linear(p.color) for p in lamps]).reshape(-1, 3),
        sky=(0.0 if sky is None else sky.strength) * np.array([look.zenith, look.horizon, look.below]),
        sky_falloff=look.falloff,
        sun_glow=look.glow,
        sun_spread_rad=float(np.radians(look.sun_spread_deg)),
        haze_m=look.haze_m,
        ground_height_m=None if ground is None else ground.height_m,
        ground_albedo=linear(color) if ground is not None else np.zeros(3),
        exposure=exposure * (LOOKS[scene.look].exposure if scene.look else 1.0),
        surroundings=around,
    )


def _surroundings(sky: Sky) -> NDArray[np.float32]:
    """The environment map of a room, turned and as strong as is asked for."""
    from simvid.rendering.light.interiors import interior

    made = interior(sky.preset, SURROUNDINGS_PX)
    shift = round(sky.turn_deg / 360 * SURROUNDINGS_PX)
    return np.asarray(np.roll(made, -shift, axis=1) * np.float32(sky.strength), np.float32)


def ground_look(scene: Scene) -> Look:
    """How the ground looks: its own look, or its material's."""
    if scene.ground is None:
        return Look()
    return scene.ground.look or scene.material(scene.ground.material).look


def linear(srgb: tuple[float, float, float]) -> Array:
    """Linear light of an sRGB colour, both in [0, 1], [3] (IEC 61966-2-1)."""
    s = np.asarray(srgb, dtype=np.float64)
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def _unit(vector: list[float]) -> Array:
    v = np.asarray(vector, dtype=np.float64)
    return np.asarray(v / np.linalg.norm(v))
