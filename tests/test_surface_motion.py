"""Labels that follow surface points: flow, scene flow, occlusion, distance; closed forms, every lens, any motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.derived import DERIVED, derive
from simvid.frames import CameraPath, Frame
from simvid.lens import pixel_centers, unproject_picture
from simvid.motion import (
    RigidMotion,
    When,
    distance,
    flow_between,
    hidden,
    motion_of,
    scene_flow,
    shown,
    surface_points,
    to_camera,
    to_world,
    world_normals,
)
from simvid.optics import Lens
from simvid.rendering import motion as quick
from simvid.rendering.camera import intrinsics, look_at
from simvid.rendering.surface_labels import object_coordinates
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Camera, CameraPose
from simvid.testing.staging import Prop, staged
from simvid.tracks import Queries, Tracker, Tracks, pixel_queries
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
SIZE = (40, 30)
HEIGHT_M = 2.0
LENSES = {
    "pinhole": Lens(),
    "distorted": Lens("pinhole", (-0.12, 0.03, 0.002, -0.001, 0.0, 0.0, 0.0, 0.0)),
    "fisheye": Lens("fisheye", (0.02, -0.005, 0.001, 0.0)),
    "orthographic": Lens("orthographic"),
}
every_lens = pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)


def above(lens: Lens = LENSES["pinhole"], frames: int = 3) -> CameraPath:
    """Looks straight down from 2 m: the world's x is right, y is up in the picture, z = 2 - height."""
    K = intrinsics(*SIZE, 60.0)
    if lens.kind == "orthographic":
        K[0, 0] = K[1, 1] = 14.0
    return CameraPath("c", *SIZE, K, np.tile(look_at((0, 0, HEIGHT_M), (0, 0, 0)), (frames, 1, 1)), lens)


def moving(*poses: Array) -> Trajectory:
    """One part with a pose per frame."""
    camera = Camera(name="c", pose=CameraPose(position_m=(0, 0, 2)))
    return staged([Prop("thing", (), np.stack(poses))], [camera], frames=len(poses))[1]


def placed(x: float = 0, y: float = 0, z: float = 0, turn_deg: float = 0) -> Array:
    return np.array([x, y, z, *quat_from_euler_deg((0, 0, turn_deg))])


