"""Rolling shutters: each line at its own time, in colours and in every label."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.frames import CameraPath, Frame
from simvid.lens import project
from simvid.motion import RigidMotion, world_normals
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, CameraKeyframe, CameraPose, Ground, Rolling, Shutter
from simvid.shutter import pixel_times
from simvid.surfaces.draw import SurfaceArtist
from simvid.surfaces.meshes import SurfaceMeshes
from simvid.testing.rendering import SIZE, above, inner, pixels, sampled
from simvid.testing.staging import Prop, box_mesh, checkered, matte, staged
from simvid.tracks import Queries, Tracker
from simvid.trajectory import Trajectory, pose_matrices

Array = NDArray[np.float64]
LABELS = (
    "alpha", "depth", "depth_surface", "ids", "amodal", "normals", "object_coords", "flow", "scene_flow", "occlusion",
)  # fmt: skip
READOUT = 0.8
"""Of the frame time."""
FPS = 24.0
FOCAL = SIZE[1] / 2 / np.tan(np.radians(20))
TOP = 0.9
"""Depth of what moves."""
STEP_PX = 10.0
"""How far it moves per frame."""


def rolling(direction: Literal["down", "up", "right", "left"] = "down", lines: int = 4) -> Shutter:
    return Shutter(rolling=Rolling(readout_s=READOUT / FPS, direction=direction, lines=lines))


def times_of(direction: str, lines: int = 4) -> Array:
    """When each pixel is read, from the frame's time [frames], [H, W]; by hand."""
    size = SIZE[1] if direction in ("down", "up") else SIZE[0]
    first = np.arange(size) // lines * lines
    middle = (first + np.minimum(first + lines, size)) / 2
    times = (middle / size - 0.5) * READOUT * (1 if direction in ("down", "right") else -1)
    wide = times[:, None] if direction in ("down", "up") else times[None, :]
    return np.broadcast_to(wide, (SIZE[1], SIZE[0]))


def bar(frames: int = 3) -> Prop:
    """A tall thin box that slides to the right by 10 px per frame; its top is 0.9 m under the camera."""
    way = np.zeros((frames, 7))
    way[:, 0] = (np.arange(frames) - 1) * STEP_PX * TOP / FOCAL
    way[:, 2], way[:, 3] = 0.05, 1
    return Prop("bar", (matte(checkered(box_mesh((0.1, 0.9, 0.1)))),), way)


def drawn(
    camera: Camera, props: list[Prop], labels: tuple[str, ...] = LABELS, frames: int = 3, ground: Ground | None = None
) -> tuple[CameraPath, Trajectory, list[Frame], Any]:
    assets, trajectory = staged(props, [camera], frames=frames, ground=ground)
    path = camera_path(camera, assets.scene, trajectory)
    stream = render_frames(assets, trajectory, path, CpuRasterizer(1), labels, RenderSettings(threads=1))
    return path, trajectory, list(stream), assets


def over(**more: Any) -> Camera:
    return above().model_copy(update=more)


def middle_of_rows(mask: NDArray[np.bool_]) -> Array:
    """Mean column of the pixels set in each row."""
    u = np.arange(mask.shape[1]) + 0.5
    return np.asarray((mask * u).sum(axis=1) / mask.sum(axis=1))


@pytest.mark.parametrize("direction", ["down", "up"])
def test_a_sliding_bar_leans_by_the_time_of_its_rows(direction: Literal["down", "up"]) -> None:
    _, _, frames, _ = drawn(over(shutter=rolling(direction)), [bar()], ("ids", "depth"))
    ids = frames[1].ids
    assert ids is not None
    expected = SIZE[0] / 2 + STEP_PX * times_of(direction)[:, 0]
    np.testing.assert_allclose(middle_of_rows(ids == 1), expected, atol=0.6)
    assert np.ptp(expected) > 7


def test_columns_are_read_sideways() -> None:
    """A bar along the picture's width moves up while columns are read from the left."""
    way = np.zeros((3, 7))
    way[:, 1] = (np.arange(3) - 1) * STEP_PX * TOP / FOCAL
    way[:, 2], way[:, 3] = 0.05, 1
    lying = Prop("bar", (matte(box_mesh((0.9, 0.1, 0.1))),), way)
    _, _, frames, _ = drawn(over(shutter=rolling("right")), [lying], ("ids",))
    ids = frames[1].ids
    assert ids is not None
    inside = slice(8, -8)
    expected = SIZE[1] / 2 - STEP_PX * times_of("right")[0]
    np.testing.assert_allclose(middle_of_rows((ids == 1).T)[inside], expected[inside], atol=0.6)


def test_depth_under_a_camera_that_sinks() -> None:
    """Its height at the time of each line is the depth of the ground there."""
    heights = (1.2, 1.0)
    frames = [
        CameraKeyframe(t_s=t, pose=CameraPose(look_from_m=(0, 0, h), look_at_m=(0, 0, 0)))
        for t, h in zip((0.0, 1 / FPS), heights, strict=True)
    ]
    camera = Camera(name="c", resolution_px=SIZE, fov_y_deg=40, keyframes=tuple(frames), shutter=rolling())
    _, _, (first, second), _ = drawn(camera, [], ("depth", "normals"), frames=2, ground=Ground())
    assert first.depth is not None
    assert second.depth is not None
    np.testing.assert_allclose(first.depth, 1.2 - 0.2 * times_of("down"), rtol=1e-5)
    np.testing.assert_allclose(second.depth, 1.0 - 0.2 * times_of("down"), rtol=1e-5)


