"""What is behind clear panes, liquids and half-clear meshes is seen through them; labels take all for solid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simvid.assets.pieces import Visual
from simvid.assets.primitives import bowl_mesh, primitive_mesh
from simvid.frames import Frame
from simvid.mesh import Mesh
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.rendering.splats.clear import cover_of, is_sheer, looks_inwards
from simvid.scene import Camera, CameraPose, Ground, Look
from simvid.testing.rendering import light
from simvid.testing.staging import Prop, box_mesh, matte, sphere_mesh, staged

CLEAR = 0.8
HEAD_ON = (0.5 / 2.5) ** 2
"""What glass of index 1.5 reflects head-on."""


def pane(transmission: float, size_m: float = 0.8) -> Prop:
    mesh = box_mesh((size_m, 0.02, size_m))
    look = Look(base_color=(1, 1, 1), transmission=transmission, ior=1.5, roughness=0.05)
    return Prop("pane", (Visual(look, mesh=mesh),), np.array([0, -0.5, 0, 1.0, 0, 0, 0]))


def half_clear(mesh: Mesh, alpha: int) -> Mesh:
    """A mesh with the colours that a blended glTF material of an alpha below one gives it."""
    return replace(mesh, vertex_colors=np.tile(np.array([255, 255, 255, alpha], np.uint8), (len(mesh.vertices), 1)))


def sheet(alpha: int, size_m: float = 0.8) -> Prop:
    """The side of a box that looks at the camera."""
    box = box_mesh((size_m, 0.02, size_m))
    assert box.normals is not None
    front = replace(box, faces=box.faces[(box.normals[box.faces] @ np.array([0, -1, 0]) > 0.5).all(axis=1)])
    return Prop("sheet", (matte(half_clear(front, alpha)),), np.array([0, -0.5, 0, 1.0, 0, 0, 0]))


def wall(grey: float) -> Prop:
    return Prop("wall", (matte(box_mesh((2, 0.1, 2), (grey, grey, grey))),), np.array([0, 0.05, 0, 1.0, 0, 0, 0]))


def shot(*props: Prop, ground: Ground | None = None, eye: tuple[float, float, float] = (0, -2, 0)) -> Frame:
    pose = CameraPose(look_from_m=eye, look_at_m=(0, 0, 0))
    camera = Camera(name="c", resolution_px=(48, 36), fov_y_deg=30, pose=pose)
    assets, trajectory = staged(props, [camera], ground=ground)
    path = camera_path(camera, assets.scene, trajectory)
    labels = ("depth", "ids", "normals", "alpha", "surfaces")
    return next(iter(render_frames(assets, trajectory, path, CpuRasterizer(), labels, RenderSettings(threads=1))))


def middle(frame: Frame) -> float:
    return float(light(frame.rgb[12:24, 16:32]).mean())


@pytest.mark.parametrize("transmission", [0.6, CLEAR, 1.0])
def test_a_pane_lets_its_share_through(transmission: float) -> None:
    """In linear light. What lets half through or less shades what is behind it besides."""
    light, dark = (middle(shot(wall(grey), pane(transmission))) for grey in (0.6, 0.1))
    open_light, open_dark = (middle(shot(wall(grey))) for grey in (0.6, 0.1))
    share = (light - dark) / (open_light - open_dark)
    assert share == pytest.approx(transmission * (1 - HEAD_ON), abs=0.06)


@pytest.mark.parametrize("alpha", [64, 128, 230, 255])
def test_a_half_clear_mesh_covers_its_share(alpha: int) -> None:
    """In linear light, by each of its sides."""
    box = Prop("box", (matte(half_clear(box_mesh((0.8, 0.02, 0.8)), alpha)),), sheet(0).poses)
    open_light, open_dark = (middle(shot(wall(grey))) for grey in (0.6, 0.1))
    for prop, sides in ((sheet(alpha), 1), (box, 2)):
        light, dark = (middle(shot(wall(grey), prop)) for grey in (0.6, 0.1))
        assert (light - dark) / (open_light - open_dark) == pytest.approx((1 - alpha / 255) ** sides, abs=0.06)


def test_labels_are_those_of_a_whole_sheet() -> None:
    half, whole = shot(wall(0.3), sheet(100)), shot(wall(0.3), sheet(255))
    assert np.abs(half.rgb.astype(int) - whole.rgb).max() > 20
    for name in ("depth", "ids", "normals", "alpha"):
        np.testing.assert_array_equal(getattr(half, name), getattr(whole, name))
    for frame, opaque in ((half, 0), (whole, 1)):
        assert frame.surface_opaque is not None
        assert (frame.surface_opaque[12:24, 16:32] == opaque).all()


def test_what_its_file_says_of_a_mesh_s_surface() -> None:
    ball = sphere_mesh(0.1, rings=6)
    assert cover_of(ball) == 1
    assert cover_of(half_clear(ball, 51)) == 0.2
    assert cover_of(half_clear(ball, 0)) == 1, "nothing of it is seen"
    colors = np.full((len(ball.vertices), 4), 51, np.uint8)
    colors[0, 3] = 52
    assert cover_of(replace(ball, vertex_colors=colors)) == 1, "an outline, for all we know"
    texture = np.full((2, 2, 4), 51, np.uint8)
    assert cover_of(replace(half_clear(ball, 51), texture=texture)) == 1


def test_a_mesh_whose_faces_look_inwards_is_seen_from_both_sides() -> None:
    """Beside one that closes most of the part: it is no wall of that one."""
    ball, box = sphere_mesh(0.2), primitive_mesh("box", (0.05, 0.05, 0.05))
    assert ball.normals is not None
    turned = replace(ball, faces=ball.faces[:, ::-1].copy(), normals=-ball.normals)
    assert [looks_inwards(mesh) for mesh in (turned, ball, box)] == [True, False, False]
    wall = bowl_mesh(0.1, 0.01)
    assert wall.normals is not None
    inner = (wall.normals[wall.faces].mean(axis=1) * wall.vertices[wall.faces].mean(axis=1)).sum(axis=1) < 0
    assert inner.sum() > 100
    assert not looks_inwards(replace(wall, faces=wall.faces[inner])), "the inner wall of a bowl looks in, and should"
    depths = [shot(Prop("ball", (matte(mesh), matte(box)))).depth for mesh in (ball, turned)]
    for depth in depths:
        assert depth is not None
        assert depth[18, 24] == pytest.approx(1.8, abs=0.02)


def test_a_pane_is_even() -> None:
    through = shot(wall(0.3), pane(CLEAR)).rgb[12:24, 16:32].astype(float)
    assert through.std(axis=(0, 1)).max() < 3, "of 255: its Gaussians do not show"


def test_labels_are_those_of_a_solid_pane() -> None:
    clear, solid = shot(wall(0.3), pane(CLEAR)), shot(wall(0.3), pane(0.0))
    for name, off in (("depth", 0.02), ("ids", 0), ("normals", 0.02), ("alpha", 0.01)):
        through, face = (getattr(frame, name)[12:24, 16:32] for frame in (clear, solid))
        np.testing.assert_allclose(through, face, atol=off)
    assert clear.ids is not None
    assert (clear.ids[12:24, 16:32] == 2).all()
    assert np.abs(clear.rgb.astype(int) - solid.rgb).max() > 20


def test_pictures_are_the_same_without_labels() -> None:
    camera = Camera(
        name="c", resolution_px=(48, 36), fov_y_deg=30, pose=CameraPose(look_from_m=(0, -2, 0), look_at_m=(0, 0, 0))
    )
    assets, trajectory = staged([wall(0.3), pane(CLEAR)], [camera])
    path = camera_path(camera, assets.scene, trajectory)
    made = [
        next(iter(render_frames(assets, trajectory, path, CpuRasterizer(), labels, RenderSettings(threads=1)))).rgb
        for labels in ((), ("depth", "ids"), ("depth", "albedo", "light_diffuse"))
    ]
    for rgb in made[1:]:
        np.testing.assert_array_equal(rgb, made[0])


def test_what_is_clear_throws_no_shadow() -> None:
    lid = np.array([0, 0, 0.3, 1.0, 0, 0, 0])
    made = {}
    for transmission in (0.0, 0.9, None):
        look = Look(base_color=(1, 1, 1), transmission=transmission or 0.0)
        props = [] if transmission is None else [Prop("lid", (Visual(look, mesh=box_mesh((0.3, 0.3, 0.02))),), lid)]
        made[transmission] = shot(*props, ground=Ground(), eye=(0, -1.6, 0.8))
    ground = np.logical_and.reduce([frame.ids == 1 for frame in made.values()])
    solid, clear, none = (made[k].rgb[ground].astype(float) for k in (0.0, 0.9, None))
    assert np.abs(clear - none).max() < 3
    assert np.abs(solid - none).max() > 20


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (primitive_mesh("box", (0.1, 0.1, 0.1)), True),
        (bowl_mesh(0.3, 0.01), True),
        (sphere_mesh(0.1), False),
        (bowl_mesh(0.1, 0.09), False),
        (primitive_mesh("capsule", (0.1, 0.2)), False),
    ],
    ids=["block", "thin bowl", "ball", "thick bowl", "capsule"],
)
def test_panes_blocks_and_thin_walls_are_seen_through(mesh: Mesh, expected: bool) -> None:
    assert is_sheer(Look(transmission=0.9), mesh) is expected
    assert is_sheer(Look(), mesh) is False
