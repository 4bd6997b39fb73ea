"""Deformable bodies are full of particles, weigh what they should, and refuse what cannot be filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from simvid.assets.particles import box_sheet, filled, line, mesh_sheet
from simvid.assets.parts import PartAssets
from simvid.assets.prepare import prepare
from simvid.assets.primitives import bowl_mesh, primitive_mesh
from simvid.assets.solidity import mesh_problems
from simvid.assets.subdividing import with_short_edges
from simvid.assets.winding import winding_numbers
from simvid.deforming.binding import spacing_of
from simvid.errors import AssetError, SceneError
from simvid.mesh import Mesh
from simvid.scene import Scene

RNG = np.random.default_rng(3)
JELLY = {"density_kg_m3": 1200.0, "elastic": {"young_modulus_pa": 1e4, "particle_spacing_m": 0.02}}
CAMERA = {"name": "front", "pose": {"look_from_m": [2, 0, 1], "look_at_m": [0, 0, 0]}}


def part_of(shape: dict[str, Any], material: dict[str, Any] | None = None, **more: Any) -> PartAssets:
    body = {"name": "thing", "shape": shape, "material": material or JELLY, **more}
    return prepare(Scene.model_validate({"simvid": 1, "duration_s": 1, "cameras": [CAMERA], "bodies": [body]})).parts[0]


@pytest.mark.parametrize("kind", ["box", "sphere", "cylinder", "bowl"])
def test_winding_numbers_are_one_inside_and_zero_outside(kind: str) -> None:
    mesh = (
        bowl_mesh(0.3, 0.1)
        if kind == "bowl"
        else primitive_mesh(kind, {"box": (0.3, 0.2, 0.1)}.get(kind, (0.3, 0.2)[: 1 + (kind != "sphere")]))
    )
    points = RNG.uniform(-0.5, 0.5, (2000, 3))
    found = winding_numbers(mesh, points)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    exact = np.array([solid_angles(p, corners).sum() for p in points[:200]]) / (4 * np.pi)
    assert np.abs(found[:200] - exact).max() < 0.05, "the dipoles are near enough"
    inside = {
        "box": (np.abs(points) < [0.3, 0.2, 0.1]).all(axis=1),
        "sphere": np.linalg.norm(points, axis=1) < 0.3,
        "cylinder": (np.linalg.norm(points[:, :2], axis=1) < 0.3) & (np.abs(points[:, 2]) < 0.2),
        "bowl": (np.abs(np.linalg.norm(points, axis=1) - 0.35) < 0.05) & (points[:, 2] < 0),
    }[kind]
    assert np.count_nonzero((found > 0.5) != inside) < 12, "but for what is within the facets of round shapes"


def without_a_lid() -> Mesh:
    """Five sides of a cube of 0.4 m."""
    box = primitive_mesh("box", (0.2, 0.2, 0.2))
    return Mesh(box.vertices, box.faces[(box.vertices[box.faces][..., 2] < 0.1).any(axis=1)])


def solid_angles(p: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Of triangles [F, 3, 3] from a point, the plain way (Van Oosterom & Strackee 1983)."""
    a, b, c = np.moveaxis(corners - p, 1, 0)
    la, lb, lc = (np.linalg.norm(v, axis=1) for v in (a, b, c))
    triple = np.einsum("fk,fk->f", a, np.cross(b, c))
    below = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
    return np.asarray(2 * np.arctan2(triple, below))


def test_grains_stand_evenly_but_on_no_grid() -> None:
    sand = {"density_kg_m3": 1600.0, "granular": {"young_modulus_pa": 1e5, "particle_spacing_m": 0.02}}
    shape = {"box": {"size_m": [0.2, 0.16, 0.12]}}
    made, again = (part_of(shape, sand).deformable for _ in range(2))
    assert made is not None
    assert again is not None
    assert made.rest.tobytes() == again.rest.tobytes()
    assert len(made.rest) == 10 * 8 * 6
    assert (np.abs(made.rest) < [0.1, 0.08, 0.06]).all()
    assert np.ptp(made.rest, axis=0) == pytest.approx([0.18, 0.14, 0.10], abs=1e-6), "half a spacing inside, all round"
    outer = made.rest[:, 2] > made.rest[:, 2].max() - 1e-6
    assert np.count_nonzero(outer) >= 20, "the outermost lie in a face"
    nearest = cKDTree(made.rest).query(made.rest, k=2)[0][:, 1]
    assert nearest.min() > 0.6 * 0.02, "none is close to another"
    assert spacing_of(made.rest.astype(np.float64), "loose") == pytest.approx(0.02, rel=0.05)
    columns = np.sort(made.rest[:, 0] / 0.02 % 1)
    assert np.abs(columns - (np.arange(len(columns)) + 0.5) / len(columns)).max() < 0.2, "no rows"
    jelly = part_of(shape).deformable
    assert jelly is not None
    assert len(np.unique(np.round(jelly.rest[:, 0], 5))) == 10, "what holds together stands on a grid"


