from __future__ import annotations

import numpy as np
import pytest

from simvid.frames import CameraPath
from simvid.rendering.camera import intrinsics, look_at
from simvid.rendering.splats.detail import (
    chosen_faces,
    divided,
    face_geometry,
    finest_pixel,
    nearest_eye_m,
    toward_cameras,
    views_of,
    welded,
)
from simvid.testing.staging import box_mesh, checkered, sphere_mesh

REST = np.array([[0.0, 0, 0, 1, 0, 0, 0]])


def camera(*eyes: tuple[float, float, float]) -> CameraPath:
    return CameraPath("c", 200, 100, intrinsics(200, 100, 60.0), np.stack([look_at(e, (0, 0, 0)) for e in eyes]))


def test_seen_faces_want_a_pixel_and_hidden_ones_nothing() -> None:
    mesh = box_mesh((0.2, 0.2, 0.2))
    centers, normals, _ = face_geometry(mesh)
    path = camera((0, 0, 2.1))
    pixel = finest_pixel(centers, normals, REST, views_of([path]))
    top = normals[:, 2] > 0.5
    np.testing.assert_allclose(pixel[top], 2.0 / path.K[0, 0], rtol=1e-9)
    assert np.isinf(pixel[~top & (normals[:, 2] < -0.5)]).all()
    both_sides = finest_pixel(centers, None, REST, views_of([path]))
    assert np.isfinite(both_sides).all()


def test_the_nearest_moment_counts() -> None:
    mesh = sphere_mesh(0.1)
    centers, normals, _ = face_geometry(mesh)
    path = camera((0, 0, 3), (0, 0, 1.1), (0, 0, 3))
    pixel = finest_pixel(centers, normals, np.tile(REST, (3, 1)), views_of([path]))
    assert pixel.min() == pytest.approx(1.0 / path.K[0, 0], rel=0.01)


def test_outside_the_picture_is_unseen() -> None:
    centers, normals, _ = face_geometry(box_mesh((0.1, 0.1, 0.1)))
    aside = np.array([[5.0, 0, 0, 1, 0, 0, 0]])
    assert np.isinf(finest_pixel(centers, normals, aside, views_of([camera((0, 0, 2))]))).all()


def test_the_nearest_camera_of_all_moments_counts() -> None:
    centers = np.array([[0.0, 0, 0], [0, 0, 0.5], [0, 3, 0]])
    views = views_of([camera((0, 0, 3), (0, 0, 2)), camera((0, 4, 0.001), (0, 9, 0.001))])
    found = nearest_eye_m(centers, np.tile(REST, (2, 1)), views)
    np.testing.assert_allclose(found, [2.0, 1.5, 1.0], atol=1e-6)
    turned = np.array([[0.0, 1.0, 0, np.sqrt(0.5), np.sqrt(0.5), 0, 0]])  # y becomes z, about the x axis
    np.testing.assert_allclose(nearest_eye_m(centers[2:], turned, views_of([camera((0, 0, 2))])), [np.hypot(1, 1)])


def test_divided_keeps_surface_and_colours() -> None:
    mesh = checkered(box_mesh((1.0, 0.6, 0.3)))
    fine = divided(mesh, 0.1)
    c = fine.vertices[fine.faces]
    assert np.linalg.norm(c - np.roll(c, 1, axis=1), axis=2).max() <= 0.1 + 1e-6
    assert face_geometry(fine)[2].sum() == pytest.approx(face_geometry(mesh)[2].sum(), rel=1e-5)
    # texture coordinates stay affine on each side of the box: u along one axis, v along another
    top = np.isclose(fine.vertices[:, 2], 0.15, atol=1e-6) & (fine.normals[:, 2] > 0.9)  # type: ignore[index]
    np.testing.assert_allclose(fine.uvs[top, 0], fine.vertices[top, 0] + 0.5, atol=1e-5)  # type: ignore[index]


def test_chosen_faces() -> None:
    mesh = box_mesh((1, 1, 1))
    some = chosen_faces(mesh, np.arange(len(mesh.faces)) < 2)
    assert (len(some.faces), len(some.vertices)) == (2, 4)
    np.testing.assert_array_equal(some.vertices[some.faces], mesh.vertices[mesh.faces[:2]])


def test_welded_joins_equal_places() -> None:
    places = welded(box_mesh((1, 2, 3)).vertices)
    assert len(np.unique(places)) == 8
    assert len(places) == 24


def test_directions_to_cameras_are_in_the_parts_frame() -> None:
    turned = np.array([[0, 0, 0, np.cos(np.pi / 4), 0, 0, np.sin(np.pi / 4)]])  # 90 degrees about z
    found = toward_cameras(turned, views_of([camera((2, 0, 0))]))
    np.testing.assert_allclose(found, [[0, -1, 0]], atol=1e-3)
