"""Blending backwards: from gradients of the picture to gradients of its splats, tile by tile.

With the weight w_i = a_i T_i of splat i at a pixel (a alpha, T transmittance in front of it) and G_i = dL/dw_i, the
derivative by its alpha is dL/da_i = T_i G_i - (sum of w_k G_k over all k behind i) / (1 - a_i); see Kerbl et al. 2023,
section 6. The sum over all splats is known from the picture, since G_i is linear in what is blended. So the splats are
gone through front to back, as when blending and with the same alphas, and the sum of those behind is what is left.

Splat after splat is laid on the blocks that it touches, with its sums in registers and the pixels in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.rendering.cpu.backward_layout import LINE, BackwardWorkspace, Given, Lines
from simvid.rendering.cpu.blend import CONSTANTS
from simvid.rendering.cpu.gather import gather
from simvid.rendering.cpu.layout import (
    BLOCKS,
    CHUNK,
    CHUNK_CHANNELS,
    CHUNK_DEPTH,
    CHUNK_U_X,
    CHUNK_V_0,
    CHUNK_V_Y,
    F32,
    I64,
    LANES,
    PITCH,
    ROWS,
    TILE,
    Grid,
    Projected,
    Splats,
    Workspace,
)
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.simd import Lanes, bits, fma, lowest_bit, minimum, select, splat
from simvid.rendering.kernels.simd_memory import at, load, load_repeated, load_splat, prefetch, put, store
from simvid.rendering.kernels.simd_sums import add_products, add_weighted, lane_sums, load_block, zeros
from simvid.rendering.raster import ALPHA_MIN

f32 = np.float32
i32 = np.int32

# Pixel centres of the blocks in each column and in each row of a tile; lanes as in ``cpu_blend``.
_X = (np.arange(4)[:, None] * 4 + np.arange(LANES) // 4 + 0.5).astype(np.float32).ravel()
_Y = (np.arange(4)[:, None] * 4 + np.arange(LANES) % 4 + 0.5).astype(np.float32).ravel()

_LIGHT, _REST, _BY_ALPHA, _BY_DEPTH, _EXPECTED, _BY_CHANNELS = (k * LANES for k in range(6))  # a block's planes
_REFRESH = 16  # splats after which blocks that let no light through are looked for


@inlined
def _plane(block: int, channels: Any) -> Any:
    """Where a block's planes start."""
    return block * LANES * (5 + len(channels))


@inlined
def _open_whole(
    p: int, pixel: int, width: int, first: int, channels: Any, depth: Any, given: Given, planes: F32
) -> None:
    """Fetch the planes of a block that lies inside the picture."""
    alpha, by_alpha, rest = load_block(given.alpha, pixel, width, 1), splat(f32(0)), splat(f32(0))
    if first == 0:
        by_alpha = load_block(given.by_alpha, pixel, width, 1)
        rest = by_alpha * alpha
    d = given.channels
    for k in range(len(channels)):
        start = pixel * d + first + k
        by_channel = load_block(given.by_features, start, width * d, d)
        rest = fma(by_channel, load_block(given.features, start, width * d, d), rest)
        store(planes, p + _BY_CHANNELS + k * LANES, by_channel)
    if depth is not None:
        drawn, zero = alpha >= splat(f32(ALPHA_MIN)), splat(f32(0))
        by_depth = load_block(given.by_expected, pixel, width, 1) / alpha
        store(planes, p + _BY_DEPTH, select(drawn, by_depth, zero))
        store(planes, p + _EXPECTED, select(drawn, load_block(given.expected, pixel, width, 1), zero))
    store(planes, p + _BY_ALPHA, by_alpha)
    store(planes, p + _REST, rest)
    store(planes, p + _LIGHT, splat(f32(1)))


@inlined
def _open_pixel(p: int, pixel: int, first: int, channels: Any, depth: Any, given: Given, planes: F32) -> None:
    """Fetch the planes of one pixel; ``p`` is its place in the block's first plane."""
    alpha, by_alpha, rest = at(given.alpha, pixel), f32(0), f32(0)
    if first == 0:
        by_alpha = at(given.by_alpha, pixel)
        rest = by_alpha * alpha
    for k in range(len(channels)):
        start = pixel * given.channels + first + k
        by_channel = at(given.by_features, start)
        rest += by_channel * at(given.features, start)
        put(planes, p + _BY_CHANNELS + k * LANES, by_channel)
    if depth is not None and alpha >= f32(ALPHA_MIN):
        put(planes, p + _BY_DEPTH, at(given.by_expected, pixel) / alpha)
        put(planes, p + _EXPECTED, at(given.expected, pixel))
    put(planes, p + _BY_ALPHA, by_alpha)
    put(planes, p + _REST, rest)
    put(planes, p + _LIGHT, f32(1))


