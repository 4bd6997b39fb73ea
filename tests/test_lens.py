"""Lenses: closed forms, OpenCV's own projections, there and back again, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.camera_path import CameraPath, RollingShutter
from simvid.lens import fov_y_rad, parallel, pixel_centers, pixel_size_m, project, rays, unproject
from simvid.optics import Lens, bend, folds, reach, unbend, widest_slope
from simvid.shutter import pixel_times

K = np.array([[60.0, 0, 33.1], [0, 55.0, 23.2], [0, 0, 1]])
BARREL = Lens("pinhole", (-0.28, 0.07, 0.001, -0.002, 0.01, 0.02, -0.01, 0.004))
FISHEYE = Lens("fisheye", (-0.02, 0.004, -0.001, 0.0002))
LENSES = {
    "pinhole": Lens(),
    "barrel": BARREL,
    "pincushion": Lens("pinhole", (0.3, 0.1, 0, 0, 0, 0, 0, 0)),
    "fisheye": FISHEYE,
    "orthographic": Lens("orthographic"),
}


def camera_of(lens: Lens, **changes: object) -> CameraPath:
    return replace(CameraPath("a", 64, 48, K, np.eye(4)[None], lens), **changes)  # type: ignore[arg-type]


def points_in_front(count: int = 200) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    slopes = rng.uniform(-0.5, 0.5, (count, 2))
    z = rng.uniform(0.1, 5, count)
    return np.concatenate([slopes * z[:, None], z[:, None]], axis=1)


@pytest.fixture(params=list(LENSES))
def camera(request: pytest.FixtureRequest) -> CameraPath:
    return camera_of(LENSES[request.param])


def test_the_middle_is_straight_ahead(camera: CameraPath) -> None:
    np.testing.assert_allclose(project(camera, np.array([0, 0, 2.0])), K[:2, 2], atol=1e-12)


def test_a_pinhole_by_hand() -> None:
    uv = project(camera_of(Lens()), np.array([0.5, -0.25, 2.0]))
    np.testing.assert_allclose(uv, [60 * 0.25 + 33.1, -55 * 0.125 + 23.2])


def test_an_orthographic_lens_by_hand() -> None:
    camera = camera_of(Lens("orthographic"))
    near, far = project(camera, np.array([[0.2, 0.1, 1.0], [0.2, 0.1, 9.0]]))
    np.testing.assert_allclose(near, [60 * 0.2 + 33.1, 55 * 0.1 + 23.2])
    np.testing.assert_array_equal(near, far)
    assert parallel(camera)
    assert fov_y_rad(camera) == 0.0
    assert not parallel(camera_of(Lens()))


def test_an_ideal_fisheye_by_hand() -> None:
    """The distance from the middle is the focal length times the angle."""
    angles = np.radians([10.0, 45, 80])
    points = np.stack([np.sin(angles), np.zeros(3), np.cos(angles)], axis=1)
    np.testing.assert_allclose(project(camera_of(Lens("fisheye")), points)[:, 0] - 33.1, 60 * angles)


def test_a_radial_distortion_by_hand() -> None:
    """r = 0.5: r' = r (1 - 0.2 / 4 + 0.1 / 16)."""
    lens = Lens("pinhole", (-0.2, 0.1, 0, 0, 0, 0, 0, 0))
    np.testing.assert_allclose(bend(lens, np.array([0.3, 0.4]))[0], np.array([0.3, 0.4]) * (1 - 0.05 + 0.00625))


@pytest.mark.parametrize("name", ["barrel", "pincushion"])
def test_opencv_distorts_the_same(name: str) -> None:
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is for tests alone")
    lens, points = LENSES[name], points_in_front()
    there, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, np.array(lens.distortion))
    np.testing.assert_allclose(project(camera_of(lens), points), there[:, 0], atol=1e-9)


