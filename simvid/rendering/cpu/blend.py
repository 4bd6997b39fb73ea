"""Blending of the splats of each tile, front to back: where the cpu rasterizer spends its time.

A tile is worked on in chunks of splats. ``cpu_gather`` brings a chunk together and lists, for each of the tile's
sixteen 4 x 4 blocks, the splats whose ellipses touch it. Then block after block is blended with all its sums in
registers: a vector is a block, a lane a pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.rendering.cpu.gather import LEAST_POWER, gather, number_owners
from simvid.rendering.cpu.layout import (
    BLOCKS,
    CHUNK,
    CHUNK_CHANNELS,
    CHUNK_DEPTH,
    CHUNK_SLOT,
    CHUNK_U_X,
    LANES,
    PITCH,
    ROWS,
    TILE,
    Grid,
    Picture,
    Splats,
    Workspace,
)
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.simd import Lanes, bits, fma, lowest_bit, maximum, minimum, select, splat
from simvid.rendering.kernels.simd_memory import (
    add_scaled,
    at,
    load,
    load_many,
    load_repeated,
    load_splat,
    put,
    store,
    store_block,
    store_many,
)
from simvid.rendering.raster import ALPHA_MAX, ALPHA_MIN, STOP_TRANSMITTANCE

f32 = np.float32
i32 = np.int32

# Lane k is the pixel in row k % 4, column k // 4 of a block.
_LANE_X = (np.arange(LANES) // 4 + 0.5).astype(np.float32)
_LANE_Y = (np.arange(LANES) % 4 + 0.5).astype(np.float32)

# 2**x on [-1, 0] as a polynomial, relative error at most 2.6e-6 (Remez)
_EXP2 = (0.99999740663, 0.69303020087, 0.23934107311, 0.05307406614, 0.00676708396)
_DARK = 1e-24
"""Light is kept above this: processors are slow with floats below 1e-38."""

CONSTANTS = np.repeat(np.array([*_EXP2, ALPHA_MAX, LEAST_POWER, STOP_TRANSMITTANCE], np.float32), LANES)
"""Constants of the inner loop, one vector each. An argument, lest the compiler fetch them anew for each splat."""
_EIGHT = (0.0,) * 8

_LIGHT, _ALPHA, _DEPTH, _MEDIAN, _COLOUR = 0, LANES, 2 * LANES, 3 * LANES, 4 * LANES  # a block's planes


@inlined
def _plane(block: int, channels: Any) -> Any:
    """Where a block's planes start."""
    return block * LANES * (4 + len(channels))


@inlined
def _power(work: Workspace, j: int, row: int, x: Lanes) -> Lanes:
    """Scaled exponent (an eighth of log2 alpha) of a splat at the pixels of a block."""
    start = ROWS * j + row
    u = fma(load_splat(work.chunk, j + CHUNK_U_X), x, load_repeated(work.rows, start))
    return fma(-u, u, load_repeated(work.rows, start + TILE))


