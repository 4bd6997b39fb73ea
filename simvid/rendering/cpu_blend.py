"""Blending of the splats of each tile, front to back: where the cpu rasterizer spends its time.

A tile is worked on in chunks of splats. Gathering brings a chunk's records together, in the tile's coordinates, and
finds which of the sixteen 4 x 4 blocks each ellipse touches. Turning these masks over gives each block its own list
of splats, as bits. Then block after block is blended with all its sums in registers: a vector is a block, a lane a
pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.rendering.cpu_layout import (
    BLOCKS,
    CHANNELS,
    CHUNK,
    DEPTH,
    LOG2_SCALE,
    MEAN_X,
    MEAN_Y,
    OWNER,
    PEAK,
    SLOPE_X,
    SLOPE_Y,
    TILE,
    U_X,
    U_Y,
    V_Y,
    F32,
    Bins,
    Grid,
    Picture,
    Splats,
    Workspace,
)
from simvid.rendering.jit import inlined, kernel
from simvid.rendering.raster import ALPHA_MAX, ALPHA_MIN, STOP_TRANSMITTANCE
from simvid.rendering.simd import LANES, Lanes, bits, fma, lowest_bit, maximum, minimum, select, splat
from simvid.rendering.simd_memory import (
    store_bits, store_columns, load_rows, load_repeated, prefetch_rows, transposed,
    add_scaled,
    at,
    load,
    load_many,
    load_splat,
    prefetch,
    put,
    store,
    store_block,
    store_many,
)

f32 = np.float32
i32 = np.int32

_LEAST = float(np.log2(ALPHA_MIN) / LOG2_SCALE)

# A chunk is held field by field. Behind its 64 splats comes one that covers nothing: bit 64 of a word, so to say.
PITCH = CHUNK + LANES
(_U_X, _U_Y, _U_0, _V_Y, _V_0, _PEAK, _DEPTH, _SLOT, _CHANNELS) = (k * PITCH for k in range(9))

# Lane k is the pixel in row k % 4, column k // 4 of a block.
_LANE_X = (np.arange(LANES) // 4 + 0.5).astype(np.float32)
_LANE_Y = (np.arange(LANES) % 4 + 0.5).astype(np.float32)
_ROW_Y = (np.arange(TILE) + 0.5).astype(np.float32)
_COUNT = np.arange(LANES).astype(np.int32)

CONSTANTS = np.repeat(
    np.array(
        # 2**x on [-1, 0], relative error at most 2.6e-6 (Remez)
        [0.99999740663, 0.69303020087, 0.23934107311, 0.05307406614, 0.00676708396, ALPHA_MAX, _LEAST, STOP_TRANSMITTANCE],
        np.float32,
    ),
    LANES,
)
"""Constants of the inner loop, one vector each. They come as an argument lest the compiler fetch them anew each time."""
_EIGHT = (0.0,) * 8


def set_nothing(local: F32, rows: F32) -> None:
    """Make a chunk's spare splat cover nothing: no opacity, no colour, infinitely far for the median."""
    fields = local.reshape(-1, PITCH)
    fields[:, CHUNK:] = 0
    fields[_DEPTH // PITCH, CHUNK:] = 1e30
    rows[2 * CHUNK * TILE :] = -1e30


@inlined
def _put_blocks(fields: Any, x: Lanes, y: Lanes, valid: Lanes, group: int, work: Workspace) -> None:
    """List sixteen splats with the blocks that their ellipses touch.

    A block is touched if the least squared distance over the rectangle of its pixel centres is within reach. The least
    value of a convex quadratic over a rectangle lies on the side nearest in x or the side nearest in y.
    """
    u_x, u_y, v_y = fields[U_X], fields[U_Y], fields[V_Y]
    zero, three = splat(f32(0)), splat(f32(3))
    reach = select(valid, fields[PEAK] - splat(f32(_LEAST)), splat(f32(-1)))
    for row in range(4):
        top = splat(f32(4 * row + 0.5)) - y
        bottom = top + three
        near_y = minimum(maximum(top, zero), bottom)
        on_axis_x = fields[SLOPE_Y] * near_y
        u_of_y, v = u_y * near_y, v_y * near_y
        v_squared = v * v
        for column in range(4):
            left = splat(f32(4 * column + 0.5)) - x
            right = left + three
            near_x = minimum(maximum(left, zero), right)
            best_x = minimum(maximum(on_axis_x, left), right)
            best_y = minimum(maximum(fields[SLOPE_X] * near_x, top), bottom)
            u = fma(u_x, best_x, u_of_y)
            one_side = fma(u, u, v_squared)
            u, v = fma(u_y, best_y, u_x * near_x), v_y * best_y
            other_side = fma(u, u, v * v)
            touched = minimum(one_side, other_side) <= reach
            store_bits(work.bits, (4 * row + column) * (CHUNK // LANES) + group, touched)


@inlined
def _slot(owner: int, tile: int, slots: int, work: Workspace) -> int:
    """Number of an owner within the tile; a new one gets the next number and sums of zero."""
    if at(work.seen, owner) == tile:
        return at(work.slot_of, owner)
    put(work.seen, owner, tile)
    put(work.slot_of, owner, slots)
    put(work.owner_of, slots, i32(owner))
    zero = splat(f32(0))
    for block in range(BLOCKS):
        store(work.sums, (slots * BLOCKS + block) * LANES, zero)
    return slots


@inlined
def _gather_group(tile: int, entry: int, valid: Lanes, group: int, left: float, top: float, splats: Splats, bins: Bins,
                  first: int, channels: Any, work: Workspace) -> None:
    """Bring sixteen records into the chunk, in the tile's coordinates."""
    rows = load_rows(splats.records, bins.order, entry, splats.stride, 0)
    prefetch_rows(splats.records, bins.order, entry + LANES, splats.stride)
    fields = transposed(rows)
    local, j = work.local, group * LANES
    x, y = fields[MEAN_X] - splat(left), fields[MEAN_Y] - splat(top)
    store(local, j + _U_X, fields[U_X])
    store(local, j + _U_Y, fields[U_Y])
    store(local, j + _U_0, -fma(fields[U_X], x, fields[U_Y] * y))
    store(local, j + _V_Y, fields[V_Y])
    store(local, j + _V_0, -(fields[V_Y] * y))
    store(local, j + _PEAK, fields[PEAK])
    store(local, j + _DEPTH, fields[DEPTH])
    store(local, j + _SLOT, fields[OWNER])
    if first == 0:
        store_columns(local, j + _CHANNELS, PITCH, fields, CHANNELS, channels)
    else:
        more = transposed(load_rows(splats.records, bins.order, entry, splats.stride, first))
        store_columns(local, j + _CHANNELS, PITCH, more, CHANNELS, channels)
    if len(channels) > LANES - CHANNELS:
        more = transposed(load_rows(splats.records, bins.order, entry, splats.stride, first + LANES))
        store_columns(local, j + _CHANNELS + (LANES - CHANNELS) * PITCH, PITCH, more, 0, channels[6:])  # 6 = LANES - CHANNELS
    _put_blocks(fields, x, y, valid, group, work)


@inlined
def _put_rows(k: int, work: Workspace) -> None:
    """Work out what a splat's exponent needs of y, for all sixteen rows of the tile at once."""
    local = work.local
    y = load(_ROW_Y, 0)
    v = fma(load_splat(local, k + _V_Y), y, load_splat(local, k + _V_0))
    store(work.rows, 2 * TILE * k, fma(load_splat(local, k + _U_Y), y, load_splat(local, k + _U_0)))
    store(work.rows, 2 * TILE * k + TILE, fma(-v, v, load_splat(local, k + _PEAK)))


@inlined
def _gather(tile: int, start: int, n: int, left: float, top: float, splats: Splats, bins: Bins, first: int, slots: int,
            channels: Any, labels: Any, work: Workspace) -> int:
    """Bring the list's next n splats into the chunk; returns the number of owners seen in the tile so far."""
    nothing = splat(i32(0)) > splat(i32(0))
    for group in range((n + LANES - 1) // LANES):
        valid = load(_COUNT, 0) < splat(i32(n - LANES * group))
        _gather_group(tile, start + LANES * group, valid, group, left, top, splats, bins, first, channels, work)
    for group in range((n + LANES - 1) // LANES, CHUNK // LANES):
        for block in range(BLOCKS):
            store_bits(work.bits, block * (CHUNK // LANES) + group, nothing)
    for k in range(n):
        _put_rows(k, work)
    if labels is not None:
        for k in range(n):
            j = k + _SLOT
            slot = _slot(np.int64(at(work.local_ints, j)), tile, slots, work)
            slots = max(slots, slot + 1)
            put(work.local_ints, j, i32(slot * BLOCKS * LANES))
    return slots


@inlined
def _powers(work: Workspace, j: int, row: int, x: Lanes) -> Lanes:
    """An eighth of log2 of a splat's opacity at the pixels of a block."""
    at_row = 2 * TILE * j + row
    u = fma(load_splat(work.local, j + _U_X), x, load_repeated(work.rows, at_row))
    return fma(-u, u, load_repeated(work.rows, at_row + TILE))


@inlined
def _alphas(a: Lanes, b: Lanes, c: Lanes, d: Lanes, constants: Any) -> Any:
    """Opacities from powers; zero below ALPHA_MIN. 2 ** (8 power) is an eighth power of a polynomial.

    Four splats are weighed in step, by hand: the processor looks ahead too little to do it itself.
    """
    p0, p1, p2, p3, p4, most, least, _ = constants
    e, f, g, h = fma(a, p4, p3), fma(b, p4, p3), fma(c, p4, p3), fma(d, p4, p3)
    e, f, g, h = fma(a, e, p2), fma(b, f, p2), fma(c, g, p2), fma(d, h, p2)
    e, f, g, h = fma(a, e, p1), fma(b, f, p1), fma(c, g, p1), fma(d, h, p1)
    e, f, g, h = fma(a, e, p0), fma(b, f, p0), fma(c, g, p0), fma(d, h, p0)
    e, f, g, h = e * e, f * f, g * g, h * h
    e, f, g, h = e * e, f * f, g * g, h * h
    e, f, g, h = e * e, f * f, g * g, h * h
    zero = splat(f32(0))
    e, f = select(a >= least, minimum(e, most), zero), select(b >= least, minimum(f, most), zero)
    g, h = select(c >= least, minimum(g, most), zero), select(d >= least, minimum(h, most), zero)
    return e, f, g, h


@inlined
def _lay(opacity: Lanes, j: int, state: Any, colour: Any, stop: Lanes, offset: int, labels: Any, work: Workspace) -> Any:
    """Lay one splat behind what a block holds. Returns the new sums and the pixels that still let light through.

    Light falls on behind the splat that stops a pixel, but nothing is drawn with it: it is below the threshold.
    """
    light, alpha, depth, median = state
    left = fma(-opacity, light, light)
    open_ = left > stop
    weight = select(open_, opacity * light, splat(f32(0)))
    colour = add_scaled(colour, weight, work.local, j + _CHANNELS, PITCH)
    if labels is not None:
        z = load_splat(work.local, j + _DEPTH)
        depth = fma(weight, z, depth)
        median = select(left < splat(f32(0.5)), minimum(median, z), median)
        s = np.int64(at(work.local_ints, j + _SLOT)) + offset
        store(work.sums, s, load(work.sums, s) + weight)
    return (left, alpha + weight, depth, median), colour, open_


@inlined
def _blend_block(block: int, channels: Any, labels: Any, work: Workspace) -> bool:
    """Blend a chunk's splats into one block; says whether any pixel still lets light through.

    Two splats are weighed at a time: that keeps the processor busy while one waits for the other.
    """
    planes = work.planes
    constants = load_many(work.constants, 0, _EIGHT)
    stop, dark = constants[7], splat(f32(1e-24))  # processors are slow with floats below 1e-38
    x = load(_LANE_X, 0) + splat(f32((block & 3) * 4))
    p = block * LANES * (4 + len(channels))
    state = load(planes, p), load(planes, p + LANES), load(planes, p + 2 * LANES), load(planes, p + 3 * LANES)
    colour = load_many(planes, p + 4 * LANES, channels)
    alive = True
    rest = at(work.words, block)
    row, offset = block & 12, block * LANES
    while rest != 0:
        j = lowest_bit(rest)
        rest &= rest - 1
        k = lowest_bit(rest)
        rest &= rest - 1
        l = lowest_bit(rest)
        rest &= rest - 1
        m = lowest_bit(rest)
        rest &= rest - 1
        a, b, c, d = _alphas(_powers(work, j, row, x), _powers(work, k, row, x), _powers(work, l, row, x), _powers(work, m, row, x), constants)
        state, colour, _ = _lay(a, j, state, colour, stop, offset, labels, work)
        state, colour, _ = _lay(b, k, state, colour, stop, offset, labels, work)
        state, colour, _ = _lay(c, l, state, colour, stop, offset, labels, work)
        state, colour, open_ = _lay(d, m, state, colour, stop, offset, labels, work)
        state = maximum(state[0], dark), state[1], state[2], state[3]
        if bits(open_) == 0:
            alive = False
            break
    store_many(planes, p, state)
    store_many(planes, p + 4 * LANES, colour)
    return alive


@inlined
def _open_tile(left: int, top: int, grid: Grid, channels: Any, work: Workspace) -> int:
    """Reset all sums of a tile; light is 1 inside the picture, 0 outside. Returns the blocks that are inside."""
    zero = splat(f32(0))
    right, bottom = splat(f32(grid.width - left)), splat(f32(grid.height - top))
    planes = 4 + len(channels)
    alive = 0
    for block in range(BLOCKS):
        x = load(_LANE_X, 0) + splat(f32((block & 3) * 4))
        y = load(_LANE_Y, 0) + splat(f32((block >> 2) * 4))
        inside = (x < right) & (y < bottom)
        p = block * LANES * planes
        for k in range(1, planes):
            store(work.planes, p + k * LANES, zero)
        store(work.planes, p, select(inside, splat(f32(1)), zero))
        store(work.planes, p + 3 * LANES, splat(f32(np.inf)))
        alive |= (1 << block) if bits(inside) != 0 else 0
    return alive


@inlined
def _dominant(block: int, alpha: Lanes, slots: int, work: Workspace) -> Lanes:
    """Owner of the largest summed weight per pixel; 0 where alpha is below one half."""
    best, owner = splat(f32(0)), splat(i32(0))
    for slot in range(slots):
        weight = load(work.sums, (slot * BLOCKS + block) * LANES)
        owner = select(weight > best, load_splat(work.owner_of, slot), owner)
        best = maximum(weight, best)
    return select(alpha >= splat(f32(0.5)), owner, splat(i32(0)))


@inlined
def _close_block(left: int, top: int, block: int, grid: Grid, first: int, slots: int, channels: Any, labels: Any,
                 picture: Picture, work: Workspace) -> None:
    """Write a block's results to the picture."""
    column, row = left + (block & 3) * 4, top + (block >> 2) * 4
    p = block * LANES * (4 + len(channels))
    planes = work.planes
    alpha = load(planes, p + LANES)
    if labels is not None:
        infinite = splat(f32(np.inf))
        depth = select(alpha >= splat(f32(ALPHA_MIN)), load(planes, p + 2 * LANES) / alpha, infinite)
        store(planes, p + 2 * LANES, depth)
        store(work.ids, 0, _dominant(block, alpha, slots, work))
    pixel = row * grid.width + column
    depth_of_picture = picture.depth
    whole = column + 4 <= grid.width and row + 4 <= grid.height
    if whole:
        store_block(picture.alpha, pixel, grid.width, (alpha,))
        if labels is not None:
            store_block(picture.expected, pixel, grid.width, (load(planes, p + 2 * LANES),))
            store_block(picture.median, pixel, grid.width, (load(planes, p + 3 * LANES),))
            store_block(picture.ids, pixel, grid.width, (load(work.ids, 0),))
        if depth_of_picture == len(channels):
            colour = load_many(planes, p + 4 * LANES, channels)
            store_block(picture.features, pixel * len(channels), grid.width * len(channels), colour)
            return
    for lane in range(LANES):
        if column + (lane >> 2) < grid.width and row + (lane & 3) < grid.height:
            target = (row + (lane & 3)) * grid.width + column + (lane >> 2)
            put(picture.alpha, target, at(planes, p + LANES + lane))
            if labels is not None:
                put(picture.expected, target, at(planes, p + 2 * LANES + lane))
                put(picture.median, target, at(planes, p + 3 * LANES + lane))
                put(picture.ids, target, at(work.ids, lane))
            for k in range(len(channels)):
                value = at(planes, p + (4 + k) * LANES + lane)
                put(picture.features, target * depth_of_picture + first + k, value)


@kernel
def blend(first_tile: int, last_tile: int, grid: Grid, splats: Splats, bins: Bins, first: int, channels: Any,
          labels: Any, picture: Picture, work: Workspace) -> None:
    """Blend the tiles first_tile to last_tile - 1 and write them to the picture.

    ``channels`` is a tuple of as many floats as channels are blended, from channel ``first`` on; ``labels`` is None or
    0.0. Both choose a variant of the code by their type.
    """
    for tile in range(first_tile, last_tile):
        left, top = tile % grid.columns * TILE, tile // grid.columns * TILE
        alive = _open_tile(left, top, grid, channels, work)
        slots = 0
        start, end = at(bins.starts, tile), at(bins.starts, tile + 1)
        while start < end and alive != 0:
            n = min(end - start, CHUNK)
            slots = _gather(tile, start, n, f32(left), f32(top), splats, bins, first, slots, channels, labels, work)
            start += n
            rest = alive
            while rest != 0:
                block = lowest_bit(rest)
                rest &= rest - 1
                if not _blend_block(block, channels, labels, work):
                    alive &= ~(1 << block)
        for block in range(BLOCKS):
            _close_block(left, top, block, grid, first, slots, channels, labels, picture, work)
