"""Surface-anchored noise: Gaussian noise that sticks to surfaces, from a counter and nothing else.

The value at a pixel is the normal quantile of a hash of (seed, part id, the cell of the part's own space that the
pixel's surface point lies in, its level, channel). Cells are cubes of 2^level metres, with the level chosen so that a
cell is at most as wide as what the pixel shows of it: neighbouring pixels then read different cells and the picture of
noise is white. Nothing is carried from frame to frame: the noise cannot drift, needs no flow, knows nothing of
occlusion, and is the same whenever a surface is seen again from as far. Flow-warped noise (Chang et al. 2024, "How I
Warped Your Noise"; Burgert et al. 2025, "Go-with-the-Flow") carries it along instead.

The hash is Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). The pixels of the sky
take the direction of their ray for a surface.

This file is plain numpy; ``simvid.refining.noise_fast`` gives the same numbers faster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath
from simvid.lens import picture_rays, pixel_size_m, unproject_picture
from simvid.motion import When, motion_of, to_camera, to_world
from simvid.shutter import pixel_times
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]
SKY = 0xFFFF
"""Takes the place of a part id where a ray meets nothing."""
_FAR = 2.0**30
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_ROUNDS = 10
_LEVEL_ZERO = 128
"""Added to levels, so that they are positive."""


@dataclass(frozen=True, eq=False)
class Anchors:
    """Which cell each pixel of a picture reads.

    Attributes:
        cells: whole coordinates of the cell in its part, int32 [H, W, 3].
        owners: part id, ``SKY`` for none, int32 [H, W].
        levels: log2 of the cell's width [m] (of directions: without unit), int32 [H, W].
    """

    cells: NDArray[np.int32]
    owners: NDArray[np.int32]
    levels: NDArray[np.int32]


def anchors(
    camera: CameraPath, trajectory: Trajectory, frame: int, depth: NDArray[np.float32], ids: NDArray[np.int32]
) -> Anchors:
    """The cells that a frame's pixels read, each at the time when its line is read.

    Args:
        camera: the whole path: a rolling shutter sees it between frames.
        trajectory: with the poses of the parts, in the same frames.
        frame: which of them.
        depth: z [m], +inf without a surface, [H, W]. It may go beyond the camera's picture to the right and below, by
            lines that count as read with the last one.
        ids: part of each pixel, [H, W].
    """
    height, width = depth.shape
    beyond = ((0, height - camera.height), (0, width - camera.width))
    when: When = frame if camera.shutter is None else np.pad(pixel_times(camera, frame), beyond, mode="edge")
    wide = replace(camera, width=width, height=height)
    world = to_world(wide, when, unproject_picture(wide, depth))
    size = pixel_size_m(wide, to_camera(wide, when, world))
    local = motion_of(trajectory).rest(world, ids, when)
    bare = np.isnan(world[..., 0])
    slopes = picture_rays(wide)[1]
    ray = _turned(wide, when, np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1))
    length = np.linalg.norm(ray, axis=-1)
    points = np.where(bare[..., None], ray / length[..., None], local)
    shown = np.where(bare, 1 / (float(max(camera.K[0, 0], camera.K[1, 1])) * length * length), size)
    return cells_of(points, np.where(bare, SKY, ids).astype(np.int32), shown)


def _turned(camera: CameraPath, when: When, rays: Array) -> Array:
    """Directions of a camera's frame [..., 3] along the axes of the world."""
    if isinstance(when, int):
        return np.asarray(rays @ camera.world_from_camera[when, :3, :3].T)
    return np.asarray(np.einsum("...ab,...b->...a", camera.poses_at(when)[..., :3, :3], rays))


def cells_of(points: Array, owners: NDArray[np.int32], width: Array) -> Anchors:
    """Cells of points that are fixed to their owners.

    Args:
        points: in the owner's own space, [..., 3].
        owners: [...].
        width: of what the pixel shows there, in the same unit, [...].
    """
    levels = np.floor(np.log2(np.maximum(np.nan_to_num(width, nan=1.0), 1e-30))).astype(np.int32)
    scaled = np.nan_to_num(points) * np.exp2(-levels.astype(np.float64))[..., None]
    cells = np.floor(np.clip(scaled, -_FAR, _FAR)).astype(np.int32)
    return Anchors(cells, owners, levels)


def gaussian(where: Anchors, channels: int, seed: int) -> NDArray[np.float32]:
    """The noise of a picture, standard normal, float32 [channels, H, W]."""
    from scipy.special import ndtri

    blocks = [_philox(_counters(where, block), seed) for block in range(-(-channels // 4))]
    words = np.concatenate(blocks)[:channels]
    return np.asarray(ndtri((words.astype(np.float64) + 0.5) * 2.0**-32), np.float32)


def latents(
    where: Anchors,
    channels: int,
    seed: int,
    block: int,
    draw: Callable[..., NDArray[np.float32]] = gaussian,
) -> NDArray[np.float32]:
    """Noise for a model whose latent pixels are ``block`` pixels wide: sums over blocks, scaled to variance one.

    A sum of n values of which those of one cell are equal has the variance of the sum of squared counts, which is what
    the sum is divided by; it is block^2 where all cells differ.

    Returns:
        float32 [channels, H // block, W // block]; rows and columns beyond the last whole block are left out.
    """
    height, width = where.owners.shape[0] // block, where.owners.shape[1] // block
    noise = draw(where, channels, seed)[:, : height * block, : width * block]
    total = noise.reshape(channels, height, block, width, block).sum(axis=(2, 4), dtype=np.float64)
    keys = np.concatenate([where.cells, where.owners[..., None], where.levels[..., None]], axis=-1)
    keys = keys[: height * block, : width * block].reshape(height, block, width, block, 5)
    keys = keys.transpose(0, 2, 1, 3, 4).reshape(height * width, block * block, 5)
    ordered = np.ascontiguousarray(keys).view([("", np.int32)] * 5)[..., 0]
    ordered = np.sort(ordered, axis=1)
    fresh = np.ones(ordered.shape, np.bool_)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    runs = np.cumsum(fresh.reshape(-1)) - 1
    counts = np.bincount(runs)
    squares = np.bincount(
        np.flatnonzero(fresh.reshape(-1)) // (block * block),
        weights=counts.astype(np.float64) ** 2,
    )
    return np.asarray(total / np.sqrt(squares.reshape(height, width)), np.float32)


def _counters(where: Anchors, block: int) -> tuple[NDArray[np.uint64], ...]:
    """Four 32-bit words for each pixel: the cell, and owner, level and block of channels in one."""
    x, y, z = (where.cells[..., k].astype(np.uint32).astype(np.uint64) for k in range(3))
    owner, level = (
        where.owners.astype(np.uint64),
        (where.levels + _LEVEL_ZERO).astype(np.uint64),
    )
    return x, y, z, owner << np.uint64(16) | level << np.uint64(8) | np.uint64(block)


def _philox(counters: tuple[NDArray[np.uint64], ...], seed: int) -> NDArray[np.uint64]:
    """Four random 32-bit words for each counter, [4, ...], with the two halves of the seed as the key."""
    k0, k1 = np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32 & 0xFFFFFFFF)
    x, y, z, w = counters
    for _ in range(_ROUNDS):
        first, second = _M0 * x, _M1 * z
        x, y, z, w = (
            (second >> _HALF) ^ y ^ k0,
            second & _LOW,
            (first >> _HALF) ^ w ^ k1,
            first & _LOW,
        )
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return np.stack([x, y, z, w])
