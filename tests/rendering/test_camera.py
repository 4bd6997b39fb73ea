from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.errors import SceneError
from simvid.frames import CameraPath
from simvid.rendering.camera import camera_path, intrinsics, look_at, project, unproject
from simvid.rendering.keyframes import smooth
from simvid.rotations import matrix_from_quat, pose_matrix, quat_from_euler_deg
from simvid.scene import Camera, CameraKeyframe, CameraPose, Orbit
from simvid.testing.staging import Prop, box_mesh, matte, staged


def path_of(camera: Camera, props: tuple[Prop, ...] = (), frames: int = 5, fps: float = 4.0) -> CameraPath:
    assets, trajectory = staged(props, [camera], frames=frames, fps=fps)
    return camera_path(assets.scene.cameras[0], assets.scene, trajectory)


def inverse(pose: np.ndarray) -> NDArray[np.float64]:
    return np.linalg.inv(pose).astype(np.float64)


def center(path: CameraPath, frame: int) -> np.ndarray:
    return path.world_from_camera[frame, :3, 3]


def test_intrinsics_see_the_field_of_view() -> None:
    K = intrinsics(640, 480, 90.0)
    np.testing.assert_allclose(K, [[240, 0, 320], [0, 240, 240], [0, 0, 1]])
    top, _ = project(np.array([0.0, -1.0, 1.0]), K)
    np.testing.assert_allclose(top, [320, 0], atol=1e-12)


def test_look_at_has_opencv_axes() -> None:
    pose = look_at((2.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    np.testing.assert_allclose(pose[:3, 2], [-1, 0, 0], atol=1e-15)  # forward
    np.testing.assert_allclose(pose[:3, 1], [0, 0, -1], atol=1e-15)  # down
    np.testing.assert_allclose(pose[:3, 0], [0, 1, 0], atol=1e-15)  # right
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)


def test_straight_down_has_world_y_up() -> None:
    pose = look_at((0.0, 0.0, 3.0), (0.0, 0.0, 0.0))
    np.testing.assert_allclose(pose[:3, 1], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 0], [1, 0, 0], atol=1e-12)


def test_roll_turns_the_camera_clockwise() -> None:
    # Rolled a quarter to the right, what was to the right is now up in the picture.
    pose = look_at((2.0, 0.0, 0.0), (0.0, 0.0, 0.0), roll_deg=90.0)
    uv, _ = project(np.array([0.0, 0.5, 0.0]), intrinsics(100, 100, 60.0), inverse(pose))
    assert uv[0] == pytest.approx(50)
    assert uv[1] < 40


def test_look_at_the_own_place_is_refused() -> None:
    with pytest.raises(ValueError, match="same point"):
        look_at((1, 2, 3), (1, 2, 3))


def test_project_and_unproject_are_inverse() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 5.0, (6, 8)).astype(np.float32)
    K, pose = intrinsics(8, 6, 50.0), look_at((1.0, 2.0, 0.7), (0.0, 0.3, 0.1), 20.0)
    points = unproject(depth, K, pose)
    uv, z = project(points, K, inverse(pose))
    v, u = np.meshgrid(np.arange(6) + 0.5, np.arange(8) + 0.5, indexing="ij")
    np.testing.assert_allclose(uv, np.stack([u, v], -1), atol=1e-9)
    np.testing.assert_allclose(z, depth, rtol=1e-9)


def test_no_surface_and_behind_are_nan() -> None:
    K = intrinsics(4, 4, 50.0)
    assert np.isnan(unproject(np.full((4, 4), np.inf, np.float32), K)).all()
    uv, z = project(np.array([[0.0, 0.0, -1.0]]), K)
    assert np.isnan(uv).all()
    assert z[0] == -1


def test_fixed_pose_is_opencv() -> None:
    camera = Camera(name="c", pose=CameraPose(position_m=(1, 2, 3), rotation_deg=(0, 0, 90)))
    path = path_of(camera)
    assert path.world_from_camera.shape == (5, 4, 4)
    np.testing.assert_allclose(path.world_from_camera[4], pose_matrix((1, 2, 3), quat_from_euler_deg((0, 0, 90))))


def test_look_keyframes_move_eye_and_target() -> None:
    frames = (
        CameraKeyframe(t_s=0.0, pose=CameraPose(look_from_m=(2, 0, 1), look_at_m=(0, 0, 0))),
        CameraKeyframe(t_s=1.0, pose=CameraPose(look_from_m=(2, 2, 1), look_at_m=(0, 2, 0))),
    )
    path = path_of(Camera(name="c", keyframes=frames))
    u = 0.25
    share = 3 * u**2 - 2 * u**3
    expected = look_at((2, 2 * share, 1), (0, 2 * share, 0))
    np.testing.assert_allclose(path.world_from_camera[1], expected, atol=1e-12)
    np.testing.assert_allclose(path.world_from_camera[4], look_at((2, 2, 1), (0, 2, 0)), atol=1e-12)


