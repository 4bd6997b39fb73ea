"""Figures of two sets of pictures, unpaired: sliced Wasserstein distance of Laplacian patches, kernel distance."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.perception.edges import GREY

Array: TypeAlias = NDArray[np.float64]
_PATCH, _PATCHES, _DIRECTIONS = 7, 128, 256
SWD_LEAST_PX = 16
"""Smallest height and width that the distance of patches is defined for [px]."""
_TAPS = np.array([1, 4, 6, 4, 1]) / 16


def laplacian_swd(one: NDArray[np.uint8], two: NDArray[np.uint8], seed: int = 0) -> float:
    """Sliced Wasserstein distance of patches of Laplacian pyramids, times a thousand (Karras et al. 2018, sec. 5).

    Patches of 7 x 7, means over the levels down to 16 pixels. Patches are divided by the deviation of the second set's
    on that level, so that a picture with too little or too much detail at any scale counts against it. The original
    normalizes both sets by themselves, which hides exactly that.

    Args:
        one, two: uint8 [N, H, W, 3] of one size; the second is the true one.
        seed: of places and directions.

    Raises:
        ValueError: pictures of different sizes or below ``SWD_LEAST_PX``.
    """
    if one.shape[1:] != two.shape[1:] or min(one.shape[1:3]) < SWD_LEAST_PX:
        raise ValueError(f"laplacian_swd: expected pictures of one size of {SWD_LEAST_PX} px or more, got {one.shape}, "
                         f"{two.shape}")  # fmt: skip
    found = []
    for level, (a, b) in enumerate(zip(_pyramids(one), _pyramids(two), strict=True)):
        places = (np.random.default_rng((seed, level)) for _ in range(2))  # the same for both sets
        one_set, two_set = (_patches(pictures, rng) for pictures, rng in zip((a, b), places, strict=True))
        found.append(_distance(one_set, two_set, np.random.default_rng((seed, level, 1))))
    return 1000 * float(np.mean(found))


def kernel_distance(one: Array, two: Array) -> float:
    """KID (Binkowski et al. 2018): unbiased squared MMD with the kernel (x y / d + 1)^3, of features [N, d] and [M, d].

    Raises:
        ValueError: fewer than two of either.
    """
    n, m, d = len(one), len(two), one.shape[1]
    if min(n, m) < 2:
        raise ValueError(f"kernel_distance: expected two pictures or more of each set, got {n} and {m}")
    a, b, both = ((x @ y.T / d + 1) ** 3 for x, y in ((one, one), (two, two), (one, two)))
    inner = (a.sum() - np.trace(a)) / (n * (n - 1)) + (b.sum() - np.trace(b)) / (m * (m - 1))
    return float(inner - 2 * both.mean())


def paired_kernel_distance(one: Array, two: Array) -> float:
    """The same for features of as many pictures of the same scenes, row by row; 0 for equals.

    Mean over i != j of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i) (Gretton et al. 2012, "A Kernel Two-Sample
    Test", eq. 4). Rows of one scene are alike, so they would pull the mean over all i and j far below 0.

    Raises:
        ValueError: different numbers, or fewer than two.
    """
    n, d = one.shape
    if n < 2 or two.shape != one.shape:
        raise ValueError(f"paired_kernel_distance: expected two sets of two pictures or more, got {n} and {len(two)}")
    a, b, both = ((x @ y.T / d + 1) ** 3 for x, y in ((one, one), (two, two), (one, two)))
    total = a + b - both - both.T
    return float((total.sum() - np.trace(total)) / (n * (n - 1)))


def wasserstein(one: Array, two: Array) -> float:
    """Mean over columns of the W1 distance of two samples [N, D] of one size: mean difference of sorted values."""
    return float(np.abs(np.sort(one, axis=0) - np.sort(two, axis=0)).mean())


def _pyramids(pictures: NDArray[np.uint8]) -> list[Array]:
    """Laplacian levels of grey pictures, finest first, [N, h, w] each; the last is the rest."""
    from scipy.ndimage import correlate1d

    found: list[Array] = []
    level: Array = np.asarray(pictures @ GREY, np.float64)
    while min(level.shape[1:]) >= 2 * SWD_LEAST_PX:
        smooth = correlate1d(correlate1d(level, _TAPS, axis=1, mode="nearest"), _TAPS, axis=2, mode="nearest")
        found.append(level - smooth)
        level = smooth[:, ::2, ::2]
    return [*found, level]


def _patches(level: Array, rng: np.random.Generator) -> Array:
    """Patches at random places of each picture, [N * 128, 49]."""
    n, h, w = level.shape
    top, left = rng.integers(0, h - _PATCH + 1, (n, _PATCHES)), rng.integers(0, w - _PATCH + 1, (n, _PATCHES))
    offsets = np.arange(_PATCH)
    rows, columns = top[..., None, None] + offsets[:, None], left[..., None, None] + offsets
    return np.asarray(level[np.arange(n)[:, None, None, None], rows, columns].reshape(-1, _PATCH * _PATCH))


def _distance(one: Array, two: Array, rng: np.random.Generator) -> float:
    count = min(len(one), len(two))
    mean, deviation = two.mean(), max(float(two.std()), 1e-6)
    directions = rng.standard_normal((_PATCH * _PATCH, _DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return wasserstein(((one - mean) / deviation @ directions)[:count], ((two - mean) / deviation @ directions)[:count])