def test_an_open_mesh_still_has_an_inside() -> None:
    open_box = without_a_lid()
    assert mesh_problems(open_box)
    made = filled((open_box,), 0.0, 0.04)
    assert 850 < len(made.places) <= 1000
    assert np.abs(made.places).max() < 0.2
    assert made.volume_m3 == pytest.approx(len(made.places) * 0.04**3)


def test_particles_fill_a_box_evenly_and_weigh_what_it_weighs() -> None:
    part = part_of({"box": {"size_m": [0.2, 0.3, 0.1]}}, pose={"position_m": [0, 0, 1], "rotation_deg": [0, 0, 90]})
    body, mass = part.deformable, part.mass
    assert body is not None
    assert mass is not None
    assert len(body.rest) == 10 * 15 * 5
    assert body.masses_kg.sum() == pytest.approx(1200 * 0.006, rel=1e-12)
    assert body.volumes_m3.sum() == pytest.approx(0.006, rel=1e-12)
    assert np.abs(body.masses_kg @ body.rest).max() < 1e-7, "the origin is the centre of mass"
    closed = 1200 * 0.006 / 12 * np.array([0.3**2 + 0.1**2, 0.2**2 + 0.1**2, 0.2**2 + 0.3**2])
    assert np.allclose(np.diag(mass.inertia_kg_m2), closed, rtol=0.02)
    assert part.colliders == ()
    mesh = part.visuals[0].mesh
    assert mesh is not None
    corners = mesh.vertices[mesh.faces]
    assert np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max() <= body.spacing_m * 1.001


def test_the_mass_can_be_given_and_the_frame_is_that_of_the_centre_of_mass() -> None:
    cone = {"cone": {"radius_m": 0.1, "length_m": 0.2}}
    part = part_of(cone, mass_kg=2.0, pose={"position_m": [0, 0, 1], "rotation_deg": [180, 0, 0]})
    assert part.deformable is not None
    assert part.mass is not None
    assert part.mass.mass_kg == pytest.approx(2.0)
    assert part.pose[2, 3] == pytest.approx(1 + 0.05, abs=0.004), "a quarter of its height above the base, upside down"
    mesh = part.visuals[0].mesh
    assert mesh is not None
    assert mesh.bounds[0, 2] == pytest.approx(-0.05, abs=0.004)


