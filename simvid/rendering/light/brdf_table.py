"""How much of the light from all around a surface gives back, by the cosine between normal and eye and by roughness.

Of the gloss, for reflectance f0 head-on, it is f0 scale + bias: the second half of the split sum (Karis 2013). Of the
matte part it is Burley's diffuse over Lambert's: about 1, more at grazing angles on what is rough (Burley 2012).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import ONE, ZERO, Floats, Real, Vec

SIDE = 24
"""Steps of either."""
SAMPLES = 512


@cache
def brdf_table() -> Floats:
    """Scale, bias and matte at cosines and roughnesses from 0 to 1 in even steps, float32 [SIDE, SIDE, 3]; read-only.

    Half vectors are drawn from GGX with the numbers of Hammersley; visibility and Fresnel are those of ``shading.lobe``
    and ``shading.gloss``. For the matte part light is drawn by the cosine, and weighed as in ``shading.burley``.
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
    visibility = 1 / (_smith(np.maximum(nl, 0), alpha) * _smith(nv, alpha))
    weight = np.where(nl > 0, 4 * visibility * nl * vh / np.maximum(nh, 1e-6), 0)
    edge = (1 - np.minimum(vh, 1)) ** 5
    sine, cosine = np.sqrt(u), np.sqrt(1 - u)
    along = (1 + np.sqrt(1 - nv**2) * sine * np.cos(azimuth) + nv * cosine) / 2
    rr, fi, fo = 2 * grid[None, :, None] * along, (1 - cosine) ** 5, (1 - nv) ** 5
    matte = (1 - fi / 2) * (1 - fo / 2) + rr * (fi + fo + fi * fo * (rr - 1))
    parts = ((1 - edge) * weight, edge * weight, matte)
    table = np.stack([part.mean(axis=-1) for part in parts], axis=-1).astype(np.float32)
    table.setflags(write=False)
    return table


def glossy_share(head_on: Floats, roughness: Floats) -> Floats:
    """Share of light from all around that gloss gives back in all directions, by reflectance head-on, [N]."""
    table, nv = brdf_table(), np.linspace(0, 1, SIDE)
    scale, bias = (np.average(table[..., k], axis=0, weights=nv) for k in range(2))
    steps = np.linspace(0, 1, SIDE)
    found = head_on * np.interp(roughness, steps, scale) + np.interp(roughness, steps, bias)
    return np.asarray(found, np.float32)


def _smith(cosine: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 cos / G1 of Smith's shadowing for GGX."""
    return np.asarray(cosine + np.sqrt(alpha**2 + (1 - alpha**2) * cosine**2))


@inlined
def environment_brdf(nv: Real, roughness: Real, table: Floats) -> Vec:
    """Scale and bias of f0, and the factor of the matte part, for light from all around."""
    last = np.float32(table.shape[0] - 1)
    x, y = min(max(nv, ZERO), ONE) * last, min(max(roughness, ZERO), ONE) * last
    i, j = min(int(x), table.shape[0] - 2), min(int(y), table.shape[1] - 2)
    u, v = x - np.float32(i), y - np.float32(j)
    a, b, c, d = (ONE - u) * (ONE - v), (ONE - u) * v, u * (ONE - v), u * v
    return (
        a * table[i, j, 0] + b * table[i, j + 1, 0] + c * table[i + 1, j, 0] + d * table[i + 1, j + 1, 0],
        a * table[i, j, 1] + b * table[i, j + 1, 1] + c * table[i + 1, j, 1] + d * table[i + 1, j + 1, 1],
        a * table[i, j, 2] + b * table[i, j + 1, 2] + c * table[i + 1, j, 2] + d * table[i + 1, j + 1, 2],
    )
