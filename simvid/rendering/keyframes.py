"""Smooth curves through keyframes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def smooth(times: Array, values: Array, t: float) -> Array:
    """Monotone cubic through values at rising times, at rest at both ends and held before and after.

    Hermite cubics whose slope at an inner keyframe is the weighted harmonic mean of the slopes beside it (Fritsch &
    Butland 1984), so that the curve never overshoots and has a continuous velocity.

    Args:
        times: [s], strictly rising, [M], M >= 1.
        values: [M, D].
        t: [s].

    Returns:
        Value at t, [D].
    """
    if t <= times[0]:
        return np.array(values[0], dtype=np.float64)
    if t >= times[-1]:
        return np.array(values[-1], dtype=np.float64)
    k = int(np.searchsorted(times, t, side="right")) - 1
    span = times[k + 1] - times[k]
    u = (t - times[k]) / span
    start, end = _slope(times, values, k), _slope(times, values, k + 1)
    return np.asarray(
        (2 * u**3 - 3 * u**2 + 1) * values[k]
        + (u**3 - 2 * u**2 + u) * span * start
        + (3 * u**2 - 2 * u**3) * values[k + 1]
        + (u**3 - u**2) * span * end
    )


def _slope(times: Array, values: Array, k: int) -> Array:
    """Velocity at keyframe k, [D]."""
    if k in (0, len(times) - 1):
        return np.zeros(values.shape[1])
    before, after = times[k] - times[k - 1], times[k + 1] - times[k]
    a, b = (values[k] - values[k - 1]) / before, (values[k + 1] - values[k]) / after
    w1, w2 = 2 * after + before, after + 2 * before
    rising = a * b > 0
    safe_a, safe_b = np.where(rising, a, 1.0), np.where(rising, b, 1.0)
    return np.where(rising, (w1 + w2) / (w1 / safe_a + w2 / safe_b), 0.0)
