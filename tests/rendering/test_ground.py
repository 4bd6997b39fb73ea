from __future__ import annotations

import numpy as np
import pytest

from simvid.frames import CameraPath
from simvid.rendering.camera import intrinsics, look_at
from simvid.rendering.ground.plane import Backdrop, Background
from simvid.rendering.ground.pyramid import Pyramid, _half_turn, filtered, pyramid
from simvid.rendering.ground.texture import ground_texture
from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import ONE, ZERO, Floats, Vec
from simvid.rendering.light.environment import Environment, environment_of
from simvid.rendering.light.lighting import SETS, Lighting, SkyArrays, sky_share
from simvid.rendering.light.shadows import Casters
from simvid.rendering.sight import sight_of
from simvid.scene import Camera, CameraPose, Ground, Light, Look, Scene, Sky, Sun

SIZE = (64, 48)
SUN = Light(sun=Sun(direction=(0, 0, -1), strength=3, color=(1, 1, 1)))


def scene(*lights: Light, height_m: float | None = 0.0, look: Look | None = None) -> Scene:
    ground = None if height_m is None else Ground(height_m=height_m, look=look)
    return Scene(
        simvid=1, duration_s=1, fps=1, cameras=(Camera(name="c", pose=CameraPose()),), lights=lights, ground=ground
    )


def camera(*poses: np.ndarray) -> CameraPath:
    return CameraPath("c", *SIZE, intrinsics(*SIZE, 60.0), np.stack(poses))


def light_of(environment: Environment, *, shadows: bool = False) -> Lighting:
    return Lighting(environment, np.zeros(3), 2.0, 0.02, shadows=shadows)


def drawn(world: Scene, pose: np.ndarray, light: Lighting | None = None, haze_m: float = 1e6) -> Backdrop:
    environment = environment_of(world)
    made = Background(environment, ground_texture(world), haze_m=haze_m, far_m=500.0)
    arrays = (light or light_of(environment)).arrays
    return made.draw(sight_of(camera(pose), pose), arrays, np.zeros(SIZE[::-1], np.float32), Workers(1))


@kernel
def _filtered(texture: Pyramid, x: float, y: float, ux: float, uy: float, vx: float, vy: float) -> Vec:
    r, g, b = filtered(texture, x, y, ux, uy, vx, vy)
    return r, g, b


def test_depth_of_the_plane_is_exact() -> None:
    pose = look_at((0, 0, 2.5), (1, 0, 0.5))
    depth = drawn(scene(SUN, height_m=0.5), pose).depth
    v, u = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5, indexing="ij")
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(intrinsics(*SIZE, 60.0)).T @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        exact = (0.5 - 2.5) / rays[..., 2]
    hit = (exact > 0) & (exact < 500)
    np.testing.assert_allclose(depth[hit], exact[hit], rtol=1e-6)
    assert np.isinf(depth[~hit]).all()


def test_without_ground_all_is_sky() -> None:
    assert np.isinf(drawn(scene(SUN, height_m=None), look_at((0, 0, 2), (0.1, 0, 0))).depth).all()


def test_lit_ground_has_lamberts_colour() -> None:
    grey = Look(base_color=(0.5, 0.5, 0.5))
    rgb = drawn(scene(SUN, look=grey), look_at((0, 0, 2), (0, 0, 0))).rgb
    radiance = 0.2140411 * 3 / np.pi
    np.testing.assert_allclose(rgb, radiance, rtol=3e-3)


def test_what_captures_cover_is_coloured_as_it_may_sink_into_the_ground() -> None:
    world, pose = scene(SUN), look_at((0, 0, 2.5), (1, 0, 0.5))
    environment = environment_of(world)
    pictures = []
    for covered in (0.0, 1.0):
        made = Background(environment, ground_texture(world), haze_m=1e6, far_m=500.0, shown=True)
        known = (sight_of(camera(pose), pose), light_of(environment).arrays, np.full(SIZE[::-1], covered, np.float32))
        made.draw(*known, Workers(1)).rgb[:] = -1
        pictures.append(made.draw(*known, Workers(1)).rgb)
    assert np.array_equal(pictures[0], pictures[1])


def below_a_plate(world: Scene) -> Lighting:
    side = np.arange(-0.3, 0.3, 0.02)
    x, y = np.meshgrid(side, side)
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.4)], axis=-1).astype(np.float32)
    up = np.tile(np.array([0, 0, 1], np.float32), (len(points), 1))
    plate = Casters(points, up, np.full(len(points), 0.02, np.float32), np.zeros(len(points), bool))
    light = light_of(environment_of(world), shadows=True)
    light.draw_still(plate, plate, Workers(1))
    nothing = Casters(points[:0], up[:0], plate.radii[:0], plate.closed[:0])
    light.update(nothing, nothing, Workers(1))
    return light


