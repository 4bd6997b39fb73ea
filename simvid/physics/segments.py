"""Pieces of a joint-space path with their timing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SAMPLES = 400
"""Points at which a spline's speed is looked at."""


def minimum_jerk(tau: Array) -> tuple[Array, Array]:
    """Fraction of the way and its slope at fractions of the time, 0 <= tau <= 1.

    s = 10 tau^3 - 15 tau^4 + 6 tau^5, from rest to rest (Flash and Hogan, The Coordination of Arm Movements, 1985).
    """
    return tau**3 * (10 - 15 * tau + 6 * tau**2), 30 * tau**2 * (1 - tau) ** 2


PEAK_SLOPE = 1.875
"""Of the minimum-jerk fraction, at half time."""


class Segment(Protocol):
    """One action's path: joint positions and velocities at times from its start."""

    @property
    def duration_s(self) -> float:
        """Its length."""
        ...

    @property
    def end(self) -> Array:
        """Joint positions at its end, [J]."""
        ...

    @property
    def peak_speeds(self) -> Array:
        """Largest speed of each joint, [J]."""
        ...

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """Positions and velocities at times [N] from its start, both [N, J]."""
        ...


@dataclass(frozen=True, eq=False)
class Hold:
    """Stay."""

    duration_s: float
    end: Array

    @property
    def peak_speeds(self) -> Array:
        """Zero."""
        return np.zeros(len(self.end))

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """As ``Segment.at``."""
        q = np.tile(self.end, (len(t_s), 1))
        return q, np.zeros_like(q)


@dataclass(frozen=True, eq=False)
class Straight:
    """Straight in joint space, with minimum-jerk timing."""

    duration_s: float
    start: Array
    end: Array

    @property
    def peak_speeds(self) -> Array:
        """At half time."""
        return np.asarray(PEAK_SLOPE * np.abs(self.end - self.start) / self.duration_s)

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """As ``Segment.at``."""
        fraction, slope = minimum_jerk(np.clip(t_s / self.duration_s, 0, 1))
        way = self.end - self.start
        return self.start + fraction[:, None] * way, slope[:, None] * way / self.duration_s


@dataclass(frozen=True, eq=False)
class Turning:
    """Constant joint speeds, stopped at the limits."""

    duration_s: float
    start: Array
    speed: Array
    lower: Array
    upper: Array

    @property
    def end(self) -> Array:
        """As ``Segment.end``."""
        return np.clip(self.start + self.speed * self.duration_s, self.lower, self.upper)

    @property
    def peak_speeds(self) -> Array:
        """The speeds."""
        return np.abs(self.speed)

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """As ``Segment.at``."""
        q = self.start + t_s[:, None] * self.speed
        inside = (q >= self.lower) & (q <= self.upper)
        return np.clip(q, self.lower, self.upper), np.where(inside, self.speed, 0.0)


@dataclass(frozen=True, eq=False)
class Spline:
    """Through knots by a cubic spline over the fraction of the way, with minimum-jerk timing; never over the limits."""

    duration_s: float
    fractions: Array
    """Evenly from 0 to 1, [K]."""
    knots: Array
    """[K, J]."""
    lower: Array
    upper: Array

    @property
    def end(self) -> Array:
        """As ``Segment.end``."""
        return np.asarray(self.knots[-1])

    @property
    def length(self) -> float:
        """Sum of the largest moves of any joint from knot to knot [rad or m]."""
        return float(np.abs(np.diff(self.knots, axis=0)).max(axis=1, initial=0.0).sum())

    @property
    def peak_speeds(self) -> Array:
        """Over ``SAMPLES`` moments."""
        _, speeds = self.at(np.linspace(0.0, self.duration_s, SAMPLES + 1))
        return np.asarray(np.abs(speeds).max(axis=0))

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """As ``Segment.at``."""
        fraction, slope = minimum_jerk(np.clip(t_s / self.duration_s, 0, 1))
        q, rate = self._spline(fraction)
        return np.clip(q, self.lower, self.upper), rate * slope[:, None] / self.duration_s

    @cached_property
    def _bends(self) -> Array:
        """Second derivatives at the knots of the natural cubic spline, [K, J]."""
        k = len(self.fractions)
        matrix = 4 * np.eye(k) + np.eye(k, k=1) + np.eye(k, k=-1)
        matrix[[0, -1]] = np.eye(k)[[0, -1]]
        right = np.zeros_like(self.knots)
        right[1:-1] = 6 * np.diff(self.knots, 2, axis=0) * (k - 1) ** 2
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)

    def _spline(self, fraction: Array) -> tuple[Array, Array]:
        """Value and slope at fractions [N] (de Boor, A Practical Guide to Splines, chapter IV)."""
        count = len(self.fractions) - 1
        k = np.clip((fraction * count).astype(int), 0, count - 1)
        h = 1 / count
        b = (fraction * count - k)[:, None]
        a = 1 - b
        low, high, bend, next_bend = self.knots[k], self.knots[k + 1], self._bends[k], self._bends[k + 1]
        value = a * low + b * high + ((a**3 - a) * bend + (b**3 - b) * next_bend) * h**2 / 6
        slope = (high - low) / h + ((1 - 3 * a**2) * bend + (3 * b**2 - 1) * next_bend) * h / 6
        return value, slope
