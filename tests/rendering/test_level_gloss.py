"""The gloss of level surfaces under an environment map against sums over the half space."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.types import ZERO, Floats
from simvid.rendering.light.brdf_table import brdf_table, environment_brdf
from simvid.rendering.light.level_gloss import SHARP, SLOPES, level_gloss, level_mirrored
from simvid.rendering.light.maps import directions, solid_angles

Array: TypeAlias = NDArray[np.float64]
f = np.float32


@kernel
def _mirrored(eyes: Floats, f0: float, table: Floats, brdf: Floats, roughness: float, out: Floats) -> None:
    """Red of the table's radiance, and of the split sum's factor."""
    for i in range(len(eyes)):
        out[i, 0] = level_mirrored((eyes[i, 0], eyes[i, 1], eyes[i, 2]), (f0, ZERO, ZERO), table)[0]
        scale, bias, _ = environment_brdf(eyes[i, 2], roughness, brdf)
        out[i, 1] = f0 * scale + bias


def eyes(*places: tuple[float, float]) -> Array:
    """Unit directions at elevation and azimuth in degrees, [N, 3]."""
    up, turn = np.radians(places).T
    return np.stack([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)], axis=-1)


def mirrored(made: Floats, roughness: float, rays: Array) -> Array:
    out = np.empty((len(rays), 2), f)
    _mirrored(rays.astype(f), f(0.04), level_gloss(made, roughness), brdf_table(), f(roughness), out)
    return out.astype(np.float64)


def summed(made: Floats, roughness: float, eye: Array) -> float:
    """L D V F cos over the upper half of a map: GGX, Smith, Schlick."""
    rays = directions(made.shape[1])
    weight = np.broadcast_to(solid_angles(made.shape[1]), rays.shape[:2])[rays[..., 2] > 0]
    light, seen = rays[rays[..., 2] > 0], made[rays[..., 2] > 0, 0]
    half = light + eye
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    a2 = roughness**4
    d = a2 / (np.pi * (half[:, 2] ** 2 * (a2 - 1) + 1) ** 2)
    smith = [c + np.sqrt(a2 + (1 - a2) * c * c) for c in (light[:, 2], eye[2])]
    fresnel = 0.04 + 0.96 * (1 - half @ eye) ** 5
    return float((seen * d / (smith[0] * smith[1]) * fresnel * light[:, 2] * weight).sum())


@pytest.mark.parametrize("roughness", [0.3, 0.8])
def test_under_even_light_it_is_the_split_sums_factor(roughness: float) -> None:
    made = np.full((64, 128, 3), 2, f)
    rays = eyes(*((up, turn) for up in (90, 50, 25, 15) for turn in (0, 77, -130)))
    found = mirrored(made, roughness, rays)
    np.testing.assert_allclose(found[:, 0], 2 * found[:, 1], rtol=0.05)


def test_a_window_is_a_streak_at_grazing_angles() -> None:
    """A bright patch low in +x, seen from -x and from aside."""
    rays = directions(256)
    made = np.full((128, 256, 3), 0.1, f)
    made[(rays @ eyes((20, 0))[0]) > np.cos(np.radians(8))] = 20
    for roughness in (0.3, 0.5, 0.7):
        views = eyes((60, 180), (20, 180), (10, 180), (10, 150), (20, 90))
        exact = [summed(made, roughness, view) for view in views]
        np.testing.assert_allclose(mirrored(made, roughness, views)[:, 0], exact, rtol=0.05, atol=0.015 * max(exact))
        assert exact[2] > 20 * exact[4] or roughness > 0.3


def test_an_open_sky_and_mirrors_have_no_table() -> None:
    assert len(level_gloss(None, 0.5)) == 0
    assert len(level_gloss(np.ones((32, 64, 3), f), SHARP - 0.01)) == 0
    assert len(level_gloss(np.ones((32, 64, 3), f), SHARP)) == SLOPES
