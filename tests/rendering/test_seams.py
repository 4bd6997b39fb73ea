"""Where meshes of one part touch, the picture is that of one mesh."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.pieces import Visual
from simvid.frames import Frame
from simvid.mesh import Mesh
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.rendering.splats import appearance
from simvid.rendering.splats.seams import buried, carried_on
from simvid.scene import Camera, CameraPose
from simvid.testing.staging import Prop, box_mesh, matte, staged

COLOR = (0.8, 0.75, 0.7)


def moved(mesh: Mesh, *offset: float) -> Mesh:
    matrix = np.eye(4)
    matrix[:3, 3] = offset
    return mesh.transformed(matrix)


def shot(*visuals: Visual) -> Frame:
    pose = CameraPose(look_from_m=(0.5, -1.1, 0.5), look_at_m=(0, 0, 0))
    camera = Camera(name="c", resolution_px=(80, 60), fov_y_deg=30, pose=pose)
    assets, trajectory = staged([Prop("thing", visuals)], [camera])
    path = camera_path(camera, assets.scene, trajectory)
    labels = ("depth", "ids", "normals")
    return next(iter(render_frames(assets, trajectory, path, CpuRasterizer(), labels, RenderSettings(threads=1))))


def halves() -> tuple[Visual, Visual]:
    upper, lower = (
        moved(box_mesh((0.3, 0.3, 0.12), COLOR), 0, 0, 0.09),
        moved(box_mesh((0.3, 0.3, 0.18), COLOR), 0, 0, -0.06),
    )
    return matte(upper), matte(lower)


def differences(one: Frame, other: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of colours, in 255ths, and of normals, at each pixel."""
    assert one.normals is not None
    assert other.normals is not None
    rgb = np.abs(one.rgb.astype(float) - other.rgb).max(axis=-1)
    return rgb, np.linalg.norm(one.normals - other.normals, axis=-1)


def test_two_boxes_look_like_the_one_that_they_make(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shot(matte(box_mesh((0.3, 0.3, 0.3), COLOR)))
    joined = shot(*halves())
    monkeypatch.setattr(appearance, "_without_seams", lambda pieces: pieces)
    seamed = shot(*halves())
    rgb, normals = differences(whole, joined)
    was_rgb, was_normals = differences(whole, seamed)
    inside = np.zeros_like(rgb, np.bool_)
    inside[24:36, 26:54] = True  # the faces around the joint, without their outer edges
    assert np.percentile(was_rgb[inside], 95) > 15, "there was a seam"
    assert np.percentile(rgb[inside], 99) < 8
    assert (was_normals[inside] > 0.2).mean() > 2 * (normals[inside] > 0.2).mean() + 0.01


def test_what_looks_into_another_mesh_is_left_out() -> None:
    up, side = np.array([[0.0, 0, 1]]), np.array([[1.0, 0, 0]])
    box = box_mesh((1, 1, 1))
    radii = np.array([0.05])
    lid = np.array([[0.0, 0, -0.5]])
    assert buried(lid, up, radii, [box]).tolist() == [True], "it lies on the underside and looks in"
    assert buried(lid, -up, radii, [box]).tolist() == [False]
    assert buried(np.array([[0.5, 0, 0]]), side, radii, [box]).tolist() == [False], "faces that coincide are seen"
    assert buried(lid, up, radii, []).tolist() == [False]


@pytest.mark.parametrize(
    ("neighbour", "normal", "expected"),
    [((0.15, 0, 0), (0, 0, 1), True), ((0.15, 0, 0), (1, 0, 0), False), ((0.15, 0, 0.05), (0, 0, 1), False),
     ((-0.2, 0, 0), (0, 0, 1), False), ((0.5, 0, 0), (0, 0, 1), False)],
    ids=["goes on", "turns", "a step", "on the other side", "far off"],
)  # fmt: skip
def test_faces_that_go_on(
    neighbour: tuple[float, float, float], normal: tuple[float, float, float], expected: bool
) -> None:
    """A Gaussian of radius 0.1 m was drawn back from x = 0.05 m."""
    means, points, up = np.array([[-0.05, 0, -0.02]]), np.zeros((1, 3)), np.array([[0.0, 0, 1]])
    on, back = carried_on(means, points, up, np.array([0.1]), (np.array([neighbour]), np.array([normal], float)))
    assert on.tolist() == [expected]
    np.testing.assert_allclose(back, [[0.05, 0, 0]], atol=1e-12)
