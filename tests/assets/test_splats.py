"""Meshes as Gaussians, drawn and compared with the exact picture of the same mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, spatial

from simvid.assets.color import linear_to_srgb, srgb_to_linear
from simvid.assets.meshes import load_mesh
from simvid.assets.primitives import primitive_mesh
from simvid.assets.splats import INSET, splat_mesh
from simvid.errors import AssetError
from simvid.gaussians import SH_C0, Gaussians
from simvid.mesh import Mesh
from simvid.rendering.cpu.rasterizer import CpuRasterizer

Array = NDArray[np.float64]
SIZE, FOCAL, DISTANCE, SUPER = 128, 600.0, 1.45, 4
PIXEL_M = DISTANCE / FOCAL
K = np.array([[FOCAL, 0, SIZE / 2], [0, FOCAL, SIZE / 2], [0, 0, 1]])
DIRECTIONS = ((0.8, 0.4, 0.5), (0.99, 0.05, 0.1), (-0.2, 0.15, 0.97))


def looking_from(direction: tuple[float, float, float]) -> Array:
    """camera_from_world of a camera ``DISTANCE`` away in that direction, aimed at the origin."""
    back = np.array(direction) / np.linalg.norm(direction)
    right = np.cross(-back, [0, 0, 1])
    right /= np.linalg.norm(right)
    view = np.eye(4)
    view[:3, :3] = np.stack([right, np.cross(-back, right), -back])
    view[2, 3] = DISTANCE
    return view


@dataclass
class Exact:
    """Coverage of each pixel [H, W] and the mean linear colour of its covered part [H, W, 3]."""

    coverage: Array
    color: Array


def exact_picture(mesh: Mesh, view: Array, shade: Array | None = None) -> Exact:
    """Rasterize triangles at 4x4 samples a pixel; ``shade`` gives linear colours at the mesh's corners [F, 3, 3]."""
    size = SIZE * SUPER
    points = mesh.vertices.astype(np.float64) @ view[:3, :3].T + view[:3, 3]
    screen = (points[:, :2] / points[:, 2:] * FOCAL + SIZE / 2) * SUPER
    depth = np.full((size, size), np.inf)
    color = np.zeros((size, size, 3))
    for f, face in enumerate(mesh.faces):
        (ax, ay), (bx, by), (cx, cy) = screen[face]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-12:
            continue
        x0, y0 = np.maximum(np.floor(screen[face].min(axis=0) - 0.5), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(screen[face].max(axis=0) + 0.5), size).astype(int)
        x, y = np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
        w1 = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
        w2 = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
        weights = np.stack([1 - w1 - w2, w1, w2], axis=-1) / points[face, 2]
        z = 1 / weights.sum(axis=-1)
        window = depth[y0:y1, x0:x1]
        hit = (w1 >= 0) & (w2 >= 0) & (w1 + w2 <= 1) & (z < window)
        window[hit] = z[hit]
        if shade is not None:
            color[y0:y1, x0:x1][hit] = (weights * z[..., None])[hit] @ shade[f]
    covered = np.isfinite(depth)
    tiles = (SIZE, SUPER, SIZE, SUPER)
    coverage = covered.reshape(tiles).mean(axis=(1, 3))
    mean = (color * covered[..., None]).reshape(*tiles, 3).mean(axis=(1, 3)) / np.maximum(coverage, 1e-9)[..., None]
    return Exact(coverage, mean)


def drawn(gaussians: Gaussians, view: Array) -> tuple[Array, Array]:
    """Alpha [H, W] and colour without background [H, W, 3] by the renderer's rules."""
    raster = CpuRasterizer().rasterize(
        gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities,
        viewmat=view, K=K, width=SIZE, height=SIZE, sh=gaussians.sh, owner=gaussians.owner,
    )  # fmt: skip
    return raster.alpha.astype(np.float64), raster.features.astype(np.float64)


