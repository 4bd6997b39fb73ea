"""A chunk of a tile's splats, brought together for blending: in the tile's coordinates, listed block by block."""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.rendering.cpu.layout import (
    BLOCKS,
    CHANNELS,
    CHUNK,
    CHUNK_CHANNELS,
    CHUNK_DEPTH,
    CHUNK_PEAK,
    CHUNK_SLOT,
    CHUNK_U_0,
    CHUNK_U_X,
    CHUNK_U_Y,
    CHUNK_V_0,
    CHUNK_V_Y,
    DEPTH,
    F32,
    LANES,
    LOG2_SCALE,
    MEAN_X,
    MEAN_Y,
    OWNER,
    PEAK,
    PITCH,
    ROWS,
    SLOPE_X,
    SLOPE_Y,
    TILE,
    U_X,
    U_Y,
    V_Y,
    Splats,
    Workspace,
)
from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.simd import Lanes, fma, maximum, minimum, select, splat
from simvid.rendering.kernels.simd_memory import (
    at,
    load,
    load_rows,
    load_splat,
    prefetch_rows,
    put,
    store,
    store_bits,
    store_columns,
    transposed,
)
from simvid.rendering.raster import ALPHA_MIN

f32 = np.float32
i32 = np.int32

LEAST_POWER = float(np.log2(ALPHA_MIN) / LOG2_SCALE)
"""Scaled exponent at which a splat is as faint as ALPHA_MIN."""

_GROUPS = CHUNK // LANES
_COUNT = np.arange(LANES).astype(np.int32)
_ROW_Y = (np.arange(TILE) + 0.5).astype(np.float32)


