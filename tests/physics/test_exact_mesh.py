"""Non-convex meshes as convex pieces with exactly their surface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from simvid.errors import AssetError
from simvid.mesh import Mesh
from simvid.physics import exact_mesh
from simvid.physics.exact_mesh import exact_pieces

Array = NDArray[np.float64]


def mesh(shape: Any) -> Mesh:
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32))


def inside(pieces: list[Array], points: Array) -> NDArray[np.bool_]:
    """Whether points lie in some piece."""
    from scipy.spatial import Delaunay

    return np.asarray(np.any([Delaunay(p, qhull_options="QJ").find_simplex(points) >= 0 for p in pieces], axis=0))


def test_a_convex_mesh_is_one_piece() -> None:
    for shape in (trimesh.creation.box(), trimesh.creation.icosphere(2)):
        pieces = exact_pieces(mesh(shape))
        assert len(pieces) == 1
        assert len(pieces[0]) == len(shape.vertices)


def test_a_mesh_inside_out_is_turned() -> None:
    shape = mesh(trimesh.creation.box())
    turned = Mesh(shape.vertices, np.ascontiguousarray(shape.faces[:, ::-1]))
    assert len(exact_pieces(turned)) == 1


def test_separate_convex_shells_stay_separate() -> None:
    two = trimesh.util.concatenate([trimesh.creation.box(), trimesh.creation.box().apply_translation([3, 0, 0])])
    pieces = exact_pieces(mesh(two))
    assert len(pieces) == 2
    assert not inside(pieces, np.array([[1.5, 0, 0]])).any()


@pytest.mark.parametrize("shape", ["ring", "torus"])
def test_the_hole_stays_open_and_the_surface_is_closed(shape: str) -> None:
    made = trimesh.creation.annulus(0.5, 1.0, 0.3) if shape == "ring" else trimesh.creation.torus(1.0, 0.3)
    pieces = exact_pieces(mesh(made))
    assert not inside(pieces, np.array([[0, 0, 0], [0.2, 0, 0], [0, 0, 1.0], [2, 0, 0]])).any()
    rng = np.random.default_rng(0)
    points, faces = trimesh.sample.sample_surface(made, 300, seed=1)[:2]
    normals = made.face_normals[faces] * rng.uniform(0.5e-3, 2e-3, (300, 1))
    assert inside(pieces, points - normals).mean() > 0.99
    assert inside(pieces, points + normals).mean() < 0.01


def test_plates_do_not_stick_out_of_a_thin_wall() -> None:
    outer, inner = trimesh.creation.box((1, 1, 1)), trimesh.creation.box((0.98, 0.98, 0.98))
    shell: Any = trimesh.util.concatenate([outer, trimesh.Trimesh(inner.vertices, inner.faces[:, ::-1])])
    joined = Mesh(np.asarray(shell.vertices, np.float32), np.asarray(shell.faces, np.int32))
    opened = Mesh(joined.vertices, joined.faces[1:])  # not closed, so it cannot be taken for a solid box
    pieces = exact_pieces(opened)
    assert not inside(pieces[1:], np.array([[0, 0, 0], [0, 0, 0.47], [0.47, 0, 0]])).any()


def test_flat_patches_are_merged() -> None:
    grid = trimesh.creation.box((1, 1, 0.1)).subdivide().subdivide()
    open_grid = Mesh(np.asarray(grid.vertices, np.float32), np.asarray(grid.faces[1:], np.int32))
    pieces = exact_pieces(open_grid)
    assert len(pieces) < 60  # five whole sides, and the triangles of the one that lost one


def test_degenerate_and_huge_meshes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = Mesh(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]], np.float32), np.array([[0, 1, 2]], np.int32))
    with pytest.raises(AssetError, match="no face with an area"):
        exact_pieces(flat)
    monkeypatch.setattr(exact_mesh, "MAX_PIECES", 10)
    with pytest.raises(AssetError, match=r"192 flat patches, at most 10 .*convex_parts"):
        exact_pieces(mesh(trimesh.creation.annulus(0.5, 1.0, 0.3)))
