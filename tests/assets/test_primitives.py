"""Primitive meshes against closed forms."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from simvid.assets.mass import mesh_volume_inertia
from simvid.assets.primitives import bowl_mesh, primitive_mesh
from simvid.assets.solidity import mesh_problems
from simvid.mesh import Mesh

SHAPES: list[tuple[str, tuple[float, ...], float, tuple[float, float, float]]] = [
    ("box", (0.1, 0.2, 0.3), 0.2 * 0.4 * 0.6, (0.1, 0.2, 0.3)),
    ("sphere", (0.5,), 4 / 3 * pi * 0.5**3, (0.5, 0.5, 0.5)),
    ("capsule", (0.2, 0.4), pi * 0.2**2 * 0.8 + 4 / 3 * pi * 0.2**3, (0.2, 0.2, 0.6)),
    ("cylinder", (0.2, 0.4), pi * 0.2**2 * 0.8, (0.2, 0.2, 0.4)),
    ("cone", (0.2, 0.4), pi * 0.2**2 * 0.8 / 3, (0.2, 0.2, 0.4)),
    ("ellipsoid", (0.1, 0.2, 0.3), 4 / 3 * pi * 0.006, (0.1, 0.2, 0.3)),
]


def face_normals(mesh: Mesh) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces].astype(np.float64), 1, 0)
    cross = np.cross(b - a, c - a)
    return np.asarray(cross / np.linalg.norm(cross, axis=1, keepdims=True))


@pytest.mark.parametrize(("kind", "dimensions", "volume", "half"), SHAPES)
def test_volume_size_and_place(
    kind: str, dimensions: tuple[float, ...], volume: float, half: tuple[float, float, float]
) -> None:
    mesh = primitive_mesh(kind, dimensions)
    assert mesh_problems(mesh) == []
    assert np.allclose(mesh.bounds, [[-h for h in half], half], atol=1e-6)
    # flat faces cut corners: 48 of them take 0.3 % of a circle's area
    assert 0.992 * volume < mesh_volume_inertia(mesh)[0] <= volume * (1 + 1e-6)
    fine = mesh_volume_inertia(primitive_mesh(kind, dimensions, 200))[0]
    assert abs(fine / volume - 1) < 5e-4


@pytest.mark.parametrize(("kind", "dimensions", "volume", "half"), SHAPES)
def test_normals_point_outwards_as_the_faces_do(
    kind: str, dimensions: tuple[float, ...], volume: float, half: tuple[float, float, float]
) -> None:
    mesh = primitive_mesh(kind, dimensions)
    assert volume > 0
    assert min(half) > 0
    assert mesh.normals is not None
    flat, smooth = face_normals(mesh), mesh.normals[mesh.faces].astype(np.float64)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    assert np.einsum("fk,fvk->fv", flat, smooth).min() > np.cos(np.radians(12))
    middle = mesh.vertices[mesh.faces].mean(axis=1)
    assert (np.einsum("fk,fk->f", flat, middle) > 0).all()


def test_the_cone_has_its_tip_up_and_true_slopes() -> None:
    mesh = primitive_mesh("cone", (0.3, 0.4))
    assert mesh.normals is not None
    tip = mesh.vertices[:, 2] > 0.39
    assert np.abs(mesh.vertices[tip, :2]).max() < 1e-6
    slope = np.array([0.8, 0.3]) / np.hypot(0.8, 0.3)
    side = mesh.normals[:, 2] > 0
    assert np.allclose(np.linalg.norm(mesh.normals[side, :2], axis=1), slope[0], atol=1e-5)
    assert np.allclose(mesh.normals[side, 2], slope[1], atol=1e-5)


def test_the_plane_faces_up() -> None:
    mesh = primitive_mesh("plane", (2.0, 3.0))
    assert np.allclose(mesh.bounds, [[-2, -3, 0], [2, 3, 0]])
    assert np.allclose(face_normals(mesh), [0, 0, 1])
    assert np.allclose(primitive_mesh("plane", ()).bounds[:, :2], [[-10, -10], [10, 10]])


def test_the_bowl_is_a_shell_that_opens_upwards() -> None:
    mesh = bowl_mesh(0.3, 0.02, 128)
    assert mesh_problems(mesh) == []
    assert np.allclose(mesh.bounds, [[-0.32, -0.32, -0.32], [0.32, 0.32, 0.0]], atol=1e-6)
    assert abs(mesh_volume_inertia(mesh)[0] / (2 / 3 * pi * (0.32**3 - 0.3**3)) - 1) < 5e-3
    middle, flat = mesh.vertices[mesh.faces].mean(axis=1), face_normals(mesh)
    inner = np.linalg.norm(middle, axis=1) < 0.301
    assert (np.einsum("fk,fk->f", flat[inner], middle[inner]) < 0).all()
    assert not inner.all()


@pytest.mark.parametrize("tile", [0.1, 0.37, 5.0])
def test_tiles_close_around_round_shapes(tile: float) -> None:
    for kind, dimensions in (
        ("sphere", (0.2,)),
        ("cylinder", (0.2, 0.3)),
        ("capsule", (0.2, 0.3)),
        ("cone", (0.2, 0.3)),
    ):
        mesh = primitive_mesh(kind, dimensions, tile_m=tile)
        assert mesh.uvs is not None
        around = float(mesh.uvs[:, 0].max())
        assert around == round(around) == max(1, round(2 * pi * 0.2 / tile))
        # seen from outside the picture is not mirrored: u runs with the angle about +z
        corners, uvs = mesh.vertices[mesh.faces], mesh.uvs[mesh.faces]
        e1, e2 = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
        assert (e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0] > -1e-9).all()
        assert corners.shape == (*uvs.shape[:2], 3)


def test_box_tiles_have_their_size_on_every_face() -> None:
    mesh = primitive_mesh("box", (0.1, 0.2, 0.3), tile_m=0.05)
    assert mesh.uvs is not None
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    ua, ub, uc = np.moveaxis(mesh.uvs[mesh.faces], 1, 0)
    for p, q, up, uq in ((a, b, ua, ub), (b, c, ub, uc), (c, a, uc, ua)):
        assert np.allclose(np.linalg.norm(q - p, axis=1), 0.05 * np.linalg.norm(uq - up, axis=1), atol=1e-6)
    e1, e2 = ub - ua, uc - ua
    assert (e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0] > 0).all()


@pytest.mark.parametrize(
    ("kind", "dimensions", "said"),
    [
        ("torus", (1.0,), "expected one of box, sphere"),
        ("box", (1.0,), r"box: expected half extents \(x, y, z\)"),
        ("sphere", (0.0,), "all > 0"),
        ("cylinder", (0.1, -1.0), "all > 0"),
        ("sphere", (float("nan"),), "all > 0"),
        ("plane", (1.0,), "half extents"),
    ],
)
def test_wrong_shapes_are_refused(kind: str, dimensions: tuple[float, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        primitive_mesh(kind, dimensions)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="segments >= 3"):
        primitive_mesh("sphere", (1.0,), 2)
    with pytest.raises(ValueError, match="tile_m > 0"):
        primitive_mesh("sphere", (1.0,), tile_m=0)
    with pytest.raises(ValueError, match="thickness_m > 0"):
        bowl_mesh(1.0, 0.0)
    with pytest.raises(ValueError, match="segments >= 3"):
        bowl_mesh(1.0, 0.1, 2)