@inlined
def _open_tile(
    left: int, top: int, grid: Grid, first: int, channels: Any, depth: Any, given: Given, planes: F32
) -> Any:
    """Fetch a tile; light is 1 inside the picture, 0 outside. Returns the blocks that are inside."""
    alive = 0
    for block in range(BLOCKS):
        column, row = left + (block & 3) * 4, top + (block >> 2) * 4
        if column >= grid.width or row >= grid.height:
            continue
        alive |= 1 << block
        p = _plane(block, channels)
        if column + 4 <= grid.width and row + 4 <= grid.height:
            _open_whole(p, row * grid.width + column, grid.width, first, channels, depth, given, planes)
            continue
        for k in range(5 + len(channels)):
            store(planes, p + k * LANES, splat(f32(0)))
        for lane in range(LANES):
            x, y = column + (lane >> 2), row + (lane & 3)
            if x < grid.width and y < grid.height:
                _open_pixel(p + lane, y * grid.width + x, first, channels, depth, given, planes)
    return alive


@inlined
def _still_alive(alive: int, channels: Any, planes: F32) -> Any:
    """Those of the blocks that still let light through somewhere."""
    rest = alive
    while rest != 0:
        block = lowest_bit(rest)
        rest &= rest - 1
        if bits(load(planes, _plane(block, channels) + _LIGHT) > splat(f32(0))) == 0:
            alive &= ~(1 << block)
    return alive


@inlined
def _turn_lists(work: Workspace, touched: Any) -> None:
    """From the splats that touch each block to the blocks that each splat touches."""
    for j in range(CHUNK):
        put(touched, j, i32(0))
    for block in range(BLOCKS):
        rest = at(work.words, block)
        while rest != 0:
            j = lowest_bit(rest)
            rest &= rest - 1
            put(touched, j, i32(at(touched, j) | (1 << block)))


@inlined
def _alpha(power: Lanes) -> Any:
    """Alpha of a scaled exponent, zero below ALPHA_MIN, and where it is not held down: as in ``cpu_blend``."""
    c = CONSTANTS
    a = fma(power, load(c, 4 * LANES), load(c, 3 * LANES))
    a = fma(power, a, load(c, 2 * LANES))
    a = fma(power, a, load(c, LANES))
    a = fma(power, a, load(c, 0))
    a = a * a
    a = a * a
    a = a * a
    most = load(c, 5 * LANES)
    a = select(power >= load(c, 6 * LANES), minimum(a, most), splat(f32(0)))
    return a, a < most


@inlined
def _splat_on_block(
    j: int, block: int, fields: Any, sums: Any, by_channels: Any, depth: Any, work: Workspace, planes: F32
) -> Any:
    """Take one splat's part in a block: its gradients are added to the sums."""
    u_x, v_y, v_0, z = fields
    s0, su, sv, suu, suv, svv, sz = sums
    p, start = _plane(block, by_channels), ROWS * j + (block & 12)
    u = fma(u_x, load(_X, (block & 3) * LANES), load_repeated(work.rows, start))
    v = fma(v_y, load(_Y, (block >> 2) * LANES), v_0)
    alpha, free = _alpha(fma(-u, u, load_repeated(work.rows, start + TILE)))
    light, zero = load(planes, p + _LIGHT), splat(f32(0))
    left = fma(-alpha, light, light)
    open_ = left > load(CONSTANTS, 7 * LANES)
    weight = select(open_, alpha * light, zero)
    by_weight = load(planes, p + _BY_ALPHA)
    by_weight = add_products(by_weight, planes, p + _BY_CHANNELS, work.chunk, j + CHUNK_CHANNELS, PITCH, by_channels)
    if depth is not None:
        by_depth = load(planes, p + _BY_DEPTH)
        by_weight = fma(by_depth, z - load(planes, p + _EXPECTED), by_weight)
        sz = fma(weight, by_depth, sz)
    rest = fma(-weight, by_weight, load(planes, p + _REST))
    store(planes, p + _REST, rest)
    store(planes, p + _LIGHT, select(open_, left, zero))
    by_alpha = fma(light, by_weight, -(rest / (splat(f32(1)) - alpha)))
    s = select(open_ & free, alpha * by_alpha, zero)
    by_u, by_v = s * u, s * v
    sums = s0 + s, su + by_u, sv + by_v, fma(by_u, u, suu), fma(by_u, v, suv), fma(by_v, v, svv), sz
    return sums, add_weighted(by_channels, weight, planes, p + _BY_CHANNELS)


