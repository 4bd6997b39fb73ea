"""Every lens through the whole renderer: depth, ids, normals and flow against formulas of their own, and OpenCV's."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.frames import CameraPath, Frame
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, CameraPose, Fisheye, Ground, Lens, Orbit, Orthographic, Pinhole
from simvid.surfaces.draw import SurfaceArtist
from simvid.surfaces.meshes import SurfaceMeshes
from simvid.testing.rendering import ALL, SIZE, inner, pixels, sampled
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged
from simvid.trajectory import Trajectory, pose_matrices

Array = NDArray[np.float64]
CAMERAS: dict[str, dict[str, Any]] = {
    "barrel": {"lens": Lens(pinhole=Pinhole(k1=-0.28, k2=0.07, p1=0.002, p2=-0.001)), "fov_y_deg": 60.0},
    "rational": {"lens": Lens(pinhole=Pinhole(k1=0.4, k2=0.1, k3=0.02, k4=0.6, k5=0.1, k6=0.01)), "fov_y_deg": 60.0},
    "fisheye": {"lens": Lens(fisheye=Fisheye(k1=-0.02, k2=0.004)), "fov_y_deg": 110.0},
    "orthographic": {"lens": Lens(orthographic=Orthographic(height_m=0.8))},
}
RADIUS = 0.12


class Shot:
    """Frames of a turning box and a ball on the ground, seen by a camera that moves; and from straight above."""

    def __init__(self, name: str) -> None:
        self.name = name
        way = np.zeros((3, 7))
        way[:, 0], way[:, 2] = [-0.2, -0.17, -0.14], 0.1
        way[:, 3:] = [quat_from_euler_deg((0, 0, 8 * i)) for i in range(3)]
        box = Prop("box", (matte(checkered(box_mesh((0.2, 0.16, 0.2)))),), way)
        ball = Prop("ball", (matte(checkered(sphere_mesh(RADIUS), 6)),), np.array([0.15, 0, RADIUS, 1, 0, 0, 0]))
        orbit = Orbit(center_m=(0, 0, 0.1), radius_m=0.7, height_m=0.6, start_deg=-90, sweep_deg=6)
        moving = Camera(name="c", resolution_px=SIZE, orbit=orbit, **CAMERAS[name])
        self.assets, self.trajectory = staged([box, ball], [moving], frames=3, ground=Ground())
        self.camera, self.frames = self._drawn(moving)
        pose = CameraPose(look_from_m=(0, 0, 1), look_at_m=(0, 0, 0))
        still = Camera(name="c", resolution_px=SIZE, pose=pose, **CAMERAS[name])
        self.above, (self.seen_above, *_) = self._drawn(still)

    def _drawn(self, camera: Camera) -> tuple[CameraPath, list[Frame]]:
        path = camera_path(camera, self.assets.scene, self.trajectory)
        settings = RenderSettings(threads=1)
        stream = render_frames(self.assets, self.trajectory, path, CpuRasterizer(1), ALL, settings)
        return path, list(stream)


@pytest.fixture(scope="module", params=list(CAMERAS))
def shot(request: pytest.FixtureRequest) -> Shot:
    return Shot(request.param)


def rays_of(camera: CameraPath) -> tuple[Array, Array]:
    """Origins and slopes of the rays of all pixels, by OpenCV's inverses. [H, W, 2] each."""
    at, K = pixels(), camera.K
    if camera.lens.kind == "orthographic":
        return (at - K[:2, 2]) / [K[0, 0], K[1, 1]], np.zeros_like(at)
    flat = at.reshape(-1, 1, 2)
    coefficients = np.array(camera.lens.coefficients)
    if camera.lens.kind == "fisheye":
        slopes = cv2.fisheye.undistortPoints(flat, K, coefficients)
    else:
        many = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
        slopes = cv2.undistortPoints(flat, K, coefficients, criteria=many)
    found: Array = np.array(slopes.tolist()).reshape(at.shape)
    return np.zeros_like(at), found


def projected(camera: CameraPath, points: Array) -> Array:
    """Pictures of points of the camera's frame by OpenCV, [N, 2]."""
    if camera.lens.kind == "orthographic":
        return np.asarray(points[:, :2] * [camera.K[0, 0], camera.K[1, 1]] + camera.K[:2, 2])
    coefficients = np.array(camera.lens.coefficients)
    if camera.lens.kind == "fisheye":
        uv, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), camera.K, coefficients)
    else:
        uv, _ = cv2.projectPoints(points[:, None], np.zeros(3), np.zeros(3), camera.K, coefficients)
    return np.asarray(uv, dtype=np.float64).reshape(-1, 2)


def test_fov_is_the_angle_that_is_seen(shot: Shot) -> None:
    if shot.name == "orthographic":
        assert shot.above.K[1, 1] * 0.8 == pytest.approx(SIZE[1])
        return
    camera = shot.above
    if "p1" not in CAMERAS[shot.name]["lens"].value.model_fields_set:
        half = np.radians(CAMERAS[shot.name]["fov_y_deg"]) / 2
        (uv,) = projected(camera, np.array([[0.0, np.tan(half), 1.0]]))
        assert uv == pytest.approx([SIZE[0] / 2, SIZE[1]], abs=1e-6)


def test_ground_from_above_is_at_its_z(shot: Shot) -> None:
    frame = shot.seen_above
    assert frame.depth is not None
    assert frame.ids is not None
    _, slopes = rays_of(shot.above)
    # rays near the horizon of a fisheye meet the ground far away, and it is all the same one metre below
    np.testing.assert_allclose(frame.depth[inner(frame.ids == 1)], 1.0, rtol=1e-5)
    assert np.hypot(*slopes[0, 0]) < 3 or shot.name == "fisheye"


