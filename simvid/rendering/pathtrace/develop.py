"""From traced light to a picture: haze and sky, noise taken out, the tone curve of the splats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyoidn
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.types import HALF, Real
from simvid.rendering.tone import compressed, encoded, srgb_table

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Light:
    """What the path tracer found at each pixel, means over its samples.

    Attributes:
        radiance: linear, of what is not sky (not divided by alpha), [H, W, 3].
        alpha: share of the samples that met something, [H, W].
        albedo: of the surfaces, 0 for the sky, [H, W, 3].
        normals: of the surfaces in the world, [H, W, 3].
    """

    radiance: Floats
    alpha: Floats
    albedo: Floats
    normals: Floats


def completed(light: Light, sky: Floats, fog: Floats, haze: Floats) -> Light:
    """The light with the sky behind it, and with haze over far ground.

    Args:
        light: as traced.
        sky: radiance of the sky at each pixel, [H, W, 3].
        fog: how much of the ground at each pixel has taken on the colour of the haze, [H, W].
        haze: that colour, [3] or [H, W, 3].
    """
    free = (1 - light.alpha)[..., None]
    radiance = np.nan_to_num(light.radiance, nan=0.0, posinf=0.0, neginf=0.0)
    fogged = radiance + (haze * light.alpha[..., None] - radiance) * fog[..., None]
    albedo = light.albedo + (np.minimum(haze, 1) - light.albedo) * fog[..., None]
    return Light(
        np.maximum(fogged + free * sky, 0).astype(np.float32),
        light.alpha,
        np.clip(albedo + free * np.minimum(sky, 1), 0, 1).astype(np.float32),
        np.clip(light.normals, -1, 1).astype(np.float32),
    )


def denoised(light: Light) -> Floats:
    """Radiance without noise, [H, W, 3]: Intel Open Image Denoise, led by albedo and normals."""
    clean = pyoidn.denoise(light.radiance, albedo=light.albedo, normal=light.normals, hdr=True)
    return np.asarray(clean, np.float32)


def developed(radiance: Floats, exposure: float) -> NDArray[np.uint8]:
    """Display colours, sRGB uint8 [H, W, 3]: the tone curve that splats and ground have."""
    out = np.empty(radiance.shape, np.uint8)
    _develop_rows(np.ascontiguousarray(radiance, np.float32), np.float32(exposure), srgb_table(), out)
    return out


@kernel
def _develop_rows(radiance: Floats, exposure: Real, table: Floats, out: NDArray[np.uint8]) -> None:
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            r, g, b = radiance[row, col, 0], radiance[row, col, 1], radiance[row, col, 2]
            r, g, b = compressed(r * exposure, g * exposure, b * exposure)
            out[row, col, 0] = np.uint8(encoded(r, table) * np.float32(255) + HALF)
            out[row, col, 1] = np.uint8(encoded(g, table) * np.float32(255) + HALF)
            out[row, col, 2] = np.uint8(encoded(b, table) * np.float32(255) + HALF)
