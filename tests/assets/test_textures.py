"""Procedural textures, projection, and the averaging lookup."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.color import linear_to_srgb, srgb_bytes_to_linear16, srgb_to_linear
from simvid.assets.mipmaps import lookup
from simvid.assets.primitives import primitive_mesh
from simvid.assets.textures import TEXTURES, box_projected, procedural_texture, textured

COLOR = (0.6, 0.5, 0.4)
ROUGH = [t for t in TEXTURES if t != "plain"]


@pytest.mark.parametrize("kind", TEXTURES)
def test_the_same_seed_gives_the_same_picture_and_another_one_another(kind: str) -> None:
    first = procedural_texture(kind, 64, 1, COLOR)
    assert first.shape == (64, 64, 4)
    assert first.dtype == np.uint8
    assert (first[..., 3] == 255).all()
    assert not first.flags.writeable
    assert procedural_texture(kind, 64, 1, COLOR) is first  # kept
    from simvid.assets import textures

    textures._made.cache_clear()
    assert np.array_equal(procedural_texture(kind, 64, 1, list(COLOR)), first)
    assert np.array_equal(procedural_texture(kind, 64, 2, COLOR), first) == (kind == "plain")


@pytest.mark.parametrize("kind", ROUGH)
def test_tiles_fit_together(kind: str) -> None:
    """Across the seam neighbours differ no more than across any other line of the same pattern."""
    image = procedural_texture(kind, 256, 3, COLOR)[..., :3].astype(np.float64)
    for axis in (0, 1):
        steps = np.abs(np.diff(image, axis=axis, append=np.take(image, [0], axis=axis))).mean(axis=(1 - axis, 2))
        period = {"checker": 64, "tiles": 64}.get(kind, 256)
        like = steps.reshape(-1, period)[:, -1] if period < 256 else np.sort(steps)[-26:]  # the roughest tenth
        assert steps[-1] <= like.max() * 1.25 + 1e-9


@pytest.mark.parametrize("kind", ROUGH)
def test_the_base_colour_is_about_the_mean(kind: str) -> None:
    image = procedural_texture(kind, 256, 0, COLOR)[..., :3].astype(np.float64) / 255
    light = image[image.mean(axis=2) > 0.4].mean(axis=0) if kind == "checker" else image.mean(axis=(0, 1))
    assert np.abs(light - COLOR).max() < 0.08
    assert image.std(axis=(0, 1)).max() > 0.008  # and it is not plain


def test_plain_is_plain() -> None:
    image = procedural_texture("plain", 8, 0, (0.2, 0.4, 0.6))
    assert image.reshape(-1, 4).tolist() == [[51, 102, 153, 255]] * 64


def test_wrong_wishes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of plain, checker"):
        procedural_texture("velvet")
    with pytest.raises(ValueError, match="size_px"):
        procedural_texture("wood", 4)
    with pytest.raises(ValueError, match="size_px"):
        procedural_texture("wood", 100_000)
    with pytest.raises(ValueError, match="base_color"):
        procedural_texture("wood", 64, 0, (0.5, 0.5, 1.5))


def test_box_projection_keeps_lengths_and_is_never_mirrored() -> None:
    box = primitive_mesh("box", (0.1, 0.2, 0.3))
    mesh = box_projected(replace(box, uvs=None), 0.05)
    assert mesh.uvs is not None
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    ua, ub, uc = np.moveaxis(mesh.uvs[mesh.faces], 1, 0)
    for p, q, up, uq in ((a, b, ua, ub), (b, c, ub, uc), (c, a, uc, ua)):
        assert np.allclose(np.linalg.norm(q - p, axis=1), 0.05 * np.linalg.norm(uq - up, axis=1), atol=1e-6)
    e1, e2 = ub - ua, uc - ua
    assert (e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0] > 0).all()
    # on upright faces v runs up
    upright = np.abs(np.cross(b - a, c - a)[:, 2]) < 1e-9
    rise, drop = (b - a)[upright, 2], (ub - ua)[upright, 1]
    assert np.allclose(rise, 0.05 * drop, atol=1e-6)
    assert upright.sum() == 8


def test_projection_splits_vertices_and_carries_what_they_hold() -> None:
    sphere = primitive_mesh("sphere", (0.1,))
    colors = (np.arange(len(sphere.vertices) * 4) % 256).reshape(-1, 4).astype(np.uint8)
    mesh = box_projected(replace(sphere, vertex_colors=colors), 1.0)
    assert mesh.normals is not None
    assert sphere.normals is not None
    assert mesh.vertex_colors is not None
    assert np.array_equal(mesh.vertices[mesh.faces], sphere.vertices[sphere.faces])
    assert np.array_equal(mesh.normals[mesh.faces], sphere.normals[sphere.faces])
    assert np.array_equal(mesh.vertex_colors[mesh.faces], colors[sphere.faces])


def test_dressing_a_mesh() -> None:
    box = primitive_mesh("box", (0.1, 0.1, 0.1))
    wood = textured(box, "wood", tile_m=0.2, base_color=COLOR)
    assert wood.texture is not None
    assert wood.base_color == (1.0, 1.0, 1.0)
    plain = textured(wood, "plain", tile_m=0.2, base_color=COLOR)
    assert (plain.texture, plain.base_color) == (None, COLOR)
    own = textured(box, "wood", tile_m=0.2, base_color=COLOR, project=False)
    assert own.uvs is box.uvs
    with pytest.raises(ValueError, match="texture coordinates"):
        textured(replace(box, uvs=None), "wood", tile_m=0.2, base_color=COLOR, project=False)


def test_srgb_curve() -> None:
    assert np.allclose(srgb_to_linear(np.array([0, 0.04045, 0.5, 1])), [0, 0.0031308, 0.21404114, 1], atol=1e-6)
    x = np.linspace(0, 1, 1000)
    assert np.allclose(linear_to_srgb(srgb_to_linear(x)), x, atol=1e-5)
    table = srgb_bytes_to_linear16()
    assert table[[0, 255]].tolist() == [0, 65535]
    assert np.abs(linear_to_srgb(table / 65535) * 255 - np.arange(256)).max() < 0.06


def image_of(linear: NDArray[np.float64]) -> NDArray[np.uint8]:
    out = np.full((*linear.shape[:2], 4), 255, np.uint8)
    out[..., :3] = np.round(linear_to_srgb(linear) * 255)[..., None]
    return out


@pytest.mark.parametrize("shape", [(64, 64), (60, 44), (1, 7), (33, 1)])
def test_texels_are_where_they_belong(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 4), dtype=np.uint8)
    rows, columns = np.indices(shape).reshape(2, -1)
    uvs = np.stack([(columns + 0.5) / shape[1], 1 - (rows + 0.5) / shape[0]], axis=1)
    exact = image.reshape(-1, 4) / 255
    for shift in (0, -3, 5):
        found = lookup(image, uvs + shift, np.ones(len(uvs)))
        assert np.abs(linear_to_srgb(found[:, :3]) - exact[:, :3]).max() < 2e-3
        assert np.abs(found[:, 3] - exact[:, 3]).max() < 1e-4


def test_footprints_are_averaged_in_linear_light() -> None:
    linear = np.random.default_rng(1).random((256, 256))
    image = image_of(linear)
    exact = srgb_to_linear(image[..., 0] / 255).astype(np.float64)
    for size in (2, 4, 16, 256):
        means = exact.reshape(256 // size, size, 256 // size, size).mean(axis=(1, 3))
        rows, columns = np.indices(means.shape).reshape(2, -1)
        uvs = np.stack([(columns + 0.5) * size / 256, 1 - (rows + 0.5) * size / 256], axis=1)
        found = lookup(image, uvs, np.full(len(uvs), float(size)))
        assert np.abs(found[:, 0] - means.ravel()).max() < 1e-3
    assert abs(float(lookup(image, np.array([[0.3, 0.7]]), np.array([1e9]))[0, 1]) - exact.mean()) < 1e-3


def test_mixed_footprints_in_one_call() -> None:
    image = image_of(np.random.default_rng(2).random((64, 64)))
    uvs, texels = np.random.default_rng(3).random((100, 2)), 2.0 ** np.random.default_rng(4).integers(0, 6, 100)
    together = lookup(image, uvs, texels)
    for k in range(100):
        assert np.array_equal(together[k], lookup(image, uvs[k : k + 1], texels[k : k + 1])[0])
