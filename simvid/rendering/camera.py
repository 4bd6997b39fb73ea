"""Scene camera + Trajectory -> CameraPath: where a camera stands at every frame, with its lens and shutter.

Axes are OpenCV's (+x right, +y down, +z forward) and pixel centres lie at +0.5, so the middle of a W x H picture is
exactly (W / 2, H / 2).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath, RollingShutter
from simvid.errors import SceneError
from simvid.rendering.keyframes import smooth
from simvid.rotations import matrix_from_quat, pose_matrix, quat_from_euler_deg, quat_from_matrix, slerp
from simvid.scene import Camera, CameraPose, Mount, Orbit, Rig, Scene
from simvid.scene.intrinsics import camera_matrix, optics_of
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]
WORLD_UP = np.array([0.0, 0.0, 1.0])


def intrinsics(width: int, height: int, fov_y_deg: float) -> Array:
    """Matrix K [px] of a pinhole with square pixels and the principal point at (W / 2, H / 2), float64 [3, 3].

    f = H / (2 tan(fov_y / 2)); Hartley & Zisserman 2004, eq. 6.4.
    """
    focal = height / (2 * np.tan(np.radians(fov_y_deg) / 2))
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def look_at(eye: Sequence[float] | Array, target: Sequence[float] | Array, roll_deg: float = 0.0) -> Array:
    """world_from_camera [4, 4] of a camera at ``eye`` that sees ``target`` in the middle, the world's +z up.

    ``roll_deg`` turns the camera about its line of sight, clockwise as seen from behind it (the picture turns the
    other way). Straight up or down, where +z gives no direction, the world's +y is up in the picture.

    Raises:
        ValueError: eye and target are the same point.
    """
    eye = np.asarray(eye, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - eye
    distance = float(np.linalg.norm(forward))
    if distance < 1e-9:
        raise ValueError(f"look_at: eye and target are the same point {eye.tolist()}")
    forward = forward / distance
    right = np.cross(forward, WORLD_UP)
    if float(np.linalg.norm(right)) < 1e-6:
        right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    if roll_deg:
        pose[:3, :3] = pose[:3, :3] @ matrix_from_quat(quat_from_euler_deg((0.0, 0.0, roll_deg)))
    return pose


def project(points: Array, K: Array, camera_from_world: Array | None = None) -> tuple[Array, Array]:
    """Pinhole projection.

    Args:
        points: [m], [..., 3]; in the world, or in the camera's frame where no pose is given.
        K: [px], [3, 3].
        camera_from_world: [4, 4].

    Returns:
        Picture coordinates (u right, v down) [px], [..., 2], NaN for points not in front of the camera; and z [m],
        [...].
    """
    points = np.asarray(points, dtype=np.float64)
    if camera_from_world is not None:
        points = points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    z = points[..., 2]
    homogeneous = points @ K.T
    uv = homogeneous[..., :2] / np.where(z > 0, z, np.nan)[..., None]
    return uv, z


def unproject(depth: NDArray[np.float32] | Array, K: Array, world_from_camera: Array | None = None) -> Array:
    """Points [m] on the rays through the pixel centres, [H, W, 3]; the inverse of ``project``.

    Args:
        depth: z [m], [H, W]. Where it is infinite the point is NaN.
        K: [px], [3, 3].
        world_from_camera: [4, 4]; without it the points are in the camera's frame.
    """
    height, width = depth.shape
    v, u = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(K).T
    points = rays * np.where(np.isfinite(depth), depth, np.nan)[..., None]
    if world_from_camera is not None:
        points = points @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]
    return np.asarray(points, dtype=np.float64)


def camera_path(camera: Camera, scene: Scene, trajectory: Trajectory) -> CameraPath:
    """Where a camera of the scene stands at each frame of the trajectory.

    Raises:
        SceneError: ``attach_to`` or ``track`` names no part, or the camera stands where it should look at.
    """
    width, height = camera.resolution_px
    if camera.rig is None:
        poses = _poses(camera, scene, trajectory)
    else:
        poses = _poses(scene.rig(camera.rig), scene, trajectory) @ _fixed(camera.pose or CameraPose())[0]
    if camera._beside_m:
        poses = poses @ pose_matrix((camera._beside_m, 0.0, 0.0))
    rolling = None if camera.shutter is None else camera.shutter.rolling
    shutter = None
    if rolling is not None:
        shutter = RollingShutter(rolling.readout_s, rolling.direction, rolling.lines, trajectory.fps)
    return CameraPath(camera.name, width, height, camera_matrix(camera), poses, optics_of(camera.lens), shutter)


def _poses(camera: Mount, scene: Scene, trajectory: Trajectory) -> Array:
    frames = trajectory.frame_count
    if camera.attach_to is not None:
        part = _part(camera.attach_to, "attach_to", camera, scene, trajectory)
        mount, _ = _fixed(camera.pose or CameraPose())
        return np.stack([trajectory.matrices(i)[part] @ mount for i in range(frames)])
    way, roll_deg = _way(camera, scene)
    poses = np.empty((frames, 4, 4))
    for i in range(frames):
        try:
            poses[i] = way(trajectory.time_s(i))
        except ValueError as error:
            where = _where(camera, scene, "keyframes" if camera.keyframes else "orbit")
            raise SceneError(
                f"{where}: at t = {trajectory.time_s(i):.3f} s the camera stands at the point that it looks at; "
                "lead its way around that point, or move look_at_m along"
            ) from error
    if camera.track is not None:
        part = _part(camera.track, "track", camera, scene, trajectory)
        for i in range(frames):
            try:
                poses[i] = look_at(poses[i, :3, 3], trajectory.poses[i, part, :3], roll_deg)
            except ValueError as error:
                where = _where(camera, scene, "track")
                raise SceneError(
                    f"{where}: at t = {trajectory.time_s(i):.3f} s the camera stands in the middle of "
                    f"{camera.track!r}, which it should look at; move the camera"
                ) from error
    return poses


def _way(camera: Mount, scene: Scene) -> tuple[Callable[[float], Array], float]:
    """Pose as a function of time [s], and the roll [deg] that ``track`` keeps."""
    if camera.orbit is not None:
        orbit = camera.orbit
        return lambda t: _orbit(orbit, t / scene.duration_s), 0.0
    if camera.keyframes:
        times = np.array([k.t_s for k in camera.keyframes])
        poses = [k.pose for k in camera.keyframes]
        return _keyframed(times, poses), poses[0].roll_deg
    pose, roll_deg = _fixed(camera.pose or CameraPose())
    return lambda _t: pose, roll_deg


def _fixed(pose: CameraPose) -> tuple[Array, float]:
    """A pose of the scene file as a matrix [4, 4], and its roll [deg]."""
    if pose.look_from_m is not None and pose.look_at_m is not None:
        return look_at(pose.look_from_m, pose.look_at_m, pose.roll_deg), pose.roll_deg
    quat = pose.quaternion_wxyz or quat_from_euler_deg(pose.rotation_deg or (0.0, 0.0, 0.0))
    turn = matrix_from_quat(quat_from_euler_deg((0.0, 0.0, pose.roll_deg)))
    matrix = pose_matrix(pose.position_m, quat)
    matrix[:3, :3] = matrix[:3, :3] @ turn
    return matrix, pose.roll_deg


def _orbit(orbit: Orbit, progress: float) -> Array:
    """Pose on the circle after a share ``progress`` of the clip."""
    angle = np.radians(orbit.start_deg + progress * orbit.sweep_deg)
    offset = np.array([orbit.radius_m * np.cos(angle), orbit.radius_m * np.sin(angle), orbit.height_m])
    return look_at(np.array(orbit.center_m) + offset, orbit.center_m)


def _keyframed(times: Array, poses: Sequence[CameraPose]) -> Callable[[float], Array]:
    """Smooth way through keyframes, at rest at both ends and before and after them.

    Where every keyframe says what it looks at, the camera's place, the point looked at and the roll run along monotone
    cubics. Otherwise the place does, and the rotation goes by slerp along a phase that is a monotone cubic of time
    from keyframe 0 to keyframe n - 1.
    """
    if all(p.look_from_m is not None for p in poses):
        values = np.array([[*(p.look_from_m or ()), *(p.look_at_m or ()), p.roll_deg] for p in poses])

        def looking(t: float) -> Array:
            v = smooth(times, values, t)
            return look_at(v[:3], v[3:6], float(v[6]))

        return looking
    matrices = [_fixed(p)[0] for p in poses]
    places = np.stack([m[:3, 3] for m in matrices])
    quats = [quat_from_matrix(m[:3, :3]) for m in matrices]
    index = np.arange(len(poses), dtype=np.float64)[:, None]

    def turning(t: float) -> Array:
        phase = float(smooth(times, index, t)[0])
        k = min(int(phase), max(len(quats) - 2, 0))
        quat = slerp(quats[k], quats[min(k + 1, len(quats) - 1)], phase - k)
        return pose_matrix(smooth(times, places, t), quat)

    return turning


def _where(camera: Mount, scene: Scene, field: str) -> str:
    rigs = [rig.name for rig in scene.rigs]
    place = f"rigs[{rigs.index(camera.name)}]" if isinstance(camera, Rig) else scene.camera_path(camera.name)
    return scene.where(f"{place}.{field}" if place.endswith("]") else place)


def _part(name: str, field: str, camera: Mount, scene: Scene, trajectory: Trajectory) -> int:
    """Index of a named part."""
    names = [p.name for p in trajectory.parts]
    if name in names:
        return names.index(name)
    links = [n for n in names if n.startswith(f"{name}/")]
    near = links or difflib.get_close_matches(name, names, n=3)
    hint = f"; did you mean {', '.join(map(repr, near[:8]))}?" if near else f"; there are {', '.join(names[:40])}"
    raise SceneError(f"{_where(camera, scene, field)}: expected the name of a body or robot link, got {name!r}{hint}")
