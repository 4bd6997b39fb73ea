"""Closed-form answers for the oracle that the fast rasterizers are tested against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simvid.errors import RenderError
from simvid.rendering.raster import ALPHA_MAX, ALPHA_MIN, Raster, checked_job
from simvid.rendering.reference import Canvas, ReferenceRasterizer, covariances_2d, pinhole
from simvid.spherical_harmonics import rotated
from simvid.testing.clouds import random_cloud

SIDE = 33
MIDDLE = SIDE // 2
FOCAL = 100.0
BLUR = 0.3
DEFAULTS: dict[str, Any] = {"near_m": 0.01, "far_m": 1e6, "eps2d": BLUR}
LABELS = frozenset({"expected_depth", "median_depth", "ids"})


def draw(points: Any, opacities: Any, *, scale: float = 0.1, **changes: Any) -> Raster:
    """Round Gaussians seen by a camera at the origin whose axis passes the centre of pixel (16, 16)."""
    n = len(points)
    arguments: dict[str, Any] = {
        "means": np.array(points, np.float32).reshape(n, 3),
        "quats": np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1)),
        "scales": np.full((n, 3), scale, np.float32),
        "opacities": np.array(opacities, np.float32),
        "viewmat": np.eye(4),
        "K": np.array([[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]]),
        "width": SIDE,
        "height": SIDE,
        "want": LABELS,
    }
    return ReferenceRasterizer().rasterize(**{**arguments, **changes})


class TestOneGaussian:
    """sigma = FOCAL * 0.1 / 2 = 5 px, and the blur is added to the variance: 25.3 px^2."""

    def test_peak_is_the_opacity(self) -> None:
        assert draw([(0, 0, 2)], [0.7]).alpha[MIDDLE, MIDDLE] == pytest.approx(0.7, abs=1e-6)

    @pytest.mark.parametrize(("right", "down"), [(5, 0), (0, 5), (-7, 3), (10, -10)])
    def test_falls_off_as_a_gaussian_of_known_width(self, right: int, down: int) -> None:
        expected = 0.7 * np.exp(-0.5 * (right**2 + down**2) / (25 + BLUR))
        assert draw([(0, 0, 2)], [0.7]).alpha[MIDDLE + down, MIDDLE + right] == pytest.approx(expected, rel=1e-5)

    def test_lies_where_the_pinhole_says(self) -> None:
        alpha = draw([(0.1, -0.06, 2)], [0.7]).alpha  # 5 px right, 3 px up
        assert int(np.argmax(alpha)) == (MIDDLE - 3) * SIDE + MIDDLE + 5

    def test_is_left_out_where_fainter_than_one_in_255(self) -> None:
        alpha = draw([(0, 0, 2)], [0.7]).alpha
        reach = np.sqrt(2 * (25 + BLUR) * np.log(0.7 * 255))  # 16.2 px: the corners are beyond it
        columns, rows = np.meshgrid(np.arange(SIDE) - MIDDLE, np.arange(SIDE) - MIDDLE)
        np.testing.assert_array_equal(alpha > 0, np.hypot(columns, rows) <= reach)
        assert alpha[alpha > 0].min() >= ALPHA_MIN

    def test_covers_at_most_999_in_1000(self) -> None:
        assert draw([(0, 0, 2)], [1.0]).alpha[MIDDLE, MIDDLE] == pytest.approx(ALPHA_MAX, abs=1e-7)

    def test_stretches_along_its_longest_axis(self) -> None:
        half = np.sqrt(0.5)
        quarter_turn = np.array([[half, 0, 0, half]], np.float32)  # about z: x becomes y
        alpha = draw([(0, 0, 2)], [0.7], quats=quarter_turn, scales=np.array([[0.2, 0.05, 0.05]], np.float32)).alpha
        assert alpha[MIDDLE + 6, MIDDLE] == pytest.approx(0.7 * np.exp(-0.5 * 36 / (100 + BLUR)), rel=1e-5)
        assert alpha[MIDDLE, MIDDLE + 6] == pytest.approx(0.7 * np.exp(-0.5 * 36 / (6.25 + BLUR)), rel=1e-5)

    def test_blur_can_be_left_out(self) -> None:
        alpha = draw([(0, 0, 2)], [0.7], eps2d=0.0).alpha
        assert alpha[MIDDLE, MIDDLE + 5] == pytest.approx(0.7 * np.exp(-0.5), rel=1e-5)


def test_two_gaussians_blend_front_to_back() -> None:
    features = np.array([[10.0, 0], [0, 20.0]], np.float32)
    raster = draw([(0, 0, 3), (0, 0, 2)], [0.8, 0.4], features=features, owner=np.array([7, 9], np.int32))
    back, front = 0.6 * 0.8, 0.4  # the nearer one is the second
    np.testing.assert_allclose(raster.features[MIDDLE, MIDDLE], [10 * back, 20 * front], rtol=1e-6)
    assert raster.alpha[MIDDLE, MIDDLE] == pytest.approx(back + front, rel=1e-6)
    assert raster.expected_depth is not None
    assert raster.expected_depth[MIDDLE, MIDDLE] == pytest.approx((3 * back + 2 * front) / (back + front), rel=1e-6)
    assert raster.median_depth is not None
    assert raster.median_depth[MIDDLE, MIDDLE] == 3  # 0.6 is left behind the first, 0.12 behind the second
    assert raster.ids is not None
    assert raster.ids[MIDDLE, MIDDLE] == 7


def test_weights_of_one_owner_are_summed() -> None:
    """0.4 against 0.6 * 0.5 + 0.3 * 0.5 = 0.45: neither of the two outweighs the first, together they do."""
    raster = draw([(0, 0, 1), (0, 0, 2), (0, 0, 3)], [0.4, 0.5, 0.5], owner=np.array([1, 2, 2], np.int32))
    assert raster.ids is not None
    assert raster.ids[MIDDLE, MIDDLE] == 2


def test_of_equal_weights_the_nearer_owner_dominates() -> None:
    """Sums are never equal by blending (one alpha would have to be 1), so they are set by hand."""
    job = checked_job(**{**random_cloud(0, 1, width=2, height=1), "sh": None, "sh_rotations": None, **DEFAULTS})
    canvas = Canvas(job, [3, 5, 8])
    canvas.transmittance[:] = 0.1
    for owner, weight, nearest in ((3, 0.4, 2.0), (5, 0.4, 1.0), (8, 0.1, 0.5)):
        canvas.weights[owner][:], canvas.nearest[owner][:] = weight, nearest
    ids = canvas.raster(LABELS).ids
    assert ids is not None
    assert ids.tolist() == [[5, 5]]


def test_of_equal_depths_the_first_is_in_front() -> None:
    raster = draw([(0, 0, 2), (0, 0, 2)], [0.9, 0.9], features=np.array([[1.0], [0.0]], np.float32))
    assert raster.features[MIDDLE, MIDDLE, 0] == pytest.approx(0.9, rel=1e-6)


def test_stops_before_the_transmittance_reaches_one_in_ten_thousand() -> None:
    """The second Gaussian would leave 1e-6: neither it nor anything behind it is drawn."""
    raster = draw([(0, 0, 1), (0, 0, 2), (0, 0, 3)], [1, 1, 0.01], features=np.array([[0.0], [1], [1]], np.float32))
    assert raster.features[MIDDLE, MIDDLE, 0] == 0
    assert raster.alpha[MIDDLE, MIDDLE] == pytest.approx(0.999, abs=1e-7)


@pytest.mark.parametrize(("z", "seen"), [(0.4, False), (0.6, True), (2.9, True), (3.1, False), (-1.0, False)])
def test_near_and_far_limits(z: float, seen: bool) -> None:
    assert (draw([(0, 0, z)], [0.5], near_m=0.5, far_m=3.0).alpha.max() > 0) == seen


def test_jacobian_is_held_within_the_widened_field_of_view() -> None:
    """At x/z = 0.5, outside 1.3 tan(fov / 2) = 1.3 * 0.165, the Jacobian is that at 0.2145; mean and depth are not."""
    job = checked_job(
        means=np.array([[1, 0, 2]]), quats=np.array([[1, 0, 0, 0]]), scales=np.full((1, 3), 0.1),
        opacities=np.array([0.5]), features=None, viewmat=np.eye(4),
        K=np.array([[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]]), width=SIDE, height=SIDE, sh=None,
        sh_rotations=None, owner=None, near_m=0.01, far_m=1e6, eps2d=BLUR, want=frozenset(),
    )  # fmt: skip
    slope = 1.3 * 0.5 * SIDE / FOCAL
    expected = [[25 * (1 + slope**2) + BLUR, 0], [0, 25 + BLUR]]
    np.testing.assert_allclose(covariances_2d(job, pinhole(job, np.array([[1.0, 0, 2]]))[1])[0], expected, rtol=1e-6)


class TestColour:
    """Colour = max(0, 0.5 + harmonics), looked up from the camera towards the Gaussian."""

    def test_constant_band(self) -> None:
        colour = draw([(0, 0, 2)], [0.5], sh=np.array([[[1.0, 0, -5]]], np.float32)).features[MIDDLE, MIDDLE]
        np.testing.assert_allclose(colour, [0.5 * (0.5 + 0.28209479), 0.25, 0], rtol=1e-6)

    def test_linear_band_follows_the_direction(self) -> None:
        sh = np.zeros((1, 4, 3), np.float32)
        sh[0, 1], sh[0, 2], sh[0, 3] = [1, 0, 0], [0, 1, 0], [0, 0, 1]  # y in red, z in green, x in blue
        direction = np.array([0.1, -0.06, 2]) / np.linalg.norm([0.1, -0.06, 2])
        colour = draw([(0.1, -0.06, 2)], [0.5], sh=sh).features[MIDDLE - 3, MIDDLE + 5]
        expected = 0.5 + 0.48860251 * np.array([-direction[1], direction[2], -direction[0]])
        np.testing.assert_allclose(colour, 0.5 * expected, rtol=1e-6)

    def test_comes_before_the_features(self) -> None:
        raster = draw([(0, 0, 2)], [0.5], sh=np.zeros((1, 1, 3), np.float32), features=np.array([[8.0]], np.float32))
        np.testing.assert_allclose(raster.features[MIDDLE, MIDDLE], [0.25, 0.25, 0.25, 4], rtol=1e-6)

    @settings(max_examples=5, deadline=None)
    @given(seed=st.integers(0, 2**16), degree=st.integers(0, 3))
    def test_owner_rotation_equals_rotated_coefficients(self, seed: int, degree: int) -> None:
        arguments = random_cloud(seed, 12, features=0, degree=degree, owners=3, width=24, height=16)
        turned = np.concatenate([
            rotated(arguments["sh"][i : i + 1], arguments["sh_rotations"][owner])
            for i, owner in enumerate(arguments["owner"])
        ])  # fmt: skip
        one = ReferenceRasterizer().rasterize(**arguments)
        other = ReferenceRasterizer().rasterize(**{**arguments, "sh": turned, "sh_rotations": None})
        np.testing.assert_allclose(one.features, other.features, atol=2e-5)


def test_weights_add_up() -> None:
    """A channel of ones is alpha; a channel of depths over alpha is the expected depth."""
    arguments = random_cloud(3, 200, features=0)
    points = arguments["means"] @ arguments["viewmat"][:3, :3].T + arguments["viewmat"][:3, 3]
    arguments["features"] = np.stack([np.ones(200), points[:, 2]], axis=1).astype(np.float32)
    raster = ReferenceRasterizer().rasterize(**arguments)
    np.testing.assert_allclose(raster.features[..., 0], raster.alpha, atol=1e-6)
    seen = raster.alpha >= ALPHA_MIN
    assert raster.expected_depth is not None
    np.testing.assert_allclose(raster.features[seen, 1] / raster.alpha[seen], raster.expected_depth[seen], rtol=1e-5)
    assert np.isinf(raster.expected_depth[~seen]).all()


def test_nothing_gives_an_empty_picture() -> None:
    raster = draw(np.zeros((0, 3)), [], features=np.zeros((0, 2), np.float32))
    assert raster.features.shape == (SIDE, SIDE, 2)
    assert not raster.features.any()
    assert not raster.alpha.any()
    assert raster.ids is not None
    assert not raster.ids.any()
    for depth in (raster.expected_depth, raster.median_depth):
        assert depth is not None
        assert np.isposinf(depth).all()


BAD: dict[str, dict[str, Any]] = {
    "means: expected shape (any, 3), got (3, 2)": {"means": np.zeros((3, 2))},
    "means: expected shape (any, 3), got (1,)": {"means": 5.0},
    "quats: expected shape (3, 4), got (2, 4)": {"quats": np.zeros((2, 4))},
    "features: expected shape (3, any)": {"features": np.zeros(3)},
    "features: contain NaN": {"features": np.full((3, 1), np.nan)},
    "sh: expected (1, 4, 9, 16) coefficients, got 5": {"sh": np.zeros((3, 5, 3))},
    "sh_rotations: has 1 rotations, owner goes up to 2": {
        "sh": np.zeros((3, 4, 3)), "sh_rotations": np.eye(3)[None], "owner": np.array([0, 1, 2]),
    },
    "owner: ids must lie in 0 to 1048575, got -1": {"owner": np.array([0, -1, 2])},
    "owner: ids must lie in 0 to 1048575, got 1048576": {"owner": np.array([0, 1048576, 2])},
    "owner: ids must lie in 0 to 1048575, got 2147483647": {"owner": np.array([0, 2**40, 2])},
    "owner: expected an array of integers, got float64": {"owner": np.array([0, 0.5, 2])},
    "scales: expected an array of real numbers, got <U3": {"scales": np.full((3, 3), "big")},
    "sh_rotations: contain NaN": {
        "sh": np.zeros((3, 4, 3)), "sh_rotations": np.full((1, 3, 3), np.nan), "owner": np.zeros(3, int),
    },
    "viewmat: expected a rigid": {"viewmat": np.diag([2.0, 2, 2, 1])},
    "viewmat: expected a rigid camera_from_world matrix (rotation": {"viewmat": np.diag([-1.0, 1, 1, 1])},
    "K: focal lengths must lie in 1e-06 to 1e+09 px": {"K": np.diag([0.0, 1, 1])},
    "K: focal lengths must lie in": {"K": np.diag([1.0, np.nan, 1])},
    "K: the principal point must lie within 100000 px of 0": {"K": np.array([[1.0, 0, np.inf], [0, 1, 0], [0, 0, 1]])},
    "K: expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]": {"K": np.diag([1.0, 1, 2])},
    "K: skew": {"K": np.array([[1.0, 0.1, 0], [0, 1, 0], [0, 0, 1]])},
    "width: expected a whole number from 1 to 16384 px, got 0": {"width": 0},
    "width: expected a whole number from 1 to 16384 px, got 10.5": {"width": 10.5},
    "height: expected a whole number from 1 to 16384 px, got 20000": {"height": 20000},
    "near_m, far_m: expected 0 < near < far, got 2, 1": {"near_m": 2, "far_m": 1},
    "eps2d: expected >= 0 px^2, got -1": {"eps2d": -1},
    "want: unknown ['depth']; allowed are ['expected_depth', 'ids', 'median_depth']": {"want": frozenset({"depth"})},
}  # fmt: skip


@pytest.mark.parametrize("message", list(BAD))
def test_refuses_what_it_cannot_draw(message: str) -> None:
    with pytest.raises(RenderError) as caught:
        draw([(0, 0, 2)] * 3, [0.5] * 3, **BAD[message])
    assert f"rasterize: {message}" in str(caught.value)
