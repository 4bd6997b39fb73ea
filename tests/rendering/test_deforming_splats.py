"""Gaussians on deformable bodies: the kernel against a plain twin, labels on bending things, and the path tracer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Visual
from simvid.assets.prepare import prepare
from simvid.deforming.binding import bind, carried
from simvid.deforming.frames import polar_rotation
from simvid.deforming.skins import turned_normals
from simvid.errors import CheckWarning
from simvid.frames import CameraPath, Frame
from simvid.gaussians import Gaussians
from simvid.motion import flow_between, motion_of
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.motion import flow
from simvid.rendering.renderer import render_frames
from simvid.rendering.splats.appearance import Appearance
from simvid.rendering.splats.deforming import STRETCH, torn_captures
from simvid.rendering.splats.harmonics import bent_harmonics
from simvid.rendering.splats.posing import PosedSplats
from simvid.rendering.splats.visible import Visible
from simvid.rotations import matrix_from_quat, pose_vector, quat_from_euler_deg
from simvid.scene import Look, Scene
from simvid.spherical_harmonics import basis
from simvid.testing.bending import Way, bend, scripted, spread, squash, twist
from simvid.trajectory import ParticleMotion, Trajectory

Array: TypeAlias = NDArray[Any]
RNG = np.random.default_rng(2)
TURN = matrix_from_quat(quat_from_euler_deg((20, -35, 70)))
GRID: NDArray[Any] = np.stack(np.meshgrid(*[np.arange(6) * 0.2 - 0.5] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


def cloud(count: int = 200) -> Appearance:
    """Random Gaussians of one part; captures, for their harmonics."""
    f = np.float32
    quats = RNG.normal(size=(count, 4)).astype(f)
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    splats = Gaussians(
        RNG.uniform(-0.6, 0.6, (count, 3)).astype(f), quats, RNG.uniform(0.002, 0.1, (count, 3)).astype(f),
        np.ones(count, f), RNG.normal(size=(count, 9, 3)).astype(f), np.ones(count, np.int32),
    )  # fmt: skip
    normals = np.stack([matrix_from_quat(q)[:, 2] for q in quats]).astype(f)
    points = (splats.means + 0.01 * normals).astype(f)
    return Appearance(
        splats, np.array([0, count]), normals, np.ones(count, bool), np.ones(count, f), np.zeros((count, 6), f),
        points, np.full(count, 0.1, f), np.zeros(count, bool),
    )  # fmt: skip


def posed(look: Appearance, way: Way, when: float = 1.0, *, flows: bool = False) -> tuple[PosedSplats, ParticleMotion]:
    made = [way(GRID, t) for t in (0.0, 1.0)]
    positions, deformation = (np.array([m[k] for m in made], np.float32) for k in (0, 1))
    motion = ParticleMotion("x", 0, 1, "solid", positions, deformation, GRID.astype(np.float32))
    splats = PosedSplats(look, [motion], flowing=[0] if flows else [])
    splats.pose(pose_vector(np.eye(4))[None], Workers(1), when)
    return splats, motion


def covariances(quats: Array, scales: Array) -> Array:
    axes = np.stack([matrix_from_quat(q) for q in quats]) * scales[:, None]
    return np.asarray(axes @ axes.transpose(0, 2, 1))


@pytest.mark.parametrize(
    "way", [squash(TURN), squash(np.diag([2.0, 1, 0.5])), squash(TURN @ (np.eye(3) + 0.4 * np.eye(3, k=1))),
            twist(0.2), bend(0.7)], ids=["rotation", "stretch", "shear", "twist", "bend"],
)  # fmt: skip
def test_gaussians_are_carried_stretched_and_turned_as_the_plain_twin_says(way: Way) -> None:
    look = cloud()
    got, motion = posed(look, way)
    rest, positions, f = GRID.astype(np.float32).astype(float), *(a.astype(float) for a in motion.at(1))
    places, gradient = carried(bind(look.gaussians.means.astype(float), rest, "solid"), rest, positions, f)
    np.testing.assert_allclose(got.arrays.means, places, atol=2e-6)
    before = covariances(look.gaussians.quats, look.gaussians.scales)
    wanted = gradient @ before @ gradient.transpose(0, 2, 1)
    size = np.linalg.norm(wanted, axis=(1, 2), keepdims=True)
    assert (np.abs(covariances(got.arrays.quats, got.arrays.scales) - wanted) / size).max() < 1e-5
    np.testing.assert_allclose(got.arrays.normals, turned_normals(gradient, look.normals.astype(float)), atol=1e-5)
    np.testing.assert_allclose(got.deforming[0].turns, polar_rotation(gradient), atol=1e-6)
    assert (got.arrays.scales > 0).all()


def test_a_part_that_moves_rigidly_keeps_the_axes_of_its_gaussians() -> None:
    look = cloud()
    got, _ = posed(look, squash(TURN))
    rigid = PosedSplats(look)
    pose = np.eye(4)
    pose[:3, :3] = TURN
    rigid.pose(pose_vector(pose)[None], Workers(1))
    np.testing.assert_allclose(got.arrays.means, rigid.arrays.means, atol=1e-6)
    np.testing.assert_allclose(got.arrays.scales, rigid.arrays.scales, rtol=1e-5)
    dots = np.abs(np.einsum("nk,nk->n", got.arrays.quats, rigid.arrays.quats))
    np.testing.assert_allclose(dots, 1, atol=1e-6)
    np.testing.assert_allclose(got.arrays.radius, look.radius_m, rtol=1e-5)


def test_no_map_makes_spikes() -> None:
    """Crumpled, torn and inverted particles: nothing is stretched more than is allowed."""
    look = cloud()

    def wild(rest: Array, t: float) -> tuple[Array, Array]:
        return rest + t * RNG.normal(size=rest.shape), np.eye(3) + t * RNG.normal(scale=20, size=(len(rest), 3, 3))

    got, _ = posed(look, wild)
    for array in (got.arrays.means, got.arrays.quats, got.arrays.scales, got.arrays.normals, got.arrays.radius):
        assert np.isfinite(array).all()
    largest, before = got.arrays.scales.max(axis=1), look.gaussians.scales.max(axis=1)
    assert (largest <= STRETCH[1] * before * 1.001).all()
    np.testing.assert_allclose(np.linalg.det(got.deforming[0].turns.astype(float)), 1, atol=1e-5)


def test_what_flows_grows_round_again_where_it_has_come_apart() -> None:
    look = cloud(40)
    for stretch, change in ((1.4, False), (2.0, True), (8.0, True)):
        way = squash(TURN @ np.diag([stretch, 0.9, 0.8]))
        firm, soft = (posed(look, way, flows=flows)[0].arrays for flows in (False, True))
        np.testing.assert_allclose(soft.means, firm.means, atol=1e-6)
        np.testing.assert_allclose(soft.scales.prod(axis=1), firm.scales.prod(axis=1), rtol=1e-3)
        same = np.allclose(soft.scales, firm.scales, rtol=1e-4)
        assert same is not change
    alike = np.cbrt(4.0 * 0.9 * 0.8)  # at the limit of stretches, and all the same
    np.testing.assert_allclose(np.sort(soft.scales, axis=1), alike * np.sort(look.gaussians.scales, axis=1), rtol=1e-3)


def test_harmonics_are_looked_up_where_each_gaussian_has_turned_to() -> None:
    look = cloud(50)
    got, _ = posed(look, twist(0.3))
    a, rows, eye = got.arrays, np.arange(0, 50, 2, dtype=np.int32), np.array([3.0, 1, 2])
    seen = Visible(rows, a.means[rows], a.quats[rows], a.scales[rows], a.opacities[rows], a.owner[rows], a.means[rows])
    found = bent_harmonics(got, look.gaussians.sh, seen, eye)
    assert not found[:, 1:].any()
    for slot, row in enumerate(rows):
        d = got.deforming[0].turns[row].T @ (a.means[row] - eye)
        color = np.maximum(0.5 + basis(d / np.linalg.norm(d), 9) @ look.gaussians.sh[row], 0)
        np.testing.assert_allclose(0.5 + 0.28209479177387814 * found[slot, 0], color, atol=1e-5)


SPACED = {"particle_spacing_m": 0.03}
BODIES: list[dict[str, Any]] = [
        {"name": "twisted", "shape": {"box": {"size_m": [0.2, 0.2, 0.3]}}, "material": "jelly",
         "pose": {"position_m": [-0.4, 0, 0.2]}},
        {"name": "bent", "shape": {"box": {"size_m": [0.4, 0.12, 0.12]}}, "material": "jelly",
         "pose": {"position_m": [0.1, 0, 0.1]}},
        {"name": "heap", "shape": {"sphere": {"radius_m": 0.12}}, "material": "sand",
         "pose": {"position_m": [0, -0.45, 0.15]}},
        {"name": "rag", "shape": {"box": {"size_m": [0.4, 0.3, 0.006]}}, "material": "cloth",
         "pose": {"position_m": [0.1, 0.1, 0.45]}},
        {"name": "post", "shape": {"box": {"size_m": [0.06, 0.06, 0.3]}}, "fixed": True,
         "pose": {"position_m": [0.4, -0.3, 0.15]}},
    ]  # fmt: skip
SCENE: dict[str, Any] = {
    "simvid": 1, "duration_s": 0.25, "fps": 8, "ground": {}, "labels": ["all"],
    "cameras": [{"name": "front", "resolution_px": [160, 120],
                 "pose": {"look_from_m": [0.9, -1.3, 0.8], "look_at_m": [0, 0, 0.15]}}],
    "materials": {
        "jelly": {"elastic": {"young_modulus_pa": 1e4, **SPACED}, "look": {"base_color": [0.2, 0.7, 0.3]}},
        "sand": {"granular": SPACED, "look": {"base_color": [0.8, 0.65, 0.4]}},
        "cloth": {"cloth": SPACED, "look": {"base_color": [0.8, 0.2, 0.2]}},
    },
    "bodies": BODIES,
}  # fmt: skip
WAYS = {"twisted": twist(0.5), "bent": bend(0.2), "heap": spread(0.1), "rag": bend(0.2)}
BENDING = {2: "twisted", 3: "bent", 4: "heap", 5: "rag"}


@pytest.fixture(scope="module")
def bending() -> tuple[SceneAssets, Trajectory, CameraPath]:
    scene = Scene.model_validate(SCENE)
    assets = prepare(scene)
    trajectory = scripted(assets, WAYS)
    return assets, trajectory, camera_path(scene.cameras[0], scene, trajectory)


@pytest.fixture(scope="module")
def drawn(bending: tuple[SceneAssets, Trajectory, CameraPath]) -> list[Frame]:
    assets, trajectory, camera = bending
    labels = ["depth", "depth_surface", "ids", "flow", "occlusion", "scene_flow", "object_coords", "amodal", "normals",
              "surfaces"]  # fmt: skip
    return list(render_frames(assets, trajectory, camera, CpuRasterizer(), labels, RenderSettings()))


def inner(mask: Array) -> Array:
    """A mask without its border."""
    found = mask.copy()
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            found &= np.roll(mask, step, axis=axis)
    return found


def test_depth_and_ids_of_bending_things_are_those_of_their_surfaces(drawn: list[Frame]) -> None:
    for frame in (drawn[0], drawn[-1]):
        assert frame.ids is not None
        assert frame.depth is not None
        assert frame.depth_surface is not None
        for k in BENDING:
            mask = inner(frame.ids == k)
            assert mask.sum() > 30
            assert np.median(np.abs(frame.depth[mask] / frame.depth_surface[mask] - 1)) < 0.003


def test_surfaces_bend_too(drawn: list[Frame]) -> None:
    colors = {2: (0.2, 0.7, 0.3), 3: (0.2, 0.7, 0.3), 4: (0.8, 0.65, 0.4), 5: (0.8, 0.2, 0.2)}
    for frame in (drawn[0], drawn[-1]):
        assert frame.ids is not None
        assert frame.normals is not None
        assert frame.surface_albedo is not None
        assert frame.surface_normals is not None
        for k, color in colors.items():
            mask = inner(frame.ids == k)
            s = np.array(color)
            linear = ((s + 0.055) / 1.055) ** 2.4
            np.testing.assert_allclose(np.median(frame.surface_albedo[mask], axis=0), linear, rtol=0.05)
            agree = (frame.surface_normals[mask].astype(float) * frame.normals[mask]).sum(axis=-1)
            assert np.median(agree) > (0.9 if k == 4 else 0.98)


KINDS: dict[str, Any] = {"elastic": {"young_modulus_pa": 1e4, **SPACED}, "snow": SPACED,
                         "plastic": {"young_modulus_pa": 2e5, "yield_stress_pa": 2.5e3, **SPACED}}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_pressed_flat_stays_closed(kind: str) -> None:
    """Seven times its area, of whatever a mesh is: no ground between its Gaussians."""
    clay = {"name": "clay", "shape": {"box": {"size_m": [0.12, 0.12, 0.14]}}, "material": "clay",
            "pose": {"position_m": [0, 0, 0.07]}}  # fmt: skip
    front = {**SCENE["cameras"][0], "pose": {"look_from_m": [0.3, -0.5, 0.5], "look_at_m": [0, 0, 0.05]}}
    mine = {"cameras": [front], "bodies": [clay], "materials": {"clay": {kind: KINDS[kind]}}}
    scene = Scene.model_validate({**SCENE, **mine})
    assets = prepare(scene)
    trajectory = scripted(assets, {"clay": squash(np.diag([2.7, 2.7, 0.15]))})
    camera = camera_path(scene.cameras[0], scene, trajectory)
    (*_, last) = render_frames(assets, trajectory, camera, CpuRasterizer(), ["ids", "depth", "depth_surface"],
                               RenderSettings())  # fmt: skip
    assert last.ids is not None
    assert last.depth is not None
    assert last.depth_surface is not None
    seen = inner(binary_fill_holes(last.ids == 2))
    assert seen.sum() > 2000
    assert (last.ids[seen] == 2).all()
    off = np.abs(last.depth[seen] / last.depth_surface[seen] - 1)
    assert np.mean(off > 0.02) < 0.1, "but for some at its edges"


def test_captures_of_what_flows_alone_grow_round() -> None:
    boxes = [{"name": kind, "shape": {"box": {"size_m": 0.1}}, "material": kind,
              "pose": {"position_m": [0.3 * k, 0, 0.05]}} for k, kind in enumerate(KINDS)]  # fmt: skip
    materials = {kind: {kind: settings} for kind, settings in KINDS.items()}
    parts = prepare(Scene.model_validate({**SCENE, "bodies": boxes, "materials": materials})).parts
    assert torn_captures(parts) == frozenset()
    captured = [replace(p, visuals=(Visual(Look(), capture=cloud(4).gaussians),)) for p in parts]
    assert {captured[k].part.name for k in torn_captures(captured)} == {"plastic", "snow"}


def test_fast_flow_is_the_slow_one(drawn: list[Frame], bending: tuple[SceneAssets, Trajectory, CameraPath]) -> None:
    _, trajectory, camera = bending
    for i, j in ((0, 1), (2, 0)):
        depth, ids = drawn[i].depth, drawn[i].ids
        assert depth is not None
        assert ids is not None
        slow, slow_z = flow_between(depth, ids, camera, motion_of(trajectory), (i, j))
        fast, z = flow(depth, ids, camera, trajectory, (i, j))
        np.testing.assert_allclose(fast, slow, atol=1e-4)
        np.testing.assert_allclose(z, slow_z, rtol=1e-5)
        assert np.nanmax(np.linalg.norm(fast[ids == 2], axis=-1)) > 1


def test_object_coordinates_stay_with_the_surface(
    drawn: list[Frame], bending: tuple[SceneAssets, Trajectory, CameraPath]
) -> None:
    """What a pixel shows has the same coordinates where its flow leads to, if it is seen there."""
    for k, limit in ((2, 0.05), (3, 0.05)):
        before, after = drawn[1], drawn[2]
        assert before.flow_forward is not None
        assert before.object_coords is not None
        assert after.object_coords is not None
        assert before.ids is not None
        assert after.ids is not None
        v, u = np.nonzero(inner(before.ids == k))
        to = np.rint(np.stack([u, v], axis=1) + before.flow_forward[v, u]).astype(int)
        inside = (to >= 0).all(axis=1) & (to < [160, 120]).all(axis=1)
        u, v, to = u[inside], v[inside], to[inside]
        same = after.ids[to[:, 1], to[:, 0]] == k
        gap = np.abs(before.object_coords[v, u] - after.object_coords[to[:, 1], to[:, 0]])[same]
        assert same.sum() > 30
        assert np.median(gap) < limit


def test_all_self_checks_pass_on_a_bending_clip(
    bending: tuple[SceneAssets, Trajectory, CameraPath], tmp_path: Path
) -> None:
    from simvid.pipeline import run

    assets, trajectory, _ = bending
    with pytest.warns(CheckWarning, match="physics: "):  # the motion is a formula's: no law of physics moves it
        clip = run(assets.scene, tmp_path, trajectory=trajectory, until="rendering")
    found = {check.name: check.passed for check in clip.record.checks}
    assert found.pop("contacts_touch") is None
    assert len(found) == 5
    assert all(found.values()), clip.record.checks
    again = clip.trajectory
    assert len(again.particles) == 4
    np.testing.assert_array_equal(again.particles[0].deformation, trajectory.particles[0].deformation)


@pytest.mark.parametrize(
    ("name", "look_from", "look_at", "least"),
    [("bent", [0.1, -0.62, 0.3], [0.1, 0, 0.12], 0.98), ("heap", [0.0, -0.9, 0.25], [0, -0.45, 0.13], 0.93)],
)
def test_path_traced_silhouettes_are_the_splats(
    name: str, look_from: list[float], look_at: list[float], least: float
) -> None:
    """From near, so that borders count for little: what bends and what is loose, at rest and in motion."""
    pathtrace = pytest.importorskip("simvid.rendering.pathtrace.tracer")
    camera = {"name": "near", "resolution_px": [160, 120], "pose": {"look_from_m": look_from, "look_at_m": look_at}}
    alone = [body for body in BODIES if body["name"] == name]
    scene = Scene.model_validate(SCENE | {"cameras": [camera], "bodies": alone, "labels": ["ids", "depth"]})
    made = prepare(scene)
    going = scripted(made, WAYS)
    path = camera_path(scene.cameras[0], scene, going)
    tracer = pathtrace.PathTracer(pathtrace.PathTraceSettings(samples=1, denoise=False))
    labels = ["ids", "depth", "depth_surface"]
    splatted = render_frames(made, going, path, CpuRasterizer(), labels, RenderSettings())
    traced = tracer.frames(made, going, path, ["ids", "depth"])
    for one, two in zip(splatted, traced, strict=True):
        mine, theirs = one.ids == 2, two.ids == 2
        assert np.count_nonzero(theirs) > 1500
        assert (mine & theirs).sum() / (mine | theirs).sum() >= least
        both = inner(mine & theirs)
        assert one.depth_surface is not None
        np.testing.assert_allclose(two.depth[both], one.depth_surface[both], rtol=1e-3)
