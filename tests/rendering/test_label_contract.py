"""The labels of rendered pictures against closed forms: rigid, articulated, meshes and captures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Collider, Visual
from simvid.derived import derive
from simvid.frames import LABELS, CameraPath, Frame
from simvid.gaussians import SH_C0, Gaussians
from simvid.lens import picture_rays, pixel_centers, unproject_picture
from simvid.motion import surface_points
from simvid.rendering.base import RenderSettings
from simvid.rendering.boxes import instance_boxes, part_boxes
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, CameraPose, Ground, Look, Orbit
from simvid.surfaces.boxes import box_arrays
from simvid.surfaces.meshes import part_boxes_m
from simvid.testing.rendering import inner
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
SIZE = (112, 84)
RADIUS_M = 0.2
f = np.float32


class Shot:
    """Rendered frames with all labels, and what they were rendered from."""

    def __init__(self, assets: SceneAssets, trajectory: Trajectory) -> None:
        self.assets, self.trajectory = assets, trajectory
        self.camera: CameraPath = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
        self.frames: list[Frame] = list(
            render_frames(assets, trajectory, self.camera, CpuRasterizer(1), LABELS, RenderSettings(threads=1))
        )

    def get(self, name: str, frame: int = 0) -> NDArray[Any]:
        """An array of a frame, or a label derived from it."""
        value = getattr(self.frames[frame], name, None)
        return derive(name, self.frames[frame], self.camera, frame, self.trajectory) if value is None else value


def above(height_m: float = 1.0) -> Camera:
    pose = CameraPose(look_from_m=(0, 0, height_m), look_at_m=(0, 0, 0))
    return Camera(name="c", resolution_px=SIZE, fov_y_deg=40, pose=pose)


def placed(x: float = 0, y: float = 0, z: float = 0, turn_deg: tuple[float, float, float] = (0, 0, 0)) -> Array:
    return np.array([x, y, z, *quat_from_euler_deg(turn_deg)])


class TestSpinningSphere:
    """A sphere of 0.2 m at the origin, seen from 1 m above, turns by 5 degrees about a slanted axis."""

    @pytest.fixture(scope="class")
    @classmethod
    def shot(cls) -> Shot:
        poses = np.stack([placed(turn_deg=(30, 20, 0)), placed(turn_deg=(30, 20, 5))])
        return Shot(*staged([Prop("ball", (matte(checkered(sphere_mesh(RADIUS_M, rings=64))),), poses)], [above()]))

    def exact(self, camera: CameraPath) -> tuple[Array, NDArray[np.bool_]]:
        """Points of the sphere in the world, and the pixels that see it, but for the outermost rim."""
        slopes = picture_rays(camera)[1]
        ray = np.concatenate([slopes, np.ones((*SIZE[::-1], 1))], axis=-1)
        square = (ray * ray).sum(-1)
        inside = 1 - square * (1 - RADIUS_M**2)
        z = (1 - np.sqrt(np.maximum(inside, 0))) / square
        local = unproject_picture(camera, z)
        return local * [1, -1, -1] + [0, 0, 1], inside > 0.012

    def test_three_depths(self, shot: Shot) -> None:
        points, seen = self.exact(shot.camera)
        for name, bound in (("depth", 2e-4), ("depth_surface", 1e-4), ("depth_expected", 2e-3)):
            assert np.median(np.abs(shot.get(name) - (1 - points[..., 2]))[seen]) < bound, name
        sky = ~shot.get("valid")
        assert np.isposinf(shot.get("depth")[sky]).all()
        assert np.count_nonzero(np.isposinf(shot.get("depth_surface")) != sky) < 30

    def test_distance_and_normals(self, shot: Shot) -> None:
        points, seen = self.exact(shot.camera)
        right = np.linalg.norm(points - [0, 0, 1], axis=-1)
        assert np.median(np.abs(shot.get("distance") - right)[seen]) < 2e-4
        angle = np.degrees(np.arccos(np.clip((shot.get("normals_world") * points / RADIUS_M).sum(-1), -1, 1)))
        assert np.median(angle[seen]) < 1.5

    def test_object_coordinates_turn_with_it(self, shot: Shot) -> None:
        points, seen = self.exact(shot.camera)
        for frame in (0, 1):
            turn = shot.trajectory.matrices(frame)[0][:3, :3]
            coords = (points @ turn / RADIUS_M + 1) / 2
            error = np.abs(shot.get("object_coords", frame) - coords).max(axis=-1)[seen]
            assert np.median(error) < 2e-3
            assert np.percentile(error, 98) < 0.02
        assert np.isnan(shot.get("object_coords")[shot.get("ids") == 0]).all()

    def test_scene_flow_is_omega_cross_r(self, shot: Shot) -> None:
        points, seen = self.exact(shot.camera)
        move = shot.trajectory.matrices(1)[0] @ np.linalg.inv(shot.trajectory.matrices(0)[0])
        world = points @ move[:3, :3].T - points
        error = np.linalg.norm(shot.get("scene_flow") - world * [1, -1, -1], axis=-1)[seen]
        assert np.linalg.norm(world, axis=-1)[seen].mean() > 0.005
        assert np.median(error) < 2e-5
        assert np.isnan(shot.get("scene_flow", 1)).all(), "the last frame has no next"


def test_tight_boxes_are_those_of_the_corners() -> None:
    """A spinning box under an orbiting camera: its mask reaches as far as its projected corners."""
    poses = np.stack([placed(0.02, 0, 0.1, (20, 10, 25.0 * k)) for k in range(3)])
    orbit = Orbit(center_m=(0, 0, 0.1), radius_m=0.8, height_m=0.4, sweep_deg=40)
    camera = Camera(name="c", resolution_px=SIZE, fov_y_deg=40, orbit=orbit)
    shot = Shot(*staged([Prop("box", (matte(box_mesh((0.2, 0.15, 0.1))),), poses)], [camera], frames=3))
    arrays = box_arrays(shot.trajectory, shot.camera, part_boxes_m(shot.assets.parts))
    for frame in range(3):
        table = part_boxes(shot.get("ids", frame), frame)
        corners = arrays["corners_px"][frame, 0]
        wanted = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        np.testing.assert_allclose(table.box_px[0], wanted, atol=1.2)
        loose = shot.frames[frame].amodal_mask(1)
        v, u = np.nonzero(loose)
        np.testing.assert_allclose([u.min(), v.min(), u.max() + 1, v.max() + 1], wanted, atol=1.2)


class TestHalfHidden:
    """A ball on the ground under a board that covers its right half, seen from above."""

    @pytest.fixture(scope="class")
    @classmethod
    def shot(cls) -> Shot:
        ball = Prop("ball", (matte(sphere_mesh(0.1)),), placed(0, 0, 0.1))
        board = Prop("board", (matte(box_mesh((0.4, 0.4, 0.02))),), placed(0.2, 0, 0.4))
        return Shot(*staged([ball, board], [above(1.2)], ground=Ground()))

    def test_visibility(self, shot: Shot) -> None:
        seen, alone = shot.get("ids") == 2, shot.frames[0].amodal_mask(2)
        focal = shot.camera.K[0, 0]
        tangent = 0.1 / np.sqrt(1.1**2 - 0.1**2)  # half the angle under which the ball is seen, from 1.1 m
        assert np.count_nonzero(alone) == pytest.approx(np.pi * (focal * tangent) ** 2, rel=0.04)
        assert np.count_nonzero(seen) / np.count_nonzero(alone) == pytest.approx(0.5, abs=0.04)
        assert not (seen & ~alone).any()
        assert not shot.frames[0].amodal_mask(1).any(), "the ground has no mask"

    def test_mask_of_the_board_is_what_is_seen_of_it(self, shot: Shot) -> None:
        assert np.count_nonzero(shot.frames[0].amodal_mask(3) != (shot.get("ids") == 3)) <= 0.01 * SIZE[0] * SIZE[1]


class TestOcclusion:
    """A box slides to the right by 6 px a frame, over ground."""

    @pytest.fixture(scope="class")
    @classmethod
    def shot(cls) -> Shot:
        focal = SIZE[1] / 2 / np.tan(np.radians(20))
        poses = np.stack([placed(6 * k * 0.9 / focal - 0.1, 0, 0.05) for k in range(3)])
        return Shot(*staged([Prop("box", (matte(box_mesh((0.3, 0.24, 0.1))),), poses)], [above()],
                            frames=3, ground=Ground()))  # fmt: skip

    def test_what_will_be_hidden_and_what_was(self, shot: Shot) -> None:
        ids = [shot.get("ids", frame) for frame in range(3)]
        strip = 6 * 0.24 * shot.camera.K[0, 0] / 0.9
        for name, other in (("occluded_forward", 2), ("occluded_backward", 0)):
            ground = (ids[1] == 1) & (ids[other] == 2)
            hidden = shot.get(name, 1)
            assert np.count_nonzero(hidden) == pytest.approx(strip, rel=0.25)
            assert np.count_nonzero(hidden & ground) > 0.7 * strip
            assert not hidden[inner(ids[1] == 2, 2)].any(), "the top of the box is seen in all frames"


class TestArticulated:
    """Two links of one robot: parts of their own, one instance, one class."""

    @pytest.fixture(scope="class")
    @classmethod
    def shot(cls) -> Shot:
        upper = Prop("arm/upper", (matte(box_mesh((0.2, 0.06, 0.06))),), placed(-0.1, 0, 0.2))
        bend = np.stack([placed(0.1 * np.cos(a), 0.1 * np.sin(a), 0.2, (0, 0, np.degrees(a))) for a in (0.2, 0.5)])
        lower = Prop("arm/lower", (matte(box_mesh((0.2, 0.06, 0.06))),), bend)
        crate = Prop("crate", (matte(box_mesh((0.1, 0.1, 0.1))),), placed(0, -0.2, 0.05))
        assets, trajectory = staged([upper, lower, crate], [above()], ground=Ground())
        parts = tuple(
            replace(p, instance="arm", instance_id=2, kind="link", category="robot")
            if p.name.startswith("arm/")
            else replace(p, instance_id=min(p.instance_id, 3))
            for p in trajectory.parts
        )
        joined = tuple(replace(a, part=p) for a, p in zip(assets.parts, parts, strict=True))
        return Shot(replace(assets, parts=joined), replace(trajectory, parts=parts))

    def test_link_instance_and_class(self, shot: Shot) -> None:
        ids = shot.get("ids")
        links = np.isin(ids, (2, 3))
        assert {2, 3, 4} <= set(np.unique(ids))
        np.testing.assert_array_equal(shot.get("instance_ids") == 2, links)
        assert shot.trajectory.categories() == ("ground", "robot", "crate")
        np.testing.assert_array_equal(shot.get("semantic_ids") == 2, links)
        assert np.unique(shot.get("instance_ids")[ids == 4]).tolist() == [3]

    def test_boxes_and_masks_are_of_the_whole(self, shot: Shot) -> None:
        ids, alone = shot.get("ids"), shot.frames[0].amodal_mask(2)
        assert shot.frames[0].amodal is not None
        assert len(shot.frames[0].amodal) == 3
        assert np.count_nonzero(np.isin(ids, (2, 3)) != alone) < 0.05 * np.count_nonzero(alone)
        table = instance_boxes(ids, 0, shot.trajectory)
        assert 2 in table.id.tolist()
        assert 3 in part_boxes(ids, 0).id.tolist()

    def test_each_link_moves_as_it_does(self, shot: Shot) -> None:
        flow = shot.get("flow_forward")
        np.testing.assert_allclose(flow[inner(shot.get("ids") == 2)], 0, atol=1e-3)
        move = shot.trajectory.matrices(1)[2] @ np.linalg.inv(shot.trajectory.matrices(0)[2])
        points = surface_points(shot.camera, 0, shot.get("depth_surface"))
        seen = inner(shot.get("ids") == 3)
        after = (points @ move[:3, :3].T + move[:3, 3])[seen]
        uv = shot.camera.K[0, 0] * after[:, :2] * [1, -1] / (1 - after[:, 2:]) + shot.camera.K[:2, 2]
        error = np.linalg.norm(uv - pixel_centers(shot.camera)[seen] - flow[seen], axis=-1)
        assert np.median(error) < 0.05
        assert np.linalg.norm(flow[seen], axis=-1).mean() > 3


class TestCapture:
    """A captured wall of flat Gaussians, 0.3 m wide, that slides to the right, beside a mesh of the same shape."""

    @pytest.fixture(scope="class")
    @classmethod
    def shot(cls) -> Shot:
        x, y = (a.ravel() for a in np.meshgrid(np.linspace(-0.15, 0.15, 31), np.linspace(-0.15, 0.15, 31)))
        n = len(x)
        sh = np.full((n, 1, 3), (0.7 - 0.5) / SH_C0, f)
        wall = Gaussians(np.stack([x, y, 0 * x], -1).astype(f), np.tile([1, 0, 0, 0], (n, 1)).astype(f),
                         np.tile([0.008, 0.008, 0.0005], (n, 1)).astype(f), np.full(n, 0.95, f), sh,
                         np.zeros(n, np.int32))  # fmt: skip
        box = Collider("box", (0.15, 0.15, 0.001), np.eye(4), 0.5, 0.0)
        poses = np.stack([placed(-0.2, 0, 0.3), placed(-0.18, 0, 0.3)])
        scan = Prop("scan", (Visual(Look(), capture=wall),), poses, (box,))
        mesh = Prop("mesh", (matte(box_mesh((0.3, 0.3, 0.002))),), poses + np.array([0.4, 0, 0, 0, 0, 0, 0]))
        return Shot(*staged([scan, mesh], [above(1.3)], ground=Ground()))

    def test_depths_of_capture_and_mesh_agree(self, shot: Shot) -> None:
        for part in (2, 3):
            seen = inner(shot.get("ids") == part, 3)
            assert np.count_nonzero(seen) > 200
            for name, bound in (("depth", 0.002), ("depth_expected", 0.004), ("depth_surface", 1.1e-3)):
                assert np.percentile(np.abs(shot.get(name)[seen] - 1.0), 98) < bound, (name, part)

    def test_masks_and_flow(self, shot: Shot) -> None:
        for part, side_m in ((2, 0.3 + 2 * 1.5 * 0.008), (3, 0.3)):  # Gaussians reach beyond their centres
            mask = shot.frames[0].amodal_mask(part)
            assert np.count_nonzero(mask) == pytest.approx((side_m * shot.camera.K[0, 0]) ** 2, rel=0.06)
            assert not ((shot.get("ids") == part) & ~mask).any()
            seen = inner(shot.get("ids") == part, 3)
            right = np.array([0.02 * shot.camera.K[0, 0], 0.0])
            np.testing.assert_allclose(
                shot.get("flow_forward")[seen], np.broadcast_to(right, (seen.sum(), 2)), atol=0.02
            )

    def test_object_coordinates_span_its_box(self, shot: Shot) -> None:
        seen = inner(shot.get("ids") == 2, 3)
        coords = shot.get("object_coords")[seen]
        points = surface_points(shot.camera, 0, np.full(SIZE[::-1], 1.0, f))[seen]
        np.testing.assert_allclose(coords[:, :2], (points[:, :2] - [-0.35, -0.15]) / 0.3, atol=0.01)
        np.testing.assert_allclose(coords[:, 2], 0.5, atol=1e-6)  # flat
