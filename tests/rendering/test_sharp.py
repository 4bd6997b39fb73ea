"""Albedo and normals of surfaces, averaged over pixels: against closed forms, and against the z-buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.pieces import Visual
from simvid.camera_path import RollingShutter
from simvid.frames import CameraPath, Frame
from simvid.gaussians import SH_C0, Gaussians
from simvid.lens import picture_rays
from simvid.mesh import Mesh
from simvid.optics import Lens
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import Floats
from simvid.rendering.renderer import render_frames
from simvid.rendering.sharp import pictures
from simvid.rendering.sharp.kernels import Samples, nearest_rows
from simvid.rendering.sharp.meshes import Posed
from simvid.rendering.sharp.pictures import SharpPictures
from simvid.rendering.sharp.textures import atlas
from simvid.rendering.sight import sight_of
from simvid.scene import Camera, Focus, Ground, Light, Look, Shutter, Sky
from simvid.surfaces.windows import face_windows
from simvid.surfaces.zbuffer import draw_nearest
from simvid.testing.rendering import SIZE, above
from simvid.testing.staging import Prop, box_mesh, sphere_mesh, staged

Array: TypeAlias = NDArray[np.float64]
f = np.float32
LENSES = {
    "pinhole": Lens(),
    "distorted": Lens("pinhole", (-0.12, 0.03, 0.002, -0.001, 0.0, 0.0, 0.0, 0.0)),
    "fisheye": Lens("fisheye", (0.02, -0.005, 0.001, 0.0)),
    "orthographic": Lens("orthographic"),
}
SMALL = (24, 18)


def eye(lens: Lens | None = None, size: tuple[int, int] = SMALL, px_per_m: float = 20.0) -> CameraPath:
    """A camera at the origin that looks along the world's z axis."""
    K = np.array([[px_per_m, 0, size[0] / 2], [0, px_per_m, size[1] / 2], [0, 0, 1.0]])
    return CameraPath("c", *size, K, np.eye(4)[None], lens or Lens())


def seen(
    *props: Prop, camera: CameraPath, ground: tuple[Floats, Floats] | None = None, side: int = 3
) -> tuple[Array, Array, Array]:
    """Albedo, normals and what is opaque of frame 0."""
    assets, trajectory = staged(props, [above()], ground=None)
    if ground is None:
        ground = np.full((camera.height, camera.width), np.inf, f), np.zeros((camera.height, camera.width, 3), f)
    drawn = SharpPictures(assets, trajectory, 0.01)
    sight = sight_of(camera, camera.world_from_camera[0])
    albedo, normals, opaque = drawn.draw(sight, 0, ground, Workers(1), side=side)
    return albedo.astype(np.float64), normals.astype(np.float64), opaque.astype(np.float64)


def sheet(
    x0: float, x1: float, z: float = 1.0, color: Sequence[float] = (1, 1, 1), **more: NDArray[np.generic]
) -> Mesh:
    """A rectangle across the picture from x0 to x1 [m] that faces the camera."""
    corners = np.array([[x0, -9, z], [x1, -9, z], [x1, 9, z], [x0, 9, z]], f)
    r, g, b = color
    return Mesh(corners, np.array([[0, 2, 1], [0, 3, 2]], np.int32), base_color=(r, g, b), **more)  # type: ignore[arg-type]


def prop(mesh: Mesh, look: Look | None = None, name: str = "p") -> Prop:
    return Prop(name, (Visual(look or Look(), mesh=mesh),))


