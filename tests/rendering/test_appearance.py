from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simvid.assets import splats
from simvid.assets.pieces import Visual
from simvid.gaussians import Gaussians
from simvid.mesh import Mesh
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.splats.appearance import Appearance, appearance_of, dressed, is_closed
from simvid.rendering.splats.covering import Covering, morton_order
from simvid.rendering.splats.detail import chosen_faces
from simvid.scene import Camera, CameraPose, Look
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path))
    return tmp_path


def camera(distance: float = 2.0) -> Camera:
    pose = CameraPose(look_from_m=(0, 0, distance), look_at_m=(0, 0, 0))
    return Camera(name="c", resolution_px=(160, 120), fov_y_deg=45, pose=pose)


def appearance(*props: Prop, distance: float = 2.0, **settings: float) -> Appearance:
    assets, trajectory = staged(props, [camera(distance)])
    path = camera_path(assets.scene.cameras[0], assets.scene, trajectory)
    return appearance_of(assets, trajectory, [path], RenderSettings.model_validate(settings))


def test_closed_meshes_are_told_from_open_ones() -> None:
    box = box_mesh((1, 1, 1))
    assert is_closed([box])
    assert is_closed([sphere_mesh(0.5)])
    assert not is_closed([chosen_faces(box, np.arange(12) < 10)])
    halves = [chosen_faces(box, np.arange(12) < 6), chosen_faces(box, np.arange(12) >= 6)]
    assert is_closed(halves)  # split by material, closed together
    assert not is_closed([])


def test_parts_are_in_order_and_owned() -> None:
    look = appearance(
        Prop("a", (matte(box_mesh((0.1, 0.1, 0.1))),)), Prop("none", ()), Prop("b", (matte(sphere_mesh(0.1)),))
    )
    assert len(look.starts) == 4
    for k in range(3):
        assert (look.gaussians.owner[look.starts[k] : look.starts[k + 1]] == k + 1).all()
    assert look.starts[1] == look.starts[2]
    np.testing.assert_allclose(np.linalg.norm(look.normals, axis=1), 1, atol=1e-5)


def test_spacing_is_a_pixel_where_a_camera_looks_and_coarse_elsewhere() -> None:
    slab = Prop("slab", (matte(box_mesh((0.8, 0.8, 0.1))),))
    look = appearance(slab)
    up, down = look.normals[:, 2] > 0.9, look.normals[:, 2] < -0.9
    pixel = 1.95 / (60 / np.tan(np.radians(22.5)))
    assert np.count_nonzero(up) == pytest.approx(0.64 / (1.1 * pixel) ** 2, rel=0.35)
    assert np.count_nonzero(down) < np.count_nonzero(up) / 2.5
    np.testing.assert_allclose(look.points[up, 2], 0.05, atol=1e-5)  # on the surface; the Gaussians lie below it
    assert (look.gaussians.means[up, 2] < 0.05 - 0.5 * pixel).all()


def test_nearer_cameras_get_finer_gaussians_until_the_limit() -> None:
    ball = Prop("ball", (matte(sphere_mesh(0.2)),))
    far, near = appearance(ball, distance=4.0), appearance(ball, distance=1.5)
    assert len(near) > 3 * len(far)
    assert len(appearance(ball, distance=1.5, max_gaussians=1000)) <= 1000
    assert len(appearance(ball, distance=1.5, detail_px=2.0)) < len(near) / 2.5


def test_inner_walls_are_left_out() -> None:
    outer, inner = sphere_mesh(0.2), sphere_mesh(0.1)
    alone = appearance(Prop("ball", (matte(outer),)))
    nested = appearance(Prop("ball", (matte(outer), matte(inner))))
    assert len(nested) == len(alone)
    apart = appearance(Prop("ball", (matte(outer),)), Prop("core", (matte(inner),)))
    assert len(apart) > 1.1 * len(alone)  # another part may move out


