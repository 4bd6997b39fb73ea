"""Outlines of splats: a pixel there is the mean of the light on it, and what bounds a thing is lit from its outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.mesh import Mesh
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.developing import picture_of
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.renderer import render_frames
from simvid.scene import Camera, CameraPose, Ground, Light, Look, Sky, Sun
from simvid.testing.rendering import SIZE, above, light
from simvid.testing.staging import Prop, box_mesh, matte, sphere_mesh, staged

Array = NDArray[np.float64]
FROM_ABOVE = (Light(sun=Sun(direction=(0, 0, -1), strength=2.0)),)
"""No sky: black wherever nothing is."""


def drawn(
    mesh: Mesh, lights: tuple[Light, ...], ground: float | None = None, detail_px: float = 1.1
) -> tuple[Array, Array]:
    """Light of a picture of a thing 20 cm below the origin, seen from above, and the coverage by splats, [H, W]."""
    floor = None if ground is None else Ground(height_m=-5.0, look=Look(base_color=(ground, ground, ground)))
    prop = Prop("thing", (matte(mesh),), np.array([0.003, 0.002, -0.2, 1.0, 0, 0, 0]))
    camera = above()
    assets, trajectory = staged([prop], [camera], ground=floor, lights=lights)
    path = camera_path(camera, assets.scene, trajectory)
    settings = RenderSettings(threads=1, detail_px=detail_px)
    frame = next(iter(render_frames(assets, trajectory, path, CpuRasterizer(1), ("alpha",), settings)))
    assert frame.alpha is not None
    return light(frame.rgb).mean(axis=-1), frame.alpha.astype(np.float64)


@pytest.mark.parametrize("detail_px", [1.1, 1.6, 2.2])
def test_outlines_lie_where_they_belong(detail_px: float) -> None:
    """Area covered by a ball and by the face of a slab, against the closed form: off by less than 0.3 px all around."""
    focal = SIZE[1] / 2 / np.tan(np.radians(20))
    radius = 0.2 / np.sqrt(1.2**2 - 0.2**2) * focal
    _, ball = drawn(sphere_mesh(0.2), FROM_ABOVE, detail_px=detail_px)
    assert (ball.sum() - np.pi * radius**2) / (2 * np.pi * radius) == pytest.approx(0, abs=0.3)
    wide, tall = 0.4 * focal / 1.15, 0.3 * focal / 1.15
    _, slab = drawn(box_mesh((0.4, 0.3, 0.1)), FROM_ABOVE, detail_px=detail_px)
    assert (slab.sum() - wide * tall) / (2 * (wide + tall)) == pytest.approx(0, abs=0.45)


def test_outlines_of_a_mesh_that_looks_inwards_lie_there_too() -> None:
    ball = sphere_mesh(0.2)
    assert ball.normals is not None
    turned = replace(ball, faces=ball.faces[:, ::-1].copy(), normals=-ball.normals)
    for seen, twin in zip(drawn(turned, FROM_ABOVE), drawn(ball, FROM_ABOVE), strict=True):
        assert np.abs(seen - twin).mean() < 0.002


def test_half_of_white_and_half_of_black_is_188() -> None:
    half, none = np.full((1, 1, 3), 0.5, np.float32), np.zeros((1, 1, 3), np.float32)
    covered = np.full((1, 1), 0.5, np.float32)
    assert abs(int(picture_of(half, covered, none, Workers(1))[0, 0, 0]) - 188) <= 1
    assert int(picture_of(half, covered, none, Workers(1), shown=True)[0, 0, 0]) == 128


def test_the_light_of_a_rim_is_its_coverage() -> None:
    """A face in black, lit head-on: each pixel has the share of its light that it has of the face."""
    seen, alpha = drawn(box_mesh((0.3, 0.2, 0.02)), FROM_ABOVE)
    face = seen[alpha > 0.998].mean()
    edge = (alpha > 0.1) & (alpha < 0.9)
    assert edge.sum() > 40
    np.testing.assert_allclose(seen[edge], alpha[edge] * face, rtol=0.05)


def test_few_sides_with_smooth_normals_are_covered() -> None:
    """A box and, at a flat angle, its side: shading normals that lean do not say where a face looks."""
    moved = np.eye(4)
    moved[0, 3] = 0.25
    box = box_mesh((0.3, 0.3, 0.3))
    assert box.normals is not None
    outward = box.vertices / np.linalg.norm(box.vertices, axis=1, keepdims=True)
    leaning = 0.6 * box.normals + 0.4 * outward
    smooth = replace(box, normals=(leaning / np.linalg.norm(leaning, axis=1, keepdims=True)).astype(np.float32))
    (_, flat), (_, soft) = (drawn(mesh.transformed(moved), FROM_ABOVE) for mesh in (box, smooth))
    assert soft[flat > 0.998].min() > 0.98


@pytest.mark.parametrize("away_m", [0.005, 0.03, 0.06, 0.1])
def test_a_face_that_is_not_seen_does_not_light_its_edge(away_m: float) -> None:
    """A box seen from above, and one of its sides, turned away by 0.3 to 6 degrees, in the light."""
    moved = np.eye(4)
    moved[0, 3] = away_m - 0.15
    from_the_side = (Light(sun=Sun(direction=(-1, 0, -0.02), strength=3.0)),)
    seen, alpha = drawn(box_mesh((0.3, 0.3, 0.3)).transformed(moved), from_the_side)
    face = float(np.median(seen[alpha > 0.998]))
    assert (alpha > 0.998).sum() > 400
    assert seen.max() < 1.5 * face


def test_past_its_outline_a_body_is_lit_from_outside() -> None:
    """A ball in black, lit from the left, where its outline is brightest: no dark ring of what is turned away."""
    from_left = (Light(sun=Sun(direction=(1, 0, -0.2), strength=1.5)),)
    seen, alpha = drawn(sphere_mesh(0.2, (0.6, 0.6, 0.6)), from_left)
    rows = slice(SIZE[1] // 2 - 6, SIZE[1] // 2 + 7)
    light_of_rims = []
    for row, covered in zip(seen[rows], alpha[rows], strict=True):
        first = int(np.argmax(covered > 0.98))
        rim = (np.arange(len(row)) < first) & (covered > 0.1)
        light_of_rims += list(row[rim] / covered[rim] / row[first + 1 : first + 4].mean())
    assert len(light_of_rims) > 4
    assert min(light_of_rims) > 1.35, "rough surfaces grow brighter towards grazing light (Burley 2012)"


@pytest.mark.parametrize(("grey", "ground"), [(0.9, 0.3), (0.1, 0.9), (0.6, 0.6)])
def test_no_ring_around_a_ball(grey: float, ground: float) -> None:
    """Nothing at an outline is darker than the darker of its two sides, or lighter than the lighter one."""
    seen, _ = drawn(sphere_mesh(0.2, (grey, grey, grey)), (Light(sky=Sky(preset="overcast")),), ground)
    radius = 0.2 / np.sqrt(1.2**2 - 0.2**2) * SIZE[1] / 2 / np.tan(np.radians(20))
    v, u = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    focal = SIZE[1] / 2 / np.tan(np.radians(20))
    away = np.hypot(u - SIZE[0] / 2 - 0.003 / 1.2 * focal, v - SIZE[1] / 2 + 0.002 / 1.2 * focal) - radius
    sides = np.concatenate([seen[(away > -4) & (away < -2.5)], seen[(away > 2.5) & (away < 4)]])
    rim = seen[np.abs(away) < 2]
    assert rim.min() > 0.96 * sides.min()
    assert rim.max() < 1.04 * sides.max()


def test_what_is_close_beside_a_camera_casts_no_haze() -> None:
    """A camera looks along the side of a box 2 cm to its right, which ends 10 cm ahead, at a ball 3 m away."""
    pose = CameraPose(look_from_m=(0.1, 0.22, 0), look_at_m=(3, 0.22, 0))
    near = Camera(name="c", resolution_px=(160, 120), fov_y_deg=60, pose=pose)
    box = Prop("box", (matte(box_mesh((0.4, 0.4, 0.4))),))
    ball = Prop("ball", (matte(sphere_mesh(0.3)),), np.array([3.0, 0.22, 0, 1, 0, 0, 0]))
    assets, trajectory = staged([box, ball], [near])
    path = camera_path(near, assets.scene, trajectory)
    frame = next(iter(render_frames(assets, trajectory, path, CpuRasterizer(1), ("alpha", "ids"), RenderSettings())))
    assert frame.alpha is not None
    assert frame.alpha[:, :40].max() < 0.01
    side = 80 + 0.02 / 0.1 * path.K[0, 0]
    assert frame.ids is not None
    columns = np.flatnonzero((frame.ids == 1).any(axis=0))
    assert columns.min() == pytest.approx(side, abs=1.5)