@pytest.mark.parametrize("lens", LENSES)
def test_the_nearest_triangle_is_the_z_buffers(lens: str) -> None:
    rng = np.random.default_rng(1)
    camera = eye(LENSES[lens], (60, 45), 40.0)
    corners = rng.uniform(-1.5, 1.5, (150, 1, 3)) + rng.uniform(-0.6, 0.6, (150, 3, 3)) + [0, 0, 1.2]
    vertices, faces = corners.reshape(-1, 3), np.arange(450, dtype=np.int32).reshape(-1, 3)
    windows, rays = face_windows(camera, vertices, faces, 0.05), np.concatenate(picture_rays(camera), axis=-1)
    shape = (camera.height, camera.width)
    z, owner = np.full(shape, np.inf, f), np.zeros(shape, np.int32)
    draw_nearest(vertices, faces, np.arange(1, 151, dtype=np.int32), windows, rays, 0.05, z, owner)
    none = np.zeros((450, 3), f)
    mesh = Posed(vertices, none, faces, none, none[:, :2].copy(), np.full(150, -1, np.int32), np.ones(150, f))
    flat, plain = lens == "orthographic", lens == "pinhole"
    table = np.zeros((0, 0, 2)) if plain else picture_rays(camera)[0 if flat else 1]
    line = np.array([1 / camera.K[0, 0], 1 / camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]])
    found = np.full(shape, np.inf, f), np.zeros(shape, np.int32)
    for top, bottom in ((0, 20), (20, 45)):
        lines = Samples(line, table, flat, top, found[0][top:bottom], found[1][top:bottom])
        nearest_rows(lines, mesh, windows, 0.05, 0, bottom - top)
    assert len(np.unique(owner)) > 30
    np.testing.assert_array_equal(found[1], owner)
    np.testing.assert_allclose(found[0], z, rtol=1e-6)


@pytest.mark.parametrize("share", [1 / 3, 2 / 3])
def test_an_edge_is_mixed_by_the_area_it_leaves(share: float) -> None:
    edge = (10 + share - 12) / 20.0  # in column 10
    albedo, normals, _ = seen(prop(sheet(edge, 9, color=(1, 1, 1))), camera=eye())
    np.testing.assert_allclose(albedo[:, 10], 1 - share, atol=1e-6)
    np.testing.assert_allclose(normals[:, 10], [[0, 0, share - 1]] * SMALL[1], atol=1e-6)
    assert not albedo[:, :10].any()
    np.testing.assert_allclose(albedo[:, 11:], 1, atol=1e-6)


def test_what_is_nearer_is_seen_and_colors_are_linear() -> None:
    albedo, _, _ = seen(
        prop(sheet(-9, 9, 2.0, (1, 0, 0)), name="far"), prop(sheet(0, 9, 1.0, (0, 0.5, 0)), name="near"), camera=eye()
    )
    np.testing.assert_allclose(albedo[:, :12], np.tile([1, 0, 0], (18, 12, 1)), atol=1e-6)
    np.testing.assert_allclose(albedo[:, 12:, 1], 0.21404, atol=1e-4)


def test_what_is_clear_is_darker_and_told() -> None:
    clear, solid = (prop(sheet(*ends), Look(transmission=t), name=str(t)) for ends, t in (((-9, 0), 0.75), ((0, 9), 0)))
    albedo, _, opaque = seen(clear, solid, camera=eye())
    np.testing.assert_allclose(albedo[:, :12], 0.25, atol=1e-6)
    assert not opaque[:, :12].any()
    np.testing.assert_array_equal(opaque[:, 12:], 1)
    edge = (10 + 2 / 3 - 12) / 20.0
    _, _, mixed = seen(prop(sheet(edge, 9), Look(transmission=0.75)), camera=eye())
    np.testing.assert_allclose(mixed[0, 9:12], [1, 2 / 3, 0], atol=1e-6)


def test_the_ground_is_behind_and_in_front() -> None:
    depth = np.full(SMALL[::-1], np.inf, f)
    depth[:9] = 0.5
    depth[9:12] = 1.5
    ground = depth, np.full((*SMALL[::-1], 3), 0.25, f)
    albedo, normals, _ = seen(prop(sheet(0, 9)), camera=eye(), ground=ground)
    np.testing.assert_array_equal(albedo[:9], 0.25)
    np.testing.assert_allclose(albedo[9:12, 12:], 1, atol=1e-6)
    np.testing.assert_array_equal(albedo[9:12, :12], 0.25)
    assert not albedo[12:, :12].any()
    np.testing.assert_array_equal(normals[0, 0], [0, 0, 1])  # the world's z in this camera's frame


