"""Area-averaged texture lookup: a pyramid of halved images in linear light (Williams 1983, "Pyramidal parametrics")."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import srgb_bytes_to_linear16


def halved(image: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Means of 2x2 blocks; odd edges are repeated."""
    h, w = image.shape[:2]
    even = np.pad(image, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge").astype(np.uint32)
    total = even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint16)


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
    from simvid.assets.splat_kernels import bilinear

    deepest = int(np.ceil(np.log2(max(texture.shape[:2]))))
    level = np.clip(np.round(np.log2(np.maximum(texels, 1.0))), 0, deepest).astype(np.int64)
    table = srgb_bytes_to_linear16()
    image = np.empty(texture.shape, np.uint16)
    image[..., :3] = table[texture[..., :3]]
    image[..., 3] = texture[..., 3].astype(np.uint16) * 257
    places = np.ascontiguousarray(uvs, np.float32)
    colors = np.empty((len(uvs), 4), np.float32)
    for current in range(int(level.max(initial=0)) + 1):
        chosen = np.flatnonzero(level == current)
        if len(chosen):
            bilinear(image, places, chosen, colors)
        image = halved(image)
    return colors
