"""Looks and the library of materials: in both renderers, and against each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Visual
from simvid.frames import Frame
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.light import environment
from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.presets import LOOKS
from simvid.rendering.pathtrace.tracer import PathTracer, PathTraceSettings
from simvid.rendering.renderer import render_frames
from simvid.scene import Camera, CameraPose, Ground, Light, LookName, PointLight, Scene
from simvid.scene.library import LIBRARY
from simvid.testing.staging import Prop, sphere_mesh, staged
from simvid.trajectory import Trajectory

RADIUS_M = 0.08
AGREE = 22
"""How far the mean colours of a ball may lie apart in the two renderers, of 255."""


@pytest.fixture(autouse=True)
def _small_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "SURROUNDINGS_PX", 256)


def shot(size: tuple[int, int], look: LookName, names: tuple[str, ...]) -> tuple[SceneAssets, Trajectory]:
    """Balls of some materials on concrete, in rows of six."""
    pose = CameraPose(look_from_m=(0, -1.5, 1.2), look_at_m=(0, -0.03, 0.05))
    camera = Camera(name="c", resolution_px=size, fov_y_deg=33, pose=pose)
    balls = [
        Prop(
            name, (Visual(LIBRARY[name].look, mesh=sphere_mesh(RADIUS_M, rings=24)),),
            np.array([0.2 * (k % 6) - 0.5, 0.4 - 0.2 * (k // 6), RADIUS_M, 1.0, 0, 0, 0]),
        )
        for k, name in enumerate(names)
    ]  # fmt: skip
    ground = Ground(look=LIBRARY["concrete"].look)
    assets, trajectory = staged(balls, [camera], ground=ground, lights=())
    return replace(assets, scene=assets.scene.model_copy(update={"look": look})), trajectory


@dataclass(frozen=True, eq=False)
class Both:
    splats: Frame
    traced: Frame


def both(assets: SceneAssets, trajectory: Trajectory, samples: int) -> Both:
    path = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
    splats = next(render_frames(assets, trajectory, path, CpuRasterizer(2), ("ids",), RenderSettings(threads=2)))
    tracer = PathTracer(PathTraceSettings(samples=samples, variant="scalar" if samples < 4 else "auto"))
    return Both(splats, next(tracer.frames(assets, trajectory, path, ("ids",))))


def mean(frame: Frame, part_id: int) -> NDArray[np.float64]:
    assert frame.ids is not None
    return np.asarray(frame.rgb[frame.ids == part_id].mean(axis=0))


def test_every_look_is_named_in_the_language() -> None:
    assert set(get_args(LookName)) == set(LOOKS)


def test_a_look_brings_its_lights_and_a_scene_adds_to_them() -> None:
    document = {"simvid": 1, "duration_s": 1, "fps": 1, "cameras": [{"name": "c", "pose": {}}]}
    plain = Scene.model_validate({**document, "look": "sunset"})
    assert plain.lights == ()
    assert len(environment_of(plain).sun_directions) == 1
    again = Scene.model_validate_json(plain.model_dump_json())
    assert again == plain
    lamp = {"point": {"position_m": [0, 0, 1]}}
    more = environment_of(Scene.model_validate({**document, "look": "sunset", "lights": [lamp]}))
    assert len(more.sun_directions) == 1
    assert len(more.lamp_positions) == 1
    assert len(Scene.model_validate(document).lights) == 2
    dark = Scene(
        simvid=1, duration_s=1, fps=1, cameras=plain.cameras, lights=(Light(point=PointLight(position_m=(0, 0, 1))),)
    )
    assert environment_of(dark).surroundings is None


def test_a_sky_of_the_scene_replaces_that_of_its_look() -> None:
    document = {"simvid": 1, "duration_s": 1, "fps": 1, "cameras": [{"name": "c", "pose": {}}]}

    def lit(**more: object) -> environment.Environment:
        return environment_of(Scene.model_validate({**document, **more}))

    sky = [{"sky": {"preset": "night", "strength": 0.5}}]
    night = lit(look="sunset", lights=sky)
    np.testing.assert_array_equal(night.sky, lit(lights=sky).sky)
    assert len(night.sun_directions) == 1
    room = lit(look="kitchen", lights=[{"sky": {"preset": "office"}}])
    assert room.surroundings is not None
    np.testing.assert_array_equal(room.surroundings, lit(lights=[{"sky": {"preset": "office"}}]).surroundings)
    assert lit(look="kitchen", lights=sky).surroundings is None


def test_a_turned_room_is_the_same_room() -> None:
    document = {"simvid": 1, "duration_s": 1, "fps": 1, "cameras": [{"name": "c", "pose": {}}]}

    def seen(turn_deg: float, azimuth_deg: float) -> NDArray[np.float64]:
        scene = Scene.model_validate({**document, "lights": [{"sky": {"preset": "kitchen", "turn_deg": turn_deg}}]})
        a = np.radians(azimuth_deg)
        return environment_of(scene).sky_radiance(np.array([np.cos(a), np.sin(a), 0.1]) / np.sqrt(1.01))

    np.testing.assert_allclose(seen(90, 120), seen(0, 30), rtol=0.02)
    assert np.abs(seen(0, 120) - seen(0, 30)).max() > 0.02


@pytest.mark.parametrize("name", get_args(LookName))
def test_looks_agree_and_are_neither_dark_nor_blown_out(name: LookName) -> None:
    made = both(*shot((72, 60), name, ("plastic", "chrome", "wood", "paper", "rubber", "brass")), samples=8)
    for frame in (made.splats, made.traced):
        assert 25 < frame.rgb.mean() < 190
        assert (frame.rgb.min(axis=-1) == 255).mean() < 0.05
    assert np.abs(made.splats.rgb.mean(axis=(0, 1)) - made.traced.rgb.mean(axis=(0, 1))).max() < 12


@pytest.fixture(scope="module")
def board() -> Both:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "SURROUNDINGS_PX", 256)
        return both(*shot((192, 160), "studio", tuple(LIBRARY)), samples=8)


@pytest.mark.parametrize(("part_id", "name"), list(enumerate(LIBRARY, start=2)))
def test_materials_agree(board: Both, part_id: int, name: str) -> None:
    splats, traced = mean(board.splats, part_id), mean(board.traced, part_id)
    assert 12 < splats.mean() < 235
    assert np.abs(splats - traced).max() < AGREE


def test_materials_differ(board: Both) -> None:
    seen = np.array([mean(board.splats, k) for k in range(2, 2 + len(LIBRARY))])
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 1e3 * np.eye(len(seen))
    assert apart.min() > 1
    names = list(LIBRARY)
    assert seen[names.index("paper")].mean() > 4 * seen[names.index("rubber")].mean()