def test_normals_are_smooth_and_turned_to_the_camera() -> None:
    ball = Prop("ball", (Visual(Look(), mesh=sphere_mesh(0.5, rings=96)),), np.array([0, 0, 2.0, 1, 0, 0, 0]))
    camera = eye(size=(48, 48), px_per_m=60.0)
    _, normals, _ = seen(ball, camera=camera)
    slopes = picture_rays(camera)[1]
    d = np.concatenate([slopes, np.ones((48, 48, 1))], axis=-1)
    d /= np.linalg.norm(d, axis=-1, keepdims=True)
    inside = (2 * d[..., 2]) ** 2 - (4 - 0.25)
    exact = (d * (2 * d[..., 2] - np.sqrt(np.maximum(inside, 0)))[..., None] - [0, 0, 2.0]) / 0.5
    core = inside > 0.05
    assert core.sum() > 300
    np.testing.assert_allclose(normals[core], exact[core], atol=0.03)
    _, behind, _ = seen(prop(replace(sheet(-9, 9), faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32))), camera=eye())
    np.testing.assert_allclose(behind, np.tile([0, 0, -1], (18, 24, 1)), atol=1e-6)


def test_a_texture_is_read_where_it_lies() -> None:
    image = np.random.default_rng(0).integers(0, 256, (18, 24, 4)).astype(np.uint8)
    uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], f)  # y points down in the picture
    corners = np.array([[-0.6, -0.45, 1], [0.6, -0.45, 1], [0.6, 0.45, 1], [-0.6, 0.45, 1]], f)
    mesh = Mesh(corners, np.array([[0, 2, 1], [0, 3, 2]], np.int32), uvs=uvs, texture=image)
    albedo, _, _ = seen(prop(mesh), camera=eye(), side=1)
    s = image[..., :3] / 255
    np.testing.assert_allclose(albedo, np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4), atol=1e-3)


def test_a_fine_texture_becomes_its_mean() -> None:
    image = np.zeros((512, 512, 4), np.uint8)
    image[::2, ::2, :3] = image[1::2, 1::2, :3] = 255
    uvs = np.array([[0, 0], [1, 0], [1, 30], [0, 30]], f)
    mesh = replace(sheet(-0.6, 0.6), uvs=uvs, texture=image)
    albedo, _, _ = seen(prop(mesh), camera=eye())
    np.testing.assert_allclose(albedo, 0.5, atol=0.01)


def test_levels_end_in_the_mean_whatever_the_size() -> None:
    image = np.full((5, 3, 3), 188, np.uint8)
    made = atlas([image, image[:2, :2]])
    assert made.levels[:, 1:].tolist() == [[5, 3], [3, 2], [2, 1], [1, 1], [2, 2], [1, 1]]
    assert made.first.tolist() == [0, 4, 6]
    assert len(np.unique(made.texels)) == 1


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    ball = Prop("ball", (Visual(Look(), mesh=sphere_mesh(0.5)),), np.array([0, 0, 2.0, 1, 0, 0, 0]))
    whole = seen(ball, camera=eye())
    monkeypatch.setattr(pictures, "AT_ONCE", 500)
    for one, two in zip(whole, seen(ball, camera=eye()), strict=True):
        np.testing.assert_array_equal(one, two)


def drawn(*props: Prop, camera: Camera | None = None, shutter: RollingShutter | None = None, **more: object) -> Frame:
    camera = above() if camera is None else camera
    assets, trajectory = staged(props, [camera], frames=2, lights=[Light(sky=Sky(preset="overcast"))], **more)  # type: ignore[arg-type]
    path = replace(camera_path(camera, assets.scene, trajectory), shutter=shutter)
    return next(render_frames(assets, trajectory, path, CpuRasterizer(2), ("surfaces",), RenderSettings(threads=2)))


