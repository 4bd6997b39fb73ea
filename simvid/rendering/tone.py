"""From light to picture and back: tone curve and sRGB, as parts of kernels."""

from __future__ import annotations

import numpy as np

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import ONE, ZERO, Floats, Real, Vec

_STEPS = 4096
BRIGHTEST: Real = np.float32(4.0)
"""Light that Gaussians and backdrop have at most, in units of display white: there the curve is so flat that a picture
tells little more, and a glint of many times that would outshine all that its Gaussian reaches."""


def srgb_table() -> Floats:
    """sRGB value of linear light x at index sqrt(x) * 4096, float32 [4097]; off by less than 1/4000."""
    x = (np.arange(_STEPS + 1) / _STEPS) ** 2
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


@inlined
def compressed(r: Real, g: Real, b: Real) -> Vec:
    """Linear light >= 0 to [0, 1]: unchanged up to 0.76, then rolled off and slightly bleached.

    The Khronos PBR Neutral tone mapper (Khronos 2024) without its Fresnel offset, so that mid tones keep the colours
    that the scene file gives.
    """
    start = np.float32(0.76)
    peak = max(r, g, b)
    if peak < start:
        return r, g, b
    room = ONE - start
    top = ONE - room * room / (peak + room - start)
    bleach = ONE - ONE / (np.float32(0.15) * (peak - top) + ONE)
    scale = top / peak * (ONE - bleach)
    white = top * bleach
    return r * scale + white, g * scale + white, b * scale + white


@inlined
def encoded(x: Real, table: Floats) -> Real:
    """sRGB value of linear light in [0, 1]."""
    return table[int(np.sqrt(min(max(x, ZERO), ONE)) * np.float32(4096.0) + np.float32(0.5))]


@inlined
def blendable(r: Real, g: Real, b: Real, shown: bool, table: Floats) -> Vec:
    """Light as it is blended: held at ``BRIGHTEST``; or, if ``shown``, as display colours."""
    if not shown:
        held = min(BRIGHTEST / max(r, g, b, ONE), ONE)
        return r * held, g * held, b * held
    r, g, b = compressed(r, g, b)
    return encoded(r, table), encoded(g, table), encoded(b, table)


def light_table() -> Floats:
    """Linear light of sRGB value y at index y * 4096, float32 [4098] (one more than needed, to look up between)."""
    y = np.arange(_STEPS + 2) / _STEPS
    return np.where(y <= 0.04045, y / 12.92, ((y + 0.055) / 1.055) ** 2.4).astype(np.float32)


@inlined
def decoded(y: Real, table: Floats) -> Real:
    """Linear light of an sRGB value in [0, 1], with the table of ``light_table``; the inverse of ``encoded``."""
    at = min(max(y, ZERO), ONE) * np.float32(4096.0)
    k = int(at)
    return table[k] + (table[k + 1] - table[k]) * (at - np.float32(k))


@inlined
def expanded(r: Real, g: Real, b: Real) -> Vec:
    """Linear light whose ``compressed`` is (r, g, b): the tone curve solved for its argument.

    The largest channel t of the result of the curve is top = 1 - room^2 / (peak + room - start); with peak the bleach
    is known, and what the curve did to the other channels is linear. Up to ``BRIGHTEST``.
    """
    start = np.float32(0.76)
    top = max(r, g, b)
    if top < start:
        return r, g, b
    room = ONE - start
    peak = min(room * room / max(ONE - top, np.float32(1e-6)) - room + start, BRIGHTEST)
    top = ONE - room * room / (peak + room - start)
    bleach = ONE - ONE / (np.float32(0.15) * (peak - top) + ONE)
    scale = top / peak * (ONE - bleach)
    white = top * bleach
    return (
        min(max((r - white) / scale, ZERO), peak),
        min(max((g - white) / scale, ZERO), peak),
        min(max((b - white) / scale, ZERO), peak),
    )
