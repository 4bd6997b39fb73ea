"""Pictures through probe and comparison, as numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.checking.probe.net import Reading, detail, evidence, outline_of, padded, torch

Map: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """One picture [H, W, 3] as the probe sees it.

    Attributes:
        log_depth: logarithm of z, up to a summand, [H, W].
        outline: chance that another part begins beside the pixel, 0 to 1, [H, W].
        detail: grey less its local mean [half of full scale], [H, W].
        picture, reading: the same as tensors, padded.
    """

    log_depth: Map
    outline: Map
    detail: Map
    picture: Any
    reading: Reading


def see(probe: Any, rgb: NDArray[np.uint8]) -> Seen:
    """Read one picture, sRGB uint8 [H, W, 3]."""
    height, width = rgb.shape[:2]
    with torch.no_grad():
        picture = padded(torch.tensor(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1)
        picture = picture.contiguous(memory_format=torch.channels_last)
        reading = probe(picture)
        depth, outline = reading.outputs[0, 0], reading.outputs[0, 4].sigmoid()
        maps = [m[:height, :width].contiguous().numpy() for m in (depth, outline, detail(picture)[0, 0])]
        return Seen(maps[0], maps[1], maps[2], picture, reading)


def compared(compare: Any, new: Seen, old: Seen, ids: NDArray[np.int32]) -> tuple[Map, Map]:
    """Where a refined picture does not show what the coarse one and the labels do.

    Args:
        compare: the net.
        new, old: the refined and the coarse picture.
        ids: of the labels, [H, W].

    Returns:
        Logits that something is wrong, of blocks of 2 x 2 pixels, [ceil(H / 2), ceil(W / 2)]; and the maps of
        ``evidence``, [H, W, 6].
    """
    height, width = ids.shape
    with torch.no_grad():
        found = evidence((new.picture, old.picture), (new.reading, old.reading))
        edge = padded(outline_of(torch.tensor(ids)[None])[None])[0]
        logits = compare(found, (new.reading, old.reading), edge)[0, : -(-height // 2), : -(-width // 2)]
        maps = found[0, :, :height, :width].permute(1, 2, 0)
        return logits.contiguous().numpy(), maps.contiguous().numpy()
