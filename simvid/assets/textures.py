"""Procedural textures: seamless sRGB images for primitives and the ground, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simvid.mesh import Mesh

TEXTURES = ("plain", "checker", "wood", "concrete", "brushed_metal", "marble", "fabric", "tiles")
LARGEST_PX = 4096

Image = NDArray[np.float64]


def procedural_texture(
    kind: str, size_px: int = 512, seed: int = 0, base_color: Sequence[float] = (0.7, 0.7, 0.7)
) -> NDArray[np.uint8]:
    """One tile of a seamless texture.

    Args:
        kind: one of ``TEXTURES``.
        size_px: edge of the square image [px].
        seed: of the pattern.
        base_color: sRGB in [0, 1]; about the mean colour of the image, of its light fields for checker and tiles.

    Returns:
        sRGB, opaque, read-only, uint8 [size_px, size_px, 4].

    Raises:
        ValueError: unknown kind, size outside 8..``LARGEST_PX`` or colour outside [0, 1].
    """
    if kind not in TEXTURES:
        raise ValueError(f"texture: expected one of {', '.join(TEXTURES)}, got {kind!r}")
    if not 8 <= size_px <= LARGEST_PX:
        raise ValueError(f"size_px: expected 8 to {LARGEST_PX}, got {size_px}")
    color = tuple(float(c) for c in base_color)
    if len(color) != 3 or not all(0 <= c <= 1 for c in color):
        raise ValueError(f"base_color: expected three numbers in [0, 1], got {color}")
    return _made(kind, size_px, seed, color)


def textured(
    mesh: Mesh, kind: str, *, tile_m: float, base_color: Sequence[float], seed: int = 0, project: bool = True
) -> Mesh:
    """A mesh dressed in a procedural texture.

    Args:
        mesh: in metres.
        kind: one of ``TEXTURES``; ``plain`` gives the base colour alone.
        tile_m: edge of one tile on the surface [m].
        base_color: sRGB in [0, 1].
        seed: of the pattern.
        project: lay the tiles on by box projection; False keeps the mesh's own coordinates, one unit being one tile,
            as ``primitive_mesh(..., tile_m=tile_m)`` makes them.

    Raises:
        ValueError: as ``procedural_texture``; or project is False and the mesh has no coordinates.
    """
    red, green, blue = (float(c) for c in base_color)
    if kind == "plain":
        return replace(mesh, texture=None, vertex_colors=None, base_color=(red, green, blue))
    image = procedural_texture(kind, 512, seed, base_color)
    if project:
        mesh = box_projected(mesh, tile_m)
    elif mesh.uvs is None:
        raise ValueError("project=False needs a mesh with texture coordinates")
    return replace(mesh, texture=image, vertex_colors=None, base_color=(1.0, 1.0, 1.0))


def box_projected(mesh: Mesh, tile_m: float) -> Mesh:
    """New texture coordinates: every face takes those two axes that it faces least; a unit is ``tile_m`` metres.

    Vertices are split where neighbouring faces take different axes.
    """
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.argmax(np.abs(normals), axis=1)
    side = normals[np.arange(len(axis)), axis] < 0
    key = (mesh.faces.astype(np.int64) * 6) + (axis * 2 + side)[:, None]
    used, faces = np.unique(key, return_inverse=True)
    vertex, way = used // 6, used % 6
    points = mesh.vertices[vertex].astype(np.float64) / tile_m
    across, up = np.array([[1, 2], [0, 2], [0, 1]])[way // 2].T
    u, v = points[np.arange(len(points)), across], points[np.arange(len(points)), up]
    mirrored = np.isin(way, (1, 2, 5))  # the sides on which the first axis runs to the left when seen from outside
    uvs = np.stack([np.where(mirrored, -u, u), v], axis=1).astype(np.float32)
    return replace(
        mesh,
        vertices=mesh.vertices[vertex],
        faces=faces.reshape(-1, 3).astype(np.int32),
        normals=None if mesh.normals is None else mesh.normals[vertex],
        uvs=uvs,
        vertex_colors=None if mesh.vertex_colors is None else mesh.vertex_colors[vertex],
    )


@lru_cache(maxsize=32)
def _made(kind: str, size: int, seed: int, color: tuple[float, ...]) -> NDArray[np.uint8]:
    rng = np.random.default_rng([seed, TEXTURES.index(kind)])
    rgb = _PATTERNS[kind](size, rng, np.array(color))
    out = np.full((size, size, 4), 255, np.uint8)
    out[..., :3] = np.round(np.clip(rgb, 0.0, 1.0) * 255)
    out.setflags(write=False)
    return out


def _noise(size: int, rng: np.random.Generator, power: float, stretch: tuple[float, float] = (1.0, 1.0)) -> Image:
    """Periodic Gaussian noise of unit variance whose amplitude falls as 1 / frequency^power.

    ``stretch`` (x, y) lengthens the features along an axis.
    """
    fx = np.fft.rfftfreq(size, 1 / size)[None] * stretch[0]
    fy = np.fft.fftfreq(size, 1 / size)[:, None] * stretch[1]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * np.maximum(frequency, 1.0) ** -power
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray(field / field.std())


def _band(size: int, rng: np.random.Generator, low: float, high: float) -> Image:
    """Periodic noise of unit variance with features between size/high and size/low pixels."""
    frequency = np.hypot(np.fft.rfftfreq(size, 1 / size)[None], np.fft.fftfreq(size, 1 / size)[:, None])
    keep = np.exp(-((frequency / high) ** 2)) * (1 - np.exp(-((frequency / low) ** 2)))
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * keep, s=(size, size))
    return field / max(float(field.std()), 1e-12)


def _grid(size: int) -> tuple[Image, Image]:
    """Pixel centres as x and y in [0, 1), [size, size] each."""
    at = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(at, at)
    return x, y


def _shaded(color: Image, shade: Image) -> Image:
    """The colour times a brightness field, [h, w, 3]."""
    return color * shade[..., None]


def _plain(size: int, _: np.random.Generator, color: Image) -> Image:
    return np.broadcast_to(color, (size, size, 3))


def _checker(size: int, rng: np.random.Generator, color: Image) -> Image:
    x, y = _grid(size)
    dark = (np.floor(4 * x) + np.floor(4 * y)) % 2
    return _shaded(color, np.where(dark > 0, 0.38, 1.0) + 0.012 * _noise(size, rng, 0.6))


def _wood(size: int, rng: np.random.Generator, color: Image) -> Image:
    """Flat-sawn boards: growth rings cut at a slant, long fibres along x, pores."""
    x, y = _grid(size)
    bend = 0.05 * _noise(size, rng, 2.4, (5.0, 1.0)) + 0.006 * _noise(size, rng, 1.8, (6.0, 1.0))
    rings = 17.0 * (y + bend + 0.02 * np.sin(2 * np.pi * x))
    phase = rings - np.floor(rings)
    late = phase**2.2 * np.clip((1.0 - phase) * 14.0, 0.0, 1.0)  # slowly darker, then a sharp step to the next ring
    fibre = _noise(size, rng, 0.75, (60.0, 1.0))
    pores = np.clip(_noise(size, rng, 0.35, (24.0, 1.0)) - 1.9, 0.0, 1.2)
    cloud = _noise(size, rng, 2.2, (3.0, 1.0))
    shade = 1.05 - 0.20 * late + 0.045 * fibre - 0.16 * pores + 0.04 * cloud
    warm = np.stack([1.0 + 0.05 * late, np.ones_like(late), 1.0 - 0.14 * late], axis=-1)
    return _shaded(color, shade) * warm


def _concrete(size: int, rng: np.random.Generator, color: Image) -> Image:
    """Clouds, grain and a few air holes with a lit lower rim."""
    cloud = _noise(size, rng, 1.9)
    grain = _noise(size, rng, 0.35)
    holes = np.clip(_band(size, rng, size / 40, size / 14) - 2.35, 0.0, 0.5) * 2
    rim = np.roll(holes, max(1, size // 256), axis=0) * (1 - holes)
    speck = np.clip(_band(size, rng, size / 20, size / 7) - 2.4, 0.0, 1.0)
    return _shaded(color, 1.0 + 0.055 * cloud + 0.028 * grain - 0.34 * holes + 0.05 * rim - 0.12 * speck)


def _brushed_metal(size: int, rng: np.random.Generator, color: Image) -> Image:
    """Fine scratches along x over long soft bands."""
    fine = _noise(size, rng, 0.45, (90.0, 1.0))
    bands = _noise(size, rng, 1.4, (25.0, 1.0))
    scratch = np.clip(_noise(size, rng, 0.3, (40.0, 1.0)) - 2.3, 0.0, 1.5)
    return _shaded(color, 1.0 + 0.055 * fine + 0.035 * bands + 0.10 * scratch)


def _marble(size: int, rng: np.random.Generator, color: Image) -> Image:
    """Veins where a warped field crosses zero, in two widths, over soft clouds."""
    x, y = _grid(size)
    warp = _noise(size, rng, 1.9)
    broad = np.abs(np.sin(np.pi * (x + 2 * y + 0.16 * warp + 0.05 * _noise(size, rng, 1.3))))
    thin = np.abs(_noise(size, rng, 1.75))
    veins = np.exp(-broad * 16) * np.clip(0.75 + 0.6 * _noise(size, rng, 2.0), 0.1, 1.4) + 0.55 * np.exp(-thin * 26)
    cloud = _noise(size, rng, 2.1)
    vein_color = 0.42 * color + 0.06 * np.array([0.9, 1.0, 1.15])
    share = np.clip(0.62 * veins, 0.0, 0.9)[..., None]
    stone = _shaded(color, 1.02 + 0.035 * cloud + 0.008 * _noise(size, rng, 0.3))
    return np.asarray(stone * (1 - share) + vein_color * share)


def _fabric(size: int, rng: np.random.Generator, color: Image) -> Image:
    """Plain weave: threads over and under one another, each with its own tone and a little slack."""
    threads = 48
    x, y = _grid(size)
    x = x + 0.0012 * _noise(size, rng, 1.6)
    y = y + 0.0012 * _noise(size, rng, 1.6)
    column, row = np.floor(threads * x).astype(int) % threads, np.floor(threads * y).astype(int) % threads
    warp = np.sin(np.pi * (threads * x % 1.0)) ** 0.6
    weft = np.sin(np.pi * (threads * y % 1.0)) ** 0.6
    over = (column + row) % 2 == 0
    height = np.where(over, warp * (0.55 + 0.45 * weft), weft * (0.55 + 0.45 * warp))
    tone = np.where(over, rng.normal(0, 0.035, threads)[column], rng.normal(0, 0.035, threads)[row] - 0.03)
    return _shaded(color, 0.66 + 0.44 * height + tone + 0.03 * _noise(size, rng, 0.4) + 0.02 * _noise(size, rng, 2.0))


def _tiles(size: int, rng: np.random.Generator, color: Image) -> Image:
    """Four by four glazed tiles of slightly different tone with rounded edges, in grey grout."""
    count = 4
    x, y = _grid(size)
    column, row = (np.floor(count * a).astype(int) for a in (x, y))
    inside = 0.5 - np.maximum(np.abs(count * x - column - 0.5), np.abs(count * y - row - 0.5))
    face = np.clip((inside - 0.014) * size / count / 1.5, 0.0, 1.0)
    bevel = np.clip((inside - 0.014) / 0.03, 0.0, 1.0)
    tone = rng.normal(0, 0.035, (count, count))[row, column]
    glaze = 0.86 + 0.14 * bevel + tone + 0.012 * _noise(size, rng, 1.8)
    grout = np.array([0.66, 0.64, 0.61]) * (0.85 + 0.05 * _noise(size, rng, 0.3))[..., None]
    return np.asarray(_shaded(color, glaze) * face[..., None] + grout * (1 - face[..., None]))


_PATTERNS: dict[str, Callable[[int, np.random.Generator, Image], Image]] = {
    "plain": _plain,
    "checker": _checker,
    "wood": _wood,
    "concrete": _concrete,
    "brushed_metal": _brushed_metal,
    "marble": _marble,
    "fabric": _fabric,
    "tiles": _tiles,
}