def test_captures_are_taken_as_they_are() -> None:
    f = np.float32
    capture = Gaussians(
        np.zeros((2, 3), f), np.tile([1, 0, 0, 0], (2, 1)).astype(f),
        np.array([[0.01, 0.02, 0.03], [0.03, 0.02, 0.01]], f),
        np.array([0.9, 0.1], f), np.ones((2, 4, 3), f), np.zeros(2, np.int32),
    )  # fmt: skip
    look = appearance(Prop("a", (matte(box_mesh((0.1, 0.1, 0.1))),)), Prop("scan", (Visual(Look(), capture=capture),)))
    baked = np.flatnonzero(look.baked)
    assert len(baked) == 2
    np.testing.assert_array_equal(look.gaussians.sh[baked], capture.sh)
    assert (look.gaussians.owner[baked] == 2).all()
    np.testing.assert_allclose(np.abs(look.normals[baked]), [[1, 0, 0], [0, 0, 1]], atol=1e-6)  # the thinnest axis
    assert look.radius_m[baked[0]] == pytest.approx(1.5 * np.sqrt(0.02 * 0.03))
    assert look.radius_m[baked[1]] == 0  # too faint to throw a shadow
    assert (look.back[baked] == 1).all()


def test_nothing_to_see() -> None:
    look = appearance(Prop("none", ()))
    assert len(look) == 0
    assert look.starts.tolist() == [0, 0]


def test_dressing() -> None:
    plain, textured = box_mesh((1, 1, 1), (0.2, 0.3, 0.4)), checkered(box_mesh((1, 1, 1)))
    assert dressed(plain, Look()) is plain
    assert dressed(plain, Look(base_color=(1, 0, 0))).base_color == (1, 0, 0)
    assert dressed(textured, Look(base_color=(1, 0, 0))).texture is textured.texture
    painted = Mesh(plain.vertices, plain.faces, vertex_colors=np.zeros((24, 4), np.uint8))
    assert dressed(painted, Look(base_color=(1, 0, 0))).vertex_colors is None
    assert dressed(plain, Look(texture="wood")).texture is not None


def test_covers_are_remembered_on_disk(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = sphere_mesh(0.2)
    wanted = np.full(len(mesh.faces), 0.01)
    first = Covering().cover(mesh, wanted)
    assert len(list((own_cache / "splats").glob("*.npz"))) == 1
    monkeypatch.setattr(splats, "splat_faces", None)  # would fail if it were needed
    again = Covering().cover(mesh, wanted)
    np.testing.assert_array_equal(first.gaussians.means, again.gaussians.means)
    np.testing.assert_array_equal(first.points, again.points)
    (own_cache / "splats").rename(own_cache / "gone")
    with pytest.raises(TypeError):
        Covering().cover(mesh, wanted)


def test_outlines_are_drawn_in_between_groups() -> None:
    mesh = box_mesh((0.4, 0.4, 0.4))
    normals = mesh.normals[mesh.faces[:, 0]]  # type: ignore[index]
    wanted = np.where(normals[:, 2] > 0.5, 0.01, 0.04)
    cover = Covering().cover(mesh, wanted)
    up = cover.points[:, 2] > 0.2 - 1e-4
    assert np.abs(cover.points[up, :2]).max() > 0.19
    assert np.abs(cover.gaussians.means[up, :2]).max() < 0.195  # the top's Gaussians keep off its edges
    sides = (np.abs(cover.points[:, 0]) > 0.2 - 1e-4) & ~up
    assert cover.gaussians.means[sides, 2].max() < 0.19


def test_morton_order_keeps_neighbours_together() -> None:
    points = np.random.default_rng(0).uniform(size=(4000, 3)).astype(np.float32)
    ordered = points[morton_order(points)]
    step = np.linalg.norm(np.diff(ordered, axis=0), axis=1)
    assert np.median(step) < 0.1
    assert np.median(np.linalg.norm(np.diff(points, axis=0), axis=1)) > 0.5
