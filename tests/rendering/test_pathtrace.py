"""The path tracer: the contract of renderers, its light in closed form, its variants, and that it sees what splats see.

Pictures are tiny, so that Mitsuba's scalar variant, which needs nothing but its wheel, is quick enough. What only the
variants that trace many rays at once can do runs where one of them works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.assets.pieces import Visual
from simvid.cli import main
from simvid.clip import Clip
from simvid.errors import RenderError, SceneError
from simvid.frames import CameraPath, Frame
from simvid.gaussians import Gaussians
from simvid.jobs.preflight import at_start, prepared
from simvid.optics import Lens
from simvid.parsing import load_scene
from simvid.rendering.base import Renderer, RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.light.environment import linear
from simvid.rendering.renderer import render_frames
from simvid.scene import Camera, CameraPose, Ground, Light, Look, PointLight, Sky, Sun
from simvid.scene.sensors import Focus, Sensor, Shutter
from simvid.testing.rendering import RendererContract, above, inner
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged

pathtrace = pytest.importorskip("simvid.rendering.pathtrace.tracer")
variants = pytest.importorskip("simvid.rendering.pathtrace.variant")
FAST = variants.chosen()
needs_fast = pytest.mark.skipif(not FAST.vectorised, reason="needs LLVM or a GPU: apt-get install libllvm19")
GRAY = (0.5, 0.5, 0.5)
WHITE_SUN = Light(sun=Sun(direction=(0, 0, -1), strength=2.0, color=(1, 1, 1)))


def tracer(**settings: Any) -> Any:
    return pathtrace.PathTracer(pathtrace.PathTraceSettings(**{"variant": "scalar", **settings}))


class TestPathTracer(RendererContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rasterizer(cls) -> Renderer:
        renderer: Renderer = tracer(samples=4, max_depth=2)
        return renderer


def draw(
    renderer: Any, props: Sequence[Prop], camera: Camera, *, labels: Sequence[str] = (), lens: Lens | None = None,
    frames: int = 1, **scene: Any,
) -> list[Frame]:  # fmt: skip
    """The first frames of a hand-made scene."""
    assets, trajectory = staged(props, [camera], frames=2, **scene)
    path = camera_path(camera, assets.scene, trajectory)
    path = path if lens is None else replace(path, lens=lens)
    if renderer == "splats":
        drawn = render_frames(assets, trajectory, path, CpuRasterizer(), labels, RenderSettings())
    else:
        drawn = renderer.frames(assets, trajectory, path, labels)
    return [frame for frame, _ in zip(drawn, range(frames), strict=False)]


def small(height_m: float = 1.0) -> Camera:
    return above(height_m).model_copy(update={"resolution_px": (32, 24)})


def radiance(frame: Frame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Linear light of a picture; the tone curve changes nothing below 0.76."""
    return np.array([linear(tuple(c)) for c in frame.rgb.reshape(-1, 3) / 255]).reshape(frame.rgb.shape)


@pytest.mark.parametrize("variant", ["scalar", "auto"])
def test_a_plane_under_a_sun_has_the_radiance_of_its_albedo_times_irradiance_over_pi(variant: str) -> None:
    plate = Visual(Look(roughness=1.0, specular=0.0, base_color=GRAY), mesh=box_mesh((2, 2, 0.1), GRAY))
    renderer = tracer(samples=64, denoise=False, max_depth=2, variant=variant)
    got = radiance(draw(renderer, [Prop("plate", (plate,))], small(), lights=[WHITE_SUN])[0])
    want = 2.0 * linear(GRAY)[0] / np.pi
    np.testing.assert_allclose(got.mean(axis=(0, 1)), want, rtol=0.03)


def test_a_lamp_falls_off_with_the_square_of_its_distance_and_the_cosine() -> None:
    plate = Visual(Look(roughness=1.0, specular=0.0, base_color=GRAY), mesh=box_mesh((2, 2, 0.1), GRAY))
    lamp = Light(point=PointLight(position_m=(0, 0, 0.55), strength=1.0, color=(1, 1, 1)))
    renderer = tracer(samples=64, denoise=False, max_depth=2)
    camera = small(2.0)
    frame = draw(renderer, [Prop("plate", (plate,))], camera, lights=[lamp], labels=("depth",))[0]
    middle = radiance(frame)[11:13, 15:17].mean()
    assert middle == pytest.approx(1.0 / 0.5**2 * linear(GRAY)[0] / np.pi, rel=0.04)


