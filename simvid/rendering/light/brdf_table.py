"""How much of the light from all around a surface's gloss gives back: the second half of the split sum (Karis 2013).

For reflectance f0 head-on it is f0 scale + bias, by the cosine between normal and eye and by roughness.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import ONE, ZERO, Floats, Real

SIDE = 24
"""Steps of either."""
SAMPLES = 512


@cache
def brdf_table() -> Floats:
    """Scale and bias at cosines and roughnesses from 0 to 1 in even steps, float32 [SIDE, SIDE, 2]; read-only.

    Half vectors are drawn from GGX with the numbers of Hammersley; visibility and Fresnel are those of ``shading.lobe``
    and ``shading.gloss``.
    """
    k = np.arange(SAMPLES)
    digits = sum(((k >> bit) & 1) / 2.0 ** (bit + 1) for bit in range(9))
    azimuth, u = 2 * np.pi * (k + 0.5) / SAMPLES, np.asarray(digits) + 0.5 / SAMPLES
    grid = np.linspace(0, 1, SIDE)
    nv = np.maximum(grid, 0.02)[:, None, None]
    alpha = np.maximum(grid**2, 0.02)[None, :, None]
    nh = np.sqrt((1 - u) / (1 + (alpha**2 - 1) * u))
    across = np.sqrt(np.maximum(1 - nh**2, 0)) * np.cos(azimuth)
    vh = np.maximum(np.sqrt(1 - nv**2) * across + nv * nh, 1e-6)
    nl = 2 * vh * nh - nv
    visibility = 1 / (4 * (np.maximum(nl, 0) * (1 - alpha / 2) + alpha / 2) * (nv * (1 - alpha / 2) + alpha / 2))
    weight = np.where(nl > 0, 4 * visibility * nl * vh / np.maximum(nh, 1e-6), 0)
    edge = (1 - np.minimum(vh, 1)) ** 5
    table = np.stack([((1 - edge) * weight).mean(axis=-1), (edge * weight).mean(axis=-1)], axis=-1).astype(np.float32)
    table.setflags(write=False)
    return table


@inlined
def environment_brdf(nv: Real, roughness: Real, table: Floats) -> tuple[Real, Real]:
    """Scale and bias of f0 for light from all around."""
    last = np.float32(table.shape[0] - 1)
    x, y = min(max(nv, ZERO), ONE) * last, min(max(roughness, ZERO), ONE) * last
    i, j = min(int(x), table.shape[0] - 2), min(int(y), table.shape[1] - 2)
    u, v = x - np.float32(i), y - np.float32(j)
    a, b, c, d = (ONE - u) * (ONE - v), (ONE - u) * v, u * (ONE - v), u * v
    return (
        a * table[i, j, 0] + b * table[i, j + 1, 0] + c * table[i + 1, j, 0] + d * table[i + 1, j + 1, 0],
        a * table[i, j, 1] + b * table[i, j + 1, 1] + c * table[i + 1, j, 1] + d * table[i + 1, j + 1, 1],
    )
