"""Volume, centre and inertia against trimesh's integrals over fine meshes, and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from simvid.assets.mass import collider_volume_inertia, combine, mesh_volume_inertia, primitive_volume_inertia
from simvid.assets.pieces import Collider
from simvid.mesh import Mesh
from simvid.rotations import pose_matrix, quat_from_euler_deg


def cone() -> trimesh.Trimesh:
    mesh = trimesh.creation.cone(0.1, 0.4, sections=512)
    mesh.apply_translation([0, 0, -0.2])
    return mesh


SHAPES = [
    ("box", (0.1, 0.2, 0.3), trimesh.creation.box((0.2, 0.4, 0.6))),
    ("sphere", (0.1,), trimesh.creation.icosphere(5, 0.1)),
    ("ellipsoid", (0.1, 0.2, 0.3), trimesh.creation.icosphere(5, 1.0).apply_scale((0.1, 0.2, 0.3))),
    ("cylinder", (0.1, 0.2), trimesh.creation.cylinder(0.1, 0.4, sections=512)),
    ("capsule", (0.1, 0.2), trimesh.creation.capsule(radius=0.1, height=0.4, count=[256, 256])),
    ("cone", (0.1, 0.2), cone()),
]


@pytest.mark.parametrize(("kind", "dimensions", "mesh"), SHAPES, ids=[s[0] for s in SHAPES])
def test_closed_forms_agree_with_the_integral_over_a_fine_mesh(
    kind: str, dimensions: tuple[float, ...], mesh: trimesh.Trimesh
) -> None:
    volume, center, inertia = primitive_volume_inertia(kind, dimensions)
    # faceting: a 512-gon or a 5-times divided icosahedron is 0.03-0.1 % too small
    assert volume == pytest.approx(mesh.volume, rel=2e-3)
    assert np.allclose(center, mesh.center_mass, atol=1e-6)
    assert np.allclose(inertia, mesh.moment_inertia, rtol=3e-3, atol=1e-9)


def test_mesh_integral_is_independent_of_where_the_mesh_lies() -> None:
    box = trimesh.creation.box((0.2, 0.4, 0.6))
    box.apply_translation([100.0, -50, 30])
    volume, center, inertia = mesh_volume_inertia(Mesh(box.vertices.astype(np.float32), box.faces.astype(np.int32)))
    assert volume == pytest.approx(0.048, rel=1e-4)
    assert np.allclose(center, [100, -50, 30], atol=1e-4)
    assert np.allclose(np.diag(inertia), 0.048 / 12 * np.array([0.52, 0.40, 0.20]), rtol=1e-3)


def test_two_half_boxes_make_one() -> None:
    halves = []
    for z in (-0.15, 0.15):
        half = Collider("box", (0.1, 0.2, 0.15), pose_matrix((0, 0, z)), 0.5, 0.0)
        volume, center, inertia = collider_volume_inertia(half)
        halves.append((500 * volume, center, 500 * inertia))
    whole = combine(halves)
    volume, _, inertia = primitive_volume_inertia("box", (0.1, 0.2, 0.3))
    assert whole.mass_kg == pytest.approx(500 * volume)
    assert np.allclose(whole.center_m, 0)
    assert np.allclose(whole.inertia_kg_m2, 500 * inertia)


def test_a_turned_collider_turns_its_inertia() -> None:
    turned = Collider("box", (0.1, 0.2, 0.3), pose_matrix((1, 0, 0), quat_from_euler_deg((0, 0, 90))), 0.5, 0.0)
    _, center, inertia = collider_volume_inertia(turned)
    straight = primitive_volume_inertia("box", (0.2, 0.1, 0.3))[2]
    assert np.allclose(center, [1, 0, 0])
    assert np.allclose(inertia, straight)


def test_nothing_weighs_nothing() -> None:
    with pytest.raises(ValueError, match="total mass must be > 0 kg"):
        combine([])