@pytest.mark.parametrize(("size", "normal"), [((0.4, 0.6, 0.004), 2), ((0.4, 0.004, 0.6), 1), ((0.004, 0.4, 0.6), 0)])
def test_a_thin_box_is_a_sheet(size: tuple[float, float, float], normal: int) -> None:
    made = box_sheet(size, 0.05)
    assert made.triangles is not None
    assert len(made.places) == pytest.approx((0.24 + 0.05 * 0.5) / (np.sqrt(0.75) * 0.05**2), rel=0.2)
    a, b, c = (made.places[made.triangles[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    assert (cross[:, normal] > 0).all()
    assert np.linalg.norm(cross, axis=1).sum() / 2 == pytest.approx(0.24)
    assert made.shares.sum() == pytest.approx(1)
    edges = np.sort(np.linalg.norm([b - a, c - b, a - c], axis=2), axis=0)
    assert (edges[2] / edges[0]).max() < 1.8, "all triangles are near to equilateral"
    assert (np.median(edges) / made.spacing_m) == pytest.approx(1, abs=0.15)


def test_an_open_mesh_can_be_a_cloth_whose_seams_hold() -> None:
    made = mesh_sheet(without_a_lid(), 0.05)
    assert made.triangles is not None
    assert made.volume_m3 == pytest.approx(5 * 0.16), "of a sheet it is its area"
    edges = np.sort(np.concatenate([made.triangles[:, [0, 1]], made.triangles[:, [1, 2]], made.triangles[:, [2, 0]]]))
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert uses.max() == 2
    assert np.count_nonzero(uses == 1) == pytest.approx(4 * 8, abs=1), "only the rim of the open side is a border"


def test_cloth_and_rope_weigh_what_their_shape_does() -> None:
    cloth = part_of({"box": {"size_m": [0.5, 0.4, 0.002]}}, {"density_kg_m3": 500.0, "cloth": {}}).deformable
    rope = part_of({"cylinder": {"radius_m": 0.01, "length_m": 1.0}}, {"density_kg_m3": 900.0, "rope": {}}).deformable
    assert cloth is not None
    assert rope is not None
    assert cloth.masses_kg.sum() == pytest.approx(500 * 0.5 * 0.4 * 0.002)
    assert (cloth.form, cloth.radius_m) == ("sheet", 0.001)
    assert rope.masses_kg.sum() == pytest.approx(900 * np.pi * 1e-4)
    assert (rope.form, rope.radius_m) == ("line", 0.01)
    assert (np.diff(rope.rest[:, 2]) > 0).all(), "in order along the rope"
    assert line(1.0, 0.1).shares[0] == pytest.approx(0.05)


def test_short_edges_leave_no_cracks() -> None:
    """Where a box's faces meet they have vertices of their own; after halving, these still lie on each other."""
    fine = with_short_edges(primitive_mesh("box", (0.4, 0.1, 0.25)), 0.07)
    assert mesh_problems(fine) == []
    c = fine.vertices[fine.faces].astype(np.float64)
    assert np.linalg.norm(np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]), axis=1).sum() / 2 == pytest.approx(1.32)


@pytest.mark.parametrize(
    ("shape", "material", "said"),
    [
        ({"bowl": {"radius_m": 0.1, "thickness_m": 0.002}}, JELLY, "too coarse.*try 0.0"),
        ({"box": {"size_m": 0.5}}, {"elastic": {"young_modulus_pa": 1e4, "particle_spacing_m": 1e-5}}, "at least 0.0"),
        ({"box": {"size_m": 0.2}}, {"elastic": {"particle_spacing_m": 0.5, "young_modulus_pa": 1e4}}, "0.5.*try 0.1"),
        ({"box": {"size_m": [0.3, 0.3, 0.2]}}, {"cloth": {}}, "cloth of a box.*0.3 x 0.3 x 0.2"),
        ({"sphere": {"radius_m": 0.1}}, {"cloth": {}}, "thin box or an open mesh, got a sphere"),
        ({"sphere": {"radius_m": 0.1}}, {"rope": {}}, "a capsule or a cylinder, got a sphere"),
    ],
)
def test_what_cannot_be_filled_is_refused(shape: dict[str, Any], material: dict[str, Any], said: str) -> None:
    with pytest.raises(SceneError, match=rf"bodies\[0\].shape.*{said}"):
        part_of(shape, material)


@pytest.mark.parametrize("more", [{"fixed": True}, {"joint": {"ball": {"anchor_m": [0, 0, 0]}}}, {"collision": "none"}])
def test_what_only_rigid_bodies_have_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(SceneError, match=f"thing.*leave out {next(iter(more))}"):
        part_of({"box": {"size_m": 0.1}}, **more)


def test_a_mesh_that_is_inside_out_has_no_inside() -> None:
    box = primitive_mesh("box", (0.2, 0.2, 0.2))
    with pytest.raises(AssetError, match="inside out"):
        filled((Mesh(box.vertices, np.ascontiguousarray(box.faces[:, ::-1])),), 0.0, 0.05)


def test_parts_of_a_rigid_body_and_the_ground_are_rigid() -> None:
    parts = [{"shape": {"sphere": {"radius_m": 0.1}}}, {"shape": {"box": {"size_m": 0.1}}, "material": JELLY}]
    with pytest.raises(SceneError, match=r"parts\[1\].material: a part of a rigid body is rigid.*is elastic; make"):
        part_of({"compound": {"parts": parts}}, {"density_kg_m3": 500.0})
    sand = {"simvid": 1, "duration_s": 1, "cameras": [CAMERA], "ground": {"material": {"granular": {}}}}
    with pytest.raises(SceneError, match=r"ground.material: the ground is rigid, but this material is granular; lay"):
        prepare(Scene.model_validate(sand))


def compound_volume(shape: dict[str, Any], *positions_m: list[float]) -> float:
    parts = [{"shape": shape, "pose": {"position_m": p}} for p in positions_m]
    made = part_of({"compound": {"parts": parts}}, {**JELLY, "density_kg_m3": 1000.0}).deformable
    assert made is not None
    assert made.masses_kg.sum() == pytest.approx(1000 * made.volumes_m3.sum())
    return float(made.volumes_m3.sum())


def test_parts_weigh_once_where_they_overlap() -> None:
    cube = {"box": {"size_m": 0.1}}
    assert compound_volume(cube, [0, 0, 0], [0.05, 0, 0]) == pytest.approx(0.0015, rel=0.02)
    assert compound_volume(cube, [0, 0, 0], [0.3, 0, 0]) == pytest.approx(0.002, rel=1e-12)


def test_parts_that_share_a_face_do_not_overlap() -> None:
    """But for a hair, in which a layer of the grid lies."""
    can = {"cylinder": {"radius_m": 0.1, "length_m": 0.11}}
    assert compound_volume(can, [0, 0, 0], [0, 0, 0.1099]) == pytest.approx(0.0022 * np.pi, rel=1e-12)


def test_a_part_that_is_only_seen_is_refused_where_all_is_particles() -> None:
    parts = [{"shape": {"box": {"size_m": 0.1}}}, {"shape": {"box": {"size_m": 0.1}}, "collide": False}]
    with pytest.raises(SceneError, match="every part of a deformable body is full of particles"):
        part_of({"compound": {"parts": parts}})
