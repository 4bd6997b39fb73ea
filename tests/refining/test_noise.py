"""Surface-anchored noise: exactly Gaussian, white, stuck to surfaces, the same when seen again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import kstest

from simvid.camera_path import RollingShutter
from simvid.clip import Clip
from simvid.frames import CameraPath, Frames
from simvid.lens import picture_rays, pixel_size_m
from simvid.motion import motion_of, surface_points, to_camera
from simvid.refining import noise, noise_fast
from simvid.refining.noise import SKY, Anchors, anchors, cells_of, gaussian, latents
from simvid.trajectory import Contacts, Part, Trajectory

SIZE = 128


def floor_frames(shifts_m: list[float], height_m: float = 2.0, tilt: float = 0.0) -> Any:
    """A camera that looks straight down on a floor (or one tilted by so many radians) and moves to the right."""
    count = len(shifts_m)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, 1, 1] = poses[:, 2, 2] = -1
    poses[:, 0, 3], poses[:, 2, 3] = shifts_m, height_m
    K = np.array([[SIZE, 0, SIZE / 2], [0, SIZE, SIZE / 2], [0, 0, 1.0]])
    camera = CameraPath("top", SIZE, SIZE, K, poses)
    v = (np.arange(SIZE) + 0.5 - SIZE / 2) / SIZE
    depth = np.broadcast_to((height_m / (1 + np.tan(tilt) * v))[None, :, None], (count, SIZE, SIZE))
    empty = np.zeros((count, SIZE, SIZE, 3), np.uint8)
    return Frames(
        camera,
        empty,
        depth=depth.astype(np.float32),
        ids=np.zeros((count, SIZE, SIZE), np.int32),
    )


def still(clip: Clip) -> Trajectory:
    return clip.trajectory


def where_of(frames: Any, trajectory: Trajectory, frame: int) -> Anchors:
    return anchors(frames.camera, trajectory, frame, frames.depth[frame], frames.ids[frame])


def draw(frames: Any, clip: Clip, index: int, seed: int = 1, channels: int = 3) -> Any:
    return noise_fast.gaussian(where_of(frames, still(clip), index), channels, seed)


def test_philox_gives_its_published_numbers() -> None:
    words = np.array([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], np.uint64)
    found = noise._philox(tuple(w[None] for w in words), seed=0xA4093822 | 0x299F31D0 << 32)
    assert [f"{int(w):08x}" for w in found[:, 0]] == [
        "d16cfe09",
        "94fdcceb",
        "5001e420",
        "24126ea1",
    ]


def test_the_quantile_is_scipy_s() -> None:
    p = np.concatenate(
        [
            (np.array([0, 1, 10, 1e5, 2**31]) + 0.5) / 2**32,
            np.linspace(0.001, 0.999, 500),
        ]
    )
    assert np.allclose([noise_fast._quantile(x) for x in p], ndtri(p), rtol=1e-13, atol=1e-15)


def test_both_ways_give_the_same(flying_clip: Clip) -> None:
    where = where_of(flying_clip.frames("front"), flying_clip.trajectory, 1)
    for channels, seed in ((3, 0), (6, 2**63 + 5)):
        slow, fast = (
            gaussian(where, channels, seed),
            noise_fast.gaussian(where, channels, seed),
        )
        assert np.allclose(slow, fast, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_gaussian_and_white(flying_clip: Clip, tilt: float) -> None:
    frames = floor_frames([0.0], 1.37, tilt)
    values = draw(frames, flying_clip, 0, channels=8)
    n = values.size
    assert abs(values.mean()) < 4 / n**0.5
    assert abs(values.var() - 1) < 4 * (2 / n) ** 0.5
    assert kstest(values.reshape(-1), "norm").pvalue > 0.001
    for dy, dx in ((0, 1), (1, 0), (1, 1), (0, 2), (3, 0)):
        moved = values[:, dy:, dx:] * values[:, : SIZE - dy, : SIZE - dx]
        assert abs(moved.mean()) < 0.03, (dy, dx)
    channels = np.corrcoef(values.reshape(8, -1))
    assert np.abs(channels - np.eye(8)).max() < 0.04
    assert (
        np.abs(
            np.corrcoef(
                values.reshape(-1),
                draw(frames, flying_clip, 0, seed=2, channels=8).reshape(-1),
            )[0, 1]
        )
        < 0.02
    )


def test_it_sticks_to_what_moves_under_the_camera(flying_clip: Clip) -> None:
    """The surface point of each pixel, found in the next frame by its flow, has the same value there."""
    where = where_of(flying_clip.frames("front"), flying_clip.trajectory, 1)
    clip = flying_clip
    frames = clip.frames("front")
    flow, hidden = clip.flow("front", 1, 2)
    from simvid.motion import RigidMotion
    from simvid.trajectory import pose_matrices

    assert frames.depth is not None
    assert frames.ids is not None
    ids = frames.ids[1]
    points = RigidMotion(clip.trajectory)(surface_points(frames.camera, 1, frames.depth[1]), ids, 1, 2)
    poses = np.concatenate([np.eye(4)[None], pose_matrices(clip.trajectory.poses[2])])[ids]
    local = np.einsum("...a,...ab->...b", points - poses[..., :3, 3], poses[..., :3, :3])
    later = cells_of(local, ids, pixel_size_m(frames.camera, to_camera(frames.camera, 2, points)))
    a, b = (noise_fast.gaussian(w, 4, 9) for w in (where, later))
    for mask in (~hidden & (ids == 1), ~hidden & (ids > 1)):
        seen = mask & np.isfinite(flow[..., 0])
        assert seen.sum() > 100
        assert np.corrcoef(a[:, seen].reshape(-1), b[:, seen].reshape(-1))[0, 1] > 0.85


def test_a_shift_by_whole_pixels_shifts_the_noise(flying_clip: Clip) -> None:
    pixel_m = 2.0 / SIZE
    frames = floor_frames([0.0, 5 * pixel_m, 0.0])
    first, moved, again = (draw(frames, flying_clip, i) for i in range(3))
    assert np.mean(first[:, :, 5:] == moved[:, :, :-5]) > 0.99
    assert np.array_equal(first, again), "seen again, the same"


def test_nearest_pixels_agree_as_often_as_cells_overlap(flying_clip: Clip) -> None:
    """Half a pixel off in one direction: a cell as wide as r pixels is kept with probability 1 - 1 / (2 r)."""
    height = 2.0
    pixel_m = height / SIZE  # 2^-6: cells are one pixel wide
    frames = floor_frames([0.21 * pixel_m, 0.71 * pixel_m], height)
    first, moved = (draw(frames, flying_clip, i) for i in range(2))
    same = max(np.mean(first == moved), np.mean(first[:, :, 1:] == moved[:, :, :-1]))
    assert same > 0.95 or same < 0.05, "all pixels have one phase: all keep their cells, or none"
    frames = floor_frames([0.21 * pixel_m, 0.71 * pixel_m], height * 0.77)
    first, moved = (draw(frames, flying_clip, i) for i in range(2))
    ratio = 1 / 0.77 / 2  # width of a cell in pixels: the level below
    assert np.mean(first == moved) == pytest.approx(max(1 - 0.5 / 0.77 / ratio, 0), abs=0.05)


def test_other_parts_and_other_levels_read_other_numbers() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (64, 64, 3))
    owners = np.ones((64, 64), np.int32)
    one = gaussian(cells_of(points, owners, np.full((64, 64), 0.01)), 2, 0)
    for other in (
        cells_of(points, owners + 1, np.full((64, 64), 0.01)),
        cells_of(points, owners, np.full((64, 64), 0.02)),
    ):
        assert abs(np.corrcoef(one.reshape(-1), gaussian(other, 2, 0).reshape(-1))[0, 1]) < 0.05


def test_the_sky_has_noise_of_its_own(flying_clip: Clip) -> None:
    frames = floor_frames([0.0, 0.3])
    sky = replace(frames, depth=np.full_like(frames.depth, np.inf))
    where = where_of(sky, still(flying_clip), 0)
    assert (where.owners == SKY).all()
    values = noise_fast.gaussian(where, 3, 1)
    assert abs(values.var() - 1) < 0.03
    assert abs((values[:, :, 1:] * values[:, :, :-1]).mean()) < 0.03
    assert np.array_equal(values, draw(sky, flying_clip, 1)), (
        "a camera that moves, but does not turn, sees the same sky"
    )


def test_latents_have_variance_one_even_where_cells_are_shared(
    flying_clip: Clip,
) -> None:
    frames = floor_frames([0.0], 1.37)
    where = where_of(frames, still(flying_clip), 0)
    coarse = Anchors(where.cells // 3, where.owners, where.levels)
    for cells in (where, coarse):
        found = latents(cells, 16, 4, 8, noise_fast.gaussian)
        assert found.shape == (16, SIZE // 8, SIZE // 8)
        assert abs(found.mean()) < 4 / found.size**0.5
        assert abs(found.var() - 1) < 4 * (2 / found.size) ** 0.5
    plain = noise_fast.gaussian(coarse, 16, 4).reshape(16, 16, 8, 16, 8).sum(axis=(2, 4)) / 8
    assert plain.var() > 2, "without counting shared cells it would be too strong"
    alike = latents(Anchors(0 * where.cells, where.owners, 0 * where.levels), 1, 4, 8)
    assert np.allclose(
        alike,
        gaussian(Anchors(0 * where.cells, where.owners, 0 * where.levels), 1, 4)[0, 0, 0],
    )


def as_before(camera: CameraPath, trajectory: Trajectory, frame: int, depth: Any, ids: Any) -> Anchors:
    """What ``anchors`` was before it knew of rolling shutters."""
    height, width = depth.shape
    one = replace(camera, width=width, height=height, world_from_camera=camera.world_from_camera[frame : frame + 1])
    world = surface_points(one, 0, depth)
    size = pixel_size_m(one, to_camera(one, 0, world))
    local = motion_of(trajectory).rest(world, ids, frame)
    bare = np.isnan(world[..., 0])
    slopes = picture_rays(one)[1]
    ray = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1) @ one.world_from_camera[0, :3, :3].T
    length = np.linalg.norm(ray, axis=-1)
    points = np.where(bare[..., None], ray / length[..., None], local)
    shown = np.where(bare, 1 / (float(max(one.K[0, 0], one.K[1, 1])) * length * length), size)
    return cells_of(points, np.where(bare, SKY, ids).astype(np.int32), shown)


@pytest.mark.parametrize("view", ["front", "side"])
def test_without_a_rolling_shutter_not_a_bit_changes(view: str, flying_clip: Clip) -> None:
    """Of any cell, sky or surface, in the picture or in what a model's size adds to it."""
    frames, trajectory = flying_clip.frames(view), flying_clip.trajectory
    assert frames.depth is not None
    assert frames.ids is not None
    for frame in range(len(frames)):
        for more in (0, 13):
            depth, ids = (np.pad(a[frame], ((0, more), (0, more)), mode="edge") for a in (frames.depth, frames.ids))
            found, wanted = (f(frames.camera, trajectory, frame, depth, ids) for f in (anchors, as_before))
            for name in ("cells", "owners", "levels"):
                assert np.array_equal(getattr(found, name), getattr(wanted, name))