def test_opencv_has_the_same_fisheye() -> None:
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is for tests alone")
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.uniform(-4, 4, (200, 2)), rng.uniform(0.3, 2, (200, 1))], axis=1)
    there, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), K, np.array(FISHEYE.distortion))
    np.testing.assert_allclose(project(camera_of(FISHEYE), points), there[:, 0], atol=1e-9)


def test_there_and_back(camera: CameraPath) -> None:
    points = points_in_front()
    np.testing.assert_allclose(unproject(camera, project(camera, points), points[:, 2]), points, atol=1e-9)
    centers = pixel_centers(camera)
    back = project(camera, unproject(camera, centers, np.full(centers.shape[:2], 3.0)))
    np.testing.assert_allclose(back, centers, atol=1e-9)


def test_a_fisheye_up_to_its_rim() -> None:
    camera = camera_of(Lens("fisheye"), K=np.array([[20.0, 0, 32], [0, 20, 24], [0, 0, 1]]))
    centers = pixel_centers(camera)
    distance = np.hypot(*(centers - [32, 24]).transpose(2, 0, 1)) / 20
    back = unproject(camera, centers, np.full(centers.shape[:2], 0.5))
    inside = distance < np.radians(89.9)
    assert 0.5 < inside.mean() < 1
    assert np.isnan(back[~inside]).all()
    np.testing.assert_allclose(project(camera, back[inside]), centers[inside], atol=1e-9)


def test_jacobians_are_derivatives() -> None:
    rng = np.random.default_rng(2)
    slopes, h = rng.uniform(-0.6, 0.6, (50, 2)), 1e-6
    for lens in LENSES.values():
        jacobian = bend(lens, slopes)[1]
        for axis in (0, 1):
            step = h * np.eye(2)[axis]
            numeric = (bend(lens, slopes + step)[0] - bend(lens, slopes - step)[0]) / (2 * h)
            np.testing.assert_allclose(jacobian[..., axis], numeric, atol=1e-8)


def test_a_shift_keeps_points_at_one_distance() -> None:
    """Seen from 0.02 m to the side, sheared about z = 2 m."""
    straight, beside = camera_of(BARREL), camera_of(replace(BARREL, shift=(0.02 / 2, 0.0)))
    moved = np.array([[-0.02, 0, 0]])
    focused, near = np.array([[0.3, 0.2, 2.0]]), np.array([[0.15, 0.1, 1.0]])
    np.testing.assert_allclose(project(beside, focused + moved), project(straight, focused), atol=1e-12)
    assert np.abs(project(beside, near + moved) - project(straight, near)).max() > 0.3
    uv = project(beside, near)
    np.testing.assert_allclose(unproject(beside, uv, near[:, 2]), near, atol=1e-12)


def test_what_cannot_be_seen_is_nan(camera: CameraPath) -> None:
    assert np.isnan(project(camera, np.array([[0, 0, -1.0], [0, 0, 0]]))).all()
    assert np.isnan(unproject(camera, np.array([1.0, 1.0]), np.array(np.inf))).all()


def test_beyond_the_fold_nothing_is_seen() -> None:
    """r (1 - 0.28 r^2) turns round at r = 1.09; what lies beyond must not come back into the picture."""
    lens = Lens("pinhole", (-0.28, 0, 0, 0, 0, 0, 0, 0))
    assert reach(lens) == pytest.approx((3 * 0.28) ** -0.5, rel=1e-2)
    assert folds(lens)
    assert not folds(FISHEYE)
    assert not folds(LENSES["pincushion"])
    assert np.isnan(project(camera_of(lens), np.array([1.8, 0, 1.0]))).all()


def test_pixels_are_as_large_as_what_they_show() -> None:
    points = np.array([[0, 0, 2.0], [2.0, 0, 0.1]])
    np.testing.assert_allclose(pixel_size_m(camera_of(Lens()), points), [2 / 55, 0.1 / 55])
    np.testing.assert_allclose(pixel_size_m(camera_of(Lens("orthographic")), points), [1 / 55, 1 / 55])
    np.testing.assert_allclose(pixel_size_m(camera_of(Lens("fisheye")), points)[1], np.hypot(2, 0.1) / 55)


