"""Splats to tiles: sort by depth once, then hand each splat to the tiles it touches."""

from __future__ import annotations

import numpy as np

from simvid.rendering.cpu_layout import I32, I64, Bins, Grid, Projected
from simvid.rendering.jit import inlined, kernel
from simvid.rendering.simd_memory import at, prefetch, put

_DIGIT_BITS = 11
_DIGITS = 1 << _DIGIT_BITS
_PASSES = 3  # 33 bits hold every depth
_AHEAD = 16
SPARE_CURSORS = 8  # a cache line, so that threads do not disturb each other


@kernel
def sort_by_depth(projected: Projected, segments: I64, scratch: I64, result: I64, histogram: I64) -> int:
    """Order records front to back; those of equal depth keep the order of their Gaussians.

    Least-significant-digit radix sort of depth << 32 | record (positive floats sort like their bit patterns).
    ``segments`` [2 S] holds first and next record of each run of records; ``histogram`` [3 * 2048] must be zero.
    Returns the number of records; the low halves of ``result`` are they, in order.
    """
    n = 0
    for s in range(len(segments) // 2):
        for record in range(at(segments, 2 * s), at(segments, 2 * s + 1)):
            key = np.int64(at(projected.keys, record))
            put(scratch, n, (key << 32) | record)
            n += 1
            for k in range(_PASSES):
                digit = k * _DIGITS + ((key >> (k * _DIGIT_BITS)) & (_DIGITS - 1))
                put(histogram, digit, at(histogram, digit) + 1)
    source, target = scratch, result  # three passes end in the result
    for k in range(_PASSES):
        position = 0
        for digit in range(k * _DIGITS, (k + 1) * _DIGITS):
            count = at(histogram, digit)
            put(histogram, digit, position)
            position += count
        for j in range(n):
            pair = at(source, j)
            digit = k * _DIGITS + ((pair >> (32 + k * _DIGIT_BITS)) & (_DIGITS - 1))
            position = at(histogram, digit)
            put(histogram, digit, position + 1)
            put(target, position, pair)
        source, target = target, source
    return n


@kernel
def start_tiles(corners: I32, threads: int, grid: Grid, starts: I64, cursors: I64) -> int:
    """Sum up the corner counts of all threads: where each tile's list starts. Returns the number of entries."""
    row = grid.columns + 1
    size = row * (grid.rows + 1)
    total = np.int64(0)
    for y in range(grid.rows):
        across = 0
        for x in range(grid.columns):
            for thread in range(threads):
                across += at(corners, thread * size + y * row + x)
            above = at(cursors, (y - 1) * grid.columns + x) if y > 0 else 0
            put(cursors, y * grid.columns + x, above + across)
    for tile in range(grid.rows * grid.columns):
        count = at(cursors, tile)
        put(starts, tile, total)
        put(cursors, tile, total)
        total += count
    put(starts, grid.rows * grid.columns, total)
    return total


@inlined
def _append(record: int, tile: int, cursors: I64, order: I32) -> None:
    """Append to a tile's list."""
    position = at(cursors, tile)
    put(cursors, tile, position + 1)
    put(order, position, np.int32(record))


@inlined
def _append_if(wanted: bool, record: int, tile: int, spare: int, cursors: I64, order: I32) -> None:
    """Append to a tile's list or, without a branch, to places that nobody reads."""
    cursor = tile if wanted else spare
    position = at(cursors, cursor)
    put(cursors, cursor, position + 1)
    put(order, position if wanted else len(order) - 1, np.int32(record))


@kernel
def fill_tiles(
    sorted_: I64, n: int, rects: I64, first_row: int, last_row: int, grid: Grid, cursors: I64, order: I32
) -> None:
    """Append every splat, front to back, to the lists of the tiles it touches in rows first_row to last_row - 1.

    ``cursors`` has room for SPARE_CURSORS more after the tiles for each row, ``order`` for one more entry at its end.
    """
    columns = grid.columns
    spare = columns * grid.rows + SPARE_CURSORS * first_row
    for j in range(n):
        prefetch(rects, at(sorted_, min(j + _AHEAD, n - 1)) & 0xFFFFFFFF)
        record = at(sorted_, j) & 0xFFFFFFFF
        rect = at(rects, record)
        x0, x1 = rect & 0xFFFF, (rect >> 32) & 0xFFFF
        y0, y1 = max((rect >> 16) & 0xFFFF, first_row), min((rect >> 48) & 0xFFFF, last_row - 1)
        if y0 > y1:
            continue
        if x1 - x0 <= 1 and y1 - y0 <= 1:  # most splats; one mispredicted branch costs more than four writes
            right, below = x1 > x0, y1 > y0
            _append(record, y0 * columns + x0, cursors, order)
            _append_if(right, record, y0 * columns + x1, spare, cursors, order)
            _append_if(below, record, y1 * columns + x0, spare + 1, cursors, order)
            _append_if(right & below, record, y1 * columns + x1, spare + 2, cursors, order)
            continue
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                _append(record, y * columns + x, cursors, order)
