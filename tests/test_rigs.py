"""Rigs and stereo pairs: where their cameras stand, what pairs of pictures say of each other, what clips record."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.clips.records import CameraRecord
from simvid.jobs.assembly import sensor_record
from simvid.jobs.preflight import at_start, prepared
from simvid.parsing.loading import parse_scene
from simvid.pipeline import first_frames
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.scene import Scene
from simvid.testing.rendering import inner, sampled

BASELINE = 0.08
TEXT = f"""\
simvid: 1
duration_s: 0.125
fps: 24
seed: 5
ground: {{}}
bodies:
  - {{name: box, shape: {{box: {{size_m: 0.2}}}}, pose: {{position_m: [0, 0, 0.3]}}, fixed: true,
     look: {{texture: checker, texture_size_m: 0.08}}}}
rigs:
  - name: head
    orbit: {{center_m: [0, 0, 0.2], radius_m: 1, height_m: 0.5, sweep_deg: 30}}
  - {{name: belt, attach_to: box, pose: {{position_m: [0, 0, 0.5]}}}}
cameras:
  - name: eyes
    resolution_px: [96, 72]
    stereo: {{baseline_m: {BASELINE}}}
    depth_sensor: {{baseline_m: {BASELINE}}}
    pose: {{look_from_m: [0.1, -1.1, 0.6], look_at_m: [0, 0, 0.25]}}
  - {{name: nose, resolution_px: [96, 72], rig: head, pose: {{position_m: [0, 0.05, 0]}}}}
  - {{name: ear, resolution_px: [96, 72], rig: head, pose: {{position_m: [-0.1, 0, 0], rotation_deg: [0, -90, 0]}}}}
  - {{name: buckle, resolution_px: [96, 72], rig: belt, stereo: {{baseline_m: 0.01}}}}
"""


@pytest.fixture(scope="module")
def scene() -> Scene:
    return parse_scene(TEXT)


def test_a_stereo_camera_is_two(scene: Scene) -> None:
    assert [view.name for view in scene.views] == [
        "eyes_left", "eyes_right", "nose", "ear", "buckle_left", "buckle_right",
    ]  # fmt: skip
    assert scene.camera_path("eyes_right") == "cameras[0]"
    assert scene.view("eyes") is None


def test_where_the_cameras_of_a_rig_stand(scene: Scene) -> None:
    still = at_start(prepared(scene), scene.frame_count)
    left, right, nose, ear, buckle, other = (camera_path(view, scene, still).world_from_camera for view in scene.views)
    np.testing.assert_allclose(np.linalg.inv(left) @ right, np.tile(shifted(BASELINE, 0, 0), (4, 1, 1)), atol=1e-12)
    between = np.linalg.inv(nose) @ ear
    np.testing.assert_allclose(between, np.tile(between[0], (4, 1, 1)), atol=1e-12)  # the rig moves, they stay together
    assert np.abs(nose - nose[0]).max() > 0.1
    np.testing.assert_allclose(between[0, :3, 3], [-0.1, -0.05, 0], atol=1e-12)
    np.testing.assert_allclose(between[0, :3, 2], [-1, 0, 0], atol=1e-12)  # looks to the left of the rig
    np.testing.assert_allclose(buckle[0], shifted(0, 0, 0.8), atol=1e-12)
    np.testing.assert_allclose(other[0], shifted(0.01, 0, 0.8), atol=1e-12)


def shifted(x: float, y: float, z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def test_a_shorter_clip_turns_its_rigs_by_as_much_less(scene: Scene) -> None:
    short = first_frames(scene, 3)
    for view in scene.views:
        whole = camera_path(view, scene, at_start(prepared(scene), 4)).world_from_camera
        some = camera_path(view, short, at_start(prepared(short), 3)).world_from_camera
        np.testing.assert_allclose(some, whole[:3], atol=1e-12)


def test_pixels_of_a_pair_warp_onto_each_other_by_their_disparity(scene: Scene) -> None:
    """u_right = u_left - f b / z on the same row: colours, depths and ids agree there."""
    assets = prepared(scene)
    still = at_start(assets, scene.frame_count)
    frames = []
    paths = [camera_path(view, scene, still) for view in scene.views[:2]]
    for path in paths:
        stream = render_frames(assets, still, path, CpuRasterizer(1), ("depth", "ids"), RenderSettings(threads=1))
        frames.append(next(stream))
    left, right = frames
    assert left.depth is not None
    assert left.ids is not None
    assert right.depth is not None
    assert right.ids is not None
    disparity = paths[0].K[0, 0] * BASELINE / left.depth
    v, u = np.mgrid[:72, :96] + 0.5
    at = np.stack([u - disparity, v], axis=-1)
    for part in (1, 2):
        whole = inner(left.ids == part, 3) & (at[..., 0] > 4)
        other = sampled((right.ids == part)[..., None].astype(float), at)[..., 0] > 0.999
        assert other[whole].mean() > (0.98 if part == 2 else 0.8)  # the box hides some of the ground
        both = whole & other
        depth = sampled(np.minimum(right.depth, 1e3)[..., None], at)[..., 0]
        assert np.median(np.abs(depth / left.depth - 1)[both]) < 1e-3
        assert np.percentile(np.abs(depth / left.depth - 1)[both], 95) < 0.01
    box = inner(left.ids == 2, 3)
    warped = np.abs(sampled(right.rgb, at) - left.rgb)[box].mean()
    assert warped < 8
    assert warped < np.abs(sampled(right.rgb, np.stack([u, v], axis=-1)) - left.rgb)[box].mean() / 2


def test_what_clips_record(scene: Scene) -> None:
    left, right, nose, *_ = (sensor_record(view, ("depth_sensor",)) for view in scene.views)
    assert (right["stereo_left"], right["baseline_m"]) == ("eyes_left", BASELINE)
    assert "baseline_m" not in left
    assert nose["rig"] == "head"
    assert left["depth_sensor"]["baseline_m"] == BASELINE
    assert nose["depth_sensor"]["disparity_step_px"] == 0.125
    assert sensor_record(scene.views[0], ())["shutter"] is None
    assert set(right) <= set(CameraRecord.model_fields)