@inlined
def _alphas(a: Lanes, b: Lanes, c: Lanes, d: Lanes, constants: Any) -> Any:
    """Alphas of scaled exponents, zero below ALPHA_MIN: 2 ** (8 a) is 2 ** a, a polynomial, squared three times.

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
def _lay(
    opacity: Lanes, j: int, state: Any, colour: Any, block: int, constants: Any, labels: Any, work: Workspace
) -> Any:
    """Lay a splat behind what a block holds. Returns the new sums and the pixels that still let light through.

    Light falls on behind the splat that stops a pixel, but nothing is drawn with it: it is below the threshold.
    """
    light, alpha, depth, median = state
    left = fma(-opacity, light, light)
    open_ = left > constants[7]
    weight = select(open_, opacity * light, splat(f32(0)))
    colour = add_scaled(colour, weight, work.chunk, j + CHUNK_CHANNELS, PITCH)
    if labels is not None:
        z = load_splat(work.chunk, j + CHUNK_DEPTH)
        depth = fma(weight, z, depth)
        median = select(left < splat(f32(0.5)), minimum(median, z), median)  # the first is the nearest
        s = np.int64(at(work.chunk_ints, j + CHUNK_SLOT)) + block * LANES
        store(work.sums, s, load(work.sums, s) + weight)
    return (left, alpha + weight, depth, median), colour, open_


@inlined
def _blend_block(block: int, channels: Any, labels: Any, work: Workspace) -> bool:
    """Blend a chunk's splats into one block, four at a time; says whether any pixel still lets light through."""
    constants = load_many(work.constants, 0, _EIGHT)
    x = load(_LANE_X, 0) + splat(f32((block & 3) * 4))
    row, p = block & 12, _plane(block, channels)
    state = load_many(work.planes, p, (0.0, 0.0, 0.0, 0.0))
    colour = load_many(work.planes, p + _COLOUR, channels)
    rest, alive = at(work.words, block), True
    while rest != 0 and alive:
        i = lowest_bit(rest)
        rest &= rest - 1
        j = lowest_bit(rest)
        rest &= rest - 1
        k = lowest_bit(rest)
        rest &= rest - 1
        l = lowest_bit(rest)  # noqa: E741  after k
        rest &= rest - 1
        a, b, c, d = _power(work, i, row, x), _power(work, j, row, x), _power(work, k, row, x), _power(work, l, row, x)
        a, b, c, d = _alphas(a, b, c, d, constants)
        state, colour, _ = _lay(a, i, state, colour, block, constants, labels, work)
        state, colour, _ = _lay(b, j, state, colour, block, constants, labels, work)
        state, colour, _ = _lay(c, k, state, colour, block, constants, labels, work)
        (light, alpha, depth, median), colour, open_ = _lay(d, l, state, colour, block, constants, labels, work)
        state = maximum(light, splat(f32(_DARK))), alpha, depth, median
        alive = bits(open_) != 0
    store_many(work.planes, p, state)
    store_many(work.planes, p + _COLOUR, colour)
    return alive


@inlined
def _blend_chunk(alive: int, channels: Any, labels: Any, work: Workspace) -> Any:
    """Blend a chunk into the blocks that are alive; returns those that still are."""
    rest = alive
    while rest != 0:
        block = lowest_bit(rest)
        rest &= rest - 1
        if not _blend_block(block, channels, labels, work):
            alive &= ~(1 << block)
    return alive


@inlined
def _open_tile(left: int, top: int, grid: Grid, channels: Any, work: Workspace) -> Any:
    """Reset all sums of a tile; light is 1 inside the picture, 0 outside. Returns the blocks that are inside."""
    zero = splat(f32(0))
    right, bottom = splat(f32(grid.width - left)), splat(f32(grid.height - top))
    alive = 0
    for block in range(BLOCKS):
        x = load(_LANE_X, 0) + splat(f32((block & 3) * 4))
        y = load(_LANE_Y, 0) + splat(f32((block >> 2) * 4))
        inside = (x < right) & (y < bottom)
        p = _plane(block, channels)
        for k in range(4 + len(channels)):
            store(work.planes, p + k * LANES, zero)
        store(work.planes, p + _LIGHT, select(inside, splat(f32(1)), zero))
        store(work.planes, p + _MEDIAN, splat(f32(np.inf)))
        alive |= (1 << block) if bits(inside) != 0 else 0
    return alive