def test_splats_and_paths_have_the_same_brightness() -> None:
    plate = Visual(Look(roughness=1.0, base_color=GRAY), mesh=box_mesh((2, 2, 0.1), GRAY))
    lights = [Light(sun=Sun(direction=(-0.4, 0.3, -1.0))), Light(sky=Sky(preset="clear"))]
    path = draw(tracer(samples=64, max_depth=3), [Prop("plate", (plate,))], small(), lights=lights)[0]
    splat = draw("splats", [Prop("plate", (plate,))], small(), lights=lights)[0]
    assert np.abs(path.rgb.mean(axis=(0, 1)) - splat.rgb.mean(axis=(0, 1))).max() < 6


def still_life() -> list[Prop]:
    turned = np.array([0.1, 0.05, 0.12, 0.9, 0.3, 0.2, 0.2])
    turned[3:] /= np.linalg.norm(turned[3:])
    box = Prop("box", (matte(checkered(box_mesh((0.3, 0.2, 0.15)))),), turned)
    ball = Prop("ball", (matte(sphere_mesh(0.12, (0.8, 0.3, 0.2))),), np.array([-0.2, -0.05, 0.12, 1, 0, 0, 0]))
    return [box, ball]


STILL = Camera(
    name="c",
    resolution_px=(240, 180),
    fov_y_deg=36,
    pose=CameraPose(look_from_m=(0.3, -0.9, 0.6), look_at_m=(0, 0, 0.1)),
)
LENSES = {
    "pinhole": Lens(),
    "distorted": Lens("pinhole", (-0.2, 0.05, 0.001, -0.002, 0, 0, 0, 0)),
    "fisheye": Lens("fisheye", (0.05, -0.01, 0, 0)),
}


def iou(one: Any, two: Any) -> float:
    return float(np.count_nonzero(one & two) / np.count_nonzero(one | two))


@pytest.mark.parametrize("lens", [n if n == "pinhole" else pytest.param(n, marks=needs_fast) for n in LENSES])
def test_silhouettes_and_depth_are_those_of_the_splats(lens: str) -> None:
    variant = "scalar" if lens == "pinhole" else "auto"
    given: dict[str, Any] = {"labels": ("ids", "depth", "alpha"), "ground": Ground(), "lens": LENSES[lens]}
    path = draw(tracer(samples=2, max_depth=2, denoise=False, variant=variant), still_life(), STILL, **given)[0]
    splat = draw("splats", still_life(), STILL, **given)[0]
    assert path.ids is not None
    assert splat.ids is not None
    for k in (1, 2, 3):
        assert iou(path.ids == k, splat.ids == k) >= 0.98, k
    both = inner(path.ids == 2) & inner(splat.ids == 2) | inner(path.ids == 3) & inner(splat.ids == 3)
    assert path.depth is not None
    assert splat.depth is not None
    assert np.percentile(np.abs(path.depth - splat.depth)[both], 95) < 3e-3
    assert path.depth_expected is not None
    assert np.percentile(np.abs(path.depth - path.depth_expected)[both], 90) < 2e-2


@pytest.mark.slow
def test_a_robot_and_meshes_have_the_silhouettes_of_their_splats() -> None:
    scene = load_scene("franka_push")
    assets = prepared(scene)
    trajectory = at_start(assets, 2)
    path = camera_path(scene.cameras[0], scene, trajectory)
    masks = []
    settings = RenderSettings()
    for frames in (
        tracer(samples=1, max_depth=2, denoise=False).frames(assets, trajectory, path, ("ids",)),
        render_frames(assets, trajectory, path, CpuRasterizer(), ("ids",), settings),
    ):
        ids = next(iter(frames)).ids
        assert ids is not None
        masks.append(trajectory.instance_ids()[ids])
    path_mask, splat_mask = masks
    assert iou(path_mask > 0, splat_mask > 0) >= 0.98
    robot = next(part.instance_id for part in trajectory.parts if part.kind == "link")
    assert iou(path_mask == robot, splat_mask == robot) >= 0.98
    assert np.count_nonzero(path_mask == splat_mask) / path_mask.size >= 0.98


