from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simvid.assets.parts import DeformableBody, SceneAssets
from simvid.assets.pieces import Collider
from simvid.errors import SceneError
from simvid.frames import CameraPath
from simvid.rendering.camera import intrinsics
from simvid.rendering.inside import camera_inside, check_camera, winding_number
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Camera, CameraPose, Ground, Liquid, Material
from simvid.testing.staging import Prop, box_mesh, matte, sphere_mesh, staged
from simvid.trajectory import ParticleForm, ParticleMotion, Trajectory

CAMERA = Camera(name="front", pose=CameraPose(position_m=(0, 0, 1)))


def path_at(*places: tuple[float, float, float]) -> CameraPath:
    poses = np.stack([pose_matrix(p) for p in places])
    return CameraPath("front", 8, 6, intrinsics(8, 6, 45.0), poses)


def test_winding_number_is_one_inside_and_zero_outside() -> None:
    mesh = sphere_mesh(0.5)
    assert winding_number(np.array([0.1, 0.2, 0.0]), mesh) == pytest.approx(1.0, abs=1e-6)
    assert winding_number(np.array([0.6, 0.0, 0.0]), mesh) == pytest.approx(0.0, abs=1e-6)


def test_first_frame_inside_a_mesh_is_found() -> None:
    poses = np.tile([0.0, 0, 0, *quat_from_euler_deg((0, 0, 45))], (3, 1))
    poses[:, 0] = [5.0, 2.0, 0.1]
    assets, trajectory = staged([Prop("crate", (matte(box_mesh((1, 1, 1))),), poses)], [CAMERA], frames=3)
    found = camera_inside(path_at((0, 0, 0), (0, 0, 0), (0, 0, 0)), assets, trajectory)
    assert found is not None
    assert (found.part, found.frame) == ("crate", 2)
    with pytest.raises(SceneError, match=r"camera 'front' is inside 'crate' at t = 0\.083 s \(frame 2\)"):
        check_camera(path_at((0, 0, 0), (0, 0, 0), (0, 0, 0)), assets, trajectory)


def test_corner_of_the_bounding_box_is_not_inside() -> None:
    assets, trajectory = staged([Prop("ball", (matte(sphere_mesh(0.5)),))], [CAMERA])
    assert camera_inside(path_at((0.45, 0.45, 0.45), (0.45, 0.45, 0.45)), assets, trajectory) is None
    assert camera_inside(path_at((0.9, 0, 0), (0.0, 0.0, 0.4)), assets, trajectory) is not None


def test_below_the_ground() -> None:
    assets, trajectory = staged([], [CAMERA], ground=Ground(height_m=0.5))
    assert camera_inside(path_at((0, 0, 0.6), (0, 0, 0.6)), assets, trajectory) is None
    with pytest.raises(SceneError, match=r"below the ground at t = 0\.042 s"):
        check_camera(path_at((0, 0, 0.6), (0, 0, 0.4)), assets, trajectory)


@pytest.mark.parametrize(
    ("kind", "dimensions", "inside", "outside"),
    [
        ("box", (0.1, 0.2, 0.3), (0.09, 0.19, 0.29), (0.11, 0, 0)),
        ("sphere", (0.2,), (0.1, 0.1, 0.1), (0.15, 0.15, 0.15)),
        ("ellipsoid", (0.1, 0.2, 0.4), (0, 0, 0.39), (0.1, 0.2, 0.0)),
        ("capsule", (0.1, 0.3), (0, 0, 0.39), (0.09, 0, 0.38)),
        ("cylinder", (0.1, 0.3), (0.09, 0, 0.29), (0, 0, 0.31)),
        ("cone", (0.2, 0.3), (0.15, 0, -0.2), (0.15, 0, 0.1)),
    ],
)
def test_primitives(
    kind: str, dimensions: tuple[float, ...], inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    collider = Collider(kind, dimensions, pose_matrix((0, 0, 1)), 0.5, 0.0)  # type: ignore[arg-type]
    assets, trajectory = staged([Prop("thing", (), colliders=(collider,))], [CAMERA])

    def at(p: tuple[float, ...]) -> bool:
        place = (p[0], p[1], p[2] + 1)
        return camera_inside(path_at(place, place), assets, trajectory) is not None

    assert at(inside)
    assert not at(outside)


def test_convex_colliders_count_where_nothing_is_meshed() -> None:
    collider = Collider("convex", (), np.eye(4), 0.5, 0.0, mesh=box_mesh((1, 1, 1)))
    assets, trajectory = staged([Prop("capture", (), colliders=(collider,))], [CAMERA])
    assert camera_inside(path_at((0.3, 0, 0), (0, 0, 0)), assets, trajectory) is not None
    # a hull around a concave mesh does not count where the mesh itself is known
    bowl = Prop("bowl", (matte(sphere_mesh(0.1)),), colliders=(collider,))
    assets, trajectory = staged([bowl], [CAMERA])
    assert camera_inside(path_at((0.3, 0, 0), (0.3, 0, 0)), assets, trajectory) is None


def spread(form: ParticleForm) -> tuple[SceneAssets, Trajectory]:
    """A cube of 0.4 m about the origin that is flat and wide at frame 1: 0.8 x 0.8 x 0.1 m, with the same middle."""
    side = (np.arange(8) + 0.5) * 0.05 - 0.2
    rest = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3).astype(np.float32)
    maps = np.stack([np.eye(3), np.diag([2, 2, 0.25])]).astype(np.float32)
    positions = np.einsum("tab,pb->tpa", maps, rest)
    motion = ParticleMotion("x", 0, 1, form, positions, np.repeat(maps[:, None], len(rest), axis=1), rest)
    shares = np.full(len(rest), 0.05**3)
    material = Material(density_kg_m3=1000, liquid=Liquid())
    body = DeformableBody("liquid", material, form, 0.05, rest, 1000 * shares, shares, None, 0.025)
    assets, trajectory = staged([Prop("x", (matte(box_mesh((0.4, 0.4, 0.4))),))], [CAMERA])
    parts = (replace(assets.parts[0], deformable=body),)
    return replace(assets, parts=parts), replace(trajectory, particles=(motion,))


@pytest.mark.parametrize("form", ["solid", "loose"])
def test_what_deforms_is_where_its_particles_are(form: ParticleForm) -> None:
    """Not where its mesh was at rest, nor only where that stands now."""
    assets, trajectory = spread(form)
    away, above, beside, within = (2.0, 0.0, 0.0), (0.1, 0.1, 0.12), (0.33, 0.33, 0.0), (0.1, 0.1, 0.0)

    def found(*places: tuple[float, float, float]) -> int | None:
        inside = camera_inside(path_at(*places), assets, trajectory)
        return None if inside is None else inside.frame

    assert found(above, away) == 0
    assert found(beside, above) is None
    assert found(away, beside) == 1
    assert found(within, within) == 0
