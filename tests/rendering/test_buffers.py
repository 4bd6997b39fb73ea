"""Material and light buffers against closed forms, and against the picture that they make up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.pieces import Visual
from simvid.frames import BUFFERS, LABELS, CameraPath, Frame, arrays_of
from simvid.gaussians import SH_C0, Gaussians
from simvid.rendering.base import RenderSettings
from simvid.rendering.buffers import halves
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import Floats
from simvid.rendering.light.environment import SKIES, environment_of
from simvid.rendering.light.shading import gloss, made_of
from simvid.rendering.renderer import render_frames
from simvid.scene import Camera, CameraPose, Ground, Light, Look, PointLight, Scene, Sky, Sun
from simvid.testing.rendering import above, inner, pixels
from simvid.testing.staging import Prop, box_mesh, checkered, sphere_mesh, staged

Array: TypeAlias = NDArray[np.float64]
f = np.float32


def drawn(
    *props: Prop, lights: Sequence[Light], camera: Camera | None = None, ground: Ground | None = None,
    exposure: float = 1.0, labels: Sequence[str] = ("depth", "ids", "normals", "buffers"),
) -> tuple[Frame, CameraPath]:  # fmt: skip
    camera = above() if camera is None else camera
    assets, trajectory = staged(props, [camera], frames=2, ground=ground, lights=lights)
    path = camera_path(camera, assets.scene, trajectory)
    settings = RenderSettings(threads=2, exposure=exposure)
    return next(render_frames(assets, trajectory, path, CpuRasterizer(2), labels, settings)), path


def values(frame: Frame, name: str) -> Array:
    array = getattr(frame, name)
    assert array is not None
    assert array.dtype == np.float16
    return np.asarray(array, np.float64)


def ball(radius: float = 0.2, at: Sequence[float] | Array = (0, 0, 0), look: Look | None = None) -> Prop:
    pose = np.array([*at, 1.0, 0, 0, 0])
    return Prop("ball", (Visual(look or Look(roughness=1), mesh=sphere_mesh(radius)),), pose)


def sun(*direction: float, strength: float = 2.0) -> Light:
    x, y, z = direction
    return Light(sun=Sun(direction=(x, y, z), strength=strength, color=(1, 1, 1)))


def directions(path: CameraPath) -> Array:
    """Rays of depth 1 through the pixels in the world, [H, W, 3]."""
    uv = (pixels() - path.K[:2, 2]) / path.K[[0, 1], [0, 1]]
    return np.asarray(np.concatenate([uv, np.ones((*uv.shape[:2], 1))], axis=-1) @ path.world_from_camera[0, :3, :3].T)


def displayed(light: Array) -> Array:
    """Display values of linear light [..., 3]: Khronos' neutral tone curve from 0.76 on, and sRGB."""
    peak = light.max(axis=-1, keepdims=True)
    room = 0.24
    top = 1 - room**2 / (np.maximum(peak, 0.76) + room - 0.76)
    bleach = 1 - 1 / (0.15 * (peak - top) + 1)
    rolled = light * top / np.maximum(peak, 1e-9) * (1 - bleach) + top * bleach
    x = np.clip(np.where(peak < 0.76, light, rolled), 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055) * 255


@pytest.mark.parametrize("exposure", [1.0, 0.6])
def test_buffers_make_up_the_picture(exposure: float) -> None:
    crate = Prop(
        "crate", (Visual(Look(roughness=0.4), mesh=checkered(box_mesh((0.2, 0.2, 0.2)), 4)),),
        np.array([0.2, 0, 0.1, 1.0, 0, 0, 0]),
    )  # fmt: skip
    pose = CameraPose(look_from_m=(0.3, -1.2, 0.6), look_at_m=(0, 0, 0.1))
    camera = Camera(name="c", resolution_px=(240, 180), fov_y_deg=40, pose=pose)
    lights = [
        sun(0.5, 0.4, -0.6), Light(sky=Sky(preset="clear")),
        Light(point=PointLight(position_m=(0.1, -0.5, 0.6), strength=0.3)),
    ]  # fmt: skip
    metal = ball(0.12, (-0.15, 0, 0.12), Look(base_color=(0.9, 0.6, 0.3), roughness=0.3, metallic=1))
    frame, _ = drawn(crate, metal, lights=lights, camera=camera, ground=Ground(), exposure=exposure)
    b = {name: values(frame, name) for name in BUFFERS}
    light = b["albedo"] * (1 - b["metallic"][..., None]) * (b["light_diffuse"] + b["light_ambient"])
    light = light + b["light_specular"] + b["light_reflected"] + b["light_emitted"]
    error = np.abs(displayed(light) - frame.rgb)
    assert np.median(error) < 0.6  # half a level is the rounding of the picture
    assert np.percentile(error, 94) < 2
    assert error.mean() < 1.5  # edges, soft shadows and the texture's finest detail are blended in the picture


