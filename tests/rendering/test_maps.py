"""Environment maps: what they give, against closed forms, in numpy, in the kernels and in Mitsuba."""

from __future__ import annotations

from dataclasses import replace

import mitsuba as mi
import numpy as np
import pytest

from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.types import Floats
from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.interiors import INTERIORS, interior
from simvid.rendering.light.level_gloss import level_gloss
from simvid.rendering.light.lighting import Lighting, MapLevels, map_level
from simvid.rendering.light.maps import (
    directions,
    downward_irradiance,
    irradiance_table,
    looked_up,
    mirrored_levels,
    shrunk,
    solid_angles,
    split,
    upward_irradiance,
)
from simvid.scene import Camera, CameraPose, Scene

f = np.float32


def constant(width: int = 128) -> np.ndarray:
    return np.tile(np.array([0.5, 1.0, 2.0], f), (width // 2, width, 1))


def test_a_constant_map_gives_pi_times_its_radiance() -> None:
    exact = np.pi * np.array([0.5, 1, 2])
    np.testing.assert_allclose(upward_irradiance(constant()), exact, rtol=1e-3)
    np.testing.assert_allclose(downward_irradiance(constant()), exact, rtol=1e-3)
    table = irradiance_table(constant(), 9, 4)
    np.testing.assert_allclose(table[-1], np.tile(exact, (4, 1)), rtol=3e-3)
    np.testing.assert_allclose(table[4], np.tile(exact / 2, (4, 1)), rtol=1e-2)  # a wall sees half of the upper half
    np.testing.assert_allclose(table[0], 0, atol=1e-9)
    for level in mirrored_levels(constant()):
        np.testing.assert_allclose(level, np.broadcast_to([0.5, 1, 2], level.shape), rtol=1e-5)


def test_equal_maps_are_blurred_once() -> None:
    rng = np.random.default_rng(3)
    one = rng.random((32, 64, 3)).astype(f)
    levels = mirrored_levels(one)
    assert all(a is b for a, b in zip(levels, mirrored_levels(one.copy()), strict=True))
    assert not any(level.flags.writeable for level in levels)
    one[3, 4] += 1
    assert not np.array_equal(mirrored_levels(one)[-1], levels[-1]), "another map, though in the same place"
    table = level_gloss(one, 0.5)
    assert level_gloss(one.copy(), 0.5) is table
    assert not np.array_equal(level_gloss(one, 0.6), table)
    assert not np.array_equal(level_gloss(2 * one, 0.5), table)


def test_lighting_takes_it_from_the_map() -> None:
    camera = Camera(name="c", pose=CameraPose())
    scene = Scene(simvid=1, duration_s=1, fps=1, cameras=(camera,), lights=())
    environment = replace(environment_of(scene), surroundings=constant())
    light = Lighting(environment, np.zeros(3), 1.0, 0.1, shadows=False).arrays
    assert len(light.panels.lights) == 0
    np.testing.assert_allclose(light.sky.open_sky[-1, 0], np.pi * np.array([0.5, 1, 2]), rtol=3e-3)
    np.testing.assert_allclose(environment.open_ground_irradiance(), np.pi * np.array([0.5, 1, 2]), rtol=1e-3)


def test_solid_angles_cover_the_sphere() -> None:
    assert solid_angles(64).sum() * 64 == pytest.approx(4 * np.pi)


def test_a_smaller_map_has_the_same_mean() -> None:
    noisy = np.random.default_rng(0).uniform(0, 2, (64, 128, 3)).astype(f)
    small = shrunk(noisy, 32)
    assert small.shape == (16, 32, 3)
    means = [(m * solid_angles(m.shape[1])[..., None]).sum(axis=(0, 1)) for m in (noisy, small)]
    np.testing.assert_allclose(means[0], means[1], rtol=1e-4)


def test_bright_patches_become_lights_and_nothing_is_lost() -> None:
    sun = np.array([0.6, -0.5, 0.7]) / np.linalg.norm([0.6, -0.5, 0.7])
    inside = directions(256) @ sun > np.cos(np.radians(8))
    made = constant(256)
    made[inside] = 40
    lights, rest = split(made)
    assert len(lights.directions) == 1
    assert np.degrees(np.arccos(lights.directions[0] @ sun)) < 1
    assert np.degrees(lights.half_angles[0]) == pytest.approx(8, abs=1.5)
    whole = upward_irradiance(made)
    np.testing.assert_allclose(
        upward_irradiance(rest) + lights.irradiance[0] * lights.directions[0, 2], whole, rtol=0.02
    )
    assert rest.max() < 10


def test_a_patch_across_the_border_of_the_picture_is_one_light() -> None:
    made = constant(256)
    made[40:60, :10] = made[40:60, -10:] = 60
    lights, _ = split(made)
    assert len(lights.directions) == 1
    assert lights.directions[0, 0] < -0.7


@kernel
def _look_up(rays: Floats, found: MapLevels, out: Floats) -> None:
    for i in range(len(rays)):
        out[i, 0], out[i, 1], out[i, 2] = map_level((rays[i, 0], rays[i, 1], rays[i, 2]), 0, found)


def test_kernels_look_maps_up_as_numpy_does() -> None:
    rng = np.random.default_rng(1)
    made = rng.uniform(0, 1, (32, 64, 3)).astype(f)
    rays = rng.normal(size=(500, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    out = np.empty((500, 3), f)
    levels = MapLevels(made.reshape(-1, 3), np.array([[0, 32, 64]]), np.zeros(1, f))
    _look_up(rays.astype(f), levels, out)
    np.testing.assert_allclose(out, looked_up(made, rays), atol=2e-3)


def test_mitsuba_sees_the_same_map() -> None:
    mi.set_variant("scalar_rgb")
    from simvid.rendering.pathtrace.lights import map_emitter

    rays = np.concatenate([np.eye(3), -np.eye(3), [[0.48, 0.6, 0.64]]])
    made = (1 + directions(128)).astype(f)
    emitter = mi.load_dict(map_emitter(made))
    for ray in rays:
        point = mi.SurfaceInteraction3f()
        point.wi = mi.Vector3f(*(-ray))
        np.testing.assert_allclose(np.array(emitter.eval(point)), 1 + ray, atol=0.06)  # the poles are a pixel away


@pytest.mark.parametrize("name", INTERIORS)
def test_rooms_are_lit_alike(name: str) -> None:
    made = interior(name, 128)
    assert upward_irradiance(made).mean() == pytest.approx(1.6, rel=1e-3)
    assert np.isfinite(made).all()
    assert made.min() >= 0
    np.testing.assert_array_equal(made, interior(name, 128))