def test_frames_bring_them_when_asked() -> None:
    crate = Prop("crate", (Visual(Look(base_color=(1, 0, 0)), mesh=box_mesh((0.2, 0.2, 0.2))),))
    frame = drawn(crate, ground=Ground(look=Look(base_color=(0, 1, 0))))
    assert set(frame.labels) == {"surface_albedo", "surface_normals", "surface_opaque"}
    assert frame.surface_opaque is not None
    assert frame.surface_opaque.all()
    assert frame.surface_albedo is not None
    assert frame.surface_normals is not None
    middle = SIZE[1] // 2, SIZE[0] // 2
    np.testing.assert_allclose(frame.surface_albedo[middle], [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(frame.surface_albedo[0, 0], [0, 1, 0], atol=1e-3)
    np.testing.assert_allclose(frame.surface_normals[middle], [0, 0, -1], atol=1e-3)
    np.testing.assert_allclose(frame.surface_normals[0, 0], [0, 0, -1], atol=1e-3)


def test_a_capture_is_its_colour() -> None:
    sh = ((np.array([[[0.8, 0.4, 0.1]]]) - 0.5) / SH_C0).astype(f)
    one = np.ones((1, 1), f)
    cloud = Gaussians(
        np.zeros((1, 3), f), np.array([[1, 0, 0, 0]], f), np.full((1, 3), 0.1, f), one[0], sh, np.zeros(1, np.int32)
    )
    frame = drawn(Prop("scan", (Visual(Look(), capture=cloud),)))
    assert frame.surface_albedo is not None
    linear = ((np.array([0.8, 0.4, 0.1]) + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(frame.surface_albedo[SIZE[1] // 2, SIZE[0] // 2], linear, rtol=0.01)
    assert not frame.surface_albedo[0, 0].any()
    assert frame.surface_opaque is not None
    assert frame.surface_opaque[SIZE[1] // 2, SIZE[0] // 2] == 0
    assert frame.surface_opaque[0, 0] == 1


def test_a_rolling_shutter_reads_each_line_at_its_own_time() -> None:
    away = np.array([[-0.1, 0, 0, 1.0, 0, 0, 0], [0.1, 0, 0, 1.0, 0, 0, 0]])
    post = Prop("post", (Visual(Look(), mesh=box_mesh((0.05, 0.8, 0.05))),), away)
    frame = drawn(post, shutter=RollingShutter(0.03))
    assert frame.surface_albedo is not None
    columns = np.arange(SIZE[0])
    rows = frame.surface_albedo[..., 0].astype(np.float64)
    middle = (rows * columns).sum(axis=1) / np.maximum(rows.sum(axis=1), 1e-9)
    seen_rows = np.flatnonzero(rows.sum(axis=1) > 0.5)
    assert middle[seen_rows[-1]] - middle[seen_rows[0]] > 5


def test_what_the_camera_blurs_is_told() -> None:
    """Exposure and aperture: the picture is no longer that of these surfaces."""
    away = np.array([[-0.1, 0, 0, 1.0, 0, 0, 0], [0.1, 0, 0, 1.0, 0, 0, 0]])
    post = Prop("post", (Visual(Look(), mesh=box_mesh((0.05, 0.4, 0.05), (1, 0, 0))),), away)
    ground, eye_m = Ground(height_m=-0.3), above()
    for changes in ({"shutter": Shutter(angle_deg=180)}, {"focus": Focus(distance_m=3, lens_radius_m=0.05)}):
        blurred = drawn(post, camera=eye_m.model_copy(update=changes), ground=ground)
        crisp = drawn(post, camera=eye_m, ground=ground)
        assert blurred.surface_opaque is not None
        assert crisp.surface_opaque is not None
        assert crisp.surface_opaque.all()
        changed = np.abs(blurred.rgb.astype(int) - crisp.rgb).max(axis=-1)
        assert (changed > 20).sum() > 100
        assert not blurred.surface_opaque[changed > 8].any()
        assert blurred.surface_opaque[changed == 0].mean() > 0.95
