"""What a camera sees of surfaces: depth, ids and masks against closed forms, under every lens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.pieces import Collider, Visual
from simvid.camera_path import RollingShutter
from simvid.checking.base import grown
from simvid.frames import CameraPath
from simvid.gaussians import Gaussians
from simvid.lens import picture_rays
from simvid.motion import to_camera
from simvid.optics import Lens
from simvid.rendering.camera import intrinsics, look_at
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, CameraPose, Ground, Look
from simvid.surfaces.boxes import CORNERS, box_arrays, camera_poses
from simvid.surfaces.draw import SurfaceArtist
from simvid.surfaces.meshes import SurfaceMeshes, part_boxes_m
from simvid.surfaces.windows import border_windows, face_windows
from simvid.testing.staging import Prop, box_mesh, matte, sphere_mesh, staged
from simvid.trajectory import Trajectory

SIZE = (96, 72)
RADIUS_M = 0.2
LENSES = {
    "pinhole": Lens(),
    "distorted": Lens("pinhole", (-0.12, 0.03, 0.002, -0.001, 0.0, 0.0, 0.0, 0.0)),
    "fisheye": Lens("fisheye", (0.02, -0.005, 0.001, 0.0)),
    "orthographic": Lens("orthographic"),
}
VIEW = Camera(name="c", resolution_px=SIZE, pose=CameraPose(look_from_m=(0, -1.2, 0.8), look_at_m=(0, 0, 0)))


def path(lens: Lens, frames: int = 1) -> CameraPath:
    K = intrinsics(*SIZE, 50.0)
    if lens.kind == "orthographic":
        K[0, 0] = K[1, 1] = 70.0
    return CameraPath("c", *SIZE, K, np.tile(look_at((0, -1.2, 0.8), (0, 0, 0)), (frames, 1, 1)), lens)


def artist(props: list[Prop], camera: CameraPath, near_m: float = 0.01) -> SurfaceArtist:
    assets, trajectory = staged(props, [VIEW], frames=max(2, len(camera.world_from_camera)), ground=Ground())
    return SurfaceArtist(SurfaceMeshes.of(assets), trajectory, camera, near_m)


def sphere_z(camera: CameraPath, center: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """z of a sphere along each pixel's line of sight (x0 + z a, y0 + z b, z); NaN where it is missed."""
    origins, slopes = picture_rays(camera)
    ray = np.concatenate([slopes, np.ones((*slopes.shape[:2], 1))], axis=-1)
    start = np.concatenate([origins, np.zeros((*origins.shape[:2], 1))], axis=-1) - center
    a, b, c = (ray * ray).sum(-1), (ray * start).sum(-1), (start * start).sum(-1) - radius**2
    with np.errstate(invalid="ignore"):
        return np.asarray((-b - np.sqrt(b * b - a * c)) / a)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_a_sphere_under_every_lens(lens: Lens) -> None:
    camera = path(lens)
    ball = Prop("ball", (matte(sphere_mesh(RADIUS_M, rings=96)),), np.array([0.1, 0.0, 0.05, 1, 0, 0, 0]))
    z, ids = artist([ball], camera).draw(0)
    center = to_camera(camera, 0, np.array([0.1, 0, 0.05]))
    right = sphere_z(camera, center, RADIUS_M)
    hit = np.isfinite(right)
    assert np.count_nonzero(hit) > 300
    assert np.count_nonzero(hit != (ids == 2)) <= 0.02 * np.count_nonzero(hit)  # 96 rings are no circle
    both = hit & (ids == 2)
    assert np.median(np.abs(z - right)[both]) < 2e-4
    assert np.isposinf(z[ids == 0]).all()


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_a_plane_under_every_lens(lens: Lens) -> None:
    """A board across the line of sight has one z, whatever the lens."""
    camera = path(lens)
    turn = quat_from_euler_deg((90 - np.degrees(np.arctan2(0.8, 1.2)), 0, 0))
    board = Prop("board", (matte(box_mesh((4, 4, 0.2))),), np.array([0, 0, 0, *turn]))
    z, ids = artist([board], camera).draw(0)
    seen = ids == 2
    assert np.count_nonzero(seen) > 0.9 * seen.size
    np.testing.assert_allclose(z[seen], np.hypot(1.2, 0.8) - 0.1, rtol=1e-5)


def test_the_nearer_surface_wins_and_masks_see_through() -> None:
    camera = path(Lens())
    ball = Prop("ball", (matte(sphere_mesh(RADIUS_M)),))
    wall = Prop("wall", (matte(box_mesh((0.3, 0.02, 2.0))),), np.array([0.2, -0.4, 0, 1, 0, 0, 0]))
    both = artist([ball, wall], camera)
    _, ids = both.draw(0)
    alone = artist([ball], camera).draw(0)[1] == 2
    mask = both.mask(0, [2])
    np.testing.assert_array_equal(mask, alone)
    assert 0.1 < np.count_nonzero(ids == 2) / np.count_nonzero(mask) < 0.9
    assert not (mask & (ids != 2) & (ids != 3)).any(), "what hides the ball is the wall"
    np.testing.assert_array_equal(both.mask(0, [2, 3]), mask | both.mask(0, [3]))
    assert not both.mask(0, []).any()