@inlined
def _finish_labels(block: int, slots: int, channels: Any, work: Workspace) -> None:
    """Expected depth and dominant owner of a block. Of owners with equal weights the one listed first stays."""
    p = _plane(block, channels)
    alpha = load(work.planes, p + _ALPHA)
    mean = load(work.planes, p + _DEPTH) / alpha
    store(work.planes, p + _DEPTH, select(alpha >= splat(f32(ALPHA_MIN)), mean, splat(f32(np.inf))))
    best, owner = splat(f32(0)), splat(i32(0))
    for slot in range(slots):
        weight = load(work.sums, (slot * BLOCKS + block) * LANES)
        owner = select(weight > best, load_splat(work.owner_of, slot), owner)
        best = maximum(weight, best)
    store(work.ids, 0, select(alpha >= splat(f32(0.5)), owner, splat(i32(0))))


@inlined
def _write_whole(pixel: int, p: int, width: int, channels: Any, labels: Any, picture: Picture, work: Workspace) -> None:
    """Write a block that lies inside the picture, with all its channels."""
    store_block(picture.alpha, pixel, width, (load(work.planes, p + _ALPHA),))
    if labels is not None:
        store_block(picture.expected, pixel, width, (load(work.planes, p + _DEPTH),))
        store_block(picture.median, pixel, width, (load(work.planes, p + _MEDIAN),))
        store_block(picture.ids, pixel, width, (load(work.ids, 0),))
    colour = load_many(work.planes, p + _COLOUR, channels)
    store_block(picture.features, pixel * len(channels), width * len(channels), colour)


@inlined
def _write_pixel(
    pixel: int, lane: int, p: int, first: int, channels: Any, labels: Any, picture: Picture, work: Workspace
) -> None:
    """Write one pixel of a block."""
    put(picture.alpha, pixel, at(work.planes, p + _ALPHA + lane))
    if labels is not None:
        put(picture.expected, pixel, at(work.planes, p + _DEPTH + lane))
        put(picture.median, pixel, at(work.planes, p + _MEDIAN + lane))
        put(picture.ids, pixel, at(work.ids, lane))
    for k in range(len(channels)):
        put(picture.features, pixel * picture.channels + first + k, at(work.planes, p + _COLOUR + k * LANES + lane))


@inlined
def _close_tile(
    corner: Any, grid: Grid, first: int, slots: int, channels: Any, labels: Any, picture: Picture, work: Workspace
) -> None:
    """Write a tile's results to the picture."""
    for block in range(BLOCKS):
        column, row = corner[0] + (block & 3) * 4, corner[1] + (block >> 2) * 4
        p = _plane(block, channels)
        if labels is not None:
            _finish_labels(block, slots, channels, work)
        if column + 4 <= grid.width and row + 4 <= grid.height and picture.channels == len(channels):
            _write_whole(row * grid.width + column, p, grid.width, channels, labels, picture, work)
            continue
        for lane in range(LANES):
            x, y = column + (lane >> 2), row + (lane & 3)
            if x < grid.width and y < grid.height:
                _write_pixel(y * grid.width + x, lane, p, first, channels, labels, picture, work)


@kernel
def blend(
    tiles: tuple[int, int], grid: Grid, splats: Splats, first: int, channels: Any, labels: Any, picture: Picture,
    work: Workspace,
) -> None:  # fmt: skip
    """Blend the tiles tiles[0] to tiles[1] - 1 and write them to the picture.

    ``channels`` is a tuple of as many floats as channels are blended, from channel ``first`` on; ``labels`` is None or
    0.0. Both choose a variant of the code by their type.
    """
    for tile in range(tiles[0], tiles[1]):
        left, top = tile % grid.columns * TILE, tile // grid.columns * TILE
        origin = f32(left), f32(top)
        alive = _open_tile(left, top, grid, channels, work)
        slots = 0
        start, end = at(splats.starts, tile), at(splats.starts, tile + 1)
        while start < end and alive != 0:
            n = min(end - start, CHUNK)
            gather(start, n, origin, splats, first, channels, work)
            if labels is not None:
                slots = number_owners(tile, n, slots, work)
            alive = _blend_chunk(alive, channels, labels, work)
            start += n
        _close_tile((left, top), grid, first, slots, channels, labels, picture, work)