def test_light_on_a_ball_follows_the_cosine_and_burley() -> None:
    d = np.array([0.5, -0.3, 0.8]) / np.linalg.norm([0.5, -0.3, 0.8])
    frame, path = drawn(ball(), lights=[sun(*-d)])
    rays = directions(path)
    square = (rays**2).sum(axis=-1)
    inside = 1 - square * (1 - 0.2**2)  # the camera is one metre above the centre
    t = (1 - np.sqrt(np.maximum(inside, 0))) / square
    normals = (rays * t[..., None] + [0, 0, 1]) / 0.2
    cosine = normals @ d
    seen = inside > 0.02
    way = rays / np.sqrt(square)[..., None]
    grazing = (1 - np.maximum(cosine, 0)) ** 5, (1 + np.clip((normals * way).sum(axis=-1), -1, 0)) ** 5
    bent = (1 - way @ d) - 0.5  # Burley's f90 - 1, at roughness 1
    factor = (1 + bent * grazing[0]) * (1 + bent * grazing[1])
    error = values(frame, "light_diffuse")[..., 0] - 2 / np.pi * np.maximum(cosine, 0) * factor
    assert np.abs(error[seen & (cosine > 0.1)]).max() < 0.04
    assert np.median(np.abs(error[seen])) < 0.004
    assert not values(frame, "light_diffuse")[seen & (cosine < -0.1)].any()


def test_the_shadow_of_a_ball_is_where_it_belongs() -> None:
    d = np.array([0.6, 0.2, 0.8]) / np.linalg.norm([0.6, 0.2, 0.8])
    centre, radius = np.array([0.1, 0.05, 0.2]), 0.1
    frame, path = drawn(ball(radius, centre), lights=[sun(*-d)], ground=Ground(), camera=above(1.2))
    assert frame.ids is not None
    rays = directions(path)
    places = path.world_from_camera[0, :3, 3] + rays * (-1.2 / rays[..., 2:])
    way = centre - places
    beside = np.linalg.norm(way - (way @ d)[..., None] * d, axis=-1)
    exact = (beside < radius) & (frame.ids == 1)
    made = (values(frame, "light_diffuse")[..., 0] == 0) & (frame.ids == 1)
    assert np.count_nonzero(exact) > 150
    assert np.count_nonzero(exact & made) / np.count_nonzero(exact | made) > 0.95
    lit = inner(~exact & (frame.ids == 1), 2)
    np.testing.assert_allclose(values(frame, "light_diffuse")[lit], 2 / np.pi * d[2], rtol=2e-3)


def test_gloss_shines_halfway_between_sun_and_eye() -> None:
    d = np.array([0.5, -0.3, 0.8]) / np.linalg.norm([0.5, -0.3, 0.8])
    frame, path = drawn(ball(look=Look(roughness=0.35)), lights=[sun(*-d)])
    gleam = values(frame, "light_specular")[..., 0]
    v, u = np.unravel_index(np.argmax(gleam), gleam.shape)
    # the ball's point whose normal is halfway between the sun and the eye at (0, 0, 1)
    n = np.array([0, 0, 1.0])
    for _ in range(20):
        to_eye = np.array([0, 0, 1]) - 0.2 * n
        n = d + to_eye / np.linalg.norm(to_eye)
        n /= np.linalg.norm(n)
    inverse = np.linalg.inv(path.world_from_camera[0])
    x, y, z = inverse[:3, :3] @ (0.2 * n) + inverse[:3, 3]
    at = path.K[:2, :2] @ [x / z, y / z] + path.K[:2, 2]
    assert np.hypot(u + 0.5 - at[0], v + 0.5 - at[1]) < 1.5


@kernel
def _reflected(lights: Floats, normal: Floats, roughness: float, out: Floats) -> None:
    """Gloss of a white metal seen along (0, 0, 1), times the cosine, for each direction of light."""
    n = (normal[0], normal[1], normal[2])
    one, zero = np.float32(1), np.float32(0)
    s = made_of(n, n, n, one, (one, one, one), (np.float32(roughness), one, one, zero, zero, zero))
    for i in range(len(lights)):
        out[i] = gloss(s, (lights[i, 0], lights[i, 1], lights[i, 2]), lights[i, 2])[0] * lights[i, 2]