def test_normals_in_the_world_under_a_camera_that_turns() -> None:
    """They are turned by where the camera is when each line is read: the ground's look up everywhere."""
    frames = [
        CameraKeyframe(t_s=i / FPS, pose=CameraPose(look_from_m=(0, 0, 1), look_at_m=(0.1 * i, 0.5, 0)))
        for i in range(3)
    ]
    camera = Camera(name="c", resolution_px=SIZE, fov_y_deg=40, keyframes=tuple(frames), shutter=rolling())
    path, _, pictures, _ = drawn(camera, [], ("normals",), ground=Ground())
    normals = pictures[1].normals
    assert normals is not None
    up = np.broadcast_to([0, 0, 1], normals.shape)
    np.testing.assert_allclose(world_normals(path, 1, normals), up, atol=1e-5)


def test_where_nothing_moves_pictures_are_as_without() -> None:
    resting = Prop("box", (matte(box_mesh((0.2, 0.2, 0.1))),))
    _, _, one, _ = drawn(over(shutter=rolling()), [resting], frames=2)
    _, _, other, _ = drawn(over(), [resting], frames=2)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.rgb, b.rgb)
        for name in ("depth", "ids", "normals", "amodal", "depth_surface"):
            np.testing.assert_array_equal(a.labels[name], b.labels[name], err_msg=name)
        assert a.flow_forward is not None
        assert b.flow_forward is not None
        np.testing.assert_allclose(a.flow_forward, b.flow_forward, atol=1e-5)


class Tumbling:
    """A box that slides and turns, under a camera that slides and turns too."""

    def __init__(self) -> None:
        way = np.zeros((3, 7))
        way[:, 0], way[:, 1], way[:, 2] = np.linspace(-0.08, 0.08, 3), np.linspace(0.03, -0.03, 3), 0.06
        way[:, 3:] = [quat_from_euler_deg((0, 0, 25 * i)) for i in range(3)]
        box = Prop("box", (matte(checkered(box_mesh((0.3, 0.24, 0.12)), 6)),), way)
        poses = [
            CameraKeyframe(t_s=i / FPS, pose=CameraPose(look_from_m=(0.03 * i, -0.3, 0.9), look_at_m=(0.05 * i, 0, 0)))
            for i in range(3)
        ]
        camera = Camera(name="c", resolution_px=SIZE, fov_y_deg=40, keyframes=tuple(poses), shutter=rolling())
        self.camera, self.trajectory, self.frames, self.assets = drawn(camera, [box], ground=Ground())


@pytest.fixture(scope="module")
def tumbling() -> Tumbling:
    return Tumbling()


def brute_force(shot: Tumbling, points: Array, part: int, at: Array, frame: int) -> Array:
    """Where points that a part carries are drawn in a frame: in every band in which they are when it is read.

    Points [N, 3] in the world at times ``at`` [N]; [N, bands, 2], NaN where a band does not draw it.
    """
    camera = shot.camera
    bands = camera.shutter.bands(camera.width, camera.height)  # type: ignore[union-attr]
    found = np.full((len(points), len(bands), 2), np.nan)
    old = pose_matrices(np.stack([shot.trajectory.poses_at(float(t))[part - 1] for t in at]))
    local = np.einsum("nba,nb->na", old[:, :3, :3], points - old[:, :3, 3])
    for k, (first, last, offset) in enumerate(bands):
        new = pose_matrices(shot.trajectory.poses_at(frame + offset)[part - 1])
        pose = camera.poses_at(frame + offset)
        uv = project(camera, (local @ new[:3, :3].T + new[:3, 3] - pose[:3, 3]) @ pose[:3, :3])
        there = (uv[:, 1] >= first) & (uv[:, 1] < last)
        found[there, k] = uv[there]
    return found


def test_flow_leads_to_where_the_other_frame_draws_the_point(tumbling: Tumbling) -> None:
    frame, camera = tumbling.frames[1], tumbling.camera
    assert frame.depth is not None
    assert frame.ids is not None
    assert frame.flow_forward is not None
    assert frame.flow_backward is not None
    for part in (1, 2):
        v, u = (axis[::7] for axis in np.nonzero(inner(frame.ids == part)))
        times = 1 + times_of("down")[v, u]
        z = frame.depth[v, u].astype(np.float64)
        local = np.stack([(u + 0.5 - camera.K[0, 2]) / FOCAL * z, (v + 0.5 - camera.K[1, 2]) / FOCAL * z, z], axis=1)
        poses = np.stack([camera.poses_at(float(t)) for t in times])
        world = np.einsum("nab,nb->na", poses[:, :3, :3], local) + poses[:, :3, 3]
        for other, flow in ((2, frame.flow_forward), (0, frame.flow_backward)):
            there = np.stack([u + 0.5, v + 0.5], axis=1) + flow[v, u]
            places = brute_force(tumbling, world, part, times, other)
            drawn_somewhere = np.isfinite(places).any(axis=(1, 2))
            error = np.nanmin(np.linalg.norm(places - there[:, None], axis=2)[drawn_somewhere], axis=1)
            assert drawn_somewhere.mean() > 0.6
            assert np.median(error) < 1e-3
            assert np.percentile(error, 99) < 0.02
            between = np.abs(flow[v, u][~drawn_somewhere])  # drawn by no band, or outside: still near
            assert np.isfinite(between).all()
            assert between.max(initial=0) < 60


