"""FLIP for pictures of displays (LDR-FLIP): the difference that a viewer sees when flipping between two pictures.

Andersson, Nilsson, Akenine-Moeller, Oskarsson, Astroem & Fairchild 2020, "FLIP: A Difference Evaluator for Alternating
Images"; numbers in brackets are its sections. Agrees with NVIDIA's published evaluator, which the tests hold it to.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
PIXELS_PER_DEGREE = 67.0206
"""A 4K screen 0.7 m wide, seen from 0.7 m."""
_TO_XYZ = np.array([
    [10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794],
    [2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897],
    [1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382],
])  # fmt: skip
_WHITE = _TO_XYZ.sum(axis=1)
_CONTRAST = {"a": ((1.0, 0.0047),), "rg": ((1.0, 0.0053),), "by": ((34.1, 0.04), (13.5, 0.025))}
"""Gaussians of the eye's sensitivity to contrast, (weight, width), for each opponent channel [4.1.1]."""
_QC, _PC, _PT, _GW, _QF = 0.7, 0.4, 0.95, 0.082, 0.5


def flip(one: NDArray[np.uint8], true: NDArray[np.uint8], ppd: float = PIXELS_PER_DEGREE) -> float:
    """Mean error over all pictures, 0 (equal) to 1.

    Args:
        one, true: sRGB uint8 [..., H, W, 3].
        ppd: pixels per degree of the viewer's sight.
    """
    pairs = zip(one.reshape(-1, *one.shape[-3:]), true.reshape(-1, *true.shape[-3:]), strict=True)
    return float(np.mean([flip_map(a, b, ppd).mean() for a, b in pairs]))


def flip_map(one: NDArray[np.uint8], true: NDArray[np.uint8], ppd: float = PIXELS_PER_DEGREE) -> Array:
    """Error of each pixel, [H, W], of two pictures [H, W, 3].

    Raises:
        ValueError: pictures of different sizes.
    """
    if one.shape != true.shape:
        raise ValueError(f"flip: expected pictures of one size, got {one.shape} and {true.shape}")
    opponents = [_opponent(_linear(picture)) for picture in (one, true)]
    seen, bright = [_seen(p, ppd) for p in opponents], [(p[..., 0] + 16) / 116 for p in opponents]
    colour, feature = _colour_error(seen[0], seen[1]), _feature_error(bright[0], bright[1], ppd)
    return np.asarray(colour ** (1 - feature))


def _linear(picture: NDArray[np.uint8]) -> Array:
    s = picture.astype(np.float64) / 255
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def _opponent(linear: Array) -> Array:
    """Linear RGB to YCxCz."""
    x, y, z = np.moveaxis(linear @ _TO_XYZ.T / _WHITE, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _seen(opponent: Array, ppd: float) -> Array:
    """What the eye keeps at that distance, in CIELAB with Hunt's adjustment [4.1.1, 4.1.2]."""
    radius = int(np.ceil(3 * np.sqrt(0.04 / (2 * np.pi**2)) * ppd))
    kept = np.stack(
        [_contrast(opponent[..., k], name, radius, ppd) for k, name in enumerate(("a", "rg", "by"))], axis=-1
    )
    y = (kept[..., 0] + 16) / 116
    xyz = np.stack([y + kept[..., 1] / 500, y, y - kept[..., 2] / 200], axis=-1) * _WHITE
    return _hunt(_lab(np.clip(xyz @ np.linalg.inv(_TO_XYZ).T, 0, 1)))


def _contrast(plane: Array, name: str, radius: int, ppd: float) -> Array:
    """A plane under the sum of Gaussians of its channel, whose weights sum to one over the window."""
    degrees = np.arange(-radius, radius + 1) / ppd
    parts, total = [], 0.0
    for weight, width in _CONTRAST[name]:
        row = np.exp(-(np.pi**2) * degrees**2 / width)
        size = weight * np.sqrt(np.pi / width)
        parts.append(size * _separable(plane, row, row))
        total += size * row.sum() ** 2
    return np.asarray(sum(parts) / total)


def _lab(linear: Array) -> Array:
    t = linear @ _TO_XYZ.T / _WHITE
    d = 6 / 29
    f = np.where(t > d**3, np.cbrt(t), t / (3 * d * d) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def _hunt(lab: Array) -> Array:
    """Colours count for less in the dark."""
    return np.concatenate([lab[..., :1], 0.01 * lab[..., :1] * lab[..., 1:]], axis=-1)


def _hyab(one: Array, two: Array) -> Array:
    """Distance of Abasi, Amani Tehran & Fairchild 2020."""
    d = one - two
    return np.asarray(np.abs(d[..., 0]) + np.hypot(d[..., 1], d[..., 2]))


@cache
def _largest() -> float:
    """Error of pure green against pure blue."""
    green, blue = (_hunt(_lab(np.array(colour))) for colour in ([0.0, 1.0, 0.0], [0.0, 0.0, 1.0]))
    return float(_hyab(green, blue) ** _QC)


def _colour_error(one: Array, two: Array) -> Array:
    """Compressed towards 1 for large errors [4.1.3]."""
    error, most = _hyab(one, two) ** _QC, _largest()
    knee = _PC * most
    return np.where(error < knee, _PT / knee * error, _PT + (error - knee) / (most - knee) * (1 - _PT))


def _feature_error(one: Array, two: Array, ppd: float) -> Array:
    """Differences of edges and points in brightness [4.2]."""
    deviation = 0.5 * _GW * ppd
    radius = int(np.ceil(3 * deviation))
    x = np.arange(-radius, radius + 1).astype(np.float64)
    smooth = np.exp(-(x**2) / (2 * deviation**2))
    smooth /= smooth.sum()
    found = []
    for kernel in (-x * smooth, (x**2 / deviation**2 - 1) * smooth):
        kernel = np.where(kernel > 0, kernel / kernel[kernel > 0].sum(), kernel / -kernel[kernel < 0].sum())  # noqa: PLW2901
        sizes = [np.hypot(_separable(p, smooth, kernel), _separable(p, kernel, smooth)) for p in (one, two)]
        found.append(np.abs(sizes[0] - sizes[1]))
    return np.asarray((np.maximum(*found) / np.sqrt(2)) ** _QF)


def _separable(plane: Array, down: Array, across: Array) -> Array:
    """Correlation with a product of two rows; borders are repeated."""
    from scipy.ndimage import correlate1d

    return np.asarray(correlate1d(correlate1d(plane, down, axis=0, mode="nearest"), across, axis=1, mode="nearest"))
