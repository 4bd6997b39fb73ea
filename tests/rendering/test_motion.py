from __future__ import annotations

import numpy as np
import pytest

from simvid.frames import CameraPath
from simvid.motion import hidden as hidden_slowly
from simvid.rendering.camera import intrinsics, look_at, project, unproject
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.motion import flow, occluded, part_motions
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Camera, CameraPose
from simvid.testing.staging import Prop, staged
from simvid.trajectory import Trajectory

SIZE = (40, 30)
DOWN = look_at((0, 0, 2), (0, 0, 0))


def still_camera(frames: int = 2) -> CameraPath:
    return CameraPath("c", *SIZE, intrinsics(*SIZE, 60.0), np.tile(DOWN, (frames, 1, 1)))


def trajectory_of(poses: np.ndarray) -> Trajectory:
    camera = Camera(name="c", pose=CameraPose(position_m=(0, 0, 2)))
    return staged([Prop("thing", (), poses)], [camera], frames=len(poses))[1]


def planes(z: float, part: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(SIZE[::-1], z, np.float32), np.full(SIZE[::-1], part, np.int32)


def test_translation_parallel_to_the_picture() -> None:
    depth, ids = planes(2.0, 1)
    camera = still_camera()
    uv, z = flow(
        depth, ids, camera, trajectory_of(np.array([[0, 0, 0, 1.0, 0, 0, 0], [0.1, 0.05, 0, 1, 0, 0, 0]])), (0, 1)
    )
    focal = camera.K[0, 0]
    np.testing.assert_allclose(uv[..., 0], focal * 0.1 / 2, rtol=1e-5)  # world x is right in this picture
    np.testing.assert_allclose(uv[..., 1], -focal * 0.05 / 2, rtol=1e-5)  # world y is up
    np.testing.assert_allclose(z, 2.0, rtol=1e-6)


def test_approach_is_an_expansion() -> None:
    depth, ids = planes(2.0, 1)
    camera = still_camera()
    uv, z = flow(depth, ids, camera, trajectory_of(np.array([[0, 0, 0, 1.0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0]])), (0, 1))
    u = np.arange(SIZE[0]) + 0.5 - SIZE[0] / 2
    np.testing.assert_allclose(uv[3, :, 0], u, rtol=1e-5)  # half as far: twice as large
    np.testing.assert_allclose(z, 1.0, rtol=1e-6)


def test_turn_about_the_line_of_sight() -> None:
    depth, ids = planes(2.0, 1)
    camera = still_camera()
    poses = np.zeros((2, 7))
    poses[0, 3:], poses[1, 3:] = (1, 0, 0, 0), quat_from_euler_deg((0, 0, 30))
    uv, _ = flow(depth, ids, camera, trajectory_of(poses), (0, 1))
    v, u = np.meshgrid(np.arange(SIZE[1]) + 0.5 - 15, np.arange(SIZE[0]) + 0.5 - 20, indexing="ij")
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    # counter-clockwise about +z, seen from above with y down in the picture
    np.testing.assert_allclose(uv[..., 0], c * u + s * v - u, atol=1e-4)
    np.testing.assert_allclose(uv[..., 1], -s * u + c * v - v, atol=1e-4)


def test_turning_camera_needs_no_depth() -> None:
    camera = still_camera()
    poses = camera.world_from_camera.copy()
    poses[1, :3, :3] = poses[0, :3, :3] @ pose_matrix((0, 0, 0), quat_from_euler_deg((0, 2.0, 0)))[:3, :3]
    camera = CameraPath("c", *SIZE, camera.K, poses)
    still = trajectory_of(np.tile([0, 0, 0, 1.0, 0, 0, 0], (2, 1)))
    near, _ = flow(*planes(1.0, 0), camera, still, (0, 1))
    far, _ = flow(*planes(50.0, 1), camera, still, (0, 1))
    np.testing.assert_allclose(near, far, atol=1e-4)
    middle = near[SIZE[1] // 2, SIZE[0] // 2]
    assert middle[0] == pytest.approx(-camera.K[0, 0] * np.tan(np.radians(2.0)), rel=0.01)


def test_flow_agrees_with_projection_between_any_frames() -> None:
    rng = np.random.default_rng(1)
    poses = rng.normal(size=(4, 7)) * 0.2
    poses[:, 3] += 1
    poses[:, 3:] /= np.linalg.norm(poses[:, 3:], axis=1, keepdims=True)
    trajectory = trajectory_of(poses)
    cameras = np.stack([look_at((0.3 * i, -1.0, 2.0), (0, 0, 0)) for i in range(4)])
    camera = CameraPath("c", *SIZE, intrinsics(*SIZE, 50.0), cameras)
    depth = rng.uniform(1, 3, SIZE[::-1]).astype(np.float32)
    ids = rng.integers(0, 2, SIZE[::-1]).astype(np.int32)
    for i, j in ((0, 3), (2, 1)):
        uv, z = flow(depth, ids, camera, trajectory, (i, j))
        points = unproject(depth, camera.K, cameras[i])
        motion = trajectory.matrices(j)[0] @ np.linalg.inv(trajectory.matrices(i)[0])
        moved = np.where((ids == 1)[..., None], points @ motion[:3, :3].T + motion[:3, 3], points)
        expected, expected_z = project(moved, camera.K, np.linalg.inv(cameras[j]))
        v, u = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5, indexing="ij")
        np.testing.assert_allclose(uv, expected - np.stack([u, v], -1), atol=2e-3)
        np.testing.assert_allclose(z, expected_z, rtol=1e-4)


def test_sky_and_points_behind_are_nan() -> None:
    depth, ids = planes(2.0, 1)
    depth[0] = np.inf
    still = np.array([[0, 0, 0, 1.0, 0, 0, 0], [0, 0, 5, 1, 0, 0, 0]])
    uv, z = flow(depth, ids, still_camera(), trajectory_of(still), (0, 1))
    assert np.isnan(uv).all()
    assert np.isnan(z[0]).all()
    assert (z[1:] < 0).all()
    hidden = occluded(uv, z, ids, depth, ids)
    assert not hidden[0].any()
    assert hidden[1:].all()


def test_occlusion_by_a_nearer_surface_another_part_and_the_border() -> None:
    depth, ids = planes(2.0, 1)
    target_depth, target_ids = planes(2.0, 1)
    target_depth[:, 10:20] = 1.9  # the same part, in front of itself
    target_ids[:, 25:30] = 2
    uv = np.zeros((*depth.shape, 2), np.float32)
    hidden = occluded(uv, depth, ids, target_depth, target_ids)
    columns = hidden[5]
    assert columns[11:19].all()
    assert columns[26:29].all()
    assert not columns[:9].any()
    assert not columns[21:24].any()
    uv[..., 0] = 12
    assert occluded(uv, depth, ids, depth, ids)[:, -12:].all()
    assert not occluded(uv, depth, ids, depth, ids)[:, :-12].any()


def test_less_than_one_percent_nearer_does_not_hide() -> None:
    depth, ids = planes(2.0, 1)
    uv = np.zeros((*depth.shape, 2), np.float32)
    assert not occluded(uv, depth, ids, depth * np.float32(0.995), ids).any()
    assert occluded(uv, depth, ids, depth * np.float32(0.985), ids).all()


def test_occlusion_is_that_of_the_readable_twin() -> None:
    rng = np.random.default_rng(7)
    shape = SIZE[::-1]
    ids, target_ids = rng.integers(0, 3, (2, *shape)).astype(np.int32)
    z, target_depth = rng.uniform(1.98, 2.02, (2, *shape)).astype(np.float32)
    z[rng.uniform(size=shape) < 0.1] = np.nan
    uv = rng.uniform(-3, 3, (*shape, 2)).astype(np.float32)
    uv[:, ::5] = np.rint(uv[:, ::5])  # exactly onto pixels, where three of four have no weight
    found = occluded(uv, z, ids, target_depth, target_ids)
    assert 0.1 < found.mean() < 0.9
    np.testing.assert_array_equal(found, hidden_slowly(uv, z, ids, target_depth, target_ids))


def test_a_steep_surface_does_not_hide_itself() -> None:
    depth, ids = planes(2.0, 1)
    depth *= (1.05 ** np.arange(SIZE[1]))[:, None].astype(np.float32)  # 5 % per row
    uv = np.zeros((*depth.shape, 2), np.float32)
    uv[..., 1] = 0.5
    moved = (depth * np.float32(1.05**0.5)).astype(np.float32)
    assert not occluded(uv, moved, ids, depth, ids)[:-1].any()


def test_identity_motion_and_threads() -> None:
    still = trajectory_of(np.tile([0.3, 0.1, 0, *quat_from_euler_deg((10, 20, 30))], (2, 1)))
    camera = still_camera()
    np.testing.assert_allclose(part_motions(still, camera, 0, 1), np.tile(np.eye(4)[:3], (2, 1, 1)), atol=1e-14)
    depth = np.random.default_rng(0).uniform(1, 3, SIZE[::-1]).astype(np.float32)
    ids = np.ones(SIZE[::-1], np.int32)
    workers = Workers(2)
    one, two = (flow(depth, ids, camera, still, (0, 1), w)[0] for w in (None, workers))
    workers.close()
    np.testing.assert_array_equal(one, two)
    assert np.abs(one).max() < 1e-5
