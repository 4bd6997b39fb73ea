from __future__ import annotations

import numpy as np
import pytest

from simvid.rendering.light.environment import SKIES, environment_of, linear
from simvid.rendering.light.lighting import Lighting
from simvid.scene import Camera, CameraPose, Ground, Light, Look, Material, PointLight, Scene, Sky, Sun


def scene(*lights: Light, ground: Ground | None = None) -> Scene:
    camera = Camera(name="c", pose=CameraPose())
    return Scene(simvid=1, duration_s=1, fps=1, cameras=(camera,), lights=lights, ground=ground)


def test_lights_are_read_in_linear_light() -> None:
    found = environment_of(
        scene(
            Light(sun=Sun(direction=(0, 0, -2), strength=2, color=(1, 0.5, 0))),
            Light(sky=Sky(preset="clear", strength=0.5)),
            Light(point=PointLight(position_m=(1, 2, 3), strength=4, color=(1, 1, 1))),
        )
    )
    np.testing.assert_allclose(found.sun_directions, [[0, 0, 1]])
    np.testing.assert_allclose(found.sun_irradiance, [[2, 2 * 0.214041, 0]], rtol=1e-4)
    np.testing.assert_allclose(found.lamp_positions, [[1, 2, 3]])
    np.testing.assert_allclose(found.lamp_intensity, [[4, 4, 4]])
    np.testing.assert_allclose(found.sky[0], 0.5 * np.array(SKIES["clear"].zenith))


def test_no_light_comes_through_the_ground() -> None:
    """As in the path tracer, whose ground is a surface."""
    below = (Light(sun=Sun(direction=(0, 0.1, 1))), Light(point=PointLight(position_m=(0, 0, 0.4))))
    above = (Light(sun=Sun(direction=(0, 1, 0))), Light(point=PointLight(position_m=(0, 0, 0.6))))
    found = environment_of(scene(*below, *above, ground=Ground(height_m=0.5)))
    np.testing.assert_allclose(found.sun_directions, [[0, -1, 0]])
    np.testing.assert_allclose(found.lamp_positions, [[0, 0, 0.6]])
    assert len(found.sun_irradiance) == len(found.lamp_intensity) == 1
    open_below = environment_of(scene(*below, *above))
    assert len(open_below.sun_directions) == len(open_below.lamp_positions) == 2


def test_without_a_sky_it_is_dark() -> None:
    found = environment_of(scene(Light(sun=Sun(direction=(0, 0, -1)))))
    assert not found.sky.any()
    np.testing.assert_allclose(found.open_ground_irradiance(), found.sun_irradiance[0])


def test_sky_goes_from_horizon_to_zenith() -> None:
    found = environment_of(scene(Light(sky=Sky(preset="sunset"))))
    np.testing.assert_allclose(found.sky_radiance(np.array([1.0, 0, 0])), SKIES["sunset"].horizon)
    up = found.sky_radiance(np.array([0, 0, 1.0]))
    assert (np.abs(up - SKIES["sunset"].zenith) < 0.03).all()


def test_ground_looks_as_its_look_or_its_material() -> None:
    red = Material(look=Look(base_color=(1, 0, 0)))
    assert environment_of(scene(ground=Ground(material=red))).ground_albedo.tolist() == [1, 0, 0]
    own = Ground(height_m=0.3, material=red, look=Look(base_color=(0, 0, 1)))
    found = environment_of(scene(ground=own))
    assert found.ground_albedo.tolist() == [0, 0, 1]
    assert found.ground_height_m == 0.3


def test_table_of_open_sky_light_integrates_the_sky() -> None:
    found = environment_of(scene(Light(sky=Sky(preset="overcast"))))
    lighting = Lighting(found, np.zeros(3), 1.0, 0.1, shadows=False)
    table = lighting.arrays.sky.open_sky[:, 0]
    np.testing.assert_allclose(table[-1], found.open_ground_irradiance(), rtol=0.02)
    np.testing.assert_allclose(table[0], 0, atol=1e-6)  # a surface that looks straight down sees no sky
    assert (np.diff(table[:, 0]) >= -1e-6).all()


def test_sets_of_dome_directions_cover_the_sky_evenly() -> None:
    found = environment_of(scene(Light(sky=Sky(preset="studio"))))
    dome = Lighting(found, np.zeros(3), 1.0, 0.1, shadows=False).arrays.sky.dome[:, :3].reshape(6, 8, 3)
    np.testing.assert_allclose(np.linalg.norm(dome, axis=2), 1, atol=1e-6)
    assert (dome[..., 2] > 0).all()
    assert np.abs(dome[..., :2].mean(axis=1)).max() < 0.2  # no set leans to a side
    np.testing.assert_allclose(dome[..., 2].mean(axis=1), 0.5, atol=0.06)


def test_srgb_to_linear() -> None:
    np.testing.assert_allclose(linear((0.0, 0.5, 1.0)), [0, 0.2140411, 1], rtol=1e-5)
    assert linear((0.04, 0, 0))[0] == pytest.approx(0.04 / 12.92)
