"""What keeps a mesh from being a solid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simvid.assets.primitives import primitive_mesh
from simvid.assets.solidity import mesh_problems, require_solid, welded, with_small_holes_closed
from simvid.errors import AssetError
from simvid.mesh import Mesh

BOX = primitive_mesh("box", (0.1, 0.2, 0.3))


def joined(*meshes: Mesh) -> Mesh:
    offsets = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [m.faces + o for m, o in zip(meshes, offsets, strict=False)]
    return Mesh(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces).astype(np.int32))


def turned(mesh: Mesh, rows: slice) -> Mesh:
    faces = mesh.faces.copy()
    faces[rows] = faces[rows, ::-1]
    return replace(mesh, faces=faces)


def made(vertices: list[list[float]], faces: list[list[int]]) -> Mesh:
    return Mesh(np.array(vertices, np.float32).reshape(-1, 3), np.array(faces, np.int32).reshape(-1, 3))


FIN = made([*BOX.vertices[:2].tolist(), [1, 1, 1]], [[0, 1, 2]])
FLAT_TETRAHEDRON = made([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.2, 0.2, 0]], [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
SHEET = primitive_mesh("plane", (1.0, 1.0))


@pytest.mark.parametrize(
    ("mesh", "said"),
    [
        (BOX, []),
        (joined(BOX, BOX.transformed(np.diag([2.0, 2, 2, 1]))), []),
        (replace(BOX, faces=BOX.faces[1:]), ["open (3 edges belong to one face only)"]),
        (SHEET, ["open (4 edges belong to one face only)"]),
        (joined(BOX, FIN), ["open", "non-manifold (1 edges belong to three or more faces)"]),
        (turned(BOX, slice(0, 1)), ["inconsistent (3 edges join faces that are turned against each other)"]),
        (turned(BOX, slice(None)), ["inside out (its faces point inwards)"]),
        (FLAT_TETRAHEDRON, ["flat (it encloses no volume)"]),
        (made([[0, 0, 0]] * 3, [[0, 1, 2]]), ["empty (no face has an area)"]),
        (made([[0, 0, 0]] * 3, []), ["empty (no face has an area)"]),
    ],
)
def test_problems_are_named(mesh: Mesh, said: list[str]) -> None:
    problems = mesh_problems(mesh)
    assert len(problems) == len(said)
    assert all(p.startswith(s) for p, s in zip(problems, said, strict=True))


def test_a_solid_far_from_its_origin_is_still_one() -> None:
    far = replace(BOX, vertices=BOX.vertices + np.float32(100))
    assert mesh_problems(far) == []


def test_seams_are_welded_and_nothing_else() -> None:
    vertices, faces = welded(BOX)
    assert len(BOX.vertices) == 24
    assert len(vertices) == 8
    assert np.array_equal(vertices[faces], BOX.vertices[BOX.faces])
    signed: list[list[float]] = [[0.0, 0, 0], [-0.0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert len(welded(made(signed, [[0, 2, 3], [1, 3, 2]]))[0]) == 3
    signed[1] = [1e-7, 0, 0]
    assert len(welded(made(signed, [[0, 2, 3], [1, 3, 2]]))[0]) == 4


def test_small_holes_are_closed_and_wide_ones_left() -> None:
    vertices, faces = welded(primitive_mesh("sphere", (1.0,), 24))
    middles = vertices[faces].mean(axis=1)
    speck = np.argmax(middles[:, 0])
    cap = middles[:, 2] > 0.5  # a quarter of the sphere's area
    kept = np.flatnonzero(~cap & (np.arange(len(faces)) != speck))
    open_mesh = Mesh(vertices, faces[kept].astype(np.int32))
    assert mesh_problems(open_mesh)[0].startswith("open (27 edges")
    mended = with_small_holes_closed(vertices, faces[kept], 0.05)
    assert mesh_problems(Mesh(mended[0], mended[1].astype(np.int32))) == ["open (24 edges belong to one face only)"]
    closed = with_small_holes_closed(vertices, faces[kept], 1.0)
    assert mesh_problems(Mesh(closed[0], closed[1].astype(np.int32))) == []
    untouched = with_small_holes_closed(vertices, faces, 1.0)
    assert untouched[1] is faces


def test_the_error_says_what_to_do() -> None:
    require_solid(BOX, "bodies[0].shape")
    with pytest.raises(AssetError, match=r"bodies\[0\]\.shape: .*open.*convex_parts or convex_hull.*fixed: true"):
        require_solid(SHEET, "bodies[0].shape")