LINES, STEP = 8, 40
"""Lines of a band; pixels that things move in a frame, and 40 times a band's time is whole."""
ROLLING = RollingShutter(0.8 / 24, lines=LINES)


def slide(shifts_m: list[float]) -> Trajectory:
    """Of the floor as a part that slides to the right."""
    poses = np.zeros((len(shifts_m), 1, 7))
    poses[:, 0, 0], poses[:, 0, 3] = shifts_m, 1
    floor = Part("floor", "floor", 1, "body", "floor")
    return Trajectory(24, (floor,), poses, np.zeros((len(shifts_m), 1, 6)), Contacts.none())


@pytest.mark.parametrize("mover", ["camera", "part"])
def test_it_sticks_under_a_rolling_shutter(mover: str) -> None:
    """To a floor under a shaking camera and to one that shakes: each band is shifted by the motion at its own times."""
    height = 2.000002  # 2^-6 m and a little for a pixel: cells are as wide, however the depth is rounded
    step = STEP * height / SIZE
    shifts, rest = [0.0, step, 0.0], [0.0] * 3
    frames = floor_frames(shifts if mover == "camera" else rest, height)
    camera, ids = replace(frames.camera, shutter=ROLLING), frames.ids + 1
    trajectory = slide(rest if mover == "camera" else [-s for s in shifts])
    before, after = (noise_fast.gaussian(anchors(camera, trajectory, k, frames.depth[k], ids[k]), 4, 1) for k in (0, 1))
    for first, last, offset in ROLLING.bands(SIZE, SIZE):
        shift = round(STEP * (1 - abs(offset) - offset))
        assert 10 <= shift <= STEP
        assert np.mean(before[:, first:last, shift:] == after[:, first:last, :-shift]) > 0.99, first