@inlined
def _splat_line(j: int, blocks: int, channels: Any, depth: Any, work: Workspace, planes: F32) -> Lanes:
    """One splat's gradients over the given blocks."""
    chunk = work.chunk
    fields = (
        load_splat(chunk, j + CHUNK_U_X), load_splat(chunk, j + CHUNK_V_Y), load_splat(chunk, j + CHUNK_V_0),
        load_splat(chunk, j + CHUNK_DEPTH),
    )  # fmt: skip
    sums, by_channels = zeros((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)), zeros(channels)
    while blocks != 0:
        block = lowest_bit(blocks)
        blocks &= blocks - 1
        sums, by_channels = _splat_on_block(j, block, fields, sums, by_channels, depth, work, planes)
    return lane_sums(sums, by_channels)


@inlined
def _line(x: int, y: int, record: int, lines: Lines) -> Any:
    """Where a splat's line in a tile starts."""
    spot = at(lines.spots, record)
    return ((spot >> 16) + (spot & 0xFFFF) * y + x) * LINE


@inlined
def _find_lines(corner: Any, start: int, n: int, splats: Splats, lines: Lines, places: I64) -> None:
    """Find where the lines of a chunk's splats start, and bring them near: they lie all over."""
    for j in range(n):
        place = _line(corner[0], corner[1], np.int64(at(splats.order, start + j)), lines)
        put(places, j, place)
        prefetch(lines.lines, place)


@kernel
def blend_backward(
    tiles: tuple[int, int], grid: Grid, splats: Splats, wanted: Any, given: Given, lines: Lines, work: Workspace,
    mine: BackwardWorkspace,
) -> None:  # fmt: skip
    """Find the gradients of all splats in the tiles tiles[0] to tiles[1] - 1 and write their lines.

    ``wanted`` is (first, channels, depth): a tuple of as many floats as channels are taken, from channel ``first`` on,
    the gradient by alpha counting if that is 0; and None or 0.0, whether the gradient by the expected depth counts.
    The types of both choose a variant of the code.
    """
    first, channels, depth = wanted
    planes = mine.planes
    for tile in range(tiles[0], tiles[1]):
        column, row = tile % grid.columns, tile // grid.columns
        left, top = column * TILE, row * TILE
        origin = f32(left), f32(top)
        alive = _open_tile(left, top, grid, first, channels, depth, given, planes)
        start, end = at(splats.starts, tile), at(splats.starts, tile + 1)
        while start < end and alive != 0:
            n = min(end - start, CHUNK)
            gather(start, n, origin, splats, first, channels, work)
            _find_lines((column, row), start, n, splats, lines, mine.places)
            _turn_lists(work, mine.touched)
            for j in range(n):
                if j % _REFRESH == 0:
                    alive = _still_alive(alive, channels, planes)
                line = _splat_line(j, at(mine.touched, j) & alive, channels, depth, work, planes)
                store(lines.lines, at(mine.places, j), line)
            start += n
        while start < end:
            store(lines.lines, _line(column, row, np.int64(at(splats.order, start)), lines), splat(f32(0)))
            start += 1


@inlined
def _rows_of(rect: int, first_row: int, last_row: int) -> Any:
    """First and last row of a splat's tiles within a band of rows; last < first if there are none."""
    return max((rect >> 16) & 0xFFFF, first_row), min((rect >> 48) & 0xFFFF, last_row - 1)


@kernel
def place_lines(projected: Projected, segments: I64, first_row: int, last_row: int, spots: I64) -> Any:
    """Number the lines of all splats in the rows first_row to last_row - 1 of tiles; returns how many there are.

    ``segments`` [2 S] holds first and next record of each run of records.
    """
    n = np.int64(0)
    for s in range(len(segments) // 2):
        for record in range(at(segments, 2 * s), at(segments, 2 * s + 1)):
            rect = at(projected.rects, record)
            x0, pitch = rect & 0xFFFF, ((rect >> 32) & 0xFFFF) - (rect & 0xFFFF) + 1
            y0, y1 = _rows_of(rect, first_row, last_row)
            put(spots, record, ((n - y0 * pitch - x0) << 16) | pitch)
            n += pitch * max(y1 - y0 + 1, 0)
    return n


@kernel
def add_lines(
    span: tuple[int, int], projected: Projected, first_row: int, last_row: int, lines: Lines, fresh: bool, stride: int,
    totals: F32,
) -> None:  # fmt: skip
    """Add up each splat's lines in a band of rows, for the records span[0] to span[1] - 1.

    Record r's total lies at totals[r stride]; it is overwritten if ``fresh``, else added to.
    """
    for record in range(span[0], span[1]):
        rect = at(projected.rects, record)
        y0, y1 = _rows_of(rect, first_row, last_row)
        pitch = ((rect >> 32) & 0xFFFF) - (rect & 0xFFFF) + 1
        total = splat(f32(0)) if fresh else load(totals, record * stride)
        start = _line(rect & 0xFFFF, y0, record, lines)
        for k in range(pitch * max(y1 - y0 + 1, 0)):
            total = total + load(lines.lines, start + k * LINE)
        store(totals, record * stride, total)
