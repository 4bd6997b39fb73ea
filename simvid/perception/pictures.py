"""Figures of pairs of pictures: PSNR, SSIM, MS-SSIM, sharpness, edges. All take uint8 sRGB [..., H, W, 3]."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.perception.edges import GREY, rgb_edges

Pictures: TypeAlias = NDArray[np.uint8]
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SSIM_LEAST_PX, MS_SSIM_LEAST_PX = _WINDOW, _WINDOW * 2 ** (len(_SCALES) - 1)
"""Smallest height and width that SSIM and MS-SSIM are defined for [px]."""
LEAST_CHANGE = 12**-0.5
"""Root mean square of rounding to whole levels. Ratios to true pictures that change by less tell nothing [levels]."""


def psnr(one: Pictures, two: Pictures) -> float:
    """10 log10(255^2 / mean squared error) [dB]; +inf for equals."""
    _alike(one, two)
    error = float(np.mean((one.astype(np.float64) - two) ** 2))
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def ssim(one: Pictures, two: Pictures) -> float:
    """Wang, Bovik, Sheikh & Simoncelli 2004: window of 11 x 11 with sigma 1.5, mean over whole windows and channels.

    Raises:
        ValueError: pictures below ``SSIM_LEAST_PX``.
    """
    _alike(one, two)
    if min(one.shape[-3:-1]) < SSIM_LEAST_PX:
        raise ValueError(f"ssim: expected pictures of {SSIM_LEAST_PX} px or more, got {one.shape[-3:-1]}")
    return float(np.mean([_terms(a, b)[0] for a, b in _planes(one, two)]))


def ms_ssim(one: Pictures, two: Pictures) -> float:
    """Wang, Simoncelli & Bovik 2003: contrast and structure at five scales, SSIM at the last; mean over channels.

    Raises:
        ValueError: pictures below ``MS_SSIM_LEAST_PX``.
    """
    _alike(one, two)
    if min(one.shape[-3:-1]) < MS_SSIM_LEAST_PX:
        raise ValueError(f"ms_ssim: expected pictures of {MS_SSIM_LEAST_PX} px or more, got {one.shape[-3:-1]}")
    found = []
    for a, b in _planes(one, two):
        total = 1.0
        for k, weight in enumerate(_SCALES):
            whole, structure = _terms(a, b)
            total *= max(whole if k == len(_SCALES) - 1 else structure, 0.0) ** weight
            a, b = _halved(a), _halved(b)  # noqa: PLW2901  the next scale
        found.append(total)
    return float(np.mean(found))


def gradient_energy_ratio(one: Pictures, true: Pictures) -> float:
    """Mean squared differences of neighbouring pixels over those of the true pictures: 1 is as sharp, below is blur.

    Raises:
        ValueError: the true pictures are flat.
    """
    _alike(one, true)
    if is_flat(true):
        raise ValueError("gradient_energy_ratio: the true pictures are flat; there is nothing to be as sharp as")
    return _gradient_energy(one) / _gradient_energy(true)


def is_flat(pictures: Pictures) -> bool:
    """Whether neighbouring pixels differ by less than ``LEAST_CHANGE``, root mean square."""
    return _gradient_energy(pictures) < LEAST_CHANGE**2


def edge_f1(one: Pictures, true: Pictures) -> float:
    """F1 of Canny's edges with one pixel of tolerance, over all pictures; 1 where neither has any."""
    from scipy.ndimage import binary_dilation

    _alike(one, true)
    counts = np.zeros(4)
    around = np.ones((3, 3), np.bool_)
    for a, b in zip(_flat(one), _flat(true), strict=True):
        mine, theirs = rgb_edges(a), rgb_edges(b)
        hit, found = mine & binary_dilation(theirs, around), theirs & binary_dilation(mine, around)
        counts += [hit.sum(), mine.sum(), found.sum(), theirs.sum()]
    if counts[1] + counts[3] == 0:
        return 1.0
    precision, recall = counts[0] / max(counts[1], 1), counts[2] / max(counts[3], 1)
    return float(2 * precision * recall / max(precision + recall, 1e-12))


def _gradient_energy(pictures: Pictures) -> float:
    grey: NDArray[Any] = np.asarray(pictures @ GREY)
    steps = [np.diff(grey, axis=axis) for axis in (-1, -2)]
    return float(sum((step**2).mean() for step in steps if step.size))


def _terms(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Mean SSIM, and mean of its part for contrast and structure, of two planes."""
    ma, mb = _smooth(a), _smooth(b)
    va, vb, both = _smooth(a * a) - ma * ma, _smooth(b * b) - mb * mb, _smooth(a * b) - ma * mb
    structure = (2 * both + _C2) / (va + vb + _C2)
    return float(np.mean(structure * (2 * ma * mb + _C1) / (ma * ma + mb * mb + _C1))), float(np.mean(structure))


def _smooth(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted means over windows that lie wholly inside."""
    from scipy.ndimage import correlate1d

    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    both = correlate1d(correlate1d(plane, weights, axis=0), weights, axis=1)
    edge = _WINDOW // 2
    return np.asarray(both[edge:-edge, edge:-edge])


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 2 x 2 pixels."""
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    return np.asarray(plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3)))


def _planes(one: Pictures, two: Pictures) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    return [
        (a[..., k].astype(np.float64), b[..., k].astype(np.float64))
        for a, b in zip(_flat(one), _flat(two), strict=True)
        for k in range(3)
    ]


def _flat(pictures: Pictures) -> Pictures:
    """[..., H, W, 3] to [N, H, W, 3]."""
    return pictures.reshape(-1, *pictures.shape[-3:])


def _alike(one: Any, two: Any) -> None:
    for array in (one, two):
        if array.dtype != np.uint8 or array.shape[-1] != 3:
            raise ValueError(f"expected uint8 pictures [..., H, W, 3], got {array.dtype} {array.shape}")
    if one.shape != two.shape:
        raise ValueError(f"expected pictures of one size and number, got {one.shape} and {two.shape}")
