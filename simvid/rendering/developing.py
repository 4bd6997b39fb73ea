"""The light of a picture, in which exposures are added up and sensors count, and the picture of light.

Splats and backdrop are blended in light, relative to display white and before the tone curve: a pixel at an outline is
the mean of the light that falls on it. Mixed as display colours it would be darker than both a camera and the path
tracer have it (half of white and half of black is 188 of 255, not 128), and every thing would have a dark rim.

Where a scene has captures, display colours are blended (``shown``), since that is what captures are made for. Their
light is then found by the inverse of sRGB and of the tone curve; beyond ``tone.BRIGHTEST`` times display white it is
not told apart.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.ground.irradiance import COVERED
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, ONE, ZERO, Floats, Real, Vec
from simvid.rendering.tone import compressed, decoded, encoded, expanded, light_table, srgb_table

_TO_LIGHT, _TO_SRGB = light_table(), srgb_table()


def light_of(features: Floats, alpha: Floats, behind: Floats, workers: Workers, *, shown: bool = False) -> Floats:
    """Linear light of splats over a backdrop.

    Args:
        features: blended channels, colour first, not divided by alpha, [H, W, 3 or more].
        alpha: coverage, [H, W].
        behind: the backdrop, [H, W, 3].
        workers: threads.
        shown: colours and backdrop are display colours in [0, 1], not light.

    Returns:
        Relative to display white, before the tone curve, float32 [H, W, 3].
    """
    light = np.empty((*alpha.shape, 3), np.float32)
    workers.run(partial(_light_rows, features, alpha, behind, shown, _TO_LIGHT, light), len(alpha), least=16)
    return light


def picture_of(
    features: Floats, alpha: Floats, behind: Floats, workers: Workers, *, shown: bool = False
) -> NDArray[np.uint8]:
    """Splats over a backdrop in sRGB, uint8 [H, W, 3]; arguments as for ``light_of``."""
    rgb = np.empty((*alpha.shape, 3), np.uint8)
    workers.run(partial(_picture_rows, features, alpha, behind, shown, _TO_SRGB, rgb), len(alpha), least=16)
    return rgb


def developed(light: Floats, workers: Workers) -> NDArray[np.uint8]:
    """Light [H, W, 3] through the tone curve to sRGB, uint8 [H, W, 3]. Negative light (of noise) is black."""
    rgb = np.empty(light.shape, np.uint8)
    workers.run(partial(_develop_rows, light, _TO_SRGB, rgb), len(light), least=16)
    return rgb


@inlined
def _over(features: Floats, alpha: Floats, behind: Floats, row: int, col: int) -> Vec:
    """Splats over what is behind, at one pixel."""
    r, g, b = features[row, col, 0], features[row, col, 1], features[row, col, 2]
    a = alpha[row, col]
    if a > COVERED:
        return r, g, b
    rest = ONE - a
    return r + rest * behind[row, col, 0], g + rest * behind[row, col, 1], b + rest * behind[row, col, 2]


@kernel
def _light_rows(
    features: Floats, alpha: Floats, behind: Floats, shown: bool, table: Floats, light: Floats, start: int, stop: int
) -> None:
    for row in range(start, stop):
        for col in range(alpha.shape[1]):
            r, g, b = _over(features, alpha, behind, row, col)
            if shown:
                r, g, b = expanded(decoded(r, table), decoded(g, table), decoded(b, table))
            light[row, col, 0], light[row, col, 1], light[row, col, 2] = r, g, b


@kernel
def _picture_rows(
    features: Floats, alpha: Floats, behind: Floats, shown: bool, table: Floats, rgb: NDArray[np.uint8], start: int,
    stop: int,
) -> None:  # fmt: skip
    for row in range(start, stop):
        for col in range(alpha.shape[1]):
            r, g, b = _over(features, alpha, behind, row, col)
            if not shown:
                r, g, b = compressed(r, g, b)
                r, g, b = encoded(r, table), encoded(g, table), encoded(b, table)
            rgb[row, col, 0], rgb[row, col, 1], rgb[row, col, 2] = _byte(r), _byte(g), _byte(b)


@kernel
def _develop_rows(light: Floats, table: Floats, rgb: NDArray[np.uint8], start: int, stop: int) -> None:
    for row in range(start, stop):
        for col in range(light.shape[1]):
            r, g, b = compressed(light[row, col, 0], light[row, col, 1], light[row, col, 2])
            r, g, b = encoded(r, table), encoded(g, table), encoded(b, table)
            rgb[row, col, 0], rgb[row, col, 1], rgb[row, col, 2] = _byte(r), _byte(g), _byte(b)


@inlined
def _byte(x: Real) -> Any:
    """A display colour, held in [0, 1], as one of 256."""
    return np.uint8(min(max(x, ZERO), ONE) * np.float32(255) + HALF)
