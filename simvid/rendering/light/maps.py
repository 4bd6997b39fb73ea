"""Environment maps: radiance from all around as an equirectangular picture, z up.

Row 0 is the zenith, the last row looks straight down. The middle of the picture is +x, a quarter to its right is -y, a
quarter to its left is +y, as for someone who turns the head.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
BRIGHT = 5.0
"""What shines so many times brighter than the mean of the upper half is a light of its own."""
MOST_LIGHTS = 6
SEARCH_PX = 128
"""Width of the map in which lights are looked for."""
ROUGHNESS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
WIDTHS = (1024, 256, 64, 64, 64, 32, 32)
"""Width of the map in which a surface of each roughness is mirrored."""
FIRST_LOBE = 2
"""Levels before this one are blurred by their size alone."""
FINE_PX, COARSE_PX = 128, 64
"""Width of the map that narrow and that wide lobes are laid over."""
REMEMBERED = 4
"""Maps whose mirrored levels, and glosses of level ground, are remembered."""


def directions(width: int) -> Array:
    """Unit direction at the centre of each pixel of a map, [width / 2, width, 3]."""
    height = width // 2
    polar = (np.arange(height) + 0.5) / height * np.pi
    azimuth = np.pi - (np.arange(width) + 0.5) / width * 2 * np.pi
    p, a = np.meshgrid(polar, azimuth, indexing="ij")
    return np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], axis=-1)


def looked_up(radiance: Floats, rays: Array) -> Array:
    """Bilinear values of a map in unit directions [..., 3], [..., 3]."""
    height, width = radiance.shape[:2]
    x = (np.pi - np.arctan2(rays[..., 1], rays[..., 0])) / (2 * np.pi) * width - 0.5
    y = np.clip(np.arccos(np.clip(rays[..., 2], -1, 1)) / np.pi * height - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(int), np.minimum(np.floor(y).astype(int), height - 2)
    u, v = (x - left)[..., None], (y - top)[..., None]
    upper = radiance[top, left % width] * (1 - u) + radiance[top, (left + 1) % width] * u
    lower = radiance[top + 1, left % width] * (1 - u) + radiance[top + 1, (left + 1) % width] * u
    return np.asarray(upper * (1 - v) + lower * v, np.float64)


def upward_irradiance(radiance: Floats) -> Array:
    """Irradiance of a map on a surface that faces up, [3]: the sum of L cos(p) sin(p) dp da over the upper half."""
    height = len(radiance)
    polar = (np.arange(height) + 0.5) / height * np.pi
    weight = np.maximum(np.cos(polar), 0) * np.sin(polar) * (np.pi / height) * (2 * np.pi)
    return np.asarray((radiance.mean(axis=1) * weight[:, None]).sum(axis=0), np.float64)


def downward_irradiance(radiance: Floats) -> Array:
    """Irradiance of a map on a surface that faces down, [3]."""
    return upward_irradiance(radiance[::-1])


def solid_angles(width: int) -> Array:
    """Of the pixels of a map [sr], [width / 2, 1]."""
    height = width // 2
    edges = np.cos(np.arange(height + 1) / height * np.pi)
    return np.asarray((edges[:-1] - edges[1:])[:, None] * (2 * np.pi / width))


def shrunk(radiance: Floats, width: int) -> Floats:
    """The map with fewer pixels, each the mean over its share of the sphere; itself where it is no wider."""
    while radiance.shape[1] > width:
        h, w = radiance.shape[:2]
        weight = solid_angles(w)[..., None]
        sums = (radiance * weight).reshape(h // 2, 2, w // 2, 2, 3).sum(axis=(1, 3))
        radiance = (sums / (4 * weight.reshape(h // 2, 2, 1, 1).mean(axis=1))).astype(np.float32)
    return radiance


class Lights(NamedTuple):
    """What in a map is so bright that it throws shadows of its own, as if far away."""

    directions: Array
    """Unit, [K, 3]."""
    irradiance: Array
    """On a surface that faces it, linear RGB, [K, 3]."""
    half_angles: Array
    """Of the disc with the same solid angle [rad], [K]."""


def split(radiance: Floats) -> tuple[Lights, Floats]:
    """The brightest patches of the upper half of a map as lights, and the map without them, small.

    What of a patch exceeds ``BRIGHT`` times the mean of the upper half is taken out as a light; so nothing is counted
    twice. Patches are found by flooding from the brightest pixel on.
    """
    small = shrunk(radiance, SEARCH_PX).astype(np.float64)
    rays, weight = directions(small.shape[1]), np.broadcast_to(solid_angles(small.shape[1]), small.shape[:2])
    luminance = small.mean(axis=-1)
    upper = rays[..., 2] > 0
    limit = BRIGHT * float((luminance * weight)[upper].sum() / weight[upper].sum())
    excess = np.where(
        (upper & (luminance > limit))[..., None], small * (1 - limit / np.maximum(luminance, 1e-9))[..., None], 0
    )
    found: list[tuple[Array, Array, float]] = []
    rest, left = small.copy(), luminance * upper
    while len(found) < MOST_LIGHTS and left.max() > limit:
        patch = _flooded(left > limit, np.unravel_index(int(np.argmax(left)), left.shape))
        flux = (excess * weight[..., None])[patch]
        middle = (rays[patch] * flux.mean(axis=1, keepdims=True)).sum(axis=0)
        found.append((middle / np.linalg.norm(middle), flux.sum(axis=0), float(weight[patch].sum())))
        rest[patch] -= excess[patch]
        left[patch] = 0
    ways, light, sizes = (np.array([f[k] for f in found], np.float64) for k in range(3))
    half = np.arccos(1 - np.minimum(sizes, 2) / (2 * np.pi))
    return Lights(ways.reshape(-1, 3), light.reshape(-1, 3), half), rest.astype(np.float32)


def _flooded(mask: NDArray[np.bool_], start: tuple[NDArray[np.intp], ...] | tuple[np.intp, ...]) -> NDArray[np.bool_]:
    """The connected patch of a mask around a pixel; the picture's left and right border touch."""
    patch = np.zeros_like(mask)
    patch[start] = True
    while True:
        grown = patch | np.roll(patch, 1, axis=1) | np.roll(patch, -1, axis=1)
        grown[1:] |= patch[:-1]
        grown[:-1] |= patch[1:]
        grown &= mask
        if np.array_equal(grown, patch):
            return patch
        patch = grown


