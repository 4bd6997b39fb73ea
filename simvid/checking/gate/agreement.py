"""Comparisons of one refined picture with labels, and of its colours with the coarse picture's."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.checking.base import grown

Picture: TypeAlias = NDArray[np.uint8]
Map: TypeAlias = NDArray[np.float32]
Ids: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]
CONTACT_SHARE, CONTACT_PX = 0.02, 4
"""Parts touch in the picture where their depths differ by at most this share; so far around counts."""
_CORE = 0.5
"""Share of the greatest distance from a mask's edge that its core keeps."""
_SMOOTH_PX = 5
"""Colours are compared after a mean over so many pixels of the region, so that texture and edges do not count."""
_PAINTED = 0.25
"""Share of a region that must have changed its hue by so much or more."""
_DARK = 0.02
"""Added to linear light, so that colours of dark pixels do not count in full."""


def depth_error(log_depth: Map, depth: NDArray[np.float32]) -> float:
    """Root mean square of the log depth's error, up to a summand (si-RMSE, Eigen, Puhrsch & Fergus 2014, eq. 1).

    Args:
        log_depth: as the probe reads it, [H, W].
        depth: z [m], +inf without a surface, [H, W].
    """
    valid = np.isfinite(depth) & (depth > 0)
    if not valid.any():
        return float("nan")
    error = log_depth[valid] - np.log(depth[valid])
    return float(error.std())


def cores(ids: Ids) -> Ids:
    """The inner parts of all masks, as id + 1; 0 elsewhere, [H, W]. They are half as deep as their masks."""
    from scipy.ndimage import distance_transform_edt, find_objects

    seeds = np.zeros(ids.shape, np.int32)
    for k, place in enumerate(find_objects(ids + 1)):
        if place is not None:
            inside = distance_transform_edt(np.pad(ids[place] == k, 1))[1:-1, 1:-1]
            seeds[place][inside >= max(_CORE * inside.max(), 1)] = k + 1
    return seeds


def mask_agreement(outline: Map, ids: Ids, seeds: Ids, owners: tuple[int, ...]) -> dict[int, float]:
    """Intersection over union of each instance's mask with its region in the picture, as the probe outlines it.

    Regions grow from the ``cores`` of all masks over the probe's outlines (a watershed: the image foresting transform
    of Falcao, Stolfi & Lotufo 2004). So a region that has moved is met in part.
    """
    from scipy.ndimage import watershed_ift

    cost = np.round(255 * outline).astype(np.uint8)
    found = watershed_ift(cost, seeds) - 1
    scores = {}
    for k in owners:
        mine, theirs = ids == k, found == k
        both, either = np.count_nonzero(mine & theirs), np.count_nonzero(mine | theirs)
        scores[k] = float(both) / max(float(either), 1.0)
    return scores


def contact_region(ids: Ids, depth: NDArray[np.float32]) -> Mask:
    """Around places where two parts meet in the picture at the same depth, [H, W]."""
    meet = np.zeros(ids.shape, np.bool_)
    for axis in (0, 1):
        a, b = (np.take(ids, range(k, ids.shape[axis] - 1 + k), axis) for k in (0, 1))
        near, far = (np.take(depth, range(k, ids.shape[axis] - 1 + k), axis) for k in (0, 1))
        with np.errstate(invalid="ignore"):
            touch = (a != b) & (a > 0) & (b > 0) & (np.abs(near - far) <= CONTACT_SHARE * np.minimum(near, far))
        place = [slice(None)] * 2
        place[axis] = slice(0, ids.shape[axis] - 1)
        meet[tuple(place)] |= touch
    return grown(meet, CONTACT_PX)


def log_light(picture: Picture) -> Map:
    """Logarithm of linear light, [H, W, 3]."""
    s = np.arange(256) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return np.log(linear + _DARK).astype(np.float32)[picture]


def colour_change(gap: Map, mask: Mask, rest: Mask) -> float:
    """By how much a quarter of a region has changed its hue, or more, beyond the rest of the picture, in factors'
    logarithms: paint on a part of it counts in full.

    Args:
        gap: logarithm of refined over coarse linear light, [H, W, 3].
        mask: the region, [H, W].
        rest: what it is compared with, [H, W].
    """
    from scipy.ndimage import uniform_filter

    others = np.median(gap[rest], axis=0) if rest.any() else np.zeros(3, np.float32)
    rows, columns = np.nonzero(mask)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    inside = mask[box]
    total = uniform_filter(
        np.where(inside[..., None], gap[box] - others, 0), (_SMOOTH_PX, _SMOOTH_PX, 0), mode="constant"
    )
    weight = uniform_filter(inside.astype(np.float32), _SMOOTH_PX, mode="constant")
    change = total[inside] / weight[inside][:, None]
    hue = np.sqrt(((change - change.mean(axis=1, keepdims=True)) ** 2).mean(axis=1))
    return float(np.quantile(hue, 1 - _PAINTED))
