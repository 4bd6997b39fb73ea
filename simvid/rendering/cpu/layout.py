"""What the cpu rasterizer's kernels hand to each other: records, tiles and work space. All arrays are flat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LANES = 16
"""Lanes of a vector: see ``simd``."""

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

TILE = 16
"""Side of a tile [px]. A tile is sixteen blocks of 4 x 4 pixels, and a vector holds one block."""

BLOCKS = 16
"""Blocks of a tile; block b lies at column b % 4, row b // 4."""

CHUNK = 64
"""Splats of a tile that are blended at a time: few enough for the first-level cache and for the bits of a word."""

LOG2_SCALE = 8
"""Exponents are held divided by this: 2**x for x in [-8, 0] is then an eighth power of 2**(x / 8)."""

# One splat is one record of floats. With d = (x, y) - (MEAN_X, MEAN_Y) [px],
#     alpha = 2 ** (LOG2_SCALE * (PEAK - u*u - v*v)),    u = U_X*d.x + U_Y*d.y,    v = V_Y*d.y,
# which is opacity * exp(-d^T inverse(covariance) d / 2) by Cholesky: free of the cancellation that the textbook form
# suffers for long thin splats. SLOPE_Y = dx/dy where u = 0 and SLOPE_X = dy/dx where the derivative along y is 0.
U_X, U_Y, MEAN_X, V_Y, MEAN_Y, PEAK, DEPTH, OWNER, SLOPE_Y, SLOPE_X = range(10)
CHANNELS = 10
"""Position of the first channel in a record."""

MAX_ENTRIES = 1 << 29
"""Most splat-tile pairs of a picture: two gigabytes of list."""

MAX_CHANNELS = 22
"""Channels blended in one pass; more take more passes."""

# A chunk is held field by field, PITCH floats each. Behind its splats comes one that covers nothing: where a list of
# splats, which is the bits of a word, has ended, the lowest set bit is number 64 = CHUNK.
PITCH = CHUNK + LANES
CHUNK_U_X, CHUNK_U_Y, CHUNK_U_0, CHUNK_V_Y, CHUNK_V_0, CHUNK_PEAK, CHUNK_DEPTH, CHUNK_SLOT = (
    k * PITCH for k in range(8)
)
CHUNK_CHANNELS = 8 * PITCH

# Of every splat, what its exponent needs of y is tabulated for the sixteen rows of the tile: first u at x = 0, then
# PEAK - v * v.
ROWS = 2 * TILE


def record_stride(channels: int) -> int:
    """Floats from one record to the next: whole cache lines."""
    return -(-(CHANNELS + channels) // 16) * 16


class Cloud(NamedTuple):
    """N Gaussians in the world, as the caller gave them; arrays that were not given are empty.

    means [3 N], quats [4 N], scales [3 N], opacities [N], sh [3 K N], features [D N], owners [N],
    rotations [9 (P + 1)]: row-major world_from_sh of each owner, or empty.
    """

    means: F32
    quats: F32
    scales: F32
    opacities: F32
    sh: F32
    features: F32
    owners: I32
    rotations: F32


class Camera(NamedTuple):
    """A pinhole camera in numbers, float64."""

    rotation: tuple[float, ...]  # camera_from_world [9], row-major
    translation: tuple[float, ...]  # [3]
    centre: tuple[float, ...]  # [3]
    focal: tuple[float, float]
    principal: tuple[float, float]
    limits: tuple[float, float, float, float]  # of x / z and y / z in the Jacobian: least x, most x, least y, most y
    near: float
    far: float
    blur: float
    width: int
    height: int


class Counts(NamedTuple):
    """Sizes that the projection needs: sh coefficients (0, 1, 4, 9, 16), features, record stride, tile columns."""

    coefficients: int
    features: int
    stride: int
    columns: int


class Stage(NamedTuple):
    """Where one thread passes sixteen Gaussians from vectors to scalars: basis [16 * 16], ints [3 * 16]."""

    basis: F32
    ints: I32


class Projected(NamedTuple):
    """Splats on the picture, one per visible Gaussian, in the Gaussians' order with gaps.

    records [stride N] and the same memory as integers; keys [N]: depth as sortable bits; rects [N]: first and last
    tile touched, packed x0 | y0 << 16 | x1 << 32 | y1 << 48.
    """

    records: F32
    record_ints: I32
    keys: I32
    rects: I64


class Splats(NamedTuple):
    """Records to blend, and which of them each tile blends, front to back: order[starts[tile] : starts[tile + 1]].

    ``record_ints`` is the memory of ``records`` read as integers.
    """

    records: F32
    record_ints: I32
    stride: int
    starts: I64
    order: I32


class Grid(NamedTuple):
    """The picture's tiles."""

    width: int
    height: int
    columns: int
    rows: int


class Picture(NamedTuple):
    """The result: features [H W channels], the others [H W] or empty."""

    channels: int
    features: F32
    alpha: F32
    expected: F32
    median: F32
    ids: I32


class Workspace(NamedTuple):
    """What one thread needs while it blends.

    chunk [(8 + D) PITCH] and the same memory as integers; rows [(CHUNK + 1) ROWS]; bits [BLOCKS CHUNK / 16] and the
    same memory as words [BLOCKS]: the splats that touch each block; constants: of the inner loop; planes
    [BLOCKS (4 + D) LANES]: light, alpha, depth, median and channels of the tile; ids [LANES]. For the owners seen in
    the tile: sums [owners BLOCKS LANES] of weight, owner_of [owners]; and for all owners: slot_of, their number in
    the tile, and seen, the last tile they were seen in.
    """

    chunk: F32
    chunk_ints: I32
    rows: F32
    bits: NDArray[np.int16]
    words: I64
    constants: F32
    planes: F32
    ids: I32
    sums: F32
    owner_of: I32
    slot_of: I64
    seen: I64