def irradiance_table(radiance: Floats, tilts: int, turns: int) -> Array:
    """Irradiance of a map's upper half by normal: rows by z from -1 to 1, columns by azimuth, [tilts, turns, 3]."""
    small = shrunk(radiance, 64)
    rays, weight = directions(small.shape[1]), solid_angles(small.shape[1])
    upper = rays[..., 2] > 0
    light = (small * weight[..., None])[upper]
    z, azimuth = np.meshgrid(np.linspace(-1, 1, tilts), np.arange(turns) / turns * 2 * np.pi, indexing="ij")
    ring = np.sqrt(1 - z * z)
    normals = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=-1)
    return np.asarray(np.maximum(normals @ rays[upper].T, 0) @ light)


def mirrored_levels(radiance: Floats) -> tuple[Floats, ...]:
    """What surfaces of each of ``ROUGHNESS`` mirror of a map: its mean over their lobe of GGX, seen head-on; read-only.

    Split-sum approximation with n = v = r (Karis 2013): the weight of a direction is D(n h) (n l). Those of the last
    maps are remembered, for many clips are made in one room.
    """
    return _mirrored(radiance.astype(np.float32, copy=False).tobytes(), radiance.shape[1])


@lru_cache(maxsize=REMEMBERED)
def _mirrored(content: bytes, wide: int) -> tuple[Floats, ...]:
    radiance = np.frombuffer(content, np.float32).reshape(-1, wide, 3)
    levels = [shrunk(radiance, width) for width in WIDTHS[:FIRST_LOBE]]
    for roughness, width in zip(ROUGHNESS[FIRST_LOBE:], WIDTHS[FIRST_LOBE:], strict=True):
        toward, source = directions(width).reshape(-1, 3), shrunk(radiance, FINE_PX if roughness < 0.3 else COARSE_PX)
        mean = np.concatenate([_lobe_means(part, roughness, source) for part in np.array_split(toward, 8)])
        levels.append(mean.reshape(width // 2, width, 3).astype(np.float32))
    for level in levels:
        level.setflags(write=False)
    return tuple(levels)


def _lobe_means(toward: Array, roughness: float, source: Floats) -> Array:
    """Means of a map over the lobes around some directions, [N, 3]."""
    rays, width = directions(source.shape[1]).reshape(-1, 3), source.shape[1]
    weight = np.repeat(solid_angles(width).ravel(), width).astype(np.float32)
    cosine = np.clip(toward.astype(np.float32) @ rays.T.astype(np.float32), -1, 1)
    a2 = np.float32(roughness**4)
    lobe = (
        np.maximum(cosine, 0) / ((1 + cosine) / 2 * (a2 - 1) + 1) ** 2 * weight
    )  # the square of the half angle's cosine
    return np.asarray(lobe @ source.reshape(-1, 3) / lobe.sum(axis=1, keepdims=True), np.float64)
