"""Area-averaged texture lookup: a pyramid of halved images in linear light (Williams 1983, "Pyramidal parametrics")."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import srgb_bytes_to_linear16


def _halved(image: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Means of 2x2 blocks; odd edges are repeated."""
    h, w = image.shape[:2]
    even = np.pad(image, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge").astype(np.uint32)
    total = even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint16)


def _bilinear(image: NDArray[np.uint16], uvs: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Repeating bilinear lookup in one level; uv origin at the bottom left; values in [0, 1], float32 [N, 4]."""
    h, w = image.shape[:2]
    x = (uvs[:, 0] - np.floor(uvs[:, 0])) * w - 0.5
    y = (1.0 - (uvs[:, 1] - np.floor(uvs[:, 1]))) * h - 0.5
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - x0).astype(np.float32)[:, None], (y - y0).astype(np.float32)[:, None]
    flat = image.reshape(-1, 4)
    left, right, top, bottom = x0 % w, (x0 + 1) % w, (y0 % h) * w, ((y0 + 1) % h) * w
    upper = flat[top + left] * (1.0 - fx) + flat[top + right] * fx
    lower = flat[bottom + left] * (1.0 - fx) + flat[bottom + right] * fx
    return np.asarray((upper * (1.0 - fy) + lower * fy) * np.float32(1 / 65535), np.float32)


def lookup(
    texture: NDArray[np.uint8], uvs: NDArray[np.floating[Any]], texels: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Colours of a texture averaged over footprints.

    Args:
        texture: sRGB image, uint8 [h, w, 4]; it repeats.
        uvs: texture coordinates, origin at the bottom left, [N, 2].
        texels: edge of each footprint in texels of the full image, [N].

    Returns:
        Linear light and alpha in [0, 1], float32 [N, 4].
    """
    deepest = int(np.ceil(np.log2(max(texture.shape[:2]))))
    level = np.clip(np.round(np.log2(np.maximum(texels, 1.0))), 0, deepest).astype(np.int64)
    table = srgb_bytes_to_linear16()
    image = np.empty(texture.shape, np.uint16)
    image[..., :3] = table[texture[..., :3]]
    image[..., 3] = texture[..., 3].astype(np.uint16) * 257
    colors = np.empty((len(uvs), 4), np.float32)
    for current in range(int(level.max(initial=0)) + 1):
        chosen = np.flatnonzero(level == current)
        if len(chosen):
            colors[chosen] = _bilinear(image, uvs[chosen])
        image = _halved(image)
    return colors
