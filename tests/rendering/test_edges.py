"""The cpu rasterizer against the oracle at the edges: Gaussians, cameras and pictures of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simvid.errors import RenderError
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.raster import Raster
from simvid.rendering.reference import ReferenceRasterizer
from simvid.testing.clouds import assert_equivalent, random_cloud

FAST = CpuRasterizer(threads=2)
ORACLE = ReferenceRasterizer()

IMPOSSIBLE = [np.nan, np.inf, -np.inf]
EDGES: dict[str, list[float]] = {
    "means": [*IMPOSSIBLE, 0, 1e-30, 1e30, -1e6],
    "quats": [*IMPOSSIBLE, 0, 1e-20, 1e20, -1],
    "scales": [*IMPOSSIBLE, 0, 1e-30, 1e-6, 1, 1e4, 1e30],
    "opacities": [*IMPOSSIBLE, -1, 0, 0.003, 0.0045, 0.5, 0.999, 0.9999, 1, 1.5, 1e38],
    "sh": [*IMPOSSIBLE, 0, 1, -1e4],
}
SHAPES = {"means": 3, "quats": 4, "scales": 3, "opacities": 1, "sh": 12}


def both(arguments: dict[str, Any]) -> tuple[Raster, Raster]:
    return FAST.rasterize(**arguments), ORACLE.rasterize(**arguments)


def assert_agree(arguments: dict[str, Any], share: float = 0.98, tolerance: float = 2e-3) -> Raster:
    """Nearly all pixels are equal. The rest is where a splat is just as faint, or just as near, as the rules allow."""
    fast, oracle = both(arguments)
    assert np.isfinite(fast.features).all()
    assert fast.alpha.min() >= 0
    assert fast.alpha.max() <= 1 + 1e-5
    pixels = fast.alpha.size
    most = max(int((1 - share) * pixels), 4)
    size = max(1.0, float(np.abs(arguments["features"]).max(initial=0)), float(np.abs(oracle.features).max(initial=0)))
    assert np.count_nonzero(np.abs(fast.alpha - oracle.alpha) > tolerance) <= most
    channels = np.abs(fast.features - oracle.features).max(axis=2, initial=0)
    assert np.count_nonzero(channels > 1.5 * tolerance * size) <= most
    assert np.abs(fast.alpha - oracle.alpha).max() <= 0.05
    for name in ("median_depth", "ids"):
        assert np.count_nonzero(~np.isclose(getattr(fast, name), getattr(oracle, name), rtol=1e-3)) <= most, name
    return fast


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A few Gaussians, some of whose numbers are replaced by what is at the edge of the possible."""
    n = draw(st.integers(1, 24))
    size = {"width": draw(st.integers(1, 40)), "height": draw(st.integers(1, 40))}
    arguments = random_cloud(draw(st.integers(0, 2**16)), n, features=2, degree=1, owners=3, **size)
    arguments["sh_rotations"] = None
    for _ in range(draw(st.integers(0, 6))):
        name = draw(st.sampled_from(list(EDGES)))
        value, row = draw(st.sampled_from(EDGES[name])), draw(st.integers(0, n - 1))
        column = draw(st.sampled_from([slice(None), *range(SHAPES[name])]))
        arguments[name].reshape(n, -1)[row, column] = value
    arguments["eps2d"] = draw(st.sampled_from([0.3, 0.3, 0.0, 5.0]))
    arguments["near_m"] = draw(st.sampled_from([0.01, 1e-6, 2.0]))
    return arguments


@settings(max_examples=60, deadline=None)
@given(arguments=spoilt())
def test_any_gaussians(arguments: dict[str, Any]) -> None:
    assert_agree(arguments)


