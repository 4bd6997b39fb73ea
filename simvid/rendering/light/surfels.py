"""Few wide discs for many Gaussians: what gives and takes light that goes from body to body.

Gaussians of a part that lie in the same cell of a grid and face the same way are one surfel (Pfister et al. 2000),
which follows the Gaussian in their middle. Light that surfels receive is interpolated to all Gaussians of their part
from the nearest that face alike (irradiance caching, Ward et al. 1988, with the weights of Shepard as modified by
Franke & Nielson 1980, which are smooth). What may be seen from behind has a second surfel for its back.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import ONE, TWO, ZERO, Floats, Ints, Real

BUDGET = 3000
"""Surfels of a scene, about."""
FEWEST, MOST = 24, 600
"""Of a part, about."""
NEAREST = 4
"""Surfels that the light of a Gaussian is interpolated from."""
AREA = 2.6
"""Surface for each Gaussian, over the product of its two widths."""
COVERING = 1.3
"""Radius of a disc over that of a circle of its surfel's area: square cells are covered without gaps, if the Gaussian
that is followed lies in their middle; how far away it lies is added."""
TURNED: Real = np.float32(2.0)
"""How far away, in cells, a surfel counts that is as near but faces away by 60 degrees; squared."""


FAR: Real = np.float32(1e30)


class Sources(NamedTuple):
    """Gaussians that surfels are made of."""

    points: Floats
    """In the frame of their part [m], [N, 3]."""
    normals: Floats
    """Unit, [N, 3]."""
    scales: Floats
    """[N, 3]."""
    part: NDArray[np.int64]
    """[N]."""
    open: NDArray[np.bool_]
    """Their back may be seen, [N]."""
    gives: NDArray[np.bool_]
    """They reflect or hold light and are in its way, [N]; the others only receive it."""
    reflectance: Floats
    """Linear RGB, [N, 3]."""
    glow: Floats
    """Radiance that they have of their own, linear RGB, [N, 3]."""


class Surfels(NamedTuple):
    """S surfels, and which of them light each Gaussian."""

    rows: NDArray[np.int64]
    """Gaussians that they follow, [S]."""
    side: Floats
    """-1 for backs, else 1, [S]."""
    radii: Floats
    """[m], [S]."""
    reflectance: Floats
    glow: Floats
    back: Ints
    """The surfel of the other side; itself where there is none, [S]."""
    nearest: Ints
    """[N, NEAREST]."""
    weights: Floats
    """Sum 1, or 0 where there is no surfel, [N, NEAREST]."""


class _Part(NamedTuple):
    """Gaussians of a part, its surfels, and what ties them."""

    points: Floats
    normals: Floats
    rows: NDArray[np.int64]
    """Those of the part."""
    at: Floats
    """Places of its surfels."""
    facing: Floats
    its: Ints
    """Their numbers."""
    per: Real
    """Cells per metre."""


def surfels_of(found: Sources, workers: Workers, budget: int = BUDGET) -> Surfels:
    """Surfels of all parts, about as many as budgeted; the more for a part the larger it is."""
    area = AREA * found.scales[:, 0].astype(np.float64) * found.scales[:, 1]
    spacing = _spacing(np.bincount(found.part, np.where(found.gives, area, 0.0)).astype(np.float64), budget)
    giving = np.flatnonzero(found.gives)
    n = len(found.points)
    nearest, weights = np.zeros((n, NEAREST), np.int32), np.zeros((n, NEAREST), np.float32)
    if not len(giving):
        none, few = np.zeros((0, 3), np.float32), np.zeros(0, np.float32)
        return Surfels(giving, few, few, none, none, np.zeros(0, np.int32), nearest, weights)
    group, count = _grouped(found, giving, spacing)
    share = area[giving]
    whole = np.bincount(group, share, count)

    def mean(values: Floats) -> NDArray[np.float64]:
        return np.stack([np.bincount(group, share * values[giving, k], count) / whole for k in range(3)], axis=-1)

    middle = mean(found.points)
    away = np.square(found.points[giving] - middle[group]).sum(axis=1)
    order = np.lexsort((away, group))
    first = order[np.searchsorted(group[order], np.arange(count))]
    rows = giving[first]
    radii = COVERING * np.sqrt(whole / np.pi) + np.sqrt(away[first])
    two = np.flatnonzero(found.open[rows])
    every = np.concatenate([np.arange(count), two])
    back = np.arange(len(every))
    back[two], back[count:] = count + np.arange(len(two)), two
    f = np.float32
    made = Surfels(
        rows[every], np.where(np.arange(len(every)) < count, 1, -1).astype(f), radii[every].astype(f),
        mean(found.reflectance)[every].astype(f), mean(found.glow)[every].astype(f), back.astype(np.int32),
        nearest, weights,
    )  # fmt: skip
    _tie(found, made, rows, spacing, workers)
    return made


def _spacing(area: NDArray[np.float64], budget: int) -> NDArray[np.float64]:
    """Edge of the cells of each part [m]."""
    root = np.sqrt(area)
    count = np.clip(budget * root / max(float(root.sum()), 1e-12), FEWEST, MOST)
    return np.maximum(root / np.sqrt(count), 1e-6)


def _grouped(found: Sources, rows: NDArray[np.int64], spacing: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """Number of the surfel of each of some Gaussians, and how many there are.

    A whole number of cells fits between the first and the last Gaussian of a part, along each axis.
    """
    part, points = found.part[rows], found.points[rows].astype(np.float64)
    low, high = np.full((2, len(spacing), 3), [[[np.inf]], [[-np.inf]]])
    np.minimum.at(low, part, points)
    np.maximum.at(high, part, points)
    with np.errstate(invalid="ignore"):
        extent = np.where(high > low, (high - low) * (1 + 1e-6), 1.0)
    counts = np.maximum(np.round(extent / spacing[:, None]), 1)
    cell = np.floor((points - low[part]) / (extent / counts)[part]).astype(np.int64)
    n = found.normals[rows]
    axis = np.abs(n).argmax(axis=1)
    faces = 2 * axis + (n[np.arange(len(n)), axis] > 0)
    cell = np.clip(cell, 0, (1 << 15) - 1)
    key = ((part * 6 + faces) << 45) + (cell[:, 0] << 30) + (cell[:, 1] << 15) + cell[:, 2]
    _, group = np.unique(key, return_inverse=True)
    return group.astype(np.int64), int(group.max()) + 1


def _tie(
    found: Sources, made: Surfels, rows: NDArray[np.int64], spacing: NDArray[np.float64], workers: Workers
) -> None:
    """Find the surfels that light each Gaussian; fronts only, whose parts are ``found.part[rows]``."""
    part = found.part[rows]
    for k in np.unique(part):
        mine, its = np.flatnonzero(found.part == k).astype(np.int64), np.flatnonzero(part == k).astype(np.int32)
        at, facing = found.points[rows[its]], found.normals[rows[its]]
        group = _Part(found.points, found.normals, mine, at, facing, its, np.float32(1 / spacing[k]))
        workers.run(partial(_nearest, group, made.nearest, made.weights), len(mine), least=256)


@kernel
def _nearest(part: _Part, nearest: Ints, weights: Floats, start: int, stop: int) -> None:
    """Write the nearest surfels of one part and their weights, (1 - d / d of the next)^2 over their sum."""
    points, normals, at, facing, its, per = part.points, part.normals, part.at, part.facing, part.its, part.per
    for slot in range(start, stop):
        i = part.rows[slot]
        d0, d1, d2, d3, d4 = FAR, FAR, FAR, FAR, FAR
        k0, k1, k2, k3 = 0, 0, 0, 0
        for j in range(len(its)):
            x, y, z = points[i, 0] - at[j, 0], points[i, 1] - at[j, 1], points[i, 2] - at[j, 2]
            c = normals[i, 0] * facing[j, 0] + normals[i, 1] * facing[j, 1] + normals[i, 2] * facing[j, 2]
            d = (x * x + y * y + z * z) * per * per + TURNED * TWO * (ONE - c)
            if d >= d4:
                continue
            d4 = d
            if d < d3:
                d4, d3, k3 = d3, d, j
            if d < d2:
                d3, k3, d2, k2 = d2, k2, d, j
            if d < d1:
                d2, k2, d1, k1 = d1, k1, d, j
            if d < d0:
                d1, k1, d0, k0 = d0, k0, d, j
        last = np.sqrt(min(d4, np.float32(4.0) * (d0 + ONE)))
        w0, w1 = max(last - np.sqrt(d0), np.float32(1e-6)), max(last - np.sqrt(d1), ZERO)
        w2, w3 = max(last - np.sqrt(d2), ZERO), max(last - np.sqrt(d3), ZERO)
        w0, w1, w2, w3 = w0 * w0, w1 * w1, w2 * w2, w3 * w3
        total = ONE / (w0 + w1 + w2 + w3)
        nearest[i, 0], nearest[i, 1], nearest[i, 2], nearest[i, 3] = its[k0], its[k1], its[k2], its[k3]
        weights[i, 0], weights[i, 1] = w0 * total, w1 * total
        weights[i, 2], weights[i, 3] = w2 * total, w3 * total
