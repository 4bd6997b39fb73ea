"""Contacts of what deforms lie within the convex hull of its mask."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.checking.contact_checks import hull_distance


def two_feet() -> np.ndarray:
    """Two feet of 2 x 4 px, 10 px apart, under a bar."""
    mask = np.zeros((20, 30), np.bool_)
    mask[4:6, 8:22] = True
    mask[6:10, [8, 9, 20, 21]] = True
    return mask


@pytest.mark.parametrize(
    ("uv", "expected"),
    [((15, 9), 0.0), ((8.5, 5), 0.0), ((15, 10), 0.0), ((15, 13), 3.0), ((4, 7), 4.0), ((25, 14), 5.0), ((15, 1), 3.0)],
    ids=["between the feet", "on a foot", "on the edge", "below", "left", "off a corner", "above"],
)
def test_distance_to_the_hull_of_a_mask(uv: tuple[float, float], expected: float) -> None:
    assert hull_distance(two_feet(), np.array(uv)) == pytest.approx(expected, abs=1e-9)


def test_a_single_pixel_and_none() -> None:
    one = np.zeros((5, 5), np.bool_)
    assert hull_distance(one, np.zeros(2)) == np.inf
    one[2, 3] = True
    assert hull_distance(one, np.array([3.5, 2.5])) == 0
    assert hull_distance(one, np.array([6.0, 2.5])) == pytest.approx(2)