def test_things_throw_shadows_on_the_ground() -> None:
    world = scene(SUN, Light(sky=Sky(preset="overcast")))
    dark = drawn(world, look_at((0, 0, 4), (0, 0, 0)), below_a_plate(world)).rgb.mean(axis=-1)
    middle, corner = dark[SIZE[1] // 2, SIZE[0] // 2], dark[0, 0]
    assert middle < 0.7 * corner  # neither sun nor the sky above reach the middle
    assert middle > 0.1  # but the sky from aside does


@kernel
def _sky_shares(sky: SkyArrays, places: Floats, out: Floats) -> None:
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            p = (places[0, row, col], places[1, row, col], places[2, row, col])
            out[row, col] = sky_share(p, (ZERO, ZERO, ONE), sky, 0, SETS)


def test_the_ground_sees_as_much_of_the_sky_as_anything_that_faces_up() -> None:
    world = scene(SUN, Light(sky=Sky(preset="overcast")))
    pose, arrays = look_at((0, -1, 1), (0, 0, 0)), below_a_plate(world).arrays
    made = Background(environment_of(world), ground_texture(world), haze_m=10, far_m=500)
    covered = np.zeros(SIZE[::-1], np.float32)
    made.draw(sight_of(camera(pose), pose), arrays, covered, Workers(1))
    wanted, whole = np.empty_like(made._nodes), made._nodes.copy()
    _sky_shares(arrays.sky, made._places, wanted)
    assert np.isfinite(made._places).all()
    assert whole.min() < 0.8
    np.testing.assert_array_equal(whole, wanted)
    covered[:, 32:] = 1
    made.draw(sight_of(camera(pose), pose), arrays, covered, Workers(1))
    np.testing.assert_array_equal(made._nodes[:, :9], whole[:, :9])  # the node on the border too
    np.testing.assert_array_equal(made._nodes[:, 9:], 1)


def test_texture_is_averaged_far_away_and_sharp_nearby() -> None:
    image = np.zeros((64, 64, 3), np.float32)
    image[:32, :32] = image[32:, 32:] = 1.0
    environment = environment_of(scene(Light(sky=Sky(preset="overcast"))))
    light = light_of(environment).arrays
    none = np.zeros(SIZE[::-1], np.float32)

    def contrast(height: float) -> float:
        pose = look_at((0.1, 0.1, height), (0.1, 0.1, 0))
        made = Background(environment, pyramid(image, 1.0), haze_m=1e6, far_m=500)
        rgb = made.draw(sight_of(camera(pose), pose), light, none, Workers(1)).rgb[..., 0]
        return float(rgb.max() - rgb.min())

    assert contrast(0.5) > 0.4
    assert contrast(200.0) < 0.05  # 5 m to a pixel: the mean of the squares


def test_pyramid_keeps_the_mean() -> None:
    image = np.random.default_rng(0).uniform(size=(16, 16, 3)).astype(np.float32)
    made = pyramid(image, 2.0)
    assert len(made.levels) == 5
    np.testing.assert_allclose(made.texels[-1], image.mean(axis=(0, 1)), rtol=1e-5)


def test_half_an_angle_is_found_without_the_angle() -> None:
    angles = np.concatenate([np.linspace(-np.pi, np.pi, 97), [1e-9, -1e-9, np.pi - 1e-9, 1e-9 - np.pi]])
    for angle in angles:
        x, y = 3 * np.cos(angle), 3 * np.sin(angle)
        half = 0.5 * np.arctan2(y, x)
        np.testing.assert_allclose(_half_turn.py_func(x, y, 3.0), (np.cos(half), np.sin(half)), atol=1e-15)
    assert _half_turn.py_func(0.0, 0.0, 0.0) == (1.0, 0.0)


def test_the_texture_repeats_on_all_sides() -> None:
    image = np.random.default_rng(1).uniform(size=(8, 16, 3)).astype(np.float32)
    texture, u, v = pyramid(image, 1.0), (3.0, 1.0), (-0.5, 1.5)
    wanted = _filtered(texture, 3.25, 5.5, *u, *v)
    for i, j in ((-2, 0), (0, -3), (4, 1)):
        np.testing.assert_allclose(_filtered(texture, 3.25 + 16 * i, 5.5 + 8 * j, *u, *v), wanted, rtol=1e-6)


def test_haze_brings_the_horizons_colour() -> None:
    world = scene(SUN, Light(sky=Sky(preset="clear")), look=Look(base_color=(0.1, 0.1, 0.1)))
    pose = look_at((0, 0, 1.0), (3, 0, 0.9))
    clear, hazy = drawn(world, pose).rgb.copy(), drawn(world, pose, haze_m=3.0).rgb
    depth = drawn(world, pose).depth
    far = np.isfinite(depth) & (depth > 8)
    sky = np.isinf(depth)
    horizon = hazy[np.flatnonzero(sky.any(axis=1))[-1]].mean(axis=0)
    assert np.abs(hazy[far] - horizon).mean() < 0.05
    assert np.abs(clear[far] - horizon).mean() > 0.2


def test_the_backdrop_follows_the_camera() -> None:
    environment = environment_of(scene(SUN))
    poses = (look_at((0, 0, 2), (0, 0, 0)), look_at((0, 0, 3), (0, 0, 0)))
    made = Background(environment, ground_texture(scene(SUN)), haze_m=10, far_m=500)
    light, none = light_of(environment).arrays, np.zeros(SIZE[::-1], np.float32)
    for pose, depth in zip(poses, (2.0, 3.0), strict=True):
        seen = made.draw(sight_of(camera(pose), pose), light, none, Workers(2))
        assert seen.depth[10, 10] == pytest.approx(depth)


def test_the_sun_is_seen_in_the_sky() -> None:
    world = scene(Light(sun=Sun(direction=(-1, 0, -0.3), strength=3)), Light(sky=Sky(preset="sunset")), height_m=None)
    sun = np.array([1, 0, 0.3]) / np.linalg.norm([1, 0, 0.3])
    toward = drawn(world, look_at((0, 0, 0), sun)).rgb[SIZE[1] // 2, SIZE[0] // 2]
    aside = drawn(world, look_at((0, 0, 0), (-1, 0, 0.3))).rgb[SIZE[1] // 2, SIZE[0] // 2]
    assert toward.min() > aside.max()
