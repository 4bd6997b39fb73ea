"""The light of a scene in a few numbers, for whoever wants its gist and not its maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.light.environment import Array, Environment
from simvid.rendering.light.maps import directions, shrunk, solid_angles

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Weights of linear RGB (ITU-R BT.709)."""
_MAP_PX = 64


@dataclass(frozen=True, eq=False)
class LightSummary:
    """Light at one place.

    Attributes:
        direction: towards most of the light, world, unit, [3]; zero where light comes evenly from all around.
        main: irradiance from suns and lamps, and what of the sky's or room's comes from that side, linear RGB, [3].
        around: mean radiance of the sky or room, linear RGB, [3].
        exposure: factor on all light.
    """

    direction: Array
    main: Array
    around: Array
    exposure: float

    def numbers(self, world_from_camera: NDArray[np.float64]) -> tuple[float, ...]:
        """Known (1), direction in the camera's frame (3), log(1 + main) (3), log(1 + around) (3), log2(exposure).

        Args:
            world_from_camera: pose of the camera, [4, 4].
        """
        seen = world_from_camera[:3, :3].T @ self.direction
        values = (1.0, *seen, *np.log1p(self.main), *np.log1p(self.around), np.log2(self.exposure))
        return tuple(round(float(value), 5) for value in values)


def summarise(environment: Environment, place_m: Array) -> LightSummary:
    """Light at a place, nothing in the way.

    The main light is the vector irradiance: the integral of L(w) w dw, which suns and lamps are added to.

    Args:
        environment: of the scene.
        place_m: where, world, [3].
    """
    rays, areas = directions(_MAP_PX), solid_angles(_MAP_PX)[..., None]
    radiance = (
        environment.sky_radiance(rays)
        if environment.surroundings is None
        else shrunk(environment.surroundings, _MAP_PX).astype(np.float64)
    )
    flux = np.einsum("hwc,hwx->cx", radiance * areas, rays)
    for way, irradiance in zip(environment.sun_directions, environment.sun_irradiance, strict=True):
        flux += np.outer(irradiance, way)
    for lamp, intensity in zip(environment.lamp_positions, environment.lamp_intensity, strict=True):
        offset = lamp - place_m
        distance = max(float(np.linalg.norm(offset)), 1e-3)
        flux += np.outer(intensity / distance**2, offset / distance)
    whole = LUMINANCE @ flux
    length = float(np.linalg.norm(whole))
    direction = whole / length if length > 1e-9 else np.zeros(3)
    around = (radiance * areas).sum(axis=(0, 1)) / (4 * np.pi)
    return LightSummary(direction, np.maximum(flux @ direction, 0), around, environment.exposure)
