"""Long Gaussians become rows of shorter ones that look the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.capture_splitting import MOST, split
from simvid.gaussians import Gaussians
from simvid.rotations import matrix_from_quat, quat_from_euler_deg

QUAT = quat_from_euler_deg((25, -40, 70))
MIDDLE = np.array([0.3, -0.2, 0.1])


def one(scales: tuple[float, float, float], opacity: float = 0.8) -> Gaussians:
    f = np.float32
    return Gaussians(
        MIDDLE[None].astype(f), QUAT[None].astype(f), np.array([scales], f), np.array([opacity], f),
        np.full((1, 4, 3), 0.25, f), np.array([3], np.int32),
    )  # fmt: skip


def covered(gaussians: Gaussians, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - prod(1 - alpha) at points [P, 3], as if all were seen along a line that integrates none of them."""
    light = np.ones(len(points))
    for mean, quat, scale, opacity in zip(
        gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, strict=True
    ):
        local = (points - mean) @ matrix_from_quat(quat.astype(float)) / scale
        light *= 1 - opacity * np.exp(-0.5 * (local**2).sum(axis=1))
    return 1 - light


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("opacity", [0.1, 0.5, 0.97])
def test_a_row_of_pieces_looks_like_the_one(axis: int, opacity: float) -> None:
    scales = [0.01, 0.008, 0.009]
    scales[axis] = 0.05
    whole = one((scales[0], scales[1], scales[2]), opacity)
    pieces = split(whole, 0.01)
    assert 5 <= len(pieces) <= MOST
    assert pieces.scales.max() <= 0.01001
    assert np.allclose(pieces.means.mean(axis=0), MIDDLE, atol=1e-4)
    assert (pieces.owner == 3).all()
    assert (pieces.sh == 0.25).all()
    line = MIDDLE + np.linspace(-0.16, 0.16, 200)[:, None] * matrix_from_quat(QUAT)[:, axis]
    assert np.abs(covered(pieces, line) - covered(whole, line)).max() < (0.2 if opacity > 0.9 else 0.05)


def test_wide_ones_are_cut_both_ways_and_short_ones_left() -> None:
    sheet = split(one((0.03, 0.03, 0.002)), 0.01)
    assert 9 <= len(sheet) <= MOST**2
    assert np.ptp(sheet.means, axis=0).max() > 0.05
    short = one((0.009, 0.01, 0.001))
    assert len(split(short, 0.01)) == 1
    assert split(short, 0.01).opacities == short.opacities


def test_huge_ones_stay_few() -> None:
    huge = split(one((10.0, 0.01, 0.01)), 0.01)
    assert len(huge) <= MOST
    assert 1 < huge.scales[:, 0].max() < 10 / np.sqrt(1 + (12 * 1.2 / 2.2) ** 2)
    assert np.ptp(huge.means, axis=0).max() > 10


def test_faint_ends_are_left_out() -> None:
    assert len(split(one((0.05, 0.01, 0.01), 0.01), 0.01)) < len(split(one((0.05, 0.01, 0.01), 0.9), 0.01))
