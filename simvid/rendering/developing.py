"""Light of a picture, in which exposures are added up and sensors count, and the picture of light.

Splats and backdrop are display colours (that is the space in which captures are made and blended). Their light is found
by the inverse of sRGB and of the tone curve; light beyond ``tone.BRIGHTEST`` times display white is not told apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.ground.irradiance import COVERED
from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, ONE, Floats
from simvid.rendering.tone import compressed, decoded, encoded, expanded, light_table, srgb_table

_TO_LIGHT, _TO_SRGB = light_table(), srgb_table()


def light_of(features: Floats, alpha: Floats, behind: Floats, workers: Workers) -> Floats:
    """Linear light of splats over a backdrop.

    Args:
        features: blended channels, sRGB colour first, not divided by alpha, [H, W, 3 or more].
        alpha: coverage, [H, W].
        behind: sRGB of the backdrop, [H, W, 3].
        workers: threads.

    Returns:
        Relative to display white, before the tone curve, float32 [H, W, 3].
    """
    light = np.empty((*alpha.shape, 3), np.float32)
    workers.run(lambda i, j: _light_rows(features, alpha, behind, _TO_LIGHT, light, i, j), len(alpha), least=16)
    return light


def developed(light: Floats, workers: Workers) -> NDArray[np.uint8]:
    """Light [H, W, 3] through the tone curve to sRGB, uint8 [H, W, 3]. Negative light (of noise) is black."""
    rgb = np.empty(light.shape, np.uint8)
    workers.run(lambda i, j: _develop_rows(light, _TO_SRGB, rgb, i, j), len(light), least=16)
    return rgb


@kernel
def _light_rows(
    features: Floats, alpha: Floats, behind: Floats, table: Floats, light: Floats, start: int, stop: int
) -> None:
    for row in range(start, stop):
        for col in range(alpha.shape[1]):
            r, g, b = features[row, col, 0], features[row, col, 1], features[row, col, 2]
            a = alpha[row, col]
            if a <= COVERED:
                r += (ONE - a) * behind[row, col, 0]
                g += (ONE - a) * behind[row, col, 1]
                b += (ONE - a) * behind[row, col, 2]
            r, g, b = expanded(decoded(r, table), decoded(g, table), decoded(b, table))
            light[row, col, 0], light[row, col, 1], light[row, col, 2] = r, g, b


@kernel
def _develop_rows(light: Floats, table: Floats, rgb: NDArray[np.uint8], start: int, stop: int) -> None:
    for row in range(start, stop):
        for col in range(light.shape[1]):
            r, g, b = compressed(light[row, col, 0], light[row, col, 1], light[row, col, 2])
            rgb[row, col, 0] = np.uint8(encoded(r, table) * np.float32(255) + HALF)
            rgb[row, col, 1] = np.uint8(encoded(g, table) * np.float32(255) + HALF)
            rgb[row, col, 2] = np.uint8(encoded(b, table) * np.float32(255) + HALF)