def overlap(alpha: Array, coverage: Array) -> float:
    a, b = alpha > 0.5, coverage > 0.5
    return float((a & b).sum() / (a | b).sum())


def shrunk(mask: NDArray[np.bool_], by: int = 1) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_erosion(mask, iterations=by), np.bool_)


def grown(mask: NDArray[np.bool_], by: int = 1) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_dilation(mask, iterations=by), np.bool_)


SOLIDS = {
    "sphere": primitive_mesh("sphere", (0.1,)),
    "box": primitive_mesh("box", (0.08, 0.08, 0.08)),
    "cylinder": primitive_mesh("cylinder", (0.06, 0.08)),
    "cone": primitive_mesh("cone", (0.09, 0.1)),
}


@cache
def exact_coverage(name: str, direction: tuple[float, float, float]) -> Array:
    return exact_picture(SOLIDS[name], looking_from(direction)).coverage


@pytest.mark.parametrize("ratio", [0.95, 1.0, 1.25])
@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_opaque_and_their_outline_is_right(name: str, ratio: float) -> None:
    mesh = SOLIDS[name]
    gaussians = splat_mesh(mesh, ratio * PIXEL_M, owner=7)
    assert set(gaussians.owner.tolist()) == {7}
    for direction in DIRECTIONS:
        view = looking_from(direction)
        alpha, _ = drawn(gaussians, view)
        coverage = exact_coverage(name, direction)
        inside = shrunk(coverage > 0.999)
        assert inside.sum() > 2000
        assert alpha[inside].min() >= 0.99
        # whole rows of pixels flip where the flat faces of the box are seen edge-on
        edge_on = name == "box" and direction[0] > 0.9
        assert overlap(alpha, coverage) >= (0.96 if edge_on else 0.97)


@pytest.mark.parametrize("name", ["sphere", "box"])
def test_the_front_alone_hides_what_is_behind(name: str) -> None:
    mesh = SOLIDS[name]
    gaussians = splat_mesh(mesh, PIXEL_M, owner=1)
    view = looking_from((1.0, 0.1, 0.2))
    camera = -view[:3, :3].T @ view[:3, 3]
    front = np.einsum("nk,nk->n", normals_of(gaussians), camera - gaussians.means) > 0
    alpha, _ = drawn(chosen(gaussians, front), view)
    deep = shrunk(exact_coverage(name, (1.0, 0.1, 0.2)) > 0.999, by=4)
    assert alpha[deep].min() > 0.985


def chosen(gaussians: Gaussians, rows: NDArray[np.bool_]) -> Gaussians:
    names = ("means", "quats", "scales", "opacities", "sh", "owner")
    return Gaussians(*(getattr(gaussians, name)[rows] for name in names))


def normals_of(gaussians: Gaussians) -> Array:
    """Local +z axes in the part's frame, [N, 3]."""
    w, x, y, z = gaussians.quats.astype(np.float64).T
    return np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)


def test_local_z_is_the_outward_normal_and_the_thin_axis() -> None:
    gaussians = splat_mesh(SOLIDS["sphere"], 0.004, owner=1)
    outward = gaussians.means / np.linalg.norm(gaussians.means, axis=1, keepdims=True)
    assert np.einsum("nk,nk->n", normals_of(gaussians), outward).min() > np.cos(np.radians(4))
    assert (gaussians.scales[:, 2] < gaussians.scales[:, :2].min(axis=1)).all()
    assert np.allclose(np.linalg.norm(gaussians.quats, axis=1), 1, atol=1e-6)
    depth = 0.1 - np.linalg.norm(gaussians.means, axis=1)
    assert abs(np.median(depth) / 0.004 - INSET) < 0.1