FOCALS = [1e-6, 0.5, 3.0, 40.0, 500.0, 1e4, 1e9]
CENTRES = [0.0, 12.0, -200.0, 3000.0, 1e5]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16), fx=st.sampled_from(FOCALS), fy=st.sampled_from(FOCALS), cx=st.sampled_from(CENTRES),
    cy=st.sampled_from(CENTRES), away=st.sampled_from([0.0, 2.4, 1e3, -3.0]), width=st.integers(1, 40),
    height=st.integers(1, 40),
)  # fmt: skip
@example(seed=0, fx=40.0, fy=40.0, cx=12.0, cy=12.0, away=2.4, width=30, height=30)
def test_any_intrinsics_and_distance(
    seed: int, fx: float, fy: float, cx: float, cy: float, away: float, width: int, height: int
) -> None:
    """Focal lengths and principal points far from anything a camera has, from within the Gaussians to far off.

    The farthest principal point leaves float32 a hundredth of a pixel.
    """
    arguments = random_cloud(seed, 60, features=2, degree=1, owners=3, width=width, height=height)
    arguments["K"] = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    arguments["viewmat"] = arguments["viewmat"].copy()
    arguments["viewmat"][2, 3] += away
    assert_agree(arguments, share=0.9, tolerance=2e-2)


@pytest.mark.parametrize("field", ["means", "quats", "scales", "opacities", "sh"])
@pytest.mark.parametrize("value", IMPOSSIBLE)
def test_what_is_not_finite_is_left_out(field: str, value: float) -> None:
    """The picture is that of the others, to the bit."""
    arguments = random_cloud(3, 90, features=1, degree=1, width=40, height=30)
    others = {k: np.delete(arguments[k], np.s_[::3], axis=0) for k in (*SHAPES, "features", "owner")}
    arguments[field][::3] = value
    if field == "sh" and value == -np.inf:
        arguments[field][::3, 0] = np.nan  # minus infinity alone would be black
    got, wanted = FAST.rasterize(**arguments), FAST.rasterize(**{**arguments, **others})
    np.testing.assert_array_equal(got.features, wanted.features)
    assert wanted.alpha.max() > 0.3
    assert_agree(arguments)


def test_a_million() -> None:
    """Spread over a wide plain, so that the oracle need draw only few of them."""
    n, rng = 1_000_000, np.random.default_rng(0)
    means = (rng.random((n, 3)) * [60, 60, 1] + [-30, -30, 2]).astype(np.float32)
    arguments = {
        **random_cloud(0, 1, width=40, height=30), "means": means,
        "quats": np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1)),
        "scales": np.full((n, 3), 0.02, np.float32), "opacities": rng.random(n).astype(np.float32),
        "features": rng.random((n, 1)).astype(np.float32), "owner": rng.integers(0, 9, n).astype(np.int32),
    }  # fmt: skip
    assert assert_agree(arguments).alpha.mean() > 0.3


def test_8k() -> None:
    """A part of it equals the picture of that part, which the oracle draws too."""
    small = random_cloud(0, 300, features=1, owners=3, width=64, height=48)
    small["means"] = np.clip(small["means"] * [0.3, 0.3, 1], [-1, -1, 1.5], 4).astype(np.float32)
    small["scales"] = np.minimum(small["scales"], np.float32(0.2))
    left, top = 7600, 4260
    large = {**small, "width": 7680, "height": 4320, "K": small["K"] + [[0, 0, left], [0, 0, top], [0, 0, 0]]}
    whole, part = FAST.rasterize(**{**large, "want": frozenset()}), FAST.rasterize(**small)
    assert whole.features.shape == (4320, 7680, 1)
    assert not whole.features[:4000].any()
    np.testing.assert_allclose(whole.alpha[top : top + 48, left : left + 64], part.alpha, atol=5e-3)
    assert_equivalent(part, ORACLE.rasterize(**small))


def test_huge_ones_at_8k_are_refused() -> None:
    arguments = random_cloud(0, 6000, features=0, width=7680, height=4320)
    arguments["scales"] = np.full((6000, 3), 50, np.float32)
    arguments["means"][:, 2] = 2.5
    arguments["opacities"][:] = 0.5
    with pytest.raises(RenderError, match=r"6000 Gaussians at 7680 x 4320 px touch tiles .* lower the resolution"):
        FAST.rasterize(**{**arguments, "want": frozenset()})
