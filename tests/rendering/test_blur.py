"""Motion blur and depth of field: sums of light, against pictures of instants and closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.pieces import Visual
from simvid.frames import CameraPath, Frame
from simvid.motion import motion_of
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.developing import developed, light_of
from simvid.rendering.instants import Blur, moved_px, sight_through
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.renderer import render_frames
from simvid.scene import Camera, CameraPose, Fisheye, Focus, Ground, Lens, Light, Look, Pinhole, Shutter, Sky, Sun
from simvid.testing.rendering import SIZE, above, light
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
FPS = 24.0
FOCAL = SIZE[1] / 2 / np.tan(np.radians(20))
LABELS = ("depth", "ids", "normals", "flow", "occlusion")
DARK = (Light(sun=Sun(direction=(0, 0, -1), strength=2.0)),)
"""No sky: black wherever nothing is."""


def drawn(camera: Camera, props: list[Prop], *, frames: int = 3, **more: Any) -> tuple[Trajectory, list[Frame]]:
    assets, trajectory = staged(props, [camera], frames=frames, **more)
    path = camera_path(camera, assets.scene, trajectory)
    settings = RenderSettings(threads=1)
    return trajectory, list(render_frames(assets, trajectory, path, CpuRasterizer(1), LABELS, settings))


def slider(frames: int = 3, step_px: float = 6.0) -> Prop:
    """A box that slides to the right; its top is 0.9 m under the camera."""
    way = np.zeros((frames, 7))
    way[:, 0] = (np.arange(frames) - 1) * step_px * 0.9 / FOCAL
    way[:, 2], way[:, 3] = 0.05, 1
    return Prop("box", (matte(checkered(box_mesh((0.2, 0.3, 0.1)), 5)),), way)


def test_light_and_back() -> None:
    """Every display colour comes back from its light, and the light is that of the definitions."""
    rng = np.random.default_rng(0)
    rgb = np.concatenate([rng.integers(0, 249, (40, 50, 3)), np.zeros((1, 50, 3)), np.full((1, 50, 3), 248)])
    rgb[0, :, 0] = 248
    shown = (rgb / 255).astype(np.float32)
    nothing, covered = np.zeros_like(shown), np.ones(shown.shape[:2], np.float32)
    found = light_of(shown, covered, nothing, Workers(1), shown=True)
    expected = np.clip(light(rgb.astype(np.uint8)), 0, None)
    bright = rgb.max(axis=-1) > 235
    np.testing.assert_allclose(found[~bright], expected[~bright], atol=2e-4)
    np.testing.assert_allclose(found[bright], expected[bright], rtol=4e-3, atol=4e-3)
    possible = light(rgb.astype(np.uint8)).min(axis=-1) >= 0  # the tone curve bleaches; it gives no pure bright colours
    assert possible.mean() > 0.6
    back = developed(found, Workers(1)).astype(int)
    assert np.abs(back - rgb)[possible].max() <= 1


def test_light_beyond_the_brightest_is_held() -> None:
    white = np.ones((1, 1, 3), np.float32)
    found = light_of(white, np.ones((1, 1), np.float32), white, Workers(1), shown=True)
    np.testing.assert_allclose(found, 4.0, rtol=0.02)


def test_blur_is_the_mean_light_of_instants() -> None:
    """24 frames per second with an exposure of a whole frame, against 8 single pictures at eighths of a frame."""
    shutter = Shutter(angle_deg=360, samples=8)
    camera = above().model_copy(update={"shutter": shutter})
    _, blurred = drawn(camera, [slider(step_px=8)], lights=DARK)
    fine = slider()
    eighths = np.zeros((17, 7))
    eighths[:, 0] = ((np.arange(17) - 8) / 8 + 1 / 16) * 8 * 0.9 / FOCAL
    eighths[:, 2], eighths[:, 3] = 0.05, 1
    _, single = drawn(above(), [replace(fine, poses=eighths)], frames=17, lights=DARK)
    mean = np.mean([light(single[k].rgb) for k in range(4, 12)], axis=0)
    error = np.abs(light(blurred[1].rgb) - mean)
    assert np.percentile(error, 99) < 0.01
    assert np.abs(light(single[8].rgb) - mean).max() > 0.15  # it is another picture than a sharp one


def test_the_edge_of_a_blurred_box_is_a_ramp() -> None:
    """A white box over black: the share of the exposure during which it covers a pixel is the share of its light."""
    way = slider(step_px=12).poses
    white = Prop("box", (matte(box_mesh((0.3, 0.3, 0.1), (0.5, 0.5, 0.5))),), way)
    camera = above().model_copy(update={"shutter": Shutter(angle_deg=360, samples=64)})
    _, frames = drawn(camera, [white], lights=DARK)
    row = light(frames[1].rgb)[SIZE[1] // 2, :, 1]
    left, right = (SIZE[0] / 2 + side * 0.15 * FOCAL / 0.9 for side in (-1, 1))
    u = np.arange(SIZE[0]) + 0.5
    share = np.clip((u - (left - 6)) / 12, 0, 1) - np.clip((u - (right - 6)) / 12, 0, 1)
    np.testing.assert_allclose(row / row.max(), share, atol=0.06)
    assert np.median(np.abs(row / row.max() - share)) < 0.01


@pytest.mark.parametrize("clear", [True, False])
def test_what_moves_unseen_by_labels_is_blurred(clear: bool) -> None:
    """Under a clear pane, which owns all pixels; or under a plate that hides it in the middle of the exposure."""
    way = slider(step_px=60).poses
    box = Prop("box", (matte(box_mesh((0.1, 0.3, 0.1), (0.5, 0.5, 0.5))),), way)
    pane = box_mesh((1.5, 1.5, 0.02) if clear else (0.14, 0.6, 0.02), (1.0, 1.0, 1.0) if clear else (0.1, 0.1, 0.1))
    look = Look(transmission=1.0, ior=1.01, roughness=0.0) if clear else Look(roughness=1.0)
    cover = Prop("cover", (Visual(look, mesh=pane),), np.array([0, 0, 0.2, 1, 0, 0, 0.0]))
    camera = above().model_copy(update={"shutter": Shutter(angle_deg=360, samples=32)})
    _, frames = drawn(camera, [box, cover], lights=DARK)
    _, sharp = drawn(above(), [box, cover], lights=DARK)
    assert 1 not in frames[1].labels["ids"]
    beside = SIZE[0] // 2 + np.array([-20, 20])
    row, still = (light(f[1].rgb)[SIZE[1] // 2, :, 1] for f in (frames, sharp))
    assert still[beside].max() < 0.001
    if clear:
        share = 0.1 * FOCAL / 0.9 / 60
        np.testing.assert_allclose(row[beside], share * still.max(), rtol=0.1)
    assert (row[beside] > 0.02).all()


def test_the_shadow_of_what_is_out_of_sight_is_blurred() -> None:
    """A plate above the camera, under a sun in the zenith: its shadow crosses 24 px in the exposure, its edges too."""
    way = slider(step_px=24).poses
    way[:, 0] *= 1 / 0.9
    way[:, 2] = 1.5
    plate = Prop("plate", (matte(box_mesh((0.6, 0.6, 0.02))),), way)
    camera = above().model_copy(update={"shutter": Shutter(angle_deg=360, samples=48)})
    _, frames = drawn(camera, [plate], lights=DARK, ground=Ground())
    assert set(np.unique(frames[1].labels["ids"])) == {1}
    row = light(frames[1].rgb)[SIZE[1] // 2, :, 1]
    u = np.arange(SIZE[0]) + 0.5
    left, right = (SIZE[0] / 2 + side * 0.3 * FOCAL for side in (-1, 1))
    share = np.clip((u - (left - 12)) / 24, 0, 1) - np.clip((u - (right - 12)) / 24, 0, 1)
    np.testing.assert_allclose(1 - row / row.max(), share, atol=0.1)


def test_labels_are_those_of_the_middle_of_the_exposure() -> None:
    camera = above().model_copy(update={"shutter": Shutter(exposure_s=0.02)})
    _, blurred = drawn(camera, [slider()], ground=Ground())
    _, sharp = drawn(above(), [slider()], ground=Ground())
    for one, two in zip(blurred, sharp, strict=True):
        for name, array in two.labels.items():
            np.testing.assert_array_equal(one.labels[name], array, err_msg=name)
    assert (blurred[1].rgb != sharp[1].rgb).any()


def test_without_motion_there_is_no_blur() -> None:
    resting = Prop("box", (matte(box_mesh((0.2, 0.2, 0.1))),))
    camera = above().model_copy(update={"shutter": Shutter(angle_deg=360)})
    _, blurred = drawn(camera, [resting], frames=2, ground=Ground())
    _, sharp = drawn(above(), [resting], frames=2, ground=Ground())
    np.testing.assert_array_equal(blurred[0].rgb, sharp[0].rgb)


@pytest.mark.parametrize(("moved", "count"), [(0.0, 1), (0.9, 1), (3.2, 4), (500.0, 16)])
def test_as_many_instants_as_pixels_are_crossed(moved: float, count: int) -> None:
    instants = Blur(exposure=0.5, motion_samples=16).instants(moved)
    assert len(instants) == count
    assert sum(i.offset for i in instants) == pytest.approx(0)
    if count > 1:
        assert np.ptp([i.offset for i in instants]) == pytest.approx(0.5 * (1 - 1 / count))


def moved(way_m: Array, rows: slice, columns: slice, span: tuple[float, float, float] = (0.5, 1.0, 1.5)) -> float:
    """``moved_px`` of a thing 2 m in front of a camera at rest; 1 m there is 100 px. ``way_m``: [T, 3]."""
    K = np.array([[200, 0, 32], [0, 200, 24], [0, 0, 1.0]])
    camera = CameraPath("c", 64, 48, K, np.tile(np.eye(4), (len(way_m), 1, 1)))
    poses = np.c_[way_m, np.tile([1.0, 0, 0, 0], (len(way_m), 1))]
    _, trajectory = staged([Prop("ball", (), poses)], [above()], frames=len(way_m))
    depth, ids = np.full((48, 64), 5, np.float32), np.zeros((48, 64), np.int32)
    depth[rows, columns], ids[rows, columns] = 2, 1
    sight = sight_through(camera, span[1], (0, 0), np.inf)
    return moved_px(sight, camera, (depth, ids), motion_of(trajectory), span)


@pytest.mark.parametrize("span", [(0.5, 1.0, 1.5), (0.75, 1.25, 1.75)])
def test_what_bounces_goes_a_way(span: tuple[float, float, float]) -> None:
    """It turns round at the frame, and ends the exposure near where it began it."""
    falling = np.array([[0, 0.4, 0], [0, 0, 0], [0, 0.4, 0]])
    assert moved(falling, slice(10, 30), slice(10, 30), span) == pytest.approx(40)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (1, 6), (6, 1), (1, 40), (40, 1), (3, 40)])
def test_small_things_are_seen_to_move_wherever_they_are(size: tuple[int, int]) -> None:
    way = np.array([[0, 0, 0], [0.3, 0, 0], [0.6, 0, 0]])
    for v, u in np.ndindex(5, 5):
        assert moved(way, slice(v, v + size[0]), slice(u, u + size[1])) == pytest.approx(30)


def test_points_of_the_aperture_fill_a_disc() -> None:
    for count in (16, 32, 100):
        points = np.array([i.aperture_m for i in Blur(radius_m=0.02, focus_samples=count).instants(0)])
        assert len(points) == count
        assert np.linalg.norm(points, axis=1).max() < 0.02
        np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.002)
        np.testing.assert_allclose((points**2).mean(axis=0), 0.02**2 / 4, rtol=0.1)  # of a disc: r^2 / 4
        assert len(np.unique(points, axis=0)) == count


LENSES = {
    "pinhole": {},
    "barrel": {"lens": Lens(pinhole=Pinhole(k1=-0.1))},
    "fisheye": {"lens": Lens(fisheye=Fisheye())},
}


@pytest.mark.parametrize("name", list(LENSES))
@pytest.mark.parametrize("z", [0.6, 1.0, 2.0])
def test_circle_of_confusion(name: str, z: float) -> None:
    """A far small ball spreads over a disc of diameter 2 r f |1 / focus - 1 / z|; the variance of a disc is (d/4)^2."""
    radius_m, focus_m = 0.03, 1.0
    dot = Prop("dot", (matte(sphere_mesh(0.012 * z, (0.3, 0.3, 0.3))),), np.array([0, 0, 3 - z, 1.0, 0, 0, 0]))
    pose = CameraPose(look_from_m=(0, 0, 3), look_at_m=(0, 0, 0))
    sharp = Camera(name="c", resolution_px=SIZE, fov_y_deg=40, pose=pose, **LENSES[name])  # type: ignore[arg-type]
    focus = Focus(distance_m=focus_m, lens_radius_m=radius_m, samples=64)
    spread = []
    for camera in (sharp, sharp.model_copy(update={"focus": focus})):
        _, frames = drawn(camera, [dot], frames=2, lights=(Light(sun=Sun(direction=(0, 0, -1), strength=9)),))
        weights = light(frames[0].rgb)[..., 1]
        v, u = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
        total = weights.sum()
        middle = np.array([(u * weights).sum(), (v * weights).sum()]) / total
        spread.append(((u - middle[0]) ** 2 * weights).sum() / total)
        np.testing.assert_allclose(middle, [SIZE[0] / 2, SIZE[1] / 2], atol=0.35)
    K = camera_path(sharp, *_stage(sharp)).K
    diameter = 2 * radius_m * K[0, 0] * abs(1 / focus_m - 1 / z)
    found = 4 * np.sqrt(max(spread[1] - spread[0], 0))
    assert found == pytest.approx(diameter, rel=0.06, abs=0.25)


def _stage(camera: Camera) -> tuple[Any, Trajectory]:
    assets, trajectory = staged([], [camera])
    return assets.scene, trajectory


def test_f_number() -> None:
    """A 24 mm sensor seen through 53.13 degrees has a focal length of 24 mm; at f/2 the aperture's radius is 6 mm."""
    camera = above(fov_y_deg=float(np.degrees(2 * np.arctan(0.5)))).model_copy(
        update={"focus": Focus(distance_m=2.0, f_number=2.0)}
    )
    path = camera_path(camera, *_stage(camera))
    assert Blur.of(camera, path, FPS).radius_m == pytest.approx(0.006)


def test_labels_are_seen_through_the_middle_of_the_lens() -> None:
    ball = Prop("ball", (matte(sphere_mesh(0.1)),), np.array([0, 0, 0.1, 1.0, 0, 0, 0]))
    camera = above().model_copy(update={"focus": Focus(distance_m=0.5, lens_radius_m=0.02)})
    sky = (Light(sky=Sky()),)
    _, blurred = drawn(camera, [ball], frames=2, ground=Ground(), lights=sky)
    _, sharp = drawn(above(), [ball], frames=2, ground=Ground(), lights=sky)
    for name, array in sharp[0].labels.items():
        np.testing.assert_array_equal(blurred[0].labels[name], array, err_msg=name)
    assert np.abs(blurred[0].rgb.astype(int) - sharp[0].rgb).max() > 20
