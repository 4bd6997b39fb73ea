"""Environment -> Mitsuba's emitters, on the same scale as the splats' light, and the sky as a camera sees it."""

from __future__ import annotations

from typing import TypeAlias

import mitsuba as mi  # noqa: TID253  part of the path tracer, which is loaded only when it is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.rendering.light.environment import Environment
from simvid.rendering.light.maps import directions
from simvid.rendering.pathtrace.materials import Described

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
SUN_DISTANCE_M = 1e5
"""Suns are discs so far away that their light is parallel to within 0.06 degrees over 100 m."""
SKY_WIDTH_PX = 512
LEAST_SPREAD_RAD = 1e-3
TO_Z_UP = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
"""World directions (columns of the inverse: x, y, z) of the axes that Mitsuba's maps have, whose y points up."""


def emitters(environment: Environment) -> dict[str, Described]:
    """All light of a scene, by name.

    A sun is a disc of half the angle a at a great distance D, and of radiance E / (pi sin^2 a), so that a surface that
    faces it receives the irradiance E. A lamp is a point of intensity I: irradiance I at one metre.
    """
    found: dict[str, Described] = {}
    sky = environment_map(environment, SKY_WIDTH_PX)
    if sky.any():
        found["sky"] = map_emitter(sky)
    half = max(environment.sun_spread_rad, LEAST_SPREAD_RAD)
    for k, (direction, irradiance) in enumerate(
        zip(environment.sun_directions, environment.sun_irradiance, strict=True)
    ):
        if not irradiance.any():
            continue
        place = direction * SUN_DISTANCE_M
        up = [0.0, 0.0, 1.0] if abs(direction[2]) < 0.9 else [1.0, 0.0, 0.0]
        at = mi.ScalarTransform4f().look_at(list(map(float, place)), [0.0, 0.0, 0.0], up)
        radiance = irradiance / (np.pi * np.sin(half) ** 2)
        found[f"sun{k}"] = {
            "type": "disk",
            "to_world": at @ mi.ScalarTransform4f().scale(float(SUN_DISTANCE_M * np.tan(half))),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance.tolist()}},
        }
    for k, (place, intensity) in enumerate(zip(environment.lamp_positions, environment.lamp_intensity, strict=True)):
        found[f"lamp{k}"] = {
            "type": "point",
            "position": place.tolist(),
            "intensity": {"type": "rgb", "value": intensity.tolist()},
        }
    return found


def environment_map(environment: Environment, width: int) -> Floats:
    """Radiance of sky or surroundings all around, laid out as ``maps`` says, [width / 2, width, 3]."""
    if environment.surroundings is not None:
        return environment.surroundings
    return environment.sky_radiance(directions(width)).astype(np.float32)


def map_emitter(radiance: Floats) -> Described:
    """Light from all around, from a map that is laid out as ``maps`` says."""
    turn = np.eye(4)
    turn[:3, :3] = TO_Z_UP
    return {
        "type": "envmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(radiance, np.float32)),
        "to_world": mi.ScalarTransform4f(turn),
    }


def seen_sky(environment: Environment, rays: Array) -> Array:
    """What a camera sees where nothing is in the way: the sky with a halo and a disc for each sun.

    The halo is there for the eye alone: it lights nothing. The same as behind the splats.

    Args:
        environment: light of the scene.
        rays: unit directions, [..., 3].

    Returns:
        Linear radiance, [..., 3].
    """
    seen = environment.sky_radiance(rays)
    glow = environment.sun_glow
    if glow <= 0:
        return seen
    for direction, irradiance in zip(environment.sun_directions, environment.sun_irradiance, strict=True):
        c = np.maximum(rays @ direction, 0)
        halo = glow * (0.12 * c**12 + 0.5 * c**400 + 4 * (c > 0.99996))
        seen = seen + halo[..., None] * irradiance
    return np.asarray(seen)
