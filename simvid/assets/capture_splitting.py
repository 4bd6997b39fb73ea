"""Long Gaussians cut into rows of shorter ones, so that a capture can bend: each moves as its middle does."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.gaussians import Gaussians

Array: TypeAlias = NDArray[np.float64]
STEP = 1.2
"""Distance of the pieces, in their standard deviations: their sum then has no ripples above 1 %."""
ENDS = 2.2
"""How far the row reaches, in standard deviations of where the pieces stand."""
MOST = 25
"""Pieces along one axis, at most; longer Gaussians get longer pieces."""
DIMMEST = 0.004
"""Fainter pieces are left out: renderers draw nothing of them."""


def split(gaussians: Gaussians, longest_m: float) -> Gaussians:
    """The same picture, of Gaussians whose standard deviations are at most ``longest_m``, but for the very longest.

    A Gaussian of deviation s is that of deviation r < s smeared with weights of deviation sqrt(s^2 - r^2). The weights
    are taken at steps, and each piece gets its share of the optical depth -log(1 - alpha), so that together they cover
    as much as the one did. The depth of an opaque Gaussian falls off faster than its alpha: as a Gaussian does that
    has half the alpha where this one has.
    """
    g = gaussians
    for axis in range(3):
        g = _split_along(g, axis, longest_m)
    return g


def _split_along(g: Gaussians, axis: int, longest_m: float) -> Gaussians:
    opaque = np.clip(g.opacities.astype(np.float64), 1e-6, 0.995)
    depth, at_half = -np.log1p(-opaque), -np.log1p(-opaque / 2)
    s = g.scales[:, axis] * np.sqrt(np.log(2) / np.log(depth / at_half))
    r = np.minimum(s, longest_m)
    wide = np.sqrt(np.maximum(s * s - r * r, 0.0))
    half = np.ceil(ENDS * wide / (STEP * r) - 1e-9)
    over = half > MOST // 2
    # as many pieces as are allowed, so long that they reach as far: ENDS wide = half STEP r, with wide^2 = s^2 - r^2
    half = np.minimum(half, MOST // 2).astype(np.int64)
    r = np.where(over, s / np.sqrt(1 + (half * STEP / ENDS) ** 2), r)
    wide = np.sqrt(np.maximum(s * s - r * r, 0.0))
    if not half.any():
        return g
    counts = 2 * half + 1
    row = np.repeat(np.arange(len(g)), counts)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) - half[row]
    along = place * STEP * r[row]
    cut = half[row] > 0
    spread = np.where(cut, np.maximum(wide[row], 1e-30), 1.0)
    weight = STEP * s[row] / (spread * np.sqrt(2 * np.pi)) * np.exp(-0.5 * (along / spread) ** 2)
    opacity = np.where(cut, -np.expm1(-depth[row] * weight), g.opacities[row])
    axes = _axes(g.quats.astype(np.float64), axis)
    kept = ~cut | (opacity >= DIMMEST)
    row, f = row[kept], np.float32
    scales = g.scales[row].copy()
    scales[:, axis] = np.where(cut[kept], r[row], scales[:, axis])
    means = g.means[row] + along[kept, None] * axes[row]
    return Gaussians(means.astype(f), g.quats[row], scales, opacity[kept].astype(f), g.sh[row], g.owner[row])


def _axes(quats: Array, axis: int) -> Array:
    """One column of the rotation matrices of quaternions (w, x, y, z), [N, 3]."""
    w, x, y, z = quats.T / np.linalg.norm(quats, axis=1)
    columns = (
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack(columns[axis], axis=1)