def set_nothing(chunk: F32, rows: F32) -> None:
    """Make the splat behind a chunk's last cover nothing: no opacity, no colour, infinitely far for the median."""
    fields = chunk.reshape(-1, PITCH)
    fields[:, CHUNK:] = 0
    fields[CHUNK_DEPTH // PITCH, CHUNK:] = 1e30
    rows[ROWS * CHUNK :] = -1e30


@inlined
def _list_blocks(fields: Any, x: Lanes, y: Lanes, valid: Lanes, group: int, work: Workspace) -> None:
    """List sixteen splats with the blocks that their ellipses touch.

    A block is touched if the least squared distance over the rectangle of its pixel centres is within reach. The least
    value of a convex quadratic over a rectangle lies on the side nearest in x or on the side nearest in y, where it is
    found by clamping.
    """
    u_x, u_y, v_y = fields[U_X], fields[U_Y], fields[V_Y]
    zero, three = splat(f32(0)), splat(f32(3))
    reach = select(valid, fields[PEAK] - splat(f32(LEAST_POWER)), splat(f32(-1)))
    for row in range(4):
        top = splat(f32(4 * row + 0.5)) - y
        bottom = top + three
        near_y = minimum(maximum(top, zero), bottom)
        axis_x = fields[SLOPE_Y] * near_y
        u_of_y, v = u_y * near_y, v_y * near_y
        v_squared = v * v
        for column in range(4):
            left = splat(f32(4 * column + 0.5)) - x
            right = left + three
            near_x = minimum(maximum(left, zero), right)
            best_x = minimum(maximum(axis_x, left), right)
            best_y = minimum(maximum(fields[SLOPE_X] * near_x, top), bottom)
            u = fma(u_x, best_x, u_of_y)
            one_side = fma(u, u, v_squared)
            u, v = fma(u_y, best_y, u_x * near_x), v_y * best_y
            other_side = fma(u, u, v * v)
            store_bits(work.bits, (4 * row + column) * _GROUPS + group, minimum(one_side, other_side) <= reach)


@inlined
def _gather_group(
    entry: int,
    valid: Lanes,
    group: int,
    origin: Any,
    splats: Splats,
    first: int,
    channels: Any,
    work: Workspace,
) -> None:
    """Bring sixteen records into the chunk and list them."""
    fields = transposed(load_rows(splats.records, splats.order, entry, splats.stride, 0))
    prefetch_rows(splats.records, splats.order, entry + LANES, splats.stride)
    chunk, j = work.chunk, group * LANES
    x, y = fields[MEAN_X] - splat(origin[0]), fields[MEAN_Y] - splat(origin[1])
    store(chunk, j + CHUNK_U_X, fields[U_X])
    store(chunk, j + CHUNK_U_Y, fields[U_Y])
    store(chunk, j + CHUNK_U_0, -fma(fields[U_X], x, fields[U_Y] * y))
    store(chunk, j + CHUNK_V_Y, fields[V_Y])
    store(chunk, j + CHUNK_V_0, -(fields[V_Y] * y))
    store(chunk, j + CHUNK_PEAK, fields[PEAK])
    store(chunk, j + CHUNK_DEPTH, fields[DEPTH])
    store(chunk, j + CHUNK_SLOT, fields[OWNER])
    if first == 0:
        store_columns(chunk, j + CHUNK_CHANNELS, PITCH, fields, CHANNELS, channels)
    else:
        more = transposed(load_rows(splats.records, splats.order, entry, splats.stride, first))
        store_columns(chunk, j + CHUNK_CHANNELS, PITCH, more, CHANNELS, channels)
    if len(channels) > LANES - CHANNELS:
        more = transposed(load_rows(splats.records, splats.order, entry, splats.stride, first + LANES))
        rest = channels[6:]  # 6 = LANES - CHANNELS, but numba wants to see the number
        store_columns(chunk, j + CHUNK_CHANNELS + (LANES - CHANNELS) * PITCH, PITCH, more, 0, rest)
    _list_blocks(fields, x, y, valid, group, work)


@inlined
def _tabulate_rows(j: int, work: Workspace) -> None:
    """Work out what a splat's exponent needs of y, for all sixteen rows of the tile at once."""
    chunk = work.chunk
    y = load(_ROW_Y, 0)
    v = fma(load_splat(chunk, j + CHUNK_V_Y), y, load_splat(chunk, j + CHUNK_V_0))
    store(work.rows, ROWS * j, fma(load_splat(chunk, j + CHUNK_U_Y), y, load_splat(chunk, j + CHUNK_U_0)))
    store(work.rows, ROWS * j + TILE, fma(-v, v, load_splat(chunk, j + CHUNK_PEAK)))


@inlined
def _slot(owner: int, tile: int, slots: int, work: Workspace) -> Any:
    """Number of an owner within the tile; a new one gets the next number, ``slots``, and sums of zero."""
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
def gather(start: int, n: int, origin: Any, splats: Splats, first: int, channels: Any, work: Workspace) -> None:
    """Bring n of a tile's splats into the chunk, from the list position ``start`` on.

    ``origin`` is the tile's first pixel, ``first`` the first of the channels wanted.
    """
    nothing = splat(i32(0)) > splat(i32(0))
    groups = (n + LANES - 1) // LANES
    for group in range(groups):
        valid = load(_COUNT, 0) < splat(i32(n - LANES * group))
        _gather_group(start + LANES * group, valid, group, origin, splats, first, channels, work)
    for group in range(groups, _GROUPS):
        for block in range(BLOCKS):
            store_bits(work.bits, block * _GROUPS + group, nothing)
    for j in range(n):
        _tabulate_rows(j, work)


@inlined
def number_owners(tile: int, n: int, slots: int, work: Workspace) -> Any:
    """Replace the owners of the chunk by where their sums start; returns the number of owners seen in the tile."""
    for j in range(n):
        owner = np.int64(at(work.chunk_ints, j + CHUNK_SLOT))
        slot = _slot(owner, tile, slots, work)
        slots = max(slots, slot + 1)
        put(work.chunk_ints, j + CHUNK_SLOT, i32(slot * BLOCKS * LANES))
    return slots
