"""The ground's texture: halved copies of an image, and its mean over what a pixel sees of it.

Lookups are anisotropic: several along the longer axis of the pixel's footprint, in the copy whose texels are as large
as the shorter (McCormack et al. 1999, "Feline").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import ONE, ZERO, Floats, Vec

MOST_TAPS = 16


class Pyramid(NamedTuple):
    """A repeating texture in linear light with halved copies of itself, row 0 at y = 0."""

    texels: Floats
    """All levels one after the other, [P, 3]."""
    levels: NDArray[np.int64]
    """First texel, height and width of each level, [L, 3]."""
    size_m: np.float32
    """Edge of the tile."""


def pyramid(image: Floats, size_m: float) -> Pyramid:
    """Pyramid of an image in linear light, float32 [h, w, 3]; sides must be powers of two."""
    assert all(side & (side - 1) == 0 for side in image.shape[:2]), f"sides {image.shape[:2]} are no powers of two"
    levels, rows, first = [], [], 0
    while True:
        height, width = image.shape[:2]
        levels.append((first, height, width))
        rows.append(image.reshape(-1, 3))
        first += height * width
        if height == 1 and width == 1:
            break
        h, w = max(height // 2, 1), max(width // 2, 1)
        image = image.reshape(h, height // h, w, width // w, 3).mean(axis=(1, 3), dtype=np.float32)
    return Pyramid(np.ascontiguousarray(np.concatenate(rows)), np.array(levels, np.int64), np.float32(size_m))


@inlined
def filtered(texture: Pyramid, x: float, y: float, ux: float, uy: float, vx: float, vy: float) -> Vec:
    """Mean of the texture over a parallelogram about (x, y) with edges u and v, all in texels of level 0."""
    if len(texture.levels) == 1:
        r, g, bl = _texel(texture, len(texture.levels) - 1, x, y)
        return r, g, bl
    # Axes of the ellipse: singular values of [[ux, vx], [uy, vy]].
    a, b, c = ux * ux + vx * vx, ux * uy + vx * vy, uy * uy + vy * vy
    mid, swing = (a + c) / 2, np.sqrt(((a - c) / 2) ** 2 + b * b)
    major, minor = np.sqrt(mid + swing), np.sqrt(max(mid - swing, 0.0))
    taps = min(max(int(np.ceil(major / max(minor, 1.0))), 1), MOST_TAPS)
    level = min(np.log2(max(major / taps, minor, 1.0)), len(texture.levels) - 1.0)
    low = int(level)
    share = np.float32(level - low)
    step_x, step_y = 0.0, 0.0
    if taps > 1:
        cosine, sine = _half_turn((a - c) / 2, b, swing)
        step_x, step_y = cosine * major / taps, sine * major / taps
    r, g, bl = ZERO, ZERO, ZERO
    for k in range(taps):
        o = k - (taps - 1) / 2
        for extra in range(2):
            weight = share if extra else ONE - share
            if weight > ZERO:
                r1, g1, b1 = _texel(texture, min(low + extra, len(texture.levels) - 1), x + o * step_x, y + o * step_y)
                r, g, bl = r + weight * r1, g + weight * g1, bl + weight * b1
    n = np.float32(taps)
    return r / n, g / n, bl / n


@inlined
def _half_turn(x: float, y: float, length: float) -> tuple[float, float]:
    """Cosine and sine of half the angle of (x, y), which has this length; the angle is in -pi to pi."""
    if length <= 0.0:
        return 1.0, 0.0
    if x >= 0.0:
        cosine = np.sqrt((length + x) / (2 * length))
        return cosine, y / (2 * length * cosine)
    sine = np.copysign(np.sqrt((length - x) / (2 * length)), y)
    return y / (2 * length * sine), sine


@inlined
def _texel(texture: Pyramid, level: int, x: float, y: float) -> Vec:
    """Bilinear colour of a level at (x, y), in texels of level 0; remainders are taken bit by bit."""
    first, h, w = texture.levels[level, 0], texture.levels[level, 1], texture.levels[level, 2]
    fx = x * (np.float64(w) / np.float64(texture.levels[0, 2])) - 0.5
    fy = y * (np.float64(h) / np.float64(texture.levels[0, 1])) - 0.5
    cx, cy = np.floor(fx), np.floor(fy)
    u, v = np.float32(fx - cx), np.float32(fy - cy)
    x0, y0 = int(cx) & (w - 1), int(cy) & (h - 1)
    x1, y1 = (x0 + 1) & (w - 1), (y0 + 1) & (h - 1)
    a, b, c, d = first + y0 * w + x0, first + y0 * w + x1, first + y1 * w + x0, first + y1 * w + x1
    wa, wb, wc, wd = (ONE - u) * (ONE - v), u * (ONE - v), (ONE - u) * v, u * v
    t = texture.texels
    return (
        wa * t[a, 0] + wb * t[b, 0] + wc * t[c, 0] + wd * t[d, 0],
        wa * t[a, 1] + wb * t[b, 1] + wc * t[c, 1] + wd * t[d, 1],
        wa * t[a, 2] + wb * t[b, 2] + wc * t[c, 2] + wd * t[d, 2],
    )