def test_rays_of_a_picture() -> None:
    origins, slopes = rays(camera_of(BARREL), pixel_centers(camera_of(BARREL)))
    assert not origins.any()
    assert np.isfinite(slopes).all()
    assert np.abs(slopes).max() < widest_slope(BARREL, K, 64, 48)


@pytest.mark.parametrize(
    ("distortion", "message"),
    [
        ((-1.5, 0, 0, 0, 0, 0, 0, 0), r"folds over at 2\d\.\d degrees from the line of sight, inside the picture"),
        ((0, 0, 0.9, 0, 0, 0, 0, 0), "folds over at"),
        ((0, -6.0, 0, 0, 0, 0, 0, 0), "folds over at"),
    ],
)
def test_a_picture_that_folds_is_refused(distortion: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        camera_of(Lens("pinhole", distortion))


def test_a_fisheye_that_folds_is_refused() -> None:
    small = np.array([[20.0, 0, 32], [0, 20, 24], [0, 0, 1]])
    with pytest.raises(ValueError, match=r"CameraPath 'a': distortion: the picture folds over at"):
        camera_of(Lens("fisheye", (-0.4, 0, 0, 0)), K=small)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ((0, 0), 0.0, "focal lengths must be finite and > 0"),
        ((1, 1), -3.0, "focal lengths must be finite and > 0"),
        ((0, 2), np.nan, "focal lengths must be finite"),
        ((0, 1), 0.1, r"expected \[\[fx, 0, cx\]"),
        ((2, 2), 2.0, r"expected \[\[fx, 0, cx\]"),
    ],
)
def test_intrinsics_that_make_no_picture_are_refused(entry: tuple[int, int], value: float, message: str) -> None:
    broken = K.copy()
    broken[entry] = value
    with pytest.raises(ValueError, match=message):
        camera_of(Lens(), K=broken)


def test_lenses_are_checked() -> None:
    with pytest.raises(ValueError, match="a fisheye lens has 4 coefficients"):
        Lens("fisheye", (0.1,))
    with pytest.raises(ValueError, match="an orthographic lens has no aperture"):
        Lens("orthographic", (), (0.1, 0))
    with pytest.raises(ValueError, match="expected finite numbers"):
        Lens("fisheye", (np.nan, 0, 0, 0))
    with pytest.raises(ValueError, match=r"Lens\.kind: expected one of pinhole"):
        Lens("mirror")  # type: ignore[arg-type]


def test_unbending_gives_up_where_there_is_no_ray() -> None:
    assert np.isnan(unbend(Lens("pinhole", (-0.28, 0, 0, 0, 0, 0, 0, 0)), np.array([0.9, 0]))).all()
    assert np.isnan(unbend(FISHEYE, np.array([40.0, 0]))).all()


def test_a_rolling_shutter_reads_line_after_line() -> None:
    shutter = RollingShutter(0.02, "down", lines=16, fps=1)
    assert shutter.bands(64, 48) == [
        (0, 16, pytest.approx(-0.02 / 3)),
        (16, 32, 0.0),
        (32, 48, pytest.approx(0.02 / 3)),
    ]
    assert replace(shutter, direction="up").bands(64, 48)[0][2] == pytest.approx(0.02 / 3)
    sideways = CameraPath(
        "c", 64, 48, np.diag([50.0, 50.0, 1.0]), np.eye(4)[None], shutter=replace(shutter, direction="left")
    )
    times = pixel_times(sideways, 3)
    assert times.shape == (48, 64)
    assert (times == times[0]).all()
    assert times[0, 0] > 3 > times[0, -1]
    with pytest.raises(ValueError, match="expected readout_s > 0"):
        RollingShutter(0.0)
