"""Comparisons over time: is each refined picture of its own instant, and as steady as the coarse ones?"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.checking.gate.agreement import Map, Picture
from simvid.perception.stability import warped

Mask: TypeAlias = NDArray[np.bool_]
BLOCK_PX = 24
MOVING_PX = 0.5
LEAST_MOVING = 200
"""Fewer moving pixels say nothing about the time of a picture."""
LEAST_MARGIN = 0.01
"""Nor do coarse pictures that are so alike from frame to frame: 1 - correlation."""
LEAST_CHANGE = 1.0
"""Nor do those that change by less than so many levels on moving pixels."""
_FLOOR = 1.0
"""Added to warp errors [levels], so that the ratio of two tiny ones is one."""


def residual(video: tuple[Picture, Picture], flow: NDArray[np.float32], seen: Mask) -> tuple[Map, Mask]:
    """Each pixel less the one before along the flow [levels], [H, W, 3], and where it counts.

    Args:
        video: the picture before and the picture.
        flow: backward [px], [H, W, 2].
        seen: the point is seen in both, [H, W].
    """
    moved, inside = warped(video[0], flow)
    return (video[1] - moved).astype(np.float32), inside & seen


def warp_error(residuals: Map, counts: Mask) -> float:
    """Root mean square [levels]; NaN where nothing counts."""
    return float(np.sqrt((residuals[counts] ** 2).mean())) if counts.any() else float("nan")


def warp_ratio(refined: float, coarse: float) -> float:
    """Of two warp errors; 1 for equals."""
    return (refined + _FLOOR) / (coarse + _FLOOR)


def flicker(residuals: Map, counts: Mask) -> float:
    """Mean over blocks of 24 px of how far the mean residual is from 0 [levels]: jumps of brightness, not edges."""
    height, width = counts.shape
    sizes = [np.arange(0, n, BLOCK_PX) for n in (height, width)]

    def blocks(array: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(np.add.reduceat(np.add.reduceat(array, sizes[0], axis=0), sizes[1], axis=1), np.float64)

    number = blocks(counts.astype(np.float32))
    total = blocks(np.where(counts[..., None], residuals, 0).mean(axis=-1))
    whole = number > BLOCK_PX**2 / 4
    return float(np.abs(total[whole] / number[whole]).mean()) if whole.any() else float("nan")


def own_time(refined: Map, around: tuple[Map, Map, Map], moving: Mask) -> float:
    """How much better a refined picture fits the coarse one of its frame than those of the frames beside it.

    Correlation of detail on moving pixels with its own frame's, less the greatest with the frames before and after,
    over the same for the coarse picture of its frame: 1 for identity, -1 for a picture of the frame beside. NaN where
    too little moves to tell.

    Args:
        refined: ``detail`` of the picture, [H, W].
        around: the same of the coarse pictures of the frames before, its own, and after.
        moving: pixels where things move, [H, W].
    """
    if np.count_nonzero(moving) < LEAST_MOVING:
        return float("nan")
    mine = refined[moving]
    before, own, after = (each[moving] for each in around)
    span = 1 - max(_correlation(own, before), _correlation(own, after))
    if span < LEAST_MARGIN:
        return float("nan")
    margin = _correlation(mine, own) - max(_correlation(mine, before), _correlation(mine, after))
    return float(np.clip(margin / span, -2, 2))


def moves_on(refined: tuple[Picture, Picture], coarse: tuple[Picture, Picture], moving: Mask) -> float:
    """Change of the refined pictures over that of the coarse ones, on moving pixels: 0 is a frozen picture.

    NaN where too little moves to tell.
    """
    if np.count_nonzero(moving) < LEAST_MOVING:
        return float("nan")
    change, expected = (np.abs(b[moving].astype(np.float32) - a[moving]).mean() for a, b in (refined, coarse))
    return float(change / expected) if expected >= LEAST_CHANGE else float("nan")


def _correlation(a: Map, b: Map) -> float:
    """Of two samples; 0 where one is constant."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 1e-9 else 0.0
