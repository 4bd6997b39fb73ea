"""From light to picture: tone curve and sRGB, as parts of kernels."""

from __future__ import annotations

import numpy as np

from simvid.rendering.jit import inlined
from simvid.rendering.kernel_types import ONE, ZERO, Floats, Real, Vec

_STEPS = 4096


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
