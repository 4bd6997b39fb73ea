# ruff: noqa: D102 - the names of the tests say what they hold
"""What every renderer must do: inherit ``RendererContract`` in a test and give it your rasterizer or renderer.

    class TestMyRenderer(RendererContract):
        @pytest.fixture(scope="class")
        @classmethod
        def rasterizer(cls) -> Rasterizer:
            return MyRasterizer()

The scenes are small and have closed-form answers; each bound stands beside its assertion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.frames import CameraPath, Frame
from simvid.rendering.base import Renderer, RenderSettings
from simvid.rendering.camera import camera_path, project, unproject
from simvid.rendering.raster import Rasterizer
from simvid.rendering.renderer import render_frames
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, CameraPose, Ground, Orbit
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]
SIZE = (112, 84)
ALL = ("alpha", "depth", "ids", "normals", "flow", "occlusion")


@dataclass(frozen=True, eq=False)
class Shot:
    """Rendered frames with what they were rendered from."""

    frames: list[Frame]
    camera: CameraPath
    trajectory: Trajectory


def shoot(
    rasterizer: Rasterizer | Renderer,
    props: Sequence[Prop],
    camera: Camera,
    *,
    frames: int = 2,
    ground: Ground | None = None,
    labels: Sequence[str] = ALL,
) -> Shot:
    """Render a hand-made scene."""
    assets, trajectory = staged(props, [camera], frames=frames, ground=ground)
    path = camera_path(camera, assets.scene, trajectory)
    if isinstance(rasterizer, Rasterizer):
        drawn = render_frames(assets, trajectory, path, rasterizer, labels, RenderSettings(threads=1))
    else:
        drawn = rasterizer.frames(assets, trajectory, path, labels)
    return Shot(list(drawn), path, trajectory)


def above(height_m: float = 1.0, fov_y_deg: float = 40.0) -> Camera:
    """A camera that looks straight down from a height; the world's x is right and y is up in the picture."""
    pose = CameraPose(look_from_m=(0, 0, height_m), look_at_m=(0, 0, 0))
    return Camera(name="c", resolution_px=SIZE, fov_y_deg=fov_y_deg, pose=pose)