def test_flow_carries_colours_and_comes_back(tumbling: Tumbling) -> None:
    one, two = tumbling.frames[0], tumbling.frames[1]
    assert one.ids is not None
    assert one.flow_forward is not None
    assert two.flow_backward is not None
    assert one.occluded_forward is not None
    box = inner(one.ids == 2, 2) & ~one.occluded_forward
    moved = sampled(two.rgb, pixels() + np.nan_to_num(one.flow_forward))
    still = sampled(two.rgb, pixels())
    assert np.abs(moved - one.rgb)[box].mean() < np.abs(still - one.rgb)[box].mean() / 2.5
    back = sampled(two.flow_backward, pixels() + np.nan_to_num(one.flow_forward))
    error = np.linalg.norm(one.flow_forward + back, axis=-1)[box]
    assert np.median(error) < 0.05
    assert np.percentile(error, 90) < 0.3


def test_ids_and_masks_are_those_of_the_surfaces(tumbling: Tumbling) -> None:
    frame = tumbling.frames[1]
    assert frame.ids is not None
    assert frame.depth is not None
    assert frame.depth_surface is not None
    support = SurfaceArtist(SurfaceMeshes.of(tumbling.assets), tumbling.trajectory, tumbling.camera).draw(1)[1] == 2
    seen = frame.ids == 2
    assert not (inner(seen, 2) & ~support).any()
    assert not (inner(support, 2) & ~seen).any()
    whole = inner(seen)
    error = np.abs(frame.depth[whole] / frame.depth_surface[whole] - 1)
    assert np.median(error) < 1e-4
    assert np.percentile(error, 94) < 5e-3
    np.testing.assert_array_equal(frame.amodal_mask(2), support | seen)


def test_object_coordinates_and_scene_flow_speak_of_each_pixels_time() -> None:
    _, _, frames, _ = drawn(over(shutter=rolling()), [bar()])
    frame = frames[1]
    assert frame.object_coords is not None
    assert frame.scene_flow is not None
    assert frame.ids is not None
    seen = inner(frame.ids == 1)
    x = (pixels()[..., 0] - SIZE[0] / 2) / FOCAL * TOP - times_of("down") * STEP_PX * TOP / FOCAL
    np.testing.assert_allclose(frame.object_coords[seen][:, 0], x[seen] / 0.1 + 0.5, atol=2e-3)
    # the way goes straight on after the last frame
    np.testing.assert_allclose(
        frame.scene_flow[seen], np.broadcast_to([STEP_PX * TOP / FOCAL, 0, 0], frame.scene_flow[seen].shape), atol=1e-5
    )


def test_tracks_are_found_at_the_line_that_sees_them() -> None:
    camera, trajectory, frames, _ = drawn(over(shutter=rolling()), [bar()], ("depth", "ids"))
    y = np.array([-0.15, 0.0, 0.2])
    points = np.stack([np.full(3, -STEP_PX * TOP / FOCAL), y, np.full(3, 0.1)], axis=1)
    queries = Queries(np.ones(3, np.int32), np.zeros(3, np.int32), points, np.full((3, 3), np.nan))
    tracker = Tracker(queries, camera, trajectory)
    for frame in frames:
        assert frame.depth is not None
        assert frame.ids is not None
        tracker.add(frame.depth, frame.ids)
    tracks = tracker.result()
    v = SIZE[1] / 2 - y * FOCAL / TOP
    u = SIZE[0] / 2 + STEP_PX * times_of("down")[v.astype(int), 0]
    np.testing.assert_allclose(tracks.uv[1], np.stack([u, v], axis=1), atol=1e-3)
    assert tracks.visible.all()
    np.testing.assert_allclose(tracks.world_m[1, :, 0], 0, atol=1e-12)


def test_pixels_know_their_time() -> None:
    camera, _, _, _ = drawn(over(shutter=rolling("left", 16)), [bar()], ("ids",))
    np.testing.assert_allclose(pixel_times(camera, 5), 5 + times_of("left", 16))


def test_motion_between_frames_is_straight() -> None:
    _, trajectory, _, _ = drawn(over(), [bar()], ("ids",))
    at = RigidMotion(trajectory)(np.zeros((1, 3)), np.array([1], np.int32), 0.25, np.array([1.5]))
    np.testing.assert_allclose(at, [[1.25 * STEP_PX * TOP / FOCAL, 0, 0]], atol=1e-12)
