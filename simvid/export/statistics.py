"""Statistics of features as LeRobot keeps them: per episode, and merged over episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Stats: TypeAlias = dict[str, NDArray[Any]]
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
SAMPLED_FRAMES = 100
"""Pictures looked at per episode, spread evenly."""
SAMPLED_PX = 150
"""Pictures are thinned to about this size first."""


def of_rows(values: NDArray[Any]) -> Stats:
    """Of a feature [T, ...], along the frames; what comes out has at least one dimension."""
    rows = np.asarray(values, np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    spread = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    levels = dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=0), strict=True))
    return {**spread, "count": np.array([len(rows)]), **levels}


def of_pictures(samples: Sequence[NDArray[Any]], count: int) -> Stats:
    """Of pictures [H, W, C] that stand for ``count`` frames, per channel, shaped [C, 1, 1]."""
    pixels = np.concatenate([s.reshape(-1, s.shape[-1]) for s in samples]).astype(np.float64)
    found = of_rows(pixels)
    return {k: v if k == "count" else v[:, None, None] for k, v in found.items()} | {"count": np.array([count])}


def of_bytes(samples: Sequence[NDArray[np.uint8]], count: int) -> Stats:
    """``of_pictures`` of bytes over 255, by their histograms: the same numbers, without sorting."""
    found = [_of_histogram(sum(np.bincount(s[..., c].reshape(-1), minlength=256) for s in samples))
             for c in range(samples[0].shape[-1])]  # fmt: skip
    stacked = {key: np.array([f[key] for f in found])[:, None, None] for key in found[0]}
    return {**stacked, "count": np.array([count])}


def _of_histogram(counts: Any) -> dict[str, float]:
    """Of values k / 255 that occur so many times; quantiles between two values are interpolated, as numpy's are."""
    values, total = np.arange(256) / 255, int(counts.sum())
    there, below = np.flatnonzero(counts), np.cumsum(counts)
    mean = float(values @ counts / total)
    spread = {"min": values[there[0]], "max": values[there[-1]], "mean": mean,
              "std": float(np.sqrt(((values - mean) ** 2) @ counts / total))}  # fmt: skip
    for name, q in QUANTILES.items():
        place = q * (total - 1)
        low, high = (
            values[np.searchsorted(below, k, side="right")] for k in (int(place), min(int(place) + 1, total - 1))
        )
        spread[name] = float(low + (high - low) * (place - int(place)))
    return {key: float(value) for key, value in spread.items()}


def sampled(count: int) -> frozenset[int]:
    """The frames whose pictures are looked at."""
    return frozenset(np.linspace(0, count - 1, min(count, SAMPLED_FRAMES)).astype(int).tolist())


def thinned(picture: NDArray[Any]) -> NDArray[Any]:
    """Every n-th row and column."""
    step = max(1, min(picture.shape[:2]) // SAMPLED_PX)
    return picture[::step, ::step]


def merged(parts: Sequence[Stats]) -> Stats:
    """Over episodes: extremes, weighted means, the parallel variance (Chan et al. 1979), mean quantiles."""
    counts = np.array([float(p["count"][0]) for p in parts])
    weights = counts / counts.sum()

    def mean(key: str) -> NDArray[Any]:
        return np.asarray(np.tensordot(weights, np.stack([p[key] for p in parts]), axes=1))

    middle = mean("mean")
    square = np.tensordot(weights, np.stack([p["std"] ** 2 + (p["mean"] - middle) ** 2 for p in parts]), axes=1)
    return {
        "min": np.min([p["min"] for p in parts], axis=0),
        "max": np.max([p["max"] for p in parts], axis=0),
        "mean": middle,
        "std": np.sqrt(square),
        "count": np.array([int(counts.sum())]),
        **{key: mean(key) for key in QUANTILES},
    }
