"""The closed form of the domino wave against its limits, and an engine against it."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.physics.laws import domino_wave_speed


def test_it_scales_with_the_root_of_the_height() -> None:
    """McLachlan et al. 1983: lengths scale together, so speed goes as sqrt(g h)."""
    one = domino_wave_speed(0.1, 0.012, 0.03)
    assert domino_wave_speed(0.4, 0.048, 0.12) == pytest.approx(2 * one, rel=1e-9)
    assert domino_wave_speed(0.1, 0.012, 0.03, 4 * 9.81) == pytest.approx(2 * one, rel=1e-9)


def test_thin_dominoes_close_together_lean_flat() -> None:
    """It is faster than free toppling by one alone, which is the limit of a train without weight."""
    h, gap = 0.1, 0.05
    speed = domino_wave_speed(h, 1e-4, gap)
    alone = _alone(h, gap)
    assert speed > alone
    assert 1.0 < speed / np.sqrt(9.81 * h) < 2.5


def _alone(h: float, gap: float) -> float:
    """A thin rod that leaves the vertical at the steady speed after an impact with a single one: w' = w / 2."""
    falls = 1.5 * 9.81 / h * (1 - np.cos(np.arcsin(gap / h)))  # w^2 gained / 2
    start = np.sqrt(2 * falls / 3)
    angle = np.linspace(0, np.arcsin(gap / h), 2001)
    rate = np.sqrt(start**2 + 3 * 9.81 / h * (1 - np.cos(angle)))
    return float(gap / np.trapezoid(1 / rate, angle))