def test_depth_and_normals_of_the_ball(shot: Shot) -> None:
    frame = shot.seen_above
    assert frame.depth is not None
    assert frame.ids is not None
    assert frame.normals is not None
    origins, slopes = rays_of(shot.above)
    # camera axes: x of the world to the right, y up in the picture, so camera y = -y, z = 1 - z
    middle = np.array([0.15, 0.0, 1 - RADIUS])
    start = np.concatenate([origins, np.zeros((*origins.shape[:2], 1))], axis=-1) - middle
    along = np.concatenate([slopes, np.ones((*origins.shape[:2], 1))], axis=-1)
    a, b, c = (along**2).sum(-1), (start * along).sum(-1), (start**2).sum(-1) - RADIUS**2
    room = b * b - a * c
    z = (-b - np.sqrt(np.maximum(room, 0))) / a
    seen = inner(frame.ids == 3, 1) & (room > 0.1 * a * RADIUS**2)  # not the rim, where the surface is edge-on
    assert np.count_nonzero(seen) > 60
    error = np.abs(frame.depth - z)[seen]
    bow = (1 / shot.above.K[1, 1]) ** 2 / RADIUS  # how much a ball bends away over a pixel, which splats cannot follow
    assert np.median(error) < bow
    assert np.percentile(error, 95) < 4 * bow
    exact = (start + along * z[..., None]) / RADIUS
    cosine = (frame.normals * exact).sum(axis=-1)[seen]
    turn = 1 / shot.above.K[1, 1] / RADIUS  # of the normal, from pixel to pixel
    assert np.arccos(np.clip(np.median(cosine), -1, 1)) < turn / 2


def test_ids_are_those_of_the_surfaces(shot: Shot) -> None:
    artist = SurfaceArtist(SurfaceMeshes.of(shot.assets), shot.trajectory, shot.camera)
    frame = shot.frames[1]
    assert frame.ids is not None
    assert frame.depth is not None
    z, owners = artist.draw(1)
    for part in (2, 3):
        mask, support = frame.ids == part, owners == part
        assert np.count_nonzero(support) > 80
        assert not (inner(mask, 2) & ~support).any()
        assert not (inner(support, 2) & ~mask).any()
        both = inner(mask & support, 2)
        assert np.median(np.abs(frame.depth[both] / z[both] - 1)) < 4e-3


def test_flow_is_where_opencv_puts_the_moved_point(shot: Shot) -> None:
    frame = shot.frames[1]
    assert frame.depth is not None
    assert frame.ids is not None
    assert frame.flow_forward is not None
    origins, slopes = rays_of(shot.camera)
    for part in (1, 2, 3):
        seen = (frame.ids == part) & np.isfinite(frame.depth) & (frame.depth < 5)
        z = frame.depth[seen].astype(np.float64)[:, None]
        local = np.concatenate([origins[seen] + slopes[seen] * z, z], axis=1)
        moved = carried(local, shot.camera, shot.trajectory, part, (1, 2))
        expected = projected(shot.camera, moved) - pixels()[seen]
        inside = moved[:, 2] > 0.05
        error = np.linalg.norm(frame.flow_forward[seen] - expected, axis=1)[inside]
        assert np.abs(expected[inside]).max() > 0.3
        assert np.median(error) < 1e-3
        assert np.percentile(error, 99) < 0.02


def carried(local: Array, camera: CameraPath, trajectory: Trajectory, part: int, frames: tuple[int, int]) -> Array:
    """Points of one frame's camera [N, 3] in another's, moved with a part."""
    i, j = frames
    old, new = (pose_matrices(trajectory.poses[k])[part - 1] for k in frames)
    whole = np.linalg.inv(camera.world_from_camera[j]) @ new @ np.linalg.inv(old) @ camera.world_from_camera[i]
    return np.asarray(local @ whole[:3, :3].T + whole[:3, 3])


def test_flow_carries_colours_to_the_next_frame(shot: Shot) -> None:
    one, two = shot.frames[1], shot.frames[2]
    assert one.ids is not None
    assert one.flow_forward is not None
    assert one.occluded_forward is not None
    box = inner(one.ids == 2, 2) & ~one.occluded_forward
    moved = sampled(two.rgb, pixels() + np.nan_to_num(one.flow_forward))
    right = np.abs(moved - one.rgb)[box].mean()
    wrong = np.abs(sampled(two.rgb, pixels()) - one.rgb)[box].mean()
    assert right < wrong / 1.8


def test_outside_the_circle_of_a_fisheye_there_is_nothing() -> None:
    camera = Camera(name="c", resolution_px=(96, 64), fov_y_deg=178, lens=Lens(fisheye=Fisheye()), pose=CameraPose(
        look_from_m=(0, 0, 1), look_at_m=(1, 0, 1)))  # fmt: skip
    assets, trajectory = staged([], [camera], ground=Ground())
    path = camera_path(camera, assets.scene, trajectory)
    frame = next(render_frames(assets, trajectory, path, CpuRasterizer(1), ALL, RenderSettings(threads=1)))
    corner = (0, 0)
    assert not frame.rgb[corner].any()
    assert frame.depth is not None
    assert frame.ids is not None
    assert frame.flow_forward is not None
    assert np.isinf(frame.depth[corner])
    assert frame.ids[corner] == 0
    assert np.isnan(frame.flow_forward[corner]).all()
    assert frame.rgb[32, 48].any()
