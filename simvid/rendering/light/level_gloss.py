"""What the gloss of a level surface shows of an environment map, for every line of sight: summed, not approximated.

The split sum (see ``brdf_table``) takes the lobe as it is head-on. At grazing angles it is a long streak instead, and
leans towards the horizon: there a floor or a table top mirrors a lamp or a window in quite another way. For a surface
that looks straight up, the integral over the lobe depends on the line of sight alone, so it fits into a small table.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import HALF, ONE, PI, ZERO, Floats, Real, Vec
from simvid.rendering.light.maps import REMEMBERED, looked_up, shrunk

SLOPES, TURNS = 24, 128
"""Steps of the square root of the cosine between normal and eye, and of azimuth."""
SAMPLES = 512
SOURCE_PX = 256
LEAST_COSINE = 0.02
SHARP = 0.2
"""What is smoother shows finer detail than the table has."""
NO_TABLE = np.zeros((0, TURNS, 6), np.float32)


def level_gloss(surroundings: Floats | None, roughness: float) -> Floats:
    """Radiance by cosine and by azimuth of the direction to the eye, from 0 to a full turn, [SLOPES, TURNS, 6].

    The first three numbers are to be multiplied by the reflectance head-on, linear RGB, the others to be added. Half
    vectors are drawn from GGX with the numbers of Hammersley; visibility and Fresnel are those of ``shading``. Light
    from below the surface does not count. Empty under an open sky, and where roughness is less than ``SHARP``. The
    last tables are remembered, for many clips are made in one room; nobody writes into them.
    """
    if surroundings is None or roughness < SHARP:
        return NO_TABLE
    source = shrunk(surroundings, SOURCE_PX).astype(np.float32, copy=False)
    return _table(source.tobytes(), source.shape[1], roughness)


@lru_cache(maxsize=REMEMBERED)
def _table(content: bytes, width: int, roughness: float) -> Floats:
    source = np.frombuffer(content, np.float32).reshape(-1, width, 3)
    k = np.arange(SAMPLES)
    digits = sum(((k >> bit) & 1) / 2.0 ** (bit + 1) for bit in range(9))
    around, u = 2 * np.pi * (k + 0.5) / SAMPLES, np.asarray(digits) + 0.5 / SAMPLES
    alpha = max(roughness**2, 0.02)
    nh = np.sqrt((1 - u) / (1 + (alpha**2 - 1) * u))
    across = np.sqrt(np.maximum(1 - nh**2, 0))
    nv = np.maximum(np.linspace(0, 1, SLOPES) ** 2, LEAST_COSINE)[:, None]
    side = np.sqrt(1 - nv**2)
    vh = np.maximum(side * across * np.cos(around) + nv * nh, 1e-6)
    light = np.stack(
        [2 * vh * across * np.cos(around) - side, 2 * vh * across * np.sin(around) + 0 * nv, 2 * vh * nh - nv], axis=-1
    )  # [SLOPES, SAMPLES, 3], of an eye at azimuth 0
    nl = np.maximum(light[..., 2], 0)
    smith = [c + np.sqrt(alpha**2 + (1 - alpha**2) * c**2) for c in (nl, nv)]
    weight = np.where(nl > 0, 4 * nl * vh / (smith[0] * smith[1] * np.maximum(nh, 1e-6)), 0)
    edge = (1 - np.minimum(vh, 1)) ** 5
    out = np.empty((SLOPES, TURNS, 6), np.float32)
    for turn in range(TURNS):
        seen = looked_up(source, _turned(light, turn / TURNS * 2 * np.pi))
        out[:, turn, :3] = (seen * ((1 - edge) * weight)[..., None]).mean(axis=1)
        out[:, turn, 3:] = (seen * (edge * weight)[..., None]).mean(axis=1)
    return out


def _turned(rays: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Directions turned about the vertical."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * rays[..., 0] - s * rays[..., 1], s * rays[..., 0] + c * rays[..., 1], rays[..., 2]], axis=-1)


@inlined
def level_mirrored(v: Vec, f0: Vec, table: Floats) -> Vec:
    """Radiance of the gloss for a unit direction to the eye and a reflectance head-on; bilinear in ``level_gloss``."""
    x = np.sqrt(min(max(v[2], ZERO), ONE)) * np.float32(SLOPES - 1)
    i = min(int(x), SLOPES - 2)
    y = np.arctan2(v[1], v[0]) * (np.float32(TURNS) * HALF / PI)
    if y < ZERO:
        y += np.float32(TURNS)
    j = min(int(y), TURNS - 1)
    s, t = x - np.float32(i), y - np.float32(j)
    after = (j + 1) % TURNS
    a, b, c, d = (ONE - s) * (ONE - t), (ONE - s) * t, s * (ONE - t), s * t
    p, q, e, g = table[i, j], table[i, after], table[i + 1, j], table[i + 1, after]
    return (
        _sum(p, q, e, g, (a, b, c, d), 0) * f0[0] + _sum(p, q, e, g, (a, b, c, d), 3),
        _sum(p, q, e, g, (a, b, c, d), 1) * f0[1] + _sum(p, q, e, g, (a, b, c, d), 4),
        _sum(p, q, e, g, (a, b, c, d), 2) * f0[2] + _sum(p, q, e, g, (a, b, c, d), 5),
    )


@inlined
def _sum(p: Floats, q: Floats, e: Floats, g: Floats, w: tuple[Real, Real, Real, Real], k: int) -> Real:
    return w[0] * p[k] + w[1] * q[k] + w[2] * e[k] + w[3] * g[k]