@needs_fast
def test_both_ways_of_tracing_agree() -> None:
    renderers = [tracer(samples=s, denoise=False, variant=v) for s, v in ((64, "scalar"), (256, "auto"))]
    camera = STILL.model_copy(update={"resolution_px": (48, 36)})
    one, two = (draw(r, still_life(), camera, ground=Ground(), labels=("depth", "ids", "alpha"))[0] for r in renderers)
    assert one.depth is not None
    assert two.depth is not None
    blocks = [frame.rgb.reshape(9, 4, 12, 4, 3).mean(axis=(1, 3)) for frame in (one, two)]
    assert np.abs(blocks[0] - blocks[1]).mean() < 2
    assert np.abs(one.rgb.mean(axis=(0, 1)) - two.rgb.mean(axis=(0, 1))).max() < 1
    np.testing.assert_allclose(one.depth, two.depth, rtol=1e-5)
    np.testing.assert_array_equal(one.ids, two.ids)
    assert one.alpha is not None
    assert two.alpha is not None
    np.testing.assert_allclose(one.alpha, two.alpha, atol=0.2)


@pytest.mark.parametrize("variant", ["scalar", "auto"])
def test_every_frame_has_its_own_noise_and_every_run_the_same(variant: str) -> None:
    def run(seed: int) -> list[Frame]:
        renderer = tracer(samples=2, max_depth=2, denoise=False, seed=seed, variant=variant)
        return draw(renderer, still_life(), small(), frames=2, ground=Ground())

    (a, b), (again, _), (other, _) = run(0), run(0), run(1)
    np.testing.assert_array_equal(a.rgb, again.rgb)
    assert (a.rgb != b.rgb).mean() > 0.2  # nothing moves
    assert (a.rgb != other.rgb).mean() > 0.2


def test_a_mesh_may_deform_from_frame_to_frame() -> None:
    """A plate that swells by a wave of known height, seen from above."""
    from simvid.rendering.pathtrace.shot import Shot

    grid = np.linspace(-1, 1, 41)
    x, y = (a.ravel() for a in np.meshgrid(grid, grid))
    k = (np.arange(40)[:, None] * 41 + np.arange(40)).ravel()
    faces = np.concatenate([np.stack([k, k + 1, k + 42], 1), np.stack([k, k + 42, k + 41], 1)]).astype(np.int32)
    flat = np.stack([x, y, 0 * x], axis=1).astype(np.float32)
    sheet = Prop("sheet", (matte(replace(box_mesh((1, 1, 1)), vertices=flat, faces=faces, normals=None, uvs=None)),))
    assets, trajectory = staged([sheet], [small()])
    path = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
    variant = variants.chosen("scalar")
    variant.activate()
    environment = pathtrace.environment_of(assets.scene)
    shot = Shot(assets, trajectory, path, environment, variant, near_m=0.01, max_depth=2, ground=(np.zeros(3), 1.0))
    for height in (0.0, 0.1, 0.2):
        shot.pose(0)
        wave = np.stack([0 * x, 0 * x, height * (np.cos(3 * x) + 1)], axis=1).astype(np.float32)
        shot.staged.set_vertices(1, 0, flat + wave)
        shot.staged.update()
        seen = shot.surfaces()
        places = shot.starts() + seen.depth[..., None] * shot.directions()
        assert np.abs(places[..., 2] - height * (np.cos(3 * places[..., 0]) + 1)).max() < 2e-3
        assert (seen.ids == 1).all()


