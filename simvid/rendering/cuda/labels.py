"""Median depth and dominant ids from gsplat's tile lists: one Warp kernel, one thread for each pixel.

It blends once more by gsplat's rules (see ``raster``), without channels. On the processor it runs as well, slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch  # noqa: TID253  part of the cuda rasterizer, which is loaded only when it is asked for
import warp as wp  # noqa: TID253  as above

from simvid.rendering.raster import ALPHA_MAX, ALPHA_MIN, STOP_TRANSMITTANCE

MOST_OWNERS = 16
"""Parts whose weights are summed at one pixel; of more the fainter ones give way."""
FAINTEST = wp.constant(wp.float32(ALPHA_MIN))
STRONGEST = wp.constant(wp.float32(ALPHA_MAX))
STOP = wp.constant(wp.float32(STOP_TRANSMITTANCE))
PLACES = wp.constant(MOST_OWNERS)
Owners = wp.types.vector(length=MOST_OWNERS, dtype=wp.int32)
Weights = wp.types.vector(length=MOST_OWNERS, dtype=wp.float32)


@dataclass(frozen=True, eq=False)
class Lists:
    """Splats in the order of tiles and depth, as gsplat's ``meta`` holds them; torch tensors on one device.

    Attributes:
        starts: of each tile's splats in ``order``, int32 [tiles].
        order: index of the Gaussian of each entry, int32 [M].
        means: [px], float32 [N, 2].
        conics: xx, xy, yy of the inverse covariance, float32 [N, 3].
        opacities: float32 [N].
        depths: z [m], float32 [N].
        columns: tiles across.
        tile: its side [px].
    """

    starts: Any
    order: Any
    means: Any
    conics: Any
    opacities: Any
    depths: Any
    columns: int
    tile: int


def walk(lists: Lists, owners: Any, width: int, height: int) -> tuple[Any, Any]:
    """Median depth [m] (+inf where the transmittance stays above 0.5) and the owner with the largest summed weight.

    Args:
        lists: what covers which tile.
        owners: id of each Gaussian's part, int32 tensor [N].
        width: of the picture [px].
        height: of the picture [px].

    Returns:
        Tensors float32 and int32 [H, W].
    """
    depth = torch.full((height, width), torch.inf, device=owners.device)
    ids = torch.zeros((height, width), dtype=torch.int32, device=owners.device)
    wp.config.quiet = True
    wp.init()
    device = wp.device_from_torch(owners.device)
    inputs = [
        *(wp.from_torch(t.to(torch.int32)) for t in (lists.starts, lists.order)),
        wp.from_torch(lists.means, dtype=wp.vec2),
        wp.from_torch(lists.conics, dtype=wp.vec3),
        *(wp.from_torch(t) for t in (lists.opacities, lists.depths, owners)),
        lists.columns,
        lists.tile,
    ]
    stream = wp.stream_from_torch(owners.device) if owners.is_cuda else None  # after gsplat's work, in one queue
    outputs = [wp.from_torch(depth), wp.from_torch(ids)]
    wp.launch(_walk, (height, width), inputs, outputs, device=device, stream=stream)
    return depth, ids


@wp.kernel(enable_backward=False)
def _walk(  # noqa: PLR0913, PLR0917  kernels take arrays
    starts: wp.array(dtype=wp.int32),
    order: wp.array(dtype=wp.int32),
    means: wp.array(dtype=wp.vec2),
    conics: wp.array(dtype=wp.vec3),
    opacities: wp.array(dtype=wp.float32),
    depths: wp.array(dtype=wp.float32),
    owners: wp.array(dtype=wp.int32),
    columns: wp.int32,
    tile: wp.int32,
    median: wp.array2d(dtype=wp.float32),
    ids: wp.array2d(dtype=wp.int32),
) -> None:
    row, column = wp.tid()
    place = (row // tile) * columns + column // tile
    last = order.shape[0]
    if place + 1 < starts.shape[0]:
        last = starts[place + 1]
    x, y = wp.float32(column) + 0.5, wp.float32(row) + 0.5
    left = wp.float32(1.0)
    seen, weights, count = Owners(), Weights(), wp.int32(0)
    for k in range(starts[place], last):
        i = order[k]
        dx, dy, conic = x - means[i][0], y - means[i][1], conics[i]
        power = 0.5 * (conic[0] * dx * dx + conic[2] * dy * dy) + conic[1] * dx * dy
        alpha = wp.min(STRONGEST, opacities[i] * wp.exp(-power))
        if power < 0.0 or alpha < FAINTEST:
            continue
        after = left * (1.0 - alpha)
        if after <= STOP:
            break
        if left >= 0.5 and after < 0.5:
            median[row, column] = depths[i]
        found, faintest = wp.int32(-1), wp.int32(0)
        for j in range(PLACES):
            if j < count and seen[j] == owners[i]:
                found = j
            if j < count and weights[j] < weights[faintest]:
                faintest = j
        if found < 0 and count < PLACES:
            found = count
            count += 1
            seen[found] = owners[i]
        if found < 0 and alpha * left > weights[faintest]:
            found = faintest
            seen[found] = owners[i]
            weights[found] = 0.0
        if found >= 0:
            weights[found] = weights[found] + alpha * left
        left = after
    best = wp.float32(0.0)
    for j in range(PLACES):
        if j < count and weights[j] > best:
            best = weights[j]
            ids[row, column] = seen[j]