def light(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Linear light of a picture [..., 3], relative to display white, by the definitions: sRGB, then bisection.

    The tone curve is Khronos PBR Neutral (2024) without its offset.
    """
    s = rgb.astype(np.float64) / 255
    wanted = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    top = wanted.max(axis=-1)
    low, high = np.zeros_like(top), np.full_like(top, 4.0)
    for _ in range(60):  # the peak of the light, by the peak of the result
        middle = (low + high) / 2
        above_it = np.where(middle < 0.76, middle, 1 - 0.0576 / (np.maximum(middle, 0.76) + 0.24 - 0.76)) < top
        low, high = np.where(above_it, middle, low), np.where(above_it, high, middle)
    peak = low[..., None]
    shown = np.where(peak < 0.76, np.maximum(peak, 1e-9), 1 - 0.0576 / (np.maximum(peak, 0.76) - 0.52))
    mix = 1 - 1 / (0.15 * (peak - shown) + 1)
    return np.asarray(np.where(peak < 0.76, wanted, (wanted / (1 - mix) - shown * mix / (1 - mix)) * peak / shown))


def inner(mask: NDArray[np.bool_], px: int = 2) -> NDArray[np.bool_]:
    """A mask without its border of some pixels."""
    kept = mask.copy()
    for axis in (0, 1):
        for shift in range(-px, px + 1):
            kept &= np.roll(mask, shift, axis=axis)
    return kept


def pixels() -> Array:
    """Centres of the pixels, [H, W, 2]."""
    v, u = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5, indexing="ij")
    return np.asarray(np.stack([u, v], axis=-1), dtype=np.float64)


def sampled(picture: NDArray[np.generic], at: Array) -> Array:
    """Bilinear values of a picture [H, W, C] at places in pixels [..., 2], clamped to the picture."""
    height, width = picture.shape[:2]
    x = np.clip(at[..., 0] - 0.5, 0, width - 1.001)
    y = np.clip(at[..., 1] - 0.5, 0, height - 1.001)
    x0, y0 = x.astype(int), y.astype(int)
    u, v = (x - x0)[..., None], (y - y0)[..., None]
    p = picture.astype(np.float64)
    upper, lower = (p[y0 + k, x0] * (1 - u) + p[y0 + k, x0 + 1] * u for k in (0, 1))
    return np.asarray(upper * (1 - v) + lower * v)


class RendererContract:
    """Tests that a renderer's own test class inherits."""

    @pytest.fixture(scope="class")
    @classmethod
    def rasterizer(cls) -> Rasterizer | Renderer:
        """The rasterizer, or the renderer that is none, to test."""
        raise NotImplementedError("give a fixture 'rasterizer' that returns yours")

    @pytest.fixture(scope="class")
    @classmethod
    def slide(cls, rasterizer: Rasterizer | Renderer) -> Shot:
        """A textured box that slides 4 px to the right and 2 px up under a fixed camera, over a ground."""
        focal = SIZE[1] / 2 / np.tan(np.radians(20))
        step = 0.9 / focal  # metres per pixel at the top of the box, 0.9 m under the camera
        poses = np.tile([0.0, 0, 0.05, 1, 0, 0, 0], (3, 1))
        poses[:, 0], poses[:, 1] = np.arange(3) * 4 * step - 0.03, np.arange(3) * 2 * step
        box = Prop("box", (matte(checkered(box_mesh((0.3, 0.24, 0.1)), 6)),), poses)
        return shoot(rasterizer, [box], above(), frames=3, ground=Ground())

    @pytest.fixture(scope="class")
    @classmethod
    def orbit(cls, rasterizer: Rasterizer | Renderer) -> Shot:
        """A turning textured box and a ball, seen by a camera that orbits them."""
        poses = np.tile([0.05, 0, 0.06, 1.0, 0, 0, 0], (4, 1))
        poses[:, 3:] = [quat_from_euler_deg((0, 0, 8.0 * i)) for i in range(4)]
        box = Prop("box", (matte(checkered(box_mesh((0.14, 0.14, 0.12)))),), poses)
        ball = Prop("ball", (matte(sphere_mesh(0.06, (0.8, 0.3, 0.2))),), np.array([-0.12, 0.02, 0.06, 1, 0, 0, 0]))
        way = Orbit(center_m=(0, 0, 0.05), radius_m=0.7, height_m=0.35, sweep_deg=12)
        camera = Camera(name="c", resolution_px=SIZE, fov_y_deg=35, orbit=way)
        return shoot(rasterizer, [box, ball], camera, frames=4, ground=Ground())

    def test_equal_input_gives_equal_bits(self, rasterizer: Rasterizer | Renderer, slide: Shot) -> None:
        again = shoot(rasterizer, _props_of(slide), above(), frames=3, ground=Ground())
        for one, two in zip(slide.frames, again.frames, strict=True):
            np.testing.assert_array_equal(one.rgb, two.rgb)
            assert one.labels.keys() == two.labels.keys()
            for name, array in one.labels.items():
                np.testing.assert_array_equal(array, two.labels[name], err_msg=name)

    def test_only_asked_labels_are_made(self, rasterizer: Rasterizer | Renderer, slide: Shot) -> None:
        plain = shoot(rasterizer, _props_of(slide), above(), frames=3, ground=Ground(), labels=())
        assert plain.frames[0].labels == {}
        np.testing.assert_array_equal(plain.frames[1].rgb, slide.frames[1].rgb)
        some = shoot(rasterizer, _props_of(slide), above(), frames=3, ground=Ground(), labels=("ids", "flow"))
        assert set(some.frames[1].labels) == {"ids", "flow_forward", "flow_backward"}

    def test_ids_are_part_ids(self, slide: Shot) -> None:
        ids = slide.frames[1].ids
        assert ids is not None
        assert ids[0, 0] == 1  # the ground is part 1
        assert ids[SIZE[1] // 2, SIZE[0] // 2] == 2
        focal = slide.camera.K[0, 0]
        area = 0.3 * 0.24 * (focal / 0.9) ** 2
        assert np.count_nonzero(ids == 2) == pytest.approx(area, rel=0.05)

    def test_depth_of_planes_is_z_in_metres(self, slide: Shot) -> None:
        frame = slide.frames[1]
        assert frame.depth is not None
        assert frame.depth_expected is not None
        assert frame.ids is not None
        top = inner(frame.ids == 2)
        np.testing.assert_allclose(frame.depth[top], 0.9, rtol=1e-5)
        np.testing.assert_allclose(frame.depth_expected[top], 0.9, rtol=5e-3)
        np.testing.assert_allclose(frame.depth[inner(frame.ids == 1)], 1.0, rtol=1e-6)  # also in the corners: not range

    def test_depth_of_a_tilted_plane(self, rasterizer: Rasterizer | Renderer) -> None:
        tilt = np.radians(35)
        pose = np.array([0, 0, 0, *quat_from_euler_deg((35, 0, 0))])
        shot = shoot(rasterizer, [Prop("slab", (matte(box_mesh((0.5, 0.4, 0.002))),), pose)], above())
        frame, K = shot.frames[0], shot.camera.K
        assert frame.depth is not None
        assert frame.ids is not None
        rays = (pixels() - [K[0, 2], K[1, 2]]) / K[0, 0]
        # plane through the slab's upper face, normal (0, -sin, cos) in the world, in camera axes (0, sin, -cos)
        z = (np.cos(tilt) - 0.001) / (np.cos(tilt) - np.sin(tilt) * rays[..., 1])
        seen = inner(frame.ids == 1, 3)
        assert np.count_nonzero(seen) > 500
        error = np.abs(frame.depth - z)[seen]
        assert np.median(error) < 1e-5
        assert np.percentile(error, 98) < 1e-3

    def test_depth_and_normals_of_a_sphere(self, rasterizer: Rasterizer | Renderer) -> None:
        radius = 0.2
        shot = shoot(rasterizer, [Prop("ball", (matte(sphere_mesh(radius)),))], above())
        frame, K = shot.frames[0], shot.camera.K
        assert frame.depth is not None
        assert frame.normals is not None
        rays = np.concatenate([(pixels() - [K[0, 2], K[1, 2]]) / K[0, 0], np.ones((*SIZE[::-1], 1))], axis=-1)
        square = (rays**2).sum(axis=-1)
        inside = 1 - square * (1 - radius**2)  # the sphere's centre is at depth 1
        z = (1 - np.sqrt(np.maximum(inside, 0))) / square
        seen = inside > 0.012  # not the outermost rim, where the surface is edge-on
        assert np.median(np.abs(frame.depth - z)[seen]) < 2e-4
        assert np.percentile(np.abs(frame.depth - z)[seen], 95) < 5e-4
        exact = (rays * z[..., None] - [0, 0, 1]) / radius
        angle = np.degrees(np.arccos(np.clip((frame.normals * exact).sum(axis=-1), -1, 1)))[seen]
        assert np.median(angle) < 1.5
        assert np.percentile(angle, 95) < 6

    def test_normals_of_planes_face_the_camera(self, slide: Shot) -> None:
        frame = slide.frames[1]
        assert frame.normals is not None
        assert frame.ids is not None
        length = np.linalg.norm(frame.normals, axis=-1)
        np.testing.assert_allclose(length, 1, atol=1e-4)  # the ground fills the picture
        top = frame.normals[inner(frame.ids == 2)]
        np.testing.assert_allclose(top, np.broadcast_to([0, 0, -1], top.shape), atol=1e-3)

    def test_alpha_and_sky(self, rasterizer: Rasterizer | Renderer) -> None:
        shot = shoot(rasterizer, [Prop("box", (matte(box_mesh((0.3, 0.24, 0.1))),))], above())
        frame = shot.frames[0]
        assert frame.alpha is not None
        assert frame.ids is not None
        assert frame.depth is not None
        assert frame.normals is not None
        assert frame.flow_forward is not None
        assert frame.occluded_forward is not None
        assert frame.alpha[inner(frame.ids == 1)].min() >= 0.99
        sky = inner(frame.ids == 0, 3)
        assert np.count_nonzero(sky) > 1000
        assert frame.alpha[sky].max() == 0
        assert np.isinf(frame.depth[sky]).all()
        assert not frame.normals[sky].any()
        assert np.isnan(frame.flow_forward[sky]).all()
        assert not frame.occluded_forward[sky].any()

    def test_flow_of_a_sliding_box_in_pixels(self, slide: Shot) -> None:
        frame = slide.frames[1]
        assert frame.ids is not None
        assert frame.flow_forward is not None
        assert frame.flow_backward is not None
        top = inner(frame.ids == 2)
        assert np.median(np.abs(frame.flow_forward[top] - [4, -2])) < 0.02
        assert np.percentile(np.abs(frame.flow_forward[top] - [4, -2]), 99) < 0.1
        assert np.median(np.abs(frame.flow_backward[top] + [4, -2])) < 0.02
        np.testing.assert_allclose(frame.flow_forward[inner(frame.ids == 1)], 0, atol=1e-3)

    def test_flow_carries_colours_to_the_next_frame(self, slide: Shot) -> None:
        one, two = slide.frames[0], slide.frames[1]
        assert one.ids is not None
        assert one.flow_forward is not None
        top = inner(one.ids == 2, 3)
        moved = sampled(two.rgb, pixels() + one.flow_forward)
        still = sampled(two.rgb, pixels())
        right, wrong = np.abs(moved - one.rgb)[top].mean(), np.abs(still - one.rgb)[top].mean()
        assert right < 6
        assert right < wrong / 4

    def test_first_and_last_frame_have_no_neighbour(self, slide: Shot) -> None:
        first, last = slide.frames[0], slide.frames[-1]
        assert first.flow_backward is not None
        assert last.flow_forward is not None
        assert first.occluded_backward is not None
        assert np.isnan(first.flow_backward).all()
        assert np.isnan(last.flow_forward).all()
        assert not first.occluded_backward.any()

    def test_what_the_box_will_cover_is_occluded(self, slide: Shot) -> None:
        frame, after = slide.frames[0], slide.frames[1]
        assert frame.ids is not None
        assert after.ids is not None
        assert frame.occluded_forward is not None
        covered = inner((frame.ids == 1) & (after.ids == 2), 1)
        assert np.count_nonzero(covered) > 50
        assert frame.occluded_forward[covered].all()
        assert not frame.occluded_forward[inner((frame.ids == 1) & (after.ids == 1), 2)].any()
        assert not frame.occluded_forward[inner(frame.ids == 2, 2)].any()

    def test_round_trip_under_a_moving_camera(self, orbit: Shot) -> None:
        for one, two in zip(orbit.frames[:-1], orbit.frames[1:], strict=True):
            assert one.flow_forward is not None
            assert two.flow_backward is not None
            assert one.occluded_forward is not None
            back = sampled(two.flow_backward, pixels() + np.nan_to_num(one.flow_forward))
            whole = np.isfinite(back).all(axis=-1) & np.isfinite(one.flow_forward).all(axis=-1)
            error = np.linalg.norm(one.flow_forward + back, axis=-1)[whole & ~one.occluded_forward]
            assert np.median(error) < 0.02
            assert np.percentile(error, 95) < 0.2

    def test_depth_pose_and_flow_agree(self, orbit: Shot) -> None:
        frame, path = orbit.frames[1], orbit.camera
        assert frame.depth is not None
        assert frame.ids is not None
        assert frame.flow_forward is not None
        still = frame.ids != 2  # all but the turning box
        points = unproject(frame.depth, path.K, path.world_from_camera[1])
        uv, _ = project(points, path.K, path.camera_from_world[2])
        error = np.linalg.norm(uv - pixels() - frame.flow_forward, axis=-1)[still & np.isfinite(frame.depth)]
        assert np.median(error) < 0.1
        assert error.max() < 0.1

    def test_what_carries_the_camera_stands_still_in_the_picture(self, rasterizer: Rasterizer | Renderer) -> None:
        poses = np.tile([0.0, 0, 0.05, 1, 0, 0, 0], (2, 1))
        poses[1, :2] = 0.05, 0.02
        poses[1, 3:] = quat_from_euler_deg((0, 0, 10))
        cart = Prop("cart", (matte(checkered(box_mesh((0.3, 0.24, 0.1)))),), poses)
        pose = CameraPose(look_from_m=(0, 0, 0.95), look_at_m=(0, 0, 0))
        camera = Camera(name="c", resolution_px=SIZE, fov_y_deg=40, attach_to="cart", pose=pose)
        shot = shoot(rasterizer, [cart], camera, ground=Ground())
        frame = shot.frames[0]
        assert frame.ids is not None
        assert frame.flow_forward is not None
        np.testing.assert_allclose(frame.flow_forward[frame.ids == 2], 0, atol=1e-3)
        assert np.abs(frame.flow_forward[frame.ids == 1]).mean() > 1


def _props_of(shot: Shot) -> list[Prop]:
    """The box of ``slide`` again."""
    return [Prop("box", (matte(checkered(box_mesh((0.3, 0.24, 0.1)), 6)),), shot.trajectory.poses[:, 1])]
