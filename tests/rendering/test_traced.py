"""The label ``traced``: what the path tracer draws, bit by bit, beside frames that stay as they are; or refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Visual
from simvid.errors import MissingExtraError, RenderError, SceneError
from simvid.frames import CameraPath, Frame
from simvid.gaussians import Gaussians
from simvid.optics import Lens
from simvid.perception.pictures import psnr
from simvid.rendering import traced
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.splat_renderer import SplatRenderer
from simvid.scene import Camera, CameraPose, Ground, Light, Look, Sky, Sun
from simvid.scene.lenses import Fisheye
from simvid.scene.lenses import Lens as SceneLens
from simvid.scene.sensors import Focus, Rolling, Sensor, Shutter
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged
from simvid.trajectory import Trajectory

pathtrace = pytest.importorskip("simvid.rendering.pathtrace.tracer")
variants = pytest.importorskip("simvid.rendering.pathtrace.variant")
SEED = 2**32 + 7
"""Of the scene; the tracer's are below 2^32."""
SETTINGS = RenderSettings(threads=1, exposure=0.6, far_m=4.0)
CAMERA = Camera(
    name="c",
    resolution_px=(96, 72),
    fov_y_deg=36,
    pose=CameraPose(look_from_m=(0.3, -1.1, 0.6), look_at_m=(0, 0, 0.15)),
)
LOW = CAMERA.model_copy(
    update={
        "resolution_px": (48, 36),
        "pose": CameraPose(look_from_m=(0.3, -1.1, 0.3), look_at_m=(0, 0, 0.25)),
    }
)
"""Sees the end of the ground."""


def scene_of(camera: Camera = LOW, labels: Sequence[str] = ("traced",)) -> tuple[SceneAssets, Trajectory, CameraPath]:
    """A metal ball and a checkered box on the ground under a sun; the box moves."""
    mirror = Visual(Look(metallic=1.0, roughness=0.05, base_color=(0.9, 0.9, 0.9)), mesh=sphere_mesh(0.15))
    ball = Prop("ball", (mirror,), np.array([-0.15, 0, 0.15, 1, 0, 0, 0]))
    way = np.tile(np.array([0.17, 0.1, 0.15, 1, 0, 0, 0]), (2, 1))
    way[1, 0] += 0.03
    box = Prop("box", (matte(checkered(box_mesh((0.2, 0.2, 0.3)))),), way)
    lights = [Light(sun=Sun(direction=(-0.6, 0.3, -1), strength=3)), Light(sky=Sky(preset="clear"))]
    assets, trajectory = staged(
        [ball, box], [camera], ground=Ground(look=Look(base_color=(0.6, 0.6, 0.6))), lights=lights
    )
    assets = replace(assets, scene=assets.scene.model_copy(update={"labels": tuple(labels), "seed": SEED}))
    return assets, trajectory, camera_path(camera, assets.scene, trajectory)


def splats(settings: RenderSettings = SETTINGS) -> SplatRenderer:
    return SplatRenderer(CpuRasterizer, settings)


def drawn(*labels: str) -> list[Frame]:
    return list(splats().frames(*scene_of(labels=labels), labels))


def paths(seed: int = SEED % 2**32, camera: Camera = LOW, **settings: Any) -> list[NDArray[np.uint8]]:
    """What the path tracer draws when it is asked itself."""
    given = {"samples": traced.SAMPLES, "max_depth": traced.MAX_DEPTH, "exposure": 0.6, "far_m": 4.0, **settings}
    tracer = pathtrace.PathTracer(pathtrace.PathTraceSettings(seed=seed, **given))
    return [frame.rgb for frame in tracer.frames(*scene_of(camera, ()), ())]


def picture_of(frame: Frame) -> NDArray[np.uint8]:
    assert frame.traced is not None
    return frame.traced


@pytest.fixture(scope="module")
def alone() -> list[Frame]:
    return drawn("traced")


def test_it_is_the_path_tracer_s_own_picture_of_every_frame(alone: list[Frame]) -> None:
    assert (traced.SAMPLES, traced.MAX_DEPTH) == (4, 6)
    assert all(set(frame.labels) == {"traced"} for frame in alone)
    for frame, picture in zip(alone, paths(), strict=True):
        np.testing.assert_array_equal(picture_of(frame), picture)
    assert not np.array_equal(picture_of(alone[0]), picture_of(alone[1]))


@pytest.mark.parametrize("change", [{"seed": 8}, {"exposure": 1.0}, {"far_m": 1000.0}])
def test_the_scene_s_seed_and_the_renderer_s_light_reach_it(alone: list[Frame], change: dict[str, Any]) -> None:
    """They are not those that a path tracer begins with: with any of them changed its picture is another."""
    assert not np.array_equal(picture_of(alone[0]), paths(**change)[0])