def test_what_is_nearer_than_the_near_plane_is_not_seen() -> None:
    camera = path(Lens())
    wall = Prop("wall", (matte(box_mesh((3, 0.02, 3))),), np.array([0, -1.0, 0.6, 1, 0, 0, 0]))
    assert (artist([wall], camera).draw(0)[1] == 2).any()
    assert not (artist([wall], camera, near_m=0.8).draw(0)[1] == 2).any()


def crowd() -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Triangles before, behind and across a camera."""
    rng = np.random.default_rng(3)
    middles = rng.normal(size=(400, 1, 3)) * [1.5, 1.5, 1.0] + [0, 0, 0.6]
    vertices = (middles + 0.2 * rng.normal(size=(400, 3, 3))).reshape(-1, 3)
    return np.ascontiguousarray(vertices), np.arange(1200, dtype=np.int32).reshape(400, 3)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_windows_leave_nothing_out(lens: Lens) -> None:
    from simvid.surfaces.zbuffer import draw_nearest

    camera = path(lens)
    vertices, faces = crowd()
    rays = np.concatenate(picture_rays(camera), axis=-1)
    windows = face_windows(camera, vertices, faces, 0.05)
    everywhere = np.tile(np.array([0, 0, *SIZE], np.int32), (len(faces), 1))
    pictures = []
    for some in (windows, everywhere):
        z, ids = np.full(SIZE[::-1], np.inf, np.float32), np.zeros(SIZE[::-1], np.int32)
        draw_nearest(vertices, faces, np.arange(1, 401, dtype=np.int32), some, rays, 0.05, z, ids)
        pictures.append((z, ids))
    np.testing.assert_array_equal(pictures[0][0], pictures[1][0])
    np.testing.assert_array_equal(pictures[0][1], pictures[1][1])
    assert len(np.unique(pictures[0][1])) > 10
    size = (windows[:, 2] - windows[:, 0]) * (windows[:, 3] - windows[:, 1])
    assert size.mean() < 0.8 * SIZE[0] * SIZE[1]


def test_quick_windows_are_those_of_the_readable_way() -> None:
    camera = path(Lens())
    vertices, faces = crowd()
    quick, slow = face_windows(camera, vertices, faces, 0.05), border_windows(camera, vertices[faces], 0.05)
    ahead = (vertices[faces][..., 2] > 0.05).all(axis=1)
    assert 20 < np.count_nonzero(ahead) < len(faces) - 20
    np.testing.assert_array_equal(quick[ahead], slow[ahead])
    behind = ~(vertices[faces][..., 2] > 0.05).any(axis=1)
    assert (quick[behind, :2] == quick[behind, 2:]).all()


def turning(frames: int = 3) -> tuple[SurfaceMeshes, Trajectory]:
    poses = np.array([[0.1 * k, 0, 0.2, *quat_from_euler_deg((10.0 * k, 5, 20.0 * k))] for k in range(frames)])
    props = [Prop("box", (matte(box_mesh((0.2, 0.3, 0.1))),), poses), Prop("ball", (matte(sphere_mesh(0.1)),))]
    assets, trajectory = staged(props, [VIEW], frames=frames)
    return SurfaceMeshes.of(assets), trajectory


def test_posing_in_one_go() -> None:
    meshes, trajectory = turning()
    camera = path(Lens(), 3)
    for frame in range(3):
        slow = to_camera(camera, frame, meshes.posed(trajectory, frame))
        np.testing.assert_allclose(meshes.in_camera(trajectory, camera, frame), slow, atol=1e-12)


def test_captures_have_the_surface_of_their_colliders() -> None:
    f = np.float32
    capture = Gaussians(np.zeros((1, 3), f), np.array([[1, 0, 0, 0]], f), np.full((1, 3), 0.1, f), np.ones(1, f),
                        np.zeros((1, 1, 3), f), np.zeros(1, np.int32))  # fmt: skip
    visual = Visual(Look(), capture=capture)
    ball = Collider("sphere", (0.2,), np.eye(4), 0.5, 0.0)
    assets, _ = staged([Prop("scan", (visual,), colliders=(ball,)), Prop("ghost", (visual,))], [VIEW], ground=Ground())
    meshes = SurfaceMeshes.of(assets)
    assert meshes.captured.tolist() == [False, False, True, True]
    assert meshes.has_surface().tolist() == [False, False, True, False]
    np.testing.assert_allclose(np.linalg.norm(meshes.vertices, axis=1), 0.2, atol=1e-6)


def test_boxes_follow_their_parts() -> None:
    """A box that turns by a right angle has its corners where those of the box at rest were."""
    poses = np.array([[0, 0, 0.5, 1.0, 0, 0, 0], [0, 0, 0.5, *quat_from_euler_deg((0, 0, 90))]])
    assets, trajectory = staged([Prop("box", (matte(box_mesh((0.2, 0.4, 0.6))),), poses)], [VIEW])
    camera = CameraPath("c", *SIZE, intrinsics(*SIZE, 50.0), np.tile(look_at((0, 0, 3), (0, 0, 0)), (2, 1, 1)))
    boxes = part_boxes_m(assets.parts)
    np.testing.assert_allclose(boxes[0], [[-0.1, -0.2, -0.3], [0.1, 0.2, 0.3]], atol=1e-7)
    arrays = box_arrays(trajectory, camera, boxes)
    assert arrays["part_id"].tolist() == [1]
    np.testing.assert_allclose(arrays["corners_part_m"][0], (2 * CORNERS - 1) * [0.1, 0.2, 0.3], atol=1e-7)
    # the camera looks down: x stays, y and z turn round; z = 3 - height
    local = arrays["corners_camera_m"][0, 0]
    np.testing.assert_allclose(local, (2 * CORNERS - 1) * [0.1, -0.2, -0.3] + [0, 0, 2.5], atol=1e-7)
    turned = arrays["corners_camera_m"][1, 0]
    np.testing.assert_allclose(turned, np.stack([-(2 * CORNERS - 1)[:, 1] * 0.2, -(2 * CORNERS - 1)[:, 0] * 0.1,
                                                 local[:, 2]], axis=-1), atol=1e-7)  # fmt: skip
    uv = camera.K[0, 0] * local[:, :2] / local[:, 2:] + camera.K[:2, 2]
    np.testing.assert_allclose(arrays["corners_px"][0, 0], uv, atol=1e-4)
    np.testing.assert_allclose(camera_poses(trajectory, camera)[0, 0][:3, 3], [0, 0, 2.5], atol=1e-12)


def test_a_corner_behind_the_camera_is_nowhere() -> None:
    prop = Prop("box", (matte(box_mesh((0.2, 4.0, 0.2))),))
    assets, trajectory = staged([prop], [VIEW])
    arrays = box_arrays(trajectory, path(Lens(), 2), part_boxes_m(assets.parts))
    corners = np.asarray(arrays["corners_px"], np.float64)
    behind: NDArray[np.bool_] = np.isnan(corners[..., 0]) | np.isnan(corners[..., 1])
    np.testing.assert_array_equal(behind, np.asarray(arrays["corners_camera_m"], np.float64)[..., 2] <= 0)
    assert 0 < behind[0].sum() < 8


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_edges_and_centres_are_every_pixel_that_is_touched(lens: Lens) -> None:
    """Against the same picture eight times as fine: whatever is thinner than a pixel is there too, at its depth."""
    camera, finer = path(lens), 8
    K = camera.K.copy()
    K[:2] *= finer
    fine = replace(camera, width=finer * camera.width, height=finer * camera.height, K=K)
    turn = quat_from_euler_deg((20, 35, 10))
    props = [
        Prop("rod", (matte(box_mesh((0.9, 0.004, 0.004))),), np.array([0, 0, 0.1, *turn])),
        Prop("ball", (matte(sphere_mesh(0.15, rings=12)),), np.array([0.3, 0.2, 0, 1, 0, 0, 0])),
        Prop("near", (matte(box_mesh((0.003, 3, 0.003))),), np.array([-0.2, -1, 0.3, 1, 0, 0, 0])),  # past the lens
    ]
    coarse, close = artist(props, camera), artist(props, fine)
    for k in (2, 3, 4):
        z = np.minimum(coarse.edges(0, [k]), coarse.draw(0, [k])[0])
        blocks = close.draw(0, [k])[0].reshape(camera.height, finer, camera.width, finer)
        touched, finest = np.isfinite(z), blocks.min(axis=(1, 3))
        seen = np.isfinite(finest)
        assert np.count_nonzero(seen) > 40
        corners = seen & ~touched  # an edge cuts them between two points that are half a pixel apart
        assert np.count_nonzero(corners) < 0.1 * np.count_nonzero(seen)
        assert not (corners & ~grown(touched, 1)).any()
        assert not (touched & ~grown(seen, 1)).any()
        both = seen & touched
        assert np.median(np.abs(z[both] / finest[both] - 1)) < 0.01, "a pixel of a slanted surface has a range of z"
    rod = np.isfinite(close.draw(0, [2])[0].reshape(camera.height, finer, camera.width, finer)).any(axis=(1, 3))
    assert (rod & (coarse.draw(0, [2])[1] == 0)).any(), "the centres alone miss some of the rod"


def test_edges_under_a_rolling_shutter_are_those_of_each_lines_time() -> None:
    """A thin post that moves to the right: a line that is read later has it further right."""
    still = path(Lens(), 2)
    rolling = replace(still, shutter=RollingShutter(1 / 24, lines=9))
    way = np.tile([0.0, 0, 0, 1, 0, 0, 0], (2, 1))
    way[1, 0] = 0.4
    posts = [Prop("post", (matte(box_mesh((0.002, 0.002, 3))),), way)]
    z = artist(posts, rolling).edges(0, [2])
    columns = [np.flatnonzero(np.isfinite(line)).mean() for line in z if np.isfinite(line).any()]
    assert len(columns) > SIZE[1] // 2
    assert columns[-1] - columns[0] > 10
    assert np.isfinite(z).sum(axis=1).max() <= 3
