"""All textures of a scene in one array, with halved copies, for lookups in a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import srgb_bytes_to_linear16
from simvid.assets.mipmaps import halved


class Atlas(NamedTuple):
    """Textures in linear light with halved copies of themselves (Williams 1983, "Pyramidal parametrics").

    Attributes:
        texels: all levels of all textures one after the other, 65535 is 1, uint16 [P, 3].
        levels: first texel, height and width of each level, int64 [L, 3].
        first: first level of each texture, and the end of the last, int64 [textures + 1].
    """

    texels: NDArray[np.uint16]
    levels: NDArray[np.int64]
    first: NDArray[np.int64]


def atlas(images: Sequence[NDArray[np.uint8]]) -> Atlas:
    """Of sRGB images, uint8 [h, w, 3 or 4], row 0 on top, of any size."""
    table = srgb_bytes_to_linear16()
    rows, levels, first, place = [np.zeros((0, 3), np.uint16)], [], [0], 0
    for image in images:
        level = table[image[..., :3]]
        while True:
            h, w = level.shape[:2]
            levels.append((place, h, w))
            rows.append(level.reshape(-1, 3))
            place += h * w
            if h == 1 and w == 1:
                break
            level = halved(level)
        first.append(len(levels))
    return Atlas(np.concatenate(rows), np.array(levels, np.int64).reshape(-1, 3), np.array(first, np.int64))