@needs_fast
def test_light_falls_through_glass_and_through_holes() -> None:
    def under(look: Look, alpha: int = 255) -> float:
        pane = checkered(box_mesh((1.0, 1.0, 0.01), look.base_color or (1, 1, 1)))
        assert pane.texture is not None
        pane.texture[..., :3], pane.texture[..., 3] = 255, alpha
        floor = Visual(Look(roughness=1.0, specular=0.0), mesh=box_mesh((2, 2, 0.1), GRAY))
        rest = np.array([0, 0, 1.0, 1, 0, 0, 0])
        props = [
            Prop("floor", (floor,), rest - [0, 0, 1.05, 0, 0, 0, 0]),
            Prop("pane", (Visual(look, mesh=pane),), rest),
        ]
        renderer = tracer(samples=64, denoise=False, max_depth=6, variant="auto")
        camera = small(0.5)
        return float(radiance(draw(renderer, props, camera, lights=[WHITE_SUN])[0]).mean())

    open_air = 2.0 * linear(GRAY)[0] / np.pi
    assert under(Look(roughness=1.0), alpha=0) == pytest.approx(open_air, rel=0.03)
    assert under(Look(roughness=1.0)) < 0.03 * open_air
    clear = under(Look(roughness=0.0, transmission=1.0, ior=1.5))
    assert 0.85 * open_air < clear < 1.02 * open_air  # 4 % are lost at each surface
    assert under(Look(roughness=0.0, transmission=1.0, base_color=(0.5, 0.5, 0.5))) < 0.5 * open_air


def capture_of(assets: Any) -> Any:
    one = np.ones((1, 4), np.float32)
    colour, owner = np.zeros((1, 1, 3), np.float32), np.zeros(1, np.int32)
    cloud = Gaussians(one[:, :3], 0.5 * one, 0.1 * one[:, :3], one[:, 0], colour, owner)
    return replace(assets, parts=(replace(assets.parts[0], visuals=(Visual(Look(), capture=cloud),)),))


def test_captures_and_labels_that_are_not_made_are_refused_before_any_work() -> None:
    assets, trajectory = staged([Prop("vase", (matte(sphere_mesh(0.1)),))], [small()])
    assert tracer().faults(assets) == []
    (fault,) = tracer().faults(capture_of(assets))
    assert fault.startswith("vase: the renderer 'pathtrace' draws meshes, not captures")
    path = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
    with pytest.raises(SceneError, match="vase"):
        tracer().frames(capture_of(assets), trajectory, path, ())
    with pytest.raises(RenderError, match=r"'pathtrace' does not make albedo \(light is not split up on its paths\): "):
        tracer().frames(assets, trajectory, path, ("albedo", "depth"))
    with pytest.raises(
        RenderError, match=r"does not make surfaces \(its labels are of one ray [^;]*\): leave them out"
    ):
        tracer().frames(assets, trajectory, path, ("surfaces",))
    with pytest.raises(RenderError, match=r"does not make depth_sensor: leave them out"):
        tracer().frames(assets, trajectory, path, ("depth_sensor",))
    with pytest.raises(RenderError, match=r"cameras\.c: Mitsuba's scalar variant has plain pinholes"):
        tracer().frames(assets, trajectory, bent(path), ())


@pytest.mark.parametrize(
    ("key", "value"),
    [("focus", Focus(distance_m=1.0, f_number=2.0)), ("shutter", Shutter(angle_deg=180)), ("sensor", Sensor(iso=800))],
)
def test_what_is_behind_a_lens_is_refused(key: str, value: Any) -> None:
    camera = small().model_copy(update={key: value})
    assets, _ = staged([Prop("vase", (matte(sphere_mesh(0.1)),))], [camera])
    (fault,) = tracer().faults(assets)
    assert f".{key}" in fault
    assert f"the renderer 'pathtrace' has no {key}: leave it out, or render with 'cpu'" in fault


def test_a_clip_is_drawn_again_without_new_physics(flying_clip: Clip, tmp_path: Path) -> None:
    entry = tmp_path / "quick.yaml"
    entry.write_text("# quick\nbackend: pathtrace\nsettings: {samples: 2, max_depth: 2, variant: scalar}\n")
    arguments = ["render", str(flying_clip.path), "--renderer", str(entry), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(arguments) == 0
    (made,) = [Clip.open(path.parent) for path in (tmp_path / "out").glob("*/clip.json")]
    np.testing.assert_array_equal(made.trajectory.poses, flying_clip.trajectory.poses)
    for camera in made.record.cameras:
        assert camera.renderer.backend == "pathtrace"
        assert camera.renderer.settings["samples"] == 2
        one, two = made.frames(camera.name), flying_clip.frames(camera.name)
        assert one.ids is not None
        assert two.ids is not None
        assert (one.ids == two.ids).mean() > 0.97
        assert (one.rgb != two.rgb).any()
    assert made.verify() == []


def bent(path: CameraPath) -> CameraPath:
    return replace(path, lens=LENSES["fisheye"])