@pytest.mark.parametrize(("roughness", "share", "slack"), [(0.1, 1.0, 0.01), (0.3, 0.985, 0.01), (1.0, 0.306853, 1e-4)])
def test_energy_of_gloss(roughness: float, share: float, slack: float) -> None:
    """What a white metal gives back of light from all around, seen head-on.

    Nearly all where it is smooth. At roughness 1 the integral of c / (1 + c) over the cosine c: 1 - log 2, since light
    that hits the microfacets twice is left out.
    """
    count = 400_000
    k = np.arange(count) + 0.5
    z, turn = 1 - k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z * z)
    lights = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=-1).astype(f)
    out = np.empty(count, f)
    _reflected(lights, np.array([0, 0, 1], f), roughness, out)
    assert float(out.mean(dtype=np.float64) * 2 * np.pi) == pytest.approx(share, abs=slack)


def test_a_wall_hides_its_share_of_the_sky() -> None:
    wall = Prop("wall", (Visual(Look(), mesh=box_mesh((0.02, 8, 0.5))),), np.array([-0.01, 0, 0.25, 1.0, 0, 0, 0]))
    frame, path = drawn(wall, lights=[Light(sky=Sky(preset="overcast"))], ground=Ground(), camera=above(1.0))
    assert frame.ids is not None
    share = values(frame, "ambient_occlusion")
    rays = directions(path)
    x = (rays * (-1.0 / rays[..., 2:]))[..., 0]
    camera = Camera(name="c", pose=CameraPose())
    scene = Scene(simvid=1, duration_s=1, fps=1, cameras=(camera,), lights=(Light(sky=Sky(preset="overcast")),))
    d, radiance = environment_of(scene).sky_dome(20_000)
    weight = radiance.mean(axis=1) * d[:, 2]
    for away in (0.1, 0.2, 0.35):
        blocked = (d[:, 0] < 0) & (d[:, 2] * away < -d[:, 0] * 0.5)
        exact = 1 - weight[blocked].sum() / weight.sum()
        here = (np.abs(x - away) < 0.02) & (frame.ids == 1)
        assert share[here].mean() == pytest.approx(exact, abs=0.05)
    assert share[np.abs(x + 0.5) < 0.02].mean() < 0.9


def test_captures_and_the_sky_are_flagged() -> None:
    sh = ((np.array([[[0.8, 0.4, 0.1]]]) - 0.5) / SH_C0).astype(f)
    one = np.ones((1, 1), f)
    cloud = Gaussians(
        np.zeros((1, 3), f), np.array([[1, 0, 0, 0]], f), np.full((1, 3), 0.1, f), one[0], sh, np.zeros(1, np.int32)
    )
    frame, _ = drawn(Prop("scan", (Visual(Look(), capture=cloud),)), lights=[Light(sky=Sky(preset="overcast"))])
    assert frame.buffers_valid is not None
    assert not frame.buffers_valid.any()
    middle = tuple(n // 2 for n in frame.rgb.shape[:2])
    linear = ((np.array([0.8, 0.4, 0.1]) + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(values(frame, "albedo")[middle], linear, rtol=0.01)
    np.testing.assert_array_equal(values(frame, "light_diffuse")[middle], 1)
    assert not any(values(frame, name)[middle].any() for name in ("light_specular", "light_ambient", "metallic"))
    np.testing.assert_allclose(values(frame, "light_emitted")[0, 0], SKIES["overcast"].below, rtol=0.05)
    assert not values(frame, "albedo")[0, 0].any()


def test_one_buffer_can_be_asked_for_alone() -> None:
    frame, _ = drawn(ball(), lights=[sun(0, 0, -1)], labels=("roughness",))
    assert set(frame.labels) == {"roughness", "buffers_valid"}
    whole, _ = drawn(ball(), lights=[sun(0, 0, -1)])
    np.testing.assert_array_equal(frame.rgb, whole.rgb)
    assert set(whole.labels) == arrays_of(("depth", "ids", "normals", "buffers"))


def test_all_stands_for_what_is_in_a_picture() -> None:
    def asked(*labels: str) -> set[str]:
        document = {"simvid": 1, "duration_s": 1, "fps": 1, "cameras": [{"name": "c", "pose": {}}]}
        return set(Scene.model_validate({**document, "labels": list(labels)}).labels)

    plain = asked("all")
    assert plain == set(LABELS) - {*BUFFERS, "buffers", "surfaces", "traced"}
    assert asked("all", "buffers", "depth") == plain | {"buffers"}


def test_halves_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    edges = [0, 65504, 65519, 2**-14, 2**-24, 2**-25, 1.5 * 2**-24, 2.5 * 2**-24, 1e-30, 1, 1 + 2**-11, 1 + 3 * 2**-11]
    x = np.concatenate([2.0 ** rng.uniform(-40, 15.9, 50_000), edges]).astype(f)
    np.testing.assert_array_equal(halves(x, Workers(1)), x.astype(np.float16))
    assert halves(np.array([1e9], f), Workers(1))[0] == 65504