def plane(height_m: float = 0.0, part: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    return np.full(SIZE[::-1], HEIGHT_M - height_m, np.float32), np.full(SIZE[::-1], part, np.int32)


def test_parallel_lines_of_sight_move_alike_at_any_depth() -> None:
    motion = RigidMotion(moving(placed(), placed(0.1, 0.05, 0.3)))
    for height in (0.0, 0.7):
        uv, z = flow_between(*plane(height), above(LENSES["orthographic"]), motion, (0, 1))
        np.testing.assert_allclose(uv, np.broadcast_to([1.4, -0.7], uv.shape), atol=1e-5)
        np.testing.assert_allclose(z, HEIGHT_M - height - 0.3, rtol=1e-6)


@every_lens
def test_a_turn_about_the_line_of_sight_turns_the_picture(lens: Lens) -> None:
    """Under lenses that bend with the distance from the middle alone: tangential distortion is left out."""
    if lens.kind == "pinhole":
        lens = replace(lens, distortion=tuple(0.0 if k in (2, 3) else c for k, c in enumerate(lens.distortion)))
    uv, _ = flow_between(*plane(), above(lens), RigidMotion(moving(placed(), placed(turn_deg=30))), (0, 1))
    u, v = np.moveaxis(pixel_centers(above()) - [20, 15], -1, 0)
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    np.testing.assert_allclose(uv[..., 0], c * u + s * v - u, atol=1e-4)
    np.testing.assert_allclose(uv[..., 1], -s * u + c * v - v, atol=1e-4)


@every_lens
def test_there_and_back_again(lens: Lens) -> None:
    """The flow from i to j and the flow back of the very points cancel, for any two frames."""
    camera = above(lens)
    trajectory = moving(placed(), placed(0.1, 0, 0.1, 5), placed(0.2, 0.1, 0.2, 12))
    depth, ids = plane(0.3)
    points = surface_points(camera, 0, depth)
    motion = motion_of(trajectory)
    for j in (1, 2):
        moved = motion(points, ids, 0, j)
        np.testing.assert_allclose(motion(moved, ids, j, 0), points, atol=1e-12)
        uv, z = flow_between(depth, ids, camera, motion, (0, j))
        np.testing.assert_allclose(z, to_camera(camera, j, moved)[..., 2], rtol=1e-6)
        assert np.isfinite(uv).all()


@every_lens
def test_a_resting_world_under_a_resting_camera_does_not_move(lens: Lens) -> None:
    uv, _ = flow_between(*plane(), above(lens), RigidMotion(moving(*[placed(0.2, 0.1, 0, 40)] * 2)), (0, 1))
    np.testing.assert_allclose(uv, 0, atol=1e-4)


def test_the_quick_way_is_the_readable_way() -> None:
    rng = np.random.default_rng(4)
    trajectory = moving(*(np.array([*rng.normal(size=3) * 0.2, *quat_from_euler_deg(tuple(rng.normal(size=3) * 9))])
                          for _ in range(3)))  # fmt: skip
    camera = above()
    depth = rng.uniform(1, 3, SIZE[::-1]).astype(np.float32)
    depth[rng.random(depth.shape) < 0.1] = np.inf
    ids = rng.integers(0, 2, depth.shape).astype(np.int32)
    target_depth, target_ids = rng.permuted(depth, axis=1), rng.permuted(ids, axis=1)
    for frames in ((0, 1), (1, 0), (2, 0), (0, 2)):
        fast, fast_z = quick.flow(depth, ids, camera, trajectory, frames)
        slow, slow_z = flow_between(depth, ids, camera, motion_of(trajectory), frames)
        np.testing.assert_allclose(fast, slow, atol=2e-4)
        np.testing.assert_allclose(fast_z, slow_z, rtol=1e-6)
        np.testing.assert_array_equal(
            quick.occluded(fast, fast_z, ids, target_depth, target_ids),
            hidden(fast, fast_z, ids, target_depth, target_ids),
        )


def test_scene_flow_of_a_spinning_thing_under_a_moving_camera() -> None:
    """v = omega x r for small turns; the camera's own motion adds nothing, its turn gives the axes."""
    turn = 0.01
    trajectory = moving(placed(0.1, 0.2), placed(0.1, 0.2, turn_deg=np.degrees(turn)))
    camera = above()
    poses = camera.world_from_camera.copy()
    poses[1, :3, 3] += [0.5, 0.1, 1.0]
    camera = replace(camera, world_from_camera=poses)
    depth, ids = plane(0.3)
    arm = surface_points(camera, 0, depth) - [0.1, 0.2, 0]
    flow = scene_flow(depth, ids, camera, motion_of(trajectory), (0, 1))
    world = np.stack([-turn * arm[..., 1], turn * arm[..., 0], 0 * arm[..., 0]], axis=-1)
    np.testing.assert_allclose(flow, world * [1, -1, -1], atol=1e-4)
    assert np.linalg.norm(world, axis=-1).max() > 0.01
    assert not scene_flow(depth, 0 * ids, camera, motion_of(trajectory), (0, 1)).any(), "scenery stands still"


@every_lens
def test_distance_of_a_sphere_about_the_camera(lens: Lens) -> None:
    camera = above(lens)
    rays = unproject_picture(camera, np.ones(SIZE[::-1], np.float32))
    if lens.kind == "orthographic":
        xy2 = (rays[..., :2] ** 2).sum(-1)
        depth = np.sqrt(2.5**2 - xy2)
    else:
        depth = 2.5 / np.linalg.norm(rays, axis=-1)
    depth[0, 0] = np.inf
    found = distance(camera, depth.astype(np.float32))
    assert np.isposinf(found[0, 0])
    np.testing.assert_allclose(found.ravel()[1:], 2.5, rtol=1e-6)


def test_normals_in_the_world() -> None:
    camera = above()
    normals = np.zeros((*SIZE[::-1], 3), np.float32)
    normals[..., 2] = -1  # towards the camera, which looks down
    normals[0] = 0
    found = world_normals(camera, 0, normals)
    np.testing.assert_allclose(found[1:], np.broadcast_to([0, 0, 1], found[1:].shape), atol=1e-7)
    assert not found[0].any()


def test_derived_labels() -> None:
    trajectory = moving(placed(), placed())
    trajectory = replace(trajectory, parts=(replace(trajectory.parts[0], instance_id=7),))
    depth, ids = plane()
    depth[0], ids[0] = np.inf, 0
    frame = Frame(np.zeros((*SIZE[::-1], 3), np.uint8), depth=depth, ids=ids)
    made = {name: derive(name, frame, above(), 0, trajectory) for name in DERIVED if name != "normals_world"}
    assert np.array_equal(made["valid"], np.isfinite(depth))
    assert np.unique(made["instance_ids"]).tolist() == [0, 7]
    assert np.unique(made["semantic_ids"]).tolist() == [0, 1]
    np.testing.assert_array_equal(made["distance"], distance(above(), depth))
    with pytest.raises(ValueError, match="normals_world is made from normals, which the frame does not have"):
        derive("normals_world", frame, above(), 0, trajectory)
    with pytest.raises(ValueError, match=r"expected one of valid, distance, .*, got 'speed'"):
        derive("speed", frame, above(), 0, trajectory)


@dataclass(frozen=True)
class Wave:
    """A sheet whose points rise and sink: height(x, frame) = A sin(k x - w frame); x and y stay. It does not rest."""

    amplitude_m: float = 0.1
    k: float = 3.0
    w: float = 0.5

    def height(self, x: Array, at: When) -> Array:
        return np.asarray(self.amplitude_m * np.sin(self.k * x - self.w * at))

    def __call__(self, points: Array, ids: NDArray[np.int32], i: When, j: When) -> Array:
        return self._lifted(self.rest(points, ids, i), ids, j)

    def rest(self, points: Array, ids: NDArray[np.int32], at: When) -> Array:
        return self._lifted(points, ids, at, -1)

    def _lifted(self, points: Array, ids: NDArray[np.int32], at: When, sign: int = 1) -> Array:
        out = points.copy()
        out[..., 2] += sign * (ids == 1) * self.height(points[..., 0], at)
        return out


class TestDeforming:
    """The same functions on a motion that no pose describes."""

    wave = Wave()

    def sheet(self, camera: CameraPath, frame: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Exact depth of the sheet, by iteration along each line of sight."""
        z = np.full(SIZE[::-1], HEIGHT_M)
        for _ in range(60):
            x = to_world(camera, frame, unproject_picture(camera, z))[..., 0]
            z = HEIGHT_M - self.wave.height(x, frame)
        return z.astype(np.float32), np.full(SIZE[::-1], 1, np.int32)

    @every_lens
    def test_flow_and_scene_flow(self, lens: Lens) -> None:
        camera = above(lens, frames=6)
        depth, ids = self.sheet(camera, 0)
        x = surface_points(camera, 0, depth)[..., 0]
        rise = self.wave.height(x, 5) - self.wave.height(x, 0)
        moved = scene_flow(depth, ids, camera, self.wave, (0, 5))
        np.testing.assert_allclose(moved, np.stack([0 * x, 0 * x, -rise], axis=-1), atol=1e-6)
        uv, z = flow_between(depth, ids, camera, self.wave, (0, 5))
        np.testing.assert_allclose(z, depth - rise, atol=1e-5)
        if lens.kind == "orthographic":
            np.testing.assert_allclose(uv, 0, atol=1e-4)
        if lens.plain:  # nearer by some share is larger by that share
            away = pixel_centers(camera) - camera.K[:2, 2]
            np.testing.assert_allclose(uv, away * (depth / (depth - rise) - 1)[..., None], atol=1e-4)

    def test_nothing_of_the_sheet_hides(self) -> None:
        camera = above(frames=6)
        depth, ids = self.sheet(camera, 0)
        uv, z = flow_between(depth, ids, camera, self.wave, (0, 5))
        inside = np.zeros(SIZE[::-1], np.bool_)
        inside[2:-2, 2:-2] = True
        assert not hidden(uv, z, ids, *self.sheet(camera, 5))[inside].any()
        flat = np.full_like(depth, HEIGHT_M - 0.2)
        assert hidden(uv, z, ids, flat, ids).all(), "something lies over it"

    def test_object_coordinates_stay_with_the_surface(self) -> None:
        camera = above(frames=6)
        box = np.array([[[-2, -2, 0], [2, 2, 0]]], np.float64)
        for frame in (0, 3, 5):
            depth, ids = self.sheet(camera, frame)
            points = surface_points(camera, frame, depth)
            coords = object_coordinates(self.wave.rest(points, ids, frame), ids, box)
            np.testing.assert_allclose(coords[..., :2], (points[..., :2] + 2) / 4, atol=1e-5)
            np.testing.assert_allclose(coords[..., 2], 0.5)

    def test_tracks_rise_and_sink(self) -> None:
        camera = above(frames=6)
        pixels = np.array([[5.5, 8.5], [20.5, 15.5], [33.5, 22.5]])
        tracker = Tracker(pixel_queries(pixels, 0, camera, *self.sheet(camera, 0), self.wave), camera,
                          moving(*[placed()] * 6), self.wave)  # fmt: skip
        for frame in range(6):
            tracker.add(*self.sheet(camera, frame))
        tracks = tracker.result()
        assert tracks.visible.all()
        x = tracks.world_m[0, :, 0]
        for frame in range(6):
            np.testing.assert_allclose(tracks.world_m[frame, :, 2], self.wave.height(x, frame), atol=2e-3)
        np.testing.assert_allclose(tracks.local_m[:, 2], 0, atol=2e-3)
        np.testing.assert_allclose(tracks.uv[0], pixels, atol=1e-4)


class TestTracks:
    """Points on a part that turns on the spot, seen from above."""

    def tracked(self, queries: Queries, trajectory: Trajectory, target: tuple[NDArray[np.float32], NDArray[np.int32]]
                ) -> Tracks:  # fmt: skip
        tracker = Tracker(queries, above(frames=trajectory.frame_count), trajectory)
        for _ in range(trajectory.frame_count):
            tracker.add(*target)
        return tracker.result()

    def test_a_point_goes_round(self) -> None:
        turning = moving(*(placed(turn_deg=30.0 * k) for k in range(4)))
        queries = Queries(np.array([1], np.int32), np.array([1], np.int32), np.array([[0.3, 0, 0.5]]),
                          np.array([[0, 0, 1.0]]))  # fmt: skip
        tracks = self.tracked(queries, turning, plane(0.5))
        angle = np.radians(30.0 * (np.arange(4) - 1))
        np.testing.assert_allclose(
            tracks.world_m[:, 0, :2], 0.3 * np.stack([np.cos(angle), np.sin(angle)], -1), atol=1e-9
        )
        focal = above().K[0, 0]
        np.testing.assert_allclose(tracks.uv[:, 0, 0], 20 + focal * 0.3 * np.cos(angle) / 1.5, atol=1e-4)
        np.testing.assert_allclose(tracks.uv[:, 0, 1], 15 - focal * 0.3 * np.sin(angle) / 1.5, atol=1e-4)
        np.testing.assert_allclose(tracks.z_m, 1.5, rtol=1e-6)
        np.testing.assert_allclose(tracks.local_m[0], [0.3 * np.cos(np.radians(30)), -0.15, 0.5], atol=1e-9)
        assert tracks.visible.all()

    @pytest.mark.parametrize(
        ("point", "normal", "target", "seen"),
        [
            ([0.1, 0.1, 0.5], [0, 0, 1.0], (0.5, 1), True),
            ([0.1, 0.1, 0.5], [0, 0, -1.0], (0.5, 1), False),
            ([0.1, 0.1, 0.5], [np.nan] * 3, (0.5, 1), True),
            ([0.1, 0.1, 0.2], [0, 0, 1.0], (0.5, 1), False),
            ([0.1, 0.1, 0.5], [0, 0, 1.0], (0.5, 2), False),
            ([9.0, 0.1, 0.5], [0, 0, 1.0], (0.5, 1), False),
            ([0.1, 0.1, 5.0], [0, 0, 1.0], (0.5, 1), False),
            ([np.nan] * 3, [np.nan] * 3, (0.5, 1), False),
        ],
        ids=["in sight", "turned away", "no inside", "beneath", "another part", "outside", "behind the camera", "none"],
    )
    def test_visibility(self, point: list[float], normal: list[float], target: tuple[float, int], seen: bool) -> None:
        queries = Queries(np.array([1], np.int32), np.zeros(1, np.int32), np.array([point]), np.array([normal]))
        tracks = self.tracked(queries, moving(placed(), placed()), plane(*target))
        assert tracks.visible.tolist() == [[seen]] * 2

    def test_places_outside_the_picture_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"expected places in a picture of 40 x 30 px, got \[40.0, 3.0\]"):
            pixel_queries(
                np.array([[3.0, 3.0], [40.0, 3.0]]), 0, above(), *plane(), motion_of(moving(placed(), placed()))
            )

    def test_sky_is_tracked_nowhere(self) -> None:
        depth, ids = plane(part=0)
        depth[:] = np.inf
        trajectory = moving(placed(), placed())
        queries = pixel_queries(np.array([[3.0, 3.0]]), 0, above(), depth, ids, motion_of(trajectory))
        tracks = self.tracked(queries, trajectory, (depth, ids))
        assert np.isnan(tracks.uv).all()
        assert not tracks.visible.any()


def test_four_pixels_decide_what_is_shown() -> None:
    ids = np.ones((3, 4), np.int32)
    ids[:, 2:] = 2
    depth = np.full((3, 4), 1.0, np.float32)
    uv = np.array([[1.5, 1.5], [2.4, 1.5], [2.51, 1.5], [-0.1, 1.0], [1.5, 2.99], [np.nan, 1.0]])
    seen = shown(uv, np.ones(6), np.ones(6, np.int32), depth, ids)
    assert seen.tolist() == [True, True, False, False, True, False]
    assert not shown(uv[:1], np.array([1.02]), np.ones(1, np.int32), depth, ids).any()


def test_rest_is_the_frame_of_the_part() -> None:
    poses = [placed(0.3, -0.2, 0.4, 25), placed(0.1, 0.2, 0.3, 70)]
    motion = motion_of(moving(*poses))
    local = np.random.default_rng(0).normal(size=(5, 3))
    for frame, pose in enumerate(poses):
        matrix = pose_matrix(pose[:3], pose[3:])
        world = local @ matrix[:3, :3].T + matrix[:3, 3]
        np.testing.assert_allclose(motion.rest(world, np.ones(5, np.int32), frame), local, atol=1e-12)
        np.testing.assert_array_equal(motion.rest(world, np.zeros(5, np.int32), frame), world)