def test_nothing_else_of_the_frames_changes(alone: list[Frame]) -> None:
    plain, both = drawn("depth", "flow"), drawn("traced", "depth", "flow")
    for i, (without, having) in enumerate(zip(plain, both, strict=True)):
        assert set(having.labels) == {"traced", *without.labels}
        np.testing.assert_array_equal(picture_of(having), picture_of(alone[i]))
        np.testing.assert_array_equal(alone[i].rgb, without.rgb)
        np.testing.assert_array_equal(having.rgb, without.rgb)
        for name, array in without.labels.items():
            np.testing.assert_array_equal(getattr(having, name), array, err_msg=name)


def test_metal_and_shadows_are_nearer_the_truth_than_those_of_splats() -> None:
    """4 paths against 64 that have noise of their own: 35 dB, and 29 of the splats."""
    frame = next(splats(RenderSettings(threads=1)).frames(*scene_of(CAMERA), ("traced",)))
    (truth, _) = paths(seed=1, camera=CAMERA, samples=64, max_depth=8, exposure=1.0, far_m=1000.0)
    assert psnr(picture_of(frame), truth) > psnr(frame.rgb, truth) + 3


BLURRED: dict[str, dict[str, Any]] = {
    "shutter": {"shutter": Shutter(angle_deg=180)},
    "rolling": {"shutter": Shutter(rolling=Rolling(readout_s=0.01))},
    "focus": {"focus": Focus(distance_m=1.0, f_number=2.0)},
    "sensor": {"sensor": Sensor(iso=800)},
}


@pytest.mark.parametrize("name", [*BLURRED, "capture"])
def test_what_cannot_be_traced_is_refused_before_anything_is_drawn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pathtrace, "_Painter", None)
    monkeypatch.setattr(CpuRasterizer, "rasterize", None)
    assets, trajectory, path = scene_of(LOW.model_copy(update=BLURRED.get(name, {})))
    if name == "capture":
        assets = with_capture(assets)
    (fault,) = splats().faults(assets)
    assert fault.startswith("label 'traced': ")
    assert {"rolling": ".shutter (c): ", "capture": "ball: "}.get(name, f".{name} (c): ") in fault
    assert fault.endswith("; or leave the label out, and refine with a refiner that does not read it")
    assert "render with 'cpu'" not in fault, "it does"
    with pytest.raises(SceneError, match=r"^label 'traced': "):
        splats().frames(assets, trajectory, path, ("traced", "depth"))
    plain = replace(assets, scene=assets.scene.model_copy(update={"labels": ("depth",)}))
    assert splats().faults(plain) == [], "without the label they are drawn"


def with_capture(assets: SceneAssets) -> SceneAssets:
    one = np.ones((1, 4), np.float32)
    colour, owner = np.zeros((1, 1, 3), np.float32), np.zeros(1, np.int32)
    cloud = Gaussians(one[:, :3], 0.5 * one, 0.1 * one[:, :3], one[:, 0], colour, owner)
    ball = replace(assets.parts[1], visuals=(Visual(Look(), capture=cloud),))
    return replace(assets, parts=(assets.parts[0], ball, assets.parts[2]))


def test_a_lens_that_mitsuba_lacks_here_is_told_with_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    scalar = variants.Variant(variants.NAMES["scalar"])
    monkeypatch.setattr(pathtrace, "chosen", lambda wanted: scalar)
    assets, trajectory, path = scene_of()
    bent = replace(path, lens=Lens("fisheye", (0.05, -0.01, 0, 0)))
    told = r"^label 'traced': cameras\.c: Mitsuba's scalar [^;]*; install LLVM [^;']*; or leave the label out, "
    with pytest.raises(RenderError, match=told):
        splats().frames(assets, trajectory, bent, ("traced",))
    assert splats().faults(assets) == []
    lens = SceneLens(fisheye=Fisheye(k1=0.05))
    assets, _, _ = scene_of(LOW.model_copy(update={"lens": lens}))
    (fault,) = splats().faults(assets)
    assert re.match(told.replace("cameras\\.c", r".*cameras\[0\] \(c\)"), fault), "before physics"
    monkeypatch.setattr(pathtrace, "chosen", lambda wanted: variants.Variant(variants.NAMES["llvm"]))
    assert splats().faults(assets) == []


def test_a_path_tracer_has_its_own_picture() -> None:
    assets, _, _ = scene_of()
    tracer = pathtrace.PathTracer(pathtrace.PathTraceSettings())
    (fault,) = tracer.faults(assets)
    assert fault == (
        "labels: the renderer 'pathtrace' does not make traced (its own picture is traced): leave them out, or render "
        "with 'cpu'"
    )
    with pytest.raises(RenderError, match="its own picture is traced"):
        tracer.frames(*scene_of(), ("traced",))


def test_without_mitsuba_the_label_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    monkeypatch.delitem(sys.modules, "simvid.rendering.pathtrace.tracer")
    scene = scene_of()
    for ask in (lambda: splats().faults(scene[0]), lambda: splats().frames(*scene, ("traced",))):
        with pytest.raises(MissingExtraError, match=r"^label 'traced' needs the package 'mitsuba': .*\[pathtrace\]"):
            ask()
    assert splats().faults(scene_of(labels=("depth",))[0]) == []