def test_smooth_normals_of_the_mesh_are_kept() -> None:
    coarse = primitive_mesh("cylinder", (0.1, 0.1), 12)
    gaussians = splat_mesh(coarse, 0.004, owner=1)
    normals = normals_of(gaussians)
    side = np.abs(normals[:, 2]) < 0.1
    radial = gaussians.means[side, :2] / np.linalg.norm(gaussians.means[side, :2], axis=1, keepdims=True)
    error = np.degrees(np.arccos(np.clip(np.einsum("nk,nk->n", normals[side, :2], radial), -1, 1)))
    assert np.percentile(error, 95) < 3  # flat faces would be off by up to 15 degrees
    flat = normals_of(splat_mesh(replace(coarse, normals=None), 0.004, owner=1))
    assert len(np.unique(np.round(np.degrees(np.arctan2(flat[:, 1], flat[:, 0])) / 3))) < len(
        np.unique(np.round(np.degrees(np.arctan2(normals[:, 1], normals[:, 0])) / 3))
    )


def square(columns: int, rows: int) -> Mesh:
    """A unit square in z = 0 as 2 * columns * rows triangles."""
    x, y = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1))
    vertices = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1).astype(np.float32)
    low = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    quads = np.stack([low, low + 1, low + columns + 2, low + columns + 1], axis=1)
    return Mesh(vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32))


def fan(count: int) -> Mesh:
    """The same square as slivers that all meet in one corner."""
    angle = np.linspace(0, np.pi / 2, count + 1)
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=1) / np.maximum(np.cos(angle), np.sin(angle))[:, None]
    vertices = np.concatenate([np.zeros((1, 2)), rim])
    faces = np.stack([np.zeros(count), np.arange(1, count + 1), np.arange(2, count + 2)], axis=1)
    return Mesh(np.pad(vertices, ((0, 0), (0, 1))).astype(np.float32), faces.astype(np.int32))