def test_the_sky_sticks_under_a_rolling_shutter() -> None:
    """Each line looks where the camera has turned to when it is read."""
    poses = np.tile(np.eye(4), (3, 1, 1))
    for k in range(3):
        poses[k, :3, :3] = yaw(0.2 * k)
    frames = floor_frames([0.0] * 3)
    camera = replace(frames.camera, world_from_camera=poses, shutter=ROLLING)
    found = anchors(camera, slide([0.0] * 3), 1, np.full_like(frames.depth[0], np.inf), frames.ids[0])
    u = np.arange(SIZE) + 0.5 - SIZE / 2
    for first, last, offset in ROLLING.bands(SIZE, SIZE):
        rays = np.stack(np.broadcast_arrays(u / SIZE, u[first:last, None] / SIZE, 1.0), axis=-1)
        length = np.linalg.norm(rays, axis=-1)
        points = rays @ yaw(0.2 * (1 + offset)).T / length[..., None]
        owners = np.full(length.shape, SKY, np.int32)
        wanted = cells_of(points, owners, 1 / (SIZE * length * length))
        assert np.mean(found.cells[first:last] == wanted.cells) > 0.99


def yaw(angle: float) -> Any:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_what_a_model_s_size_adds_changes_no_line_s_time() -> None:
    frames = floor_frames([0.0, STEP * 2.0 / SIZE])
    camera, depth, ids = replace(frames.camera, shutter=ROLLING), frames.depth[1], frames.ids[1]
    small = anchors(camera, slide([0.0, 0.0]), 1, depth, ids)
    more = ((0, 40), (0, 24))
    wide = anchors(camera, slide([0.0, 0.0]), 1, np.pad(depth, more, mode="edge"), np.pad(ids, more))
    assert wide.cells.shape == (SIZE + 40, SIZE + 24, 3)
    assert np.array_equal(wide.cells[:SIZE, :SIZE], small.cells)
