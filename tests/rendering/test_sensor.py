"""Sensors: exposure, white balance, noise, and what a depth sensor measures. Closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.camera_path import CameraPath
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.rendering.sensor.counts import Counting, balance_of, glow
from simvid.rendering.sensor.depth import DepthMeter, hidden
from simvid.scene import DepthSensor, Ground, Light, Noise, Sensor, Sky, WhiteBalance
from simvid.testing.rendering import above
from simvid.testing.staging import Prop, box_mesh, matte, staged

FLAT = np.full((60, 80, 3), 0.5, np.float32)


def counted(sensor: Sensor, seed: int = 1, frame: int = 0, camera: str = "c") -> NDArray[np.float32]:
    return Counting.of(sensor).count(FLAT, seed, camera, frame)


def test_exposure_and_gain_are_factors_of_light() -> None:
    np.testing.assert_allclose(counted(Sensor(exposure_ev=1)), 1.0)
    np.testing.assert_allclose(counted(Sensor(exposure_ev=-2, iso=200)), 0.25)
    np.testing.assert_allclose(counted(Sensor(white_balance=WhiteBalance(gains=(2, 1, 0.5))))[0, 0], [1, 0.5, 0.25])


@pytest.mark.parametrize(("ev", "iso", "electrons", "read"), [(0, 100, 1000, 0), (0, 100, 100, 20), (-3, 800, 500, 4)])
def test_mean_and_variance_are_those_of_emva_1288(ev: float, iso: float, electrons: float, read: float) -> None:
    """Mean K mu_e and variance K^2 (mu_e + sigma_d^2) of mu_e = 0.5 E 2^ev electrons, with K = ISO / 100 / E."""
    found = counted(Sensor(exposure_ev=ev, iso=iso, noise=Noise(electrons_at_white=electrons, read_noise_e=read)))
    mu, gain = 0.5 * electrons * 2.0**ev, iso / 100 / electrons
    assert found.mean() == pytest.approx(gain * mu, rel=0.02)
    assert found.var() == pytest.approx(gain**2 * (mu + read**2), rel=0.05)


def test_the_most_light_and_electrons_are_white() -> None:
    most = Sensor(exposure_ev=32, iso=1e9, noise=Noise(electrons_at_white=1e9))
    found = Counting.of(most).count(100 * FLAT, 1, "c", 0)
    assert np.isfinite(found).all()
    assert found.min() > 1e6


def test_noise_depends_on_seed_camera_and_frame_alone() -> None:
    noisy = Sensor(noise=Noise())
    first = counted(noisy, frame=3)
    counted(noisy, frame=4)
    np.testing.assert_array_equal(counted(noisy, frame=3), first)
    for other in (counted(noisy, frame=4), counted(noisy, seed=2, frame=3), counted(noisy, frame=3, camera="d")):
        correlation = np.corrcoef(other.ravel(), first.ravel())[0, 1]
        assert abs(correlation) < 0.03


@pytest.mark.parametrize(
    ("kelvin", "x", "y"), [(2856, 0.44757, 0.40745), (2000, 0.52669, 0.41331), (5000, 0.34510, 0.35162)]
)
def test_black_bodies_have_their_place_in_the_chromaticity_diagram(kelvin: float, x: float, y: float) -> None:
    """Illuminant A, and two temperatures of the tables of Wyszecki & Stiles 1982 (table 1(3.11))."""
    xyz_of_rgb = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    rgb = glow(kelvin)
    if rgb.min() > 0.02:  # within the gamut
        xyz = xyz_of_rgb @ rgb
        np.testing.assert_allclose(xyz[:2] / xyz.sum(), [x, y], atol=2e-3)
    else:
        assert rgb.argmax() == 0


def test_white_balance_in_kelvin() -> None:
    np.testing.assert_allclose(balance_of(WhiteBalance(kelvin=6504)), 1)
    warm, cold = balance_of(WhiteBalance(kelvin=3200)), balance_of(WhiteBalance(kelvin=10000))
    assert warm[0] < 0.8
    assert warm[2] > 1.4
    assert cold[0] > 1.1
    assert cold[2] < 0.9
    # what is lit by that light is grey
    np.testing.assert_allclose(glow(3200) * warm, (glow(6504) * (glow(3200) * warm)[1] / glow(6504)[1]), rtol=1e-9)


def pictures(seed: int = 0, **camera: Any) -> list[NDArray[np.uint8]]:
    view = above().model_copy(update=camera)
    box = Prop("box", (matte(box_mesh((0.2, 0.2, 0.1), (0.3, 0.3, 0.3))),))
    assets, trajectory = staged([box], [view], ground=Ground(), lights=(Light(sky=Sky(strength=0.5)),))
    assets = replace(assets, scene=assets.scene.model_copy(update={"seed": seed}))
    path = camera_path(view, assets.scene, trajectory)
    frames = render_frames(assets, trajectory, path, CpuRasterizer(1), (), RenderSettings(threads=1))
    return [frame.rgb for frame in frames]


def linear(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    s = rgb / 255
    return np.asarray(np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4))


def test_one_step_of_exposure_doubles_the_light_of_a_picture() -> None:
    plain, brighter = pictures()[0], pictures(sensor=Sensor(exposure_ev=1))[0]
    low = linear(plain).max(axis=-1) < 0.35  # so that twice is below the shoulder of the tone curve
    assert low.mean() > 0.05
    np.testing.assert_allclose(linear(brighter)[low], 2 * linear(plain)[low], rtol=0.03, atol=0.004)


def test_a_sensor_that_changes_nothing_changes_nothing() -> None:
    np.testing.assert_array_equal(pictures()[0], pictures(sensor=Sensor())[0])


def test_the_same_seed_gives_the_same_bytes() -> None:
    noisy = Sensor(noise=Noise(electrons_at_white=300))
    one, two = pictures(7, sensor=noisy), pictures(7, sensor=noisy)
    np.testing.assert_array_equal(one, two)
    assert (one[0] != one[1]).mean() > 0.5
    assert (pictures(8, sensor=noisy)[0] != one[0]).mean() > 0.5


# --- depth sensors ---

F, H, W = 120.0, 90, 140
EXACT: dict[str, Any] = {"disparity_noise_px": 0, "disparity_step_px": 0, "lateral_noise_px": 0}
FACING = np.broadcast_to(np.array([0, 0, -1], np.float32), (H, W, 3))


def meter(seed: int = 0, **sensor: Any) -> DepthMeter:
    K = np.array([[F, 0, W / 2], [0, F, H / 2], [0, 0, 1.0]])
    return DepthMeter(DepthSensor(**sensor), CameraPath("c", W, H, K, np.eye(4)[None]), seed)


def wall(z: float) -> NDArray[np.float32]:
    return np.full((H, W), z, np.float32)


def test_a_perfect_sensor_measures_the_truth() -> None:
    depth = wall(2.0)
    found = meter(**EXACT).measure(depth, FACING, 0)
    unseen = int(np.ceil(F * 0.075 / 2))  # the second eye's picture ends there
    np.testing.assert_allclose(found[:, unseen:], 2.0, rtol=1e-6)
    assert np.isnan(found[:, : unseen - 1]).all()


@pytest.mark.parametrize("z", [1.0, 2.0, 4.0])
def test_the_error_grows_with_the_square_of_the_distance(z: float) -> None:
    """sigma_z = z^2 / (f b) sigma_d (Khoshelham & Elberink 2012, eq. 11)."""
    noise = 0.02
    found = meter(**{**EXACT, "disparity_noise_px": noise}).measure(wall(z), FACING, 0)
    assert np.nanstd(found) == pytest.approx(z**2 / (F * 0.075) * noise, rel=0.05)
    assert np.nanmean(found) == pytest.approx(z, rel=2e-3)


def test_disparities_are_rounded() -> None:
    step = 0.25
    found = meter(**{**EXACT, "disparity_noise_px": 0.3, "disparity_step_px": step}).measure(wall(3.0), FACING, 0)
    steps = F * 0.075 / found[np.isfinite(found)] / step
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
    assert len(np.unique(np.round(steps))) > 3


def test_beside_an_edge_lies_the_shadow_of_the_second_eye() -> None:
    """f b (1 / near - 1 / far) columns to the left of a near box are seen by one eye only."""
    depth = wall(3.0)
    depth[:, 80:110] = 1.0
    found = meter(**EXACT).measure(depth, FACING, 0)
    width = F * 0.075 * (1 - 1 / 3)
    lost = np.isnan(found[40])
    assert np.count_nonzero(lost[10:]) == pytest.approx(width, abs=1)
    assert lost[80 - 5 : 80].all()
    assert not lost[80:].any()


def test_slanted_surfaces_hide_nothing_of_themselves() -> None:
    u = (np.arange(W) + 0.5 - W / 2) / F
    depth = np.broadcast_to((2 / (1 + 1.2 * u)), (H, W)).astype(np.float32)
    disparity = F * 0.2 / depth
    assert not hidden(disparity.astype(np.float64))[:, 40:].any()


def test_out_of_range_at_grazing_angles_and_of_the_sky_there_is_nothing() -> None:
    sensor = meter(**EXACT, min_m=0.5, max_m=4.0, grazing_deg=60.0)
    for z, seen in ((0.4, False), (0.6, True), (3.9, True), (4.1, False), (np.inf, False)):
        assert np.isfinite(sensor.measure(wall(z), FACING, 0)[45, 70]) == seen
    for angle, seen in ((50, True), (70, False)):
        normal = np.array([np.sin(np.radians(angle)), 0, -np.cos(np.radians(angle))], np.float32)
        found = sensor.measure(wall(2.0), np.broadcast_to(normal, (H, W, 3)), 0)
        assert np.isfinite(found[45, 70]) == seen


def test_depth_noise_depends_on_seed_and_frame_alone() -> None:
    one = meter(3).measure(wall(2.0), FACING, 5)
    np.testing.assert_array_equal(meter(3).measure(wall(2.0), FACING, 5), one)
    assert (meter(4).measure(wall(2.0), FACING, 5) != one).any()
    assert (meter(3).measure(wall(2.0), FACING, 6) != one).any()


def test_the_label_stands_beside_the_true_depth() -> None:
    view = above().model_copy(update={"depth_sensor": DepthSensor(baseline_m=0.06, min_m=0.1)})
    box = Prop("box", (matte(box_mesh((0.2, 0.2, 0.1))),))
    assets, trajectory = staged([box], [view], ground=Ground())
    path = camera_path(view, assets.scene, trajectory)
    names = ("depth", "depth_sensor")
    frame = next(render_frames(assets, trajectory, path, CpuRasterizer(1), names, RenderSettings(threads=1)))
    assert frame.depth is not None
    assert frame.depth_sensor is not None
    measured = np.isfinite(frame.depth_sensor)
    assert 0.7 < measured.mean() < 1
    error = (frame.depth_sensor - frame.depth)[measured]
    assert 1e-3 < np.std(error) < 0.2
    assert np.abs(np.median(error)) < 0.02
