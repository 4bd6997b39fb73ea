"""What is true of the whole stage whatever rasterizes: captures, sharing, threads, memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from simvid.assets.pieces import Visual
from simvid.errors import RenderError
from simvid.frames import Frame
from simvid.gaussians import SH_C0, Gaussians
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.raster import Raster
from simvid.rendering.renderer import render_frames
from simvid.rendering.splats.appearance import appearance_of
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, CameraPose, Ground, Look
from simvid.testing.rendering import ALL, SIZE, above, inner
from simvid.testing.staging import Prop, box_mesh, matte, staged

f = np.float32


def blob(color: tuple[float, float, float], coefficients: int = 1, height: float = 0.0) -> Gaussians:
    """One large round Gaussian."""
    sh = np.zeros((1, coefficients, 3), f)
    sh[0, 0] = (np.array(color) - 0.5) / SH_C0
    return Gaussians(
        np.array([[0, 0, height]], f), np.array([[1, 0, 0, 0]], f), np.array([[0.1, 0.1, 0.1]], f), np.ones(1, f), sh,
        np.zeros(1, np.int32),
    )  # fmt: skip


def frames_of(
    *props: Prop, ground: Ground | None = None, count: int = 2, threads: int = 1, labels: tuple[str, ...] = ALL
) -> list[Frame]:
    assets, trajectory = staged(props, [above()], frames=count, ground=ground)
    path = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
    settings = RenderSettings(threads=threads)
    return list(render_frames(assets, trajectory, path, CpuRasterizer(threads), labels, settings))


def scan(gaussians: Gaussians, *poses: np.ndarray) -> Prop:
    way = np.stack(poses) if poses else np.array([0, 0, 0, 1.0, 0, 0, 0])
    return Prop("scan", (Visual(Look(), capture=gaussians),), way)


MIDDLE = (SIZE[1] // 2, SIZE[0] // 2)


def test_captures_keep_their_own_light() -> None:
    for coefficients in (1, 4):
        frame = frames_of(scan(blob((0.8, 0.4, 0.1), coefficients)))[0]
        np.testing.assert_allclose(frame.rgb[MIDDLE], [204, 102, 26], atol=2)


def test_view_dependent_colour_turns_with_the_capture() -> None:
    capture = blob((0.5, 0.5, 0.5), 4)
    capture.sh[0, 2, 0] = 0.6  # red where it is seen along +z of its own frame
    up, down = ([0, 0, 0, *quat_from_euler_deg((x, 0, 0))] for x in (0, 180))
    frames = frames_of(scan(capture, np.array(up), np.array(down)))
    # the camera looks down: directions from it are -z in the world
    assert frames[0].rgb[MIDDLE][0] < 80
    assert frames[1].rgb[MIDDLE][0] > 170


def test_captures_and_meshes_share_a_picture() -> None:
    crate = Prop("crate", (matte(box_mesh((0.1, 0.1, 0.1), (0.1, 0.7, 0.2))),), np.array([0.25, 0, 0, 1, 0, 0, 0]))
    for coefficients in (1, 9):
        frame = frames_of(crate, scan(blob((0.9, 0.1, 0.1), coefficients)))[0]
        ids = frame.ids
        assert ids is not None
        assert set(np.unique(ids)) == {0, 1, 2}
        green = frame.rgb[inner(ids == 1)].mean(axis=0)
        assert green[1] > 2 * green[0]


def test_the_ground_hides_what_dips_below_it() -> None:
    sunken = frames_of(scan(blob((0.9, 0.1, 0.1), height=-0.05)), ground=Ground())[0]
    assert sunken.ids is not None
    assert (sunken.ids == 1).all()
    halfway = frames_of(scan(blob((0.9, 0.1, 0.1), height=0.05)), ground=Ground())[0]
    assert halfway.ids is not None
    assert halfway.ids[MIDDLE] == 2


def test_threads_change_nothing() -> None:
    props = (Prop("crate", (matte(box_mesh((0.3, 0.2, 0.1))),)), scan(blob((0.9, 0.1, 0.1))))
    for one, two in zip(frames_of(*props, ground=Ground()), frames_of(*props, ground=Ground(), threads=3), strict=True):
        np.testing.assert_array_equal(one.rgb, two.rgb)
        for name, array in one.labels.items():
            np.testing.assert_array_equal(array, two.labels[name], err_msg=name)


def test_gaussians_can_be_shared_between_cameras() -> None:
    assets, trajectory = staged([Prop("crate", (matte(box_mesh((0.3, 0.2, 0.1))),))], [above()])
    path = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
    settings = RenderSettings(threads=1)
    look = appearance_of(assets, trajectory, [path], settings)
    shared = list(render_frames(assets, trajectory, path, CpuRasterizer(1), (), settings, appearance=look))
    own = list(render_frames(assets, trajectory, path, CpuRasterizer(1), (), settings))
    np.testing.assert_array_equal(shared[0].rgb, own[0].rgb)


def test_frames_come_one_by_one() -> None:
    calls: list[int] = []

    class Counting(CpuRasterizer):
        def rasterize(self, *args: object, **kwargs: object) -> Raster:
            calls.append(1)
            return super().rasterize(*args, **kwargs)  # type: ignore[arg-type]

    assets, trajectory = staged([Prop("crate", (matte(box_mesh((0.3, 0.2, 0.1))),))], [above()], frames=6)
    path = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
    stream = render_frames(assets, trajectory, path, Counting(1), ALL, RenderSettings(threads=1))
    next(stream)
    assert len(calls) == 2  # one frame of look-ahead
    next(stream)
    assert len(calls) == 3
    stream.close()  # type: ignore[attr-defined]
    plain = render_frames(assets, trajectory, path, Counting(1), ("depth",), RenderSettings(threads=1))
    calls.clear()
    next(plain)
    assert len(calls) == 1


def test_a_rasterizer_that_forgets_a_label_is_named() -> None:
    class Forgetful(CpuRasterizer):
        def rasterize(self, *args: object, **kwargs: object) -> Raster:
            made = super().rasterize(*args, **kwargs)  # type: ignore[arg-type]
            return Raster(made.features, made.alpha)

    assets, trajectory = staged([Prop("crate", (matte(box_mesh((0.3, 0.2, 0.1))),))], [above()])
    path = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
    with pytest.raises(RenderError, match="did not return all of expected_depth, ids, median_depth"):
        next(render_frames(assets, trajectory, path, Forgetful(1), ALL, RenderSettings(threads=1)))


def test_an_empty_scene_is_sky_and_ground() -> None:
    frame = frames_of(ground=Ground())[0]
    assert frame.ids is not None
    assert frame.alpha is not None
    assert (frame.ids == 1).all()
    assert (frame.alpha == 1).all()
    sky = frames_of()[0]
    assert sky.alpha is not None
    assert not sky.alpha.any()


def test_near_plane_of_the_camera_is_used() -> None:
    near = Camera(
        name="c", resolution_px=SIZE, pose=CameraPose(look_from_m=(0, 0, 1), look_at_m=(0, 0, 0)), near_m=0.98
    )
    lifted = np.array([0, 0, 0.05, 1.0, 0, 0, 0])
    assets, trajectory = staged([Prop("sheet", (matte(box_mesh((0.1, 0.1, 0.002))),), lifted)], [near])
    path = camera_path(near, assets.scene, trajectory)
    frame = next(render_frames(assets, trajectory, path, CpuRasterizer(1), ALL, RenderSettings(threads=1)))
    assert frame.ids is not None
    assert not frame.ids.any()


def test_light_doors_load_no_kernels() -> None:
    code = (
        "import simvid.rendering.base, simvid.rendering.camera, simvid.rendering.inside, simvid.rendering.boxes, sys;"
        "print({'numba', 'scipy', 'trimesh'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
