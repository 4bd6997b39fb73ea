from __future__ import annotations

from dataclasses import replace

import numpy as np

from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.summary import summarise
from simvid.scene import Camera, CameraPose, Light, PointLight, Scene, Sky, Sun

PLACE = np.zeros(3)


def scene(*lights: Light, look: str | None = None) -> Scene:
    camera = Camera(name="c", pose=CameraPose())
    return Scene.model_validate({"simvid": 1, "duration_s": 1, "fps": 1, "cameras": (camera,), "lights": lights,
                                 "look": look})  # fmt: skip


def test_a_sun_alone_is_the_main_light() -> None:
    found = summarise(environment_of(scene(Light(sun=Sun(direction=(0, -3, -4), strength=2, color=(1, 1, 1))))), PLACE)
    np.testing.assert_allclose(found.direction, [0, 0.6, 0.8], atol=1e-12)
    np.testing.assert_allclose(found.main, [2, 2, 2])
    np.testing.assert_allclose(found.around, 0)


def test_a_lamp_fades_with_the_square_of_its_distance() -> None:
    environment = environment_of(scene(Light(point=PointLight(position_m=(0, 0, 2), strength=4, color=(1, 1, 1)))))
    found = summarise(environment, np.array([0.0, 0, 4]))
    np.testing.assert_allclose(found.direction, [0, 0, -1])
    np.testing.assert_allclose(found.main, 1)


def test_an_even_room_lights_from_nowhere() -> None:
    even = replace(environment_of(scene()), surroundings=np.full((32, 64, 3), 0.5, np.float32))
    found = summarise(even, PLACE)
    np.testing.assert_allclose(found.around, 0.5, rtol=1e-6)
    np.testing.assert_allclose(found.main, 0, atol=1e-6)


def test_half_a_room_that_shines_has_vector_irradiance_pi_times_its_radiance() -> None:
    radiance = np.zeros((32, 64, 3), np.float32)
    radiance[:16] = 0.5
    found = summarise(replace(environment_of(scene()), surroundings=radiance), PLACE)
    np.testing.assert_allclose(found.direction, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found.main, 0.5 * np.pi, rtol=2e-3)
    np.testing.assert_allclose(found.around, 0.25, rtol=1e-6)


def test_numbers_are_in_the_cameras_frame() -> None:
    found = summarise(environment_of(scene(Light(sun=Sun(direction=(-1, 0, 0), strength=1)))), PLACE)
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # looks along world x, so the sun is straight ahead
    known, x, y, z, *_, exposure = found.numbers(pose)
    np.testing.assert_allclose([known, x, y, z, exposure], [1, 0, 0, 1, 0], atol=1e-9)


def test_every_look_has_its_own_light() -> None:
    looks = ("studio", "workshop", "kitchen", "warehouse", "overcast", "sunset", "night_lab", "office")
    numbers = np.array([summarise(environment_of(scene(look=look)), PLACE).numbers(np.eye(4)) for look in looks])
    assert np.isfinite(numbers).all()
    assert len(np.unique(numbers, axis=0)) == len(looks)


def test_sky_counts_besides_the_sun() -> None:
    found = summarise(environment_of(scene(Light(sky=Sky(preset="overcast")))), PLACE)
    assert found.direction[2] > 0.99
    assert (found.around > 0.3).all()