def test_keyframes_through_the_point_looked_at_are_refused_with_camera_and_time() -> None:
    frames = (
        CameraKeyframe(t_s=0.0, pose=CameraPose(look_from_m=(1, 0, 1), look_at_m=(0, 0, 1))),
        CameraKeyframe(t_s=1.0, pose=CameraPose(look_from_m=(-1, 0, 1), look_at_m=(0, 0, 1))),
    )
    with pytest.raises(SceneError, match=r"cameras\[0\]\.keyframes \(fly\): at t = 0\.500 s the camera stands"):
        path_of(Camera(name="fly", keyframes=frames))


def test_pose_keyframes_slerp() -> None:
    frames = (
        CameraKeyframe(t_s=0.0, pose=CameraPose(position_m=(0, 0, 0))),
        CameraKeyframe(t_s=1.0, pose=CameraPose(position_m=(4, 0, 0), rotation_deg=(0, 0, 90))),
    )
    path = path_of(Camera(name="c", keyframes=frames))
    np.testing.assert_allclose(center(path, 2), [2, 0, 0])
    np.testing.assert_allclose(
        path.world_from_camera[2, :3, :3], matrix_from_quat(quat_from_euler_deg((0, 0, 45))), atol=1e-12
    )


def test_one_keyframe_and_times_outside_are_held() -> None:
    frame = CameraKeyframe(t_s=0.5, pose=CameraPose(position_m=(1, 0, 0)))
    path = path_of(Camera(name="c", keyframes=(frame,)))
    np.testing.assert_allclose(path.world_from_camera[:, :3, 3], np.tile([1.0, 0, 0], (5, 1)))


def test_smooth_is_monotone_and_exact_at_keyframes() -> None:
    times, values = np.array([0.0, 1.0, 1.5, 4.0]), np.array([[0.0], [1.0], [5.0], [5.2]])
    for t, v in zip(times, values, strict=True):
        assert smooth(times, values, float(t))[0] == pytest.approx(v[0])
    samples = np.array([smooth(times, values, t)[0] for t in np.linspace(0, 4, 400)])
    assert (np.diff(samples) >= -1e-12).all()
    h = 1e-6
    for t in (1.0, 1.5):  # velocity is continuous
        before = (smooth(times, values, t) - smooth(times, values, t - h)) / h
        after = (smooth(times, values, t + h) - smooth(times, values, t)) / h
        assert before[0] == pytest.approx(after[0], abs=1e-3)


def test_orbit_circles_and_looks_at_its_center() -> None:
    path = path_of(Camera(name="c", orbit=Orbit(center_m=(1, 1, 0), radius_m=2, height_m=0.5, sweep_deg=180)))
    np.testing.assert_allclose(center(path, 0), [3, 1, 0.5], atol=1e-12)
    np.testing.assert_allclose(center(path, 2), [1, 3, 0.5], atol=1e-12)
    np.testing.assert_allclose(center(path, 4), [-1, 1, 0.5], atol=1e-12)
    for i in range(5):
        uv, _ = project(np.array([1.0, 1.0, 0.0]), path.K, path.camera_from_world[i])
        np.testing.assert_allclose(uv, [320, 240], atol=1e-9)


def moving(name: str = "cup") -> Prop:
    poses = np.tile([0.0, 0, 0, 1, 0, 0, 0], (5, 1))
    poses[:, 0] = np.arange(5)
    poses[:, 3:] = [quat_from_euler_deg((0, 0, 10 * i)) for i in range(5)]
    return Prop(name, (matte(box_mesh((0.1, 0.1, 0.1))),), poses)


def test_attached_camera_keeps_its_place_on_the_part() -> None:
    camera = Camera(name="c", attach_to="cup", pose=CameraPose(look_from_m=(0.5, 0, 0.2), look_at_m=(0, 0, 0)))
    prop = moving()
    path = path_of(camera, (prop,))
    mount = look_at((0.5, 0, 0.2), (0, 0, 0))
    for i in range(5):
        np.testing.assert_allclose(
            path.world_from_camera[i], pose_matrix(prop.poses[i, :3], prop.poses[i, 3:]) @ mount, atol=1e-12
        )


def test_track_keeps_a_part_in_the_middle() -> None:
    camera = Camera(name="c", track="cup", pose=CameraPose(position_m=(0, -3, 1)))
    prop = moving()
    path = path_of(camera, (prop,))
    for i in range(5):
        np.testing.assert_allclose(center(path, i), [0, -3, 1])
        uv, _ = project(prop.poses[i, :3], path.K, path.camera_from_world[i])
        np.testing.assert_allclose(uv, [320, 240], atol=1e-9)


def test_unknown_part_is_named_with_the_nearest() -> None:
    with pytest.raises(SceneError, match=r"attach_to.*: expected .* got 'cupp'; did you mean 'cup'"):
        path_of(Camera(name="c", attach_to="cupp"), (moving(),))
    with pytest.raises(SceneError, match=r"got 'arm'; did you mean 'arm/hand'"):
        path_of(Camera(name="c", attach_to="arm"), (moving("arm/hand"),))


def test_tracking_from_inside_the_part_says_when() -> None:
    with pytest.raises(SceneError, match=r"track.*: at t = 0\.500 s .* 'cup'"):
        path_of(Camera(name="c", track="cup", pose=CameraPose(position_m=(2, 0, 0))), (moving(),))