@pytest.mark.parametrize(
    ("mesh", "what"),
    [
        (square(1, 1), "two triangles"),
        (square(300, 300), "tiny triangles"),
        (square(1, 400), "strips"),
        (fan(400), "fan"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_coverage_is_even_whatever_the_triangles(mesh: Mesh, what: str) -> None:
    spacing = 0.02
    gaussians = splat_mesh(mesh, spacing, owner=0)
    assert 0.85 < len(gaussians) * spacing**2 < 1.1, what
    tree = spatial.KDTree(gaussians.means[:, :2])
    grid = np.stack(np.meshgrid(np.linspace(0.03, 0.97, 300), np.linspace(0.03, 0.97, 300)), axis=-1).reshape(-1, 2)
    holes = tree.query(grid)[0] / spacing
    nearest = tree.query(gaussians.means[:, :2], k=2)[0][:, 1] / spacing
    # white noise: holes 1.2 and neighbours 0.06 at these percentiles
    assert np.percentile(holes, 99) < 0.85
    assert holes.max() < 1.15
    assert np.percentile(nearest, 1) > 0.35


def test_nothing_sticks_out_beyond_the_edge_of_a_sheet() -> None:
    half = 0.08
    sheet = primitive_mesh("plane", (half, half))
    gaussians = splat_mesh(sheet, PIXEL_M, owner=1)
    assert np.abs(gaussians.means[:, :2]).max() <= half
    view = looking_from((1e-6, 0, 1))
    alpha, _ = drawn(gaussians, view)
    coverage = exact_picture(sheet, view).coverage
    assert alpha[shrunk(coverage > 0.999)].min() > 0.98
    # the edge lies at 0.1 px of its pixel: little of the next pixel is covered, and nothing of the one after that
    assert alpha[~grown(coverage > 0, by=1)].max() < 0.35
    assert alpha[~grown(coverage > 0, by=2)].max() < 0.04


def test_a_thin_plate_keeps_its_two_sides_in_order() -> None:
    plate = primitive_mesh("box", (0.1, 0.1, 0.001))
    gaussians = splat_mesh(plate, 0.004, owner=1)
    up = normals_of(gaussians)[:, 2]
    assert gaussians.means[up > 0.9, 2].min() > gaussians.means[up < -0.9, 2].max()


def smooth_texture() -> NDArray[np.uint8]:
    """A seamless image that changes by at most 2/255 per texel of 512."""
    y, x = np.mgrid[0:512, 0:512] / 512
    image = np.full((512, 512, 4), 255, np.uint8)
    image[..., 0] = np.round(128 + 100 * np.sin(2 * np.pi * x))
    image[..., 1] = np.round(128 + 90 * np.cos(2 * np.pi * y))
    image[..., 2] = np.round(120 + 60 * np.sin(2 * np.pi * (x + y)))
    return image


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_smooth_texture_comes_out_within_two_of_255(direction: tuple[float, float, float]) -> None:
    mesh = replace(primitive_mesh("box", (0.08, 0.08, 0.08), tile_m=1.0), texture=smooth_texture())
    fine = subdivided(mesh, 4)
    assert fine.uvs is not None
    uv = fine.uvs[fine.faces].astype(np.float64)
    shade = np.stack(
        [
            128 + 100 * np.sin(2 * np.pi * uv[..., 0]),
            128 + 90 * np.cos(2 * np.pi * (1 - uv[..., 1])),
            120 + 60 * np.sin(2 * np.pi * (uv[..., 0] + 1 - uv[..., 1])),
        ],
        axis=-1,
    )
    exact = exact_picture(fine, looking_from(direction), srgb_to_linear(shade / 255).astype(np.float64))
    inside = shrunk(exact.coverage > 0.999, by=2)
    _, color = drawn(splat_mesh(mesh, PIXEL_M, owner=1), looking_from(direction))
    error = np.abs(color - linear_to_srgb(exact.color))[inside] * 255
    assert error.mean() < 2
    assert np.percentile(error, 95) < 8  # the rest is where two faces meet


def subdivided(mesh: Mesh, times: int) -> Mesh:
    """Every triangle cut in four, so that linear interpolation between corners follows a curved colour."""
    for _ in range(times):
        a, b, c = mesh.faces.T
        n = len(mesh.vertices)
        pairs = np.concatenate([np.stack(p, 1) for p in ((a, b), (b, c), (c, a))])
        ab, bc, ca = n + np.arange(3 * len(a)).reshape(3, -1)
        assert mesh.uvs is not None
        mesh = Mesh(
            np.concatenate([mesh.vertices, mesh.vertices[pairs].mean(axis=1)]),
            np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]).astype(
                np.int32
            ),
            uvs=np.concatenate([mesh.uvs, mesh.uvs[pairs].mean(axis=1)]),
        )
    return mesh


def test_fine_patterns_are_averaged_in_linear_light_not_sampled() -> None:
    image = np.full((1024, 1024, 4), 255, np.uint8)
    image[..., :3] = (np.indices((1024, 1024)).sum(axis=0) % 2 * 255)[..., None]
    mesh = replace(primitive_mesh("plane", (0.5, 0.5)), texture=image)
    gaussians = splat_mesh(mesh, 0.02, owner=1)
    color = 0.5 + SH_C0 * gaussians.sh[:, 0]
    assert np.abs(color - linear_to_srgb(np.array(0.5))).max() < 2 / 255


def test_a_checker_keeps_its_colours_inside_the_fields() -> None:
    image = np.zeros((256, 256, 4), np.uint8)
    image[..., 3] = 255
    dark = (np.indices((256, 256)) // 128).sum(axis=0) % 2 == 0
    image[dark, :3], image[~dark, :3] = (40, 60, 80), (220, 200, 180)
    mesh = replace(primitive_mesh("plane", (0.5, 0.5)), texture=image)
    gaussians = splat_mesh(mesh, 0.01, owner=1)
    u, v = np.mod(gaussians.means[:, 0], 1.0), np.mod(gaussians.means[:, 1], 1.0)
    far = (np.abs(np.mod(u, 0.5) - 0.25) < 0.22) & (np.abs(np.mod(v, 0.5) - 0.25) < 0.22)
    # row 0 of the image is its top: v in [0.5, 1)
    expected = np.where(((u >= 0.5) ^ (v < 0.5))[:, None], (220, 200, 180), (40, 60, 80)) / 255
    error = np.abs(0.5 + SH_C0 * gaussians.sh[:, 0] - expected)[far]
    assert far.sum() > 2000
    assert error.max() < 1 / 255


def test_vertex_colours_and_base_colour_multiply() -> None:
    sheet = primitive_mesh("plane", (0.1, 0.1))
    colors = np.tile(np.array([[188, 188, 188, 255]], np.uint8), (4, 1))
    plain = splat_mesh(replace(sheet, base_color=(0.2, 0.4, 0.6)), 0.01, owner=1)
    assert np.allclose(0.5 + SH_C0 * plain.sh[:, 0], (0.2, 0.4, 0.6), atol=1e-4)
    both = splat_mesh(replace(sheet, vertex_colors=colors, base_color=(1.0, 0.5, 0.0)), 0.01, owner=1)
    product = linear_to_srgb(srgb_to_linear(np.array(188 / 255)) * srgb_to_linear(np.array([1.0, 0.5, 0.0])))
    assert np.allclose(0.5 + SH_C0 * both.sh[:, 0], product, atol=1e-4)


def test_see_through_texels_make_no_gaussians() -> None:
    image = np.full((64, 64, 4), 200, np.uint8)
    image[:, :32, 3], image[:, 32:, 3] = 0, 255
    mesh = replace(primitive_mesh("plane", (0.5, 0.5)), texture=image)
    gaussians = splat_mesh(mesh, 0.02, owner=1)
    inner = gaussians.means[np.abs(np.mod(gaussians.means[:, 0], 1.0) - 0.75) < 0.2]
    assert len(inner) > 300
    assert not (np.abs(np.mod(gaussians.means[:, 0], 1.0) - 0.25) < 0.2).any()


def test_the_same_wish_gives_the_same_gaussians_and_another_seed_others() -> None:
    first, again, other = (splat_mesh(SOLIDS["cone"], 0.01, owner=1, seed=s) for s in (3, 3, 4))
    for name in ("means", "quats", "scales", "opacities", "sh"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.means[:50], other.means[:50])


@pytest.mark.parametrize("most", [1, 40, 3000])
def test_max_count_is_kept_and_nearly_used(most: int) -> None:
    count = len(splat_mesh(SOLIDS["sphere"], 0.002, owner=1, max_count=most))
    assert 0.5 * most <= count <= most


def test_wrong_arguments_and_useless_meshes_are_refused() -> None:
    flat = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    with pytest.raises(AssetError, match="some area"):
        splat_mesh(flat, 0.01, owner=1)
    with pytest.raises(AssetError, match=r"larger spacing, or max_count"):
        splat_mesh(SOLIDS["box"], 1e-6, owner=1)
    for spacing in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="spacing_m"):
            splat_mesh(SOLIDS["box"], spacing, owner=1)
    with pytest.raises(ValueError, match="max_count"):
        splat_mesh(SOLIDS["box"], 0.01, owner=1, max_count=0)


@pytest.mark.skipif(find_spec("genesis") is None, reason="needs the assets of genesis-world")
def test_a_real_mesh_with_a_texture() -> None:
    spec = find_spec("genesis")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "assets/meshes/duck/duck.obj"
    (duck,) = load_mesh(path, scale=0.22 / 355, up="y")
    duck = replace(duck, vertices=duck.vertices - duck.bounds.mean(axis=0).astype(np.float32))
    gaussians = splat_mesh(duck, 1.1 * PIXEL_M, owner=1)
    for direction in DIRECTIONS[:2]:
        view = looking_from(direction)
        alpha, color = drawn(gaussians, view)
        coverage = exact_picture(duck, view).coverage
        assert alpha[shrunk(coverage > 0.999)].min() > 0.99
        assert overlap(alpha, coverage) > 0.97
        red, green, blue = color[alpha > 0.99].mean(axis=0)
        assert blue < 0.45 < green  # a yellow duck
        assert red > 0.6
