"""Light from near things as kernels read it: what they throw on a Gaussian or on the ground, how they are mirrored."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.types import ONE, PI, TWO, ZERO, Floats, Ints, Real, SplatArrays, Vec
from simvid.rendering.light.bundles import INSIDE
from simvid.rendering.light.shading import Nearby, Surface
from simvid.rendering.light.surfels import NEAREST

HEIGHTS = 16
"""Steps of height in the table of directions."""
LOBE = 5
"""Directions in which is looked for what a surface mirrors."""
NARROW: Real = np.float32(0.766)
"""Cosine to the mirror direction from which on they count."""
METALLIC: Real = np.float32(0.15)
"""Reflectance head-on from which on bodies are seen in a surface."""


class Bounced(NamedTuple):
    """Light that arrives after a bounce or more."""

    irradiance: Floats
    """Of surfels, linear RGB, [S, 3]."""
    back: Ints
    """See ``Surfels``."""
    nearest: Ints
    weights: Floats
    ground: Floats
    """Irradiance at the nodes of the ground, [side, side, 3]."""
    corner: Floats
    """Place of the first node [m], [2]."""
    step: Real
    """Between nodes [m]."""
    met: Ints
    """What surfels see in each direction, see ``bundles.seen``, [S or more, D]."""
    radiance: Floats
    """Of all that can be seen: surfels first, [R, 3]."""
    directions: Floats
    """Unit, [D, 3]."""
    toward: Ints
    """Those nearest to a direction, by its height and its azimuth in even steps, [HEIGHTS, 2 HEIGHTS, LOBE]."""
    there: bool
    """False: nothing is known of it, and light from below is the same everywhere."""


def _none() -> Bounced:
    none, few = np.zeros((0, 3), np.float32), np.zeros((0, NEAREST))
    return Bounced(
        none, np.zeros(0, np.int32), few.astype(np.int32), few.astype(np.float32), np.zeros((0, 0, 3), np.float32),
        np.zeros(2, np.float32), np.float32(1), np.zeros((0, 0), np.int32), none, none, np.zeros((0, 0, 0), np.int32),
        there=False,
    )  # fmt: skip


NO_BOUNCES = _none()


@inlined
def arriving(i: int, n: Vec, splats: SplatArrays, found: Bounced) -> Vec:
    """Bounced irradiance on Gaussian i, on the side that a normal points to; -1 where that is not known."""
    if not found.there:
        return -ONE, -ONE, -ONE
    e0, e1, e2 = ZERO, ZERO, ZERO
    own = splats.normals
    flipped = n[0] * own[i, 0] + n[1] * own[i, 1] + n[2] * own[i, 2] < ZERO
    for k in range(NEAREST):
        w = found.weights[i, k]
        if w > ZERO:
            j = found.nearest[i, k]
            if flipped:
                j = found.back[j]
            e0 += w * found.irradiance[j, 0]
            e1 += w * found.irradiance[j, 1]
            e2 += w * found.irradiance[j, 2]
    return e0, e1, e2


@inlined
def nearby(i: int, s: Surface, splats: SplatArrays, found: Bounced) -> Nearby:
    """What bodies and ground do to a Gaussian's surface."""
    irradiance = arriving(i, s.n, splats, found)
    none = (ZERO, ZERO, ZERO)
    if not found.there or max(s.f0[0], s.f0[1], s.f0[2]) < METALLIC:
        return Nearby(irradiance, -ONE, none)
    r = (TWO * s.nv * s.n[0] - s.v[0], TWO * s.nv * s.n[1] - s.v[1], TWO * s.nv * s.n[2] - s.v[2])
    own, count = splats.normals, len(found.irradiance)
    flipped = s.n[0] * own[i, 0] + s.n[1] * own[i, 1] + s.n[2] * own[i, 2] < ZERO
    row = min(max(int((r[2] + ONE) * np.float32(0.5 * HEIGHTS)), 0), HEIGHTS - 1)
    col = int((np.arctan2(r[1], r[0]) / PI + TWO) * np.float32(HEIGHTS)) % (2 * HEIGHTS)
    a0, a1, a2, hidden, total = ZERO, ZERO, ZERO, ZERO, ZERO
    for q in range(LOBE):
        m = found.toward[row, col, q]
        c = r[0] * found.directions[m, 0] + r[1] * found.directions[m, 1] + r[2] * found.directions[m, 2] - NARROW
        c = max(c, np.float32(0.01)) ** 2
        for k in range(NEAREST):
            w, j = found.weights[i, k] * c, found.nearest[i, k]
            if flipped and w > ZERO:
                j = found.back[j]
            if w <= ZERO or found.met[j, m] == INSIDE:
                continue
            total += w
            other = found.met[j, m]
            if 0 <= other < count:
                hidden += w
                a0, a1 = a0 + w * found.radiance[other, 0], a1 + w * found.radiance[other, 1]
                a2 += w * found.radiance[other, 2]
    per = ONE / max(total, np.float32(1e-9))
    return Nearby(irradiance, hidden * per, (a0 * per, a1 * per, a2 * per))


@inlined
def on_ground(x: Real, y: Real, found: Bounced) -> Vec:
    """Bounced irradiance on the ground at a place [m], bilinear; none beyond the nodes."""
    g = found.ground
    u, v = (x - found.corner[0]) / found.step, (y - found.corner[1]) / found.step
    last = np.float32(g.shape[0] - 1)
    if not (u > ZERO and v > ZERO and u < last and v < last):
        return ZERO, ZERO, ZERO
    i, j = int(v), int(u)
    u, v = u - np.float32(j), v - np.float32(i)
    a, b, c, d = (ONE - u) * (ONE - v), u * (ONE - v), (ONE - u) * v, u * v
    return (
        a * g[i, j, 0] + b * g[i, j + 1, 0] + c * g[i + 1, j, 0] + d * g[i + 1, j + 1, 0],
        a * g[i, j, 1] + b * g[i, j + 1, 1] + c * g[i + 1, j, 1] + d * g[i + 1, j + 1, 1],
        a * g[i, j, 2] + b * g[i, j + 1, 2] + c * g[i + 1, j, 2] + d * g[i + 1, j + 1, 2],
    )
