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
_WORDS = CHUNK // 64
_AHEAD = 12
_LANE_X = (np.arange(LANES) % 4 + 0.5).astype(np.float32)
_LANE_Y = (np.arange(LANES) // 4 + 0.5).astype(np.float32)
_BLOCK_X = (np.arange(BLOCKS) % 4 * 4 + 0.5).astype(np.float32)
_BLOCK_Y = (np.arange(BLOCKS) // 4 * 4 + 0.5).astype(np.float32)


# 2**x on [-1, 0], relative error at most 2.6e-6 (Remez)
_P0, _P1, _P2, _P3, _P4 = 0.99999740663, 0.69303020087, 0.23934107311, 0.05307406614, 0.00676708396


@inlined
def exp2_scaled(x: Lanes) -> Lanes:
    """2 ** (8 x) for x in [-1, 0], to 2.1e-5: a polynomial of degree four for 2 ** x, squared three times."""
    p = fma(x, splat(f32(_P4)), splat(f32(_P3)))
    p = fma(x, p, splat(f32(_P2)))
    p = fma(x, p, splat(f32(_P1)))
    p = fma(x, p, splat(f32(_P0)))
    p = p * p
    p = p * p
    return p * p


@inlined
def _touched(records: Any, r: int, mean_x: float, mean_y: float) -> int:
    """Which blocks of the tile the splat's ellipse touches, one bit each.

    A block is touched if the least squared distance over the rectangle of its pixel centres is within reach. The least
    value of a convex quadratic over a rectangle lies on the side nearest in x or the side nearest in y.
    """
    zero, three = splat(f32(0)), splat(f32(3))
    left, top = load(_BLOCK_X, 0) - splat(mean_x), load(_BLOCK_Y, 0) - splat(mean_y)
    right, bottom = left + three, top + three
    near_x = minimum(maximum(left, zero), right)
    near_y = minimum(maximum(top, zero), bottom)
    best_y = minimum(maximum(load_splat(records, r + SLOPE_X) * near_x, top), bottom)
    best_x = minimum(maximum(load_splat(records, r + SLOPE_Y) * near_y, left), right)
    u_x, u_y, v_y = load_splat(records, r + U_X), load_splat(records, r + U_Y), load_splat(records, r + V_Y)
    u, v = fma(u_x, near_x, u_y * best_y), v_y * best_y
    one_side = fma(u, u, v * v)
    u, v = fma(u_x, best_x, u_y * near_y), v_y * near_y
    other_side = fma(u, u, v * v)
    reach = load_splat(records, r + PEAK) - splat(f32(_LEAST))
    return bits(minimum(one_side, other_side) <= reach)


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
def _gather(tile: int, start: int, grid: Grid, splats: Splats, bins: Bins, first: int, alive: int, slots: int,
            channels: Any, labels: Any, work: Workspace) -> Any:
    """Copy up to CHUNK records that touch living blocks, in tile coordinates.

    Returns the next list position, the number of copied splats and the number of owners seen in the tile.
    """
    stride = 16 if len(channels) <= 16 - CHANNELS else 32
    left, top = f32(tile % grid.columns * TILE), f32(tile // grid.columns * TILE)
    records, local = splats.records, work.local
    n = 0
    end = at(bins.starts, tile + 1)
    while start < end and n < CHUNK:
        prefetch(records, np.int64(at(bins.order, min(start + _AHEAD, end - 1))) * splats.stride)
        r = np.int64(at(bins.order, start)) * splats.stride
        start += 1
        x, y = at(records, r + MEAN_X) - left, at(records, r + MEAN_Y) - top
        touched = _touched(records, r, x, y) & alive
        l = n * stride
        store(local, l, load(records, r))
        if stride == 32:
            store(local, l + LANES, load(records, r + LANES))
        if first > 0:
            for k in range(len(channels)):
                put(local, l + CHANNELS + k, at(records, r + CHANNELS + first + k))
        put(local, l + MEAN_X, -(at(records, r + U_X) * x + at(records, r + U_Y) * y))
        put(local, l + MEAN_Y, -at(records, r + V_Y) * y)
        put(work.masks, n, i32(touched))
        if labels is not None:
            if touched != 0:
                slot = _slot(np.int64(at(splats.record_ints, r + OWNER)), tile, slots, work)
                slots = max(slots, slot + 1)
                put(work.local_ints, l + OWNER, i32(slot * BLOCKS * LANES))
        n += 1 if touched != 0 else 0
    return start, n, slots


@inlined
def _list_blocks(n: int, work: Workspace) -> int:
    """Turn a mask of blocks per splat into a list of splats per block, 64 to a word. Returns words per block."""
    words = (n + 63) // 64
    zero = splat(i32(0))
    for k in range(4):
        store(work.masks, n + k * LANES, zero)
    for word in range(words):
        m0, m1 = load(work.masks, 64 * word), load(work.masks, 64 * word + 16)
        m2, m3 = load(work.masks, 64 * word + 32), load(work.masks, 64 * word + 48)
        for block in range(BLOCKS):
            bit = splat(i32(1 << block))
            low = bits((m0 & bit) > zero) | (bits((m1 & bit) > zero) << 16)
            high = bits((m2 & bit) > zero) | (bits((m3 & bit) > zero) << 16)
            put(work.words, block * _WORDS + word, low | (high << 32))
    return words


@inlined
def _alpha(local: Any, r: int, x: Lanes, y: Lanes) -> Lanes:
    """Opacity of a splat at the pixels of a block; zero below ALPHA_MIN."""
    u = fma(load_splat(local, r + U_X), x, fma(load_splat(local, r + U_Y), y, load_splat(local, r + MEAN_X)))
    v = fma(load_splat(local, r + V_Y), y, load_splat(local, r + MEAN_Y))
    power = fma(-v, v, fma(-u, u, load_splat(local, r + PEAK)))
    bounded = minimum(exp2_scaled(power), splat(f32(ALPHA_MAX)))
    return select(power >= splat(f32(_LEAST)), bounded, splat(f32(0)))


@inlined
def _blend_block(block: int, words: int, channels: Any, labels: Any, work: Workspace) -> bool:
    """Blend a chunk's splats into one block; says whether any pixel still lets light through."""
    stride = 16 if len(channels) <= 16 - CHANNELS else 32
    zero, stop, half = splat(f32(0)), splat(f32(STOP_TRANSMITTANCE)), splat(f32(0.5))
    local, planes = work.local, work.planes
    x = load(_LANE_X, 0) + splat(f32((block & 3) * 4))
    y = load(_LANE_Y, 0) + splat(f32((block >> 2) * 4))
    p = block * LANES * (4 + len(channels))
    light, alpha = load(planes, p), load(planes, p + LANES)
    depth, median = load(planes, p + 2 * LANES), load(planes, p + 3 * LANES)
    colour = load_many(planes, p + 4 * LANES, channels)
    alive = True
    for word in range(words):
        rest = at(work.words, block * _WORDS + word)
        while rest != 0:
            r = (64 * word + lowest_bit(rest)) * stride
            rest &= rest - 1
            opacity = _alpha(local, r, x, y)
            left = fma(-opacity, light, light)
            open_ = left > stop
            weight = select(open_, opacity * light, zero)
            light = select(open_, left, zero)
            alpha = alpha + weight
            colour = add_scaled(colour, weight, local, r + CHANNELS)
            if labels is not None:
                z = load_splat(local, r + DEPTH)
                depth = fma(weight, z, depth)
                median = select(left < half, minimum(median, z), median)
                s = np.int64(at(work.local_ints, r + OWNER)) + block * LANES
                store(work.sums, s, load(work.sums, s) + weight)
            if bits(open_) == 0:
                alive = False
                break
        if not alive:
            break
    store(planes, p, light)
    store(planes, p + LANES, alpha)
    if labels is not None:
        store(planes, p + 2 * LANES, depth)
        store(planes, p + 3 * LANES, median)
    store_many(planes, p + 4 * LANES, colour)
    return alive


@inlined
def _open_tile(tile: int, grid: Grid, channels: Any, work: Workspace) -> int:
    """Reset all sums of a tile; light is 1 inside the picture, 0 outside. Returns the blocks that are inside."""
    zero = splat(f32(0))
    right = splat(f32(grid.width - tile % grid.columns * TILE))
    bottom = splat(f32(grid.height - tile // grid.columns * TILE))
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
def _close_block(tile: int, block: int, grid: Grid, first: int, slots: int, channels: Any, labels: Any,
                 picture: Picture, work: Workspace) -> None:
    """Write a block's results to the picture."""
    column = tile % grid.columns * TILE + (block & 3) * 4
    row = tile // grid.columns * TILE + (block >> 2) * 4
    p = block * LANES * (4 + len(channels))
    planes = work.planes
    alpha = load(planes, p + LANES)
    if labels is not None:
        infinite = splat(f32(np.inf))
        depth = select(alpha >= splat(f32(ALPHA_MIN)), load(planes, p + 2 * LANES) / alpha, infinite)
        store(planes, p + 2 * LANES, depth)
        store(work.masks, 0, _dominant(block, alpha, slots, work))
    pixel = row * grid.width + column
    depth_of_picture = len(picture.features) // (grid.width * grid.height)
    whole = column + 4 <= grid.width and row + 4 <= grid.height
    if whole:
        store_block(picture.alpha, pixel, grid.width, (alpha,))
        if labels is not None:
            store_block(picture.expected, pixel, grid.width, (load(planes, p + 2 * LANES),))
            store_block(picture.median, pixel, grid.width, (load(planes, p + 3 * LANES),))
            store_block(picture.ids, pixel, grid.width, (load(work.masks, 0),))
        if depth_of_picture == len(channels):
            colour = load_many(planes, p + 4 * LANES, channels)
            store_block(picture.features, pixel * len(channels), grid.width * len(channels), colour)
            return
    for lane in range(LANES):
        if column + (lane & 3) < grid.width and row + (lane >> 2) < grid.height:
            target = (row + (lane >> 2)) * grid.width + column + (lane & 3)
            put(picture.alpha, target, at(planes, p + LANES + lane))
            if labels is not None:
                put(picture.expected, target, at(planes, p + 2 * LANES + lane))
                put(picture.median, target, at(planes, p + 3 * LANES + lane))
                put(picture.ids, target, at(work.masks, lane))
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
        alive = _open_tile(tile, grid, channels, work)
        slots = 0
        start, end = at(bins.starts, tile), at(bins.starts, tile + 1)
        while start < end and alive != 0:
            start, n, slots = _gather(tile, start, grid, splats, bins, first, alive, slots, channels, labels, work)
            words = _list_blocks(n, work)
            rest = alive
            while rest != 0:
                block = lowest_bit(rest)
                rest &= rest - 1
                if not _blend_block(block, words, channels, labels, work):
                    alive &= ~(1 << block)
        for block in range(BLOCKS):
            _close_block(tile, block, grid, first, slots, channels, labels, picture, work)
