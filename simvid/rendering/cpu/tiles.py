"""Splats to tiles: sort by depth once, then hand each splat to the tiles it touches."""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.rendering.cpu.layout import I32, I64, Grid, Projected
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.simd_memory import at, prefetch, put

DIGIT_BITS = 13
"""Most bits of a digit of the radix sort: the counts of all digits must stay in the second-level cache."""

_AHEAD = 16


@inlined
def _collect(projected: Projected, segments: I64, pairs: I64) -> Any:
    """Pairs depth << 32 | record, in the Gaussians' order; returns their number, the least and the most depth key."""
    n, least, most = 0, np.int64(0x7FFFFFFF), np.int64(0)
    for s in range(len(segments) // 2):
        for record in range(at(segments, 2 * s), at(segments, 2 * s + 1)):
            key = np.int64(at(projected.keys, record))
            put(pairs, n, (key << 32) | record)
            least, most = min(least, key), max(most, key)
            n += 1
    return n, least, most


@inlined
def _scatter(source: I64, target: I64, n: int, least: int, shift: int, bits: int, histogram: I64) -> None:
    """One pass of a least-significant-digit radix sort: by so many bits of key - least, from bit ``shift`` on."""
    mask = (1 << bits) - 1
    for digit in range(mask + 1):
        put(histogram, digit, 0)
    for j in range(n):
        digit = (((at(source, j) >> 32) - least) >> shift) & mask
        put(histogram, digit, at(histogram, digit) + 1)
    position = 0
    for digit in range(mask + 1):
        count = at(histogram, digit)
        put(histogram, digit, position)
        position += count
    for j in range(n):
        pair = at(source, j)
        digit = (((pair >> 32) - least) >> shift) & mask
        position = at(histogram, digit)
        put(histogram, digit, position + 1)
        put(target, position, pair)


@kernel
def sort_by_depth(projected: Projected, segments: I64, result: I64, scratch: I64, histogram: I64) -> Any:
    """Order records front to back; those of equal depth keep the order of their Gaussians.

    Depths, which are positive floats, sort like their bit patterns: two passes if their range has 26 bits (a ratio of
    64 and more between near and far), else four. ``segments`` [2 S] holds first and next record of each run of
    records. Returns the number of records: they are the low halves of ``result``, in order.
    """
    n, least, most = _collect(projected, segments, result)
    bits = 1
    while (most - least) >> bits > 0:
        bits += 1
    passes = 2 if bits <= 2 * DIGIT_BITS else 4
    digit_bits = (bits + passes - 1) // passes
    for k in range(0, passes, 2):
        _scatter(result, scratch, n, least, k * digit_bits, digit_bits, histogram)
        _scatter(scratch, result, n, least, (k + 1) * digit_bits, digit_bits, histogram)
    return n


@kernel
def start_tiles(corners: I32, pieces: int, grid: Grid, starts: I64, cursors: I64) -> Any:
    """Sum up the corner counts of all pieces: where each tile's list starts. Returns the number of entries."""
    row = grid.columns + 1
    size = row * (grid.rows + 1)
    for y in range(grid.rows):
        across = np.int64(0)
        for x in range(grid.columns):
            for piece in range(pieces):
                across += at(corners, piece * size + y * row + x)
            above = at(cursors, (y - 1) * grid.columns + x) if y > 0 else 0
            put(cursors, y * grid.columns + x, above + across)
    total = np.int64(0)
    for tile in range(grid.rows * grid.columns):
        count = at(cursors, tile)
        put(starts, tile, total)
        put(cursors, tile, total)
        total += count
    put(starts, grid.rows * grid.columns, total)
    return total


@inlined
def _append(tile: int, wanted: int, record: int, spare: int, cursors: I64, order: I32) -> None:
    """Append a record to a tile's list if ``wanted`` is 1; if 0, write it to the spare place. Without a branch."""
    position = at(cursors, tile)
    put(cursors, tile, position + wanted)
    put(order, spare + (position - spare) * wanted, np.int32(record))


@kernel
def fill_tiles(
    pairs: I64, n: int, rects: I64, first_row: int, last_row: int, columns: int, cursors: I64, order: I32
) -> None:
    """Append every splat, front to back, to the lists of the tiles it touches in rows first_row to last_row - 1.

    Most touch no more than two by two tiles; for those there is no loop whose end the processor must guess. The last
    place of ``order`` is spare.
    """
    spare = len(order) - 1
    for j in range(n):
        prefetch(rects, at(pairs, min(j + _AHEAD, n - 1)) & 0xFFFFFFFF)
        record = at(pairs, j) & 0xFFFFFFFF
        rect = at(rects, record)
        x0, x1 = rect & 0xFFFF, (rect >> 32) & 0xFFFF
        y0, y1 = max((rect >> 16) & 0xFFFF, first_row), min((rect >> 48) & 0xFFFF, last_row - 1)
        tile, right, down = y0 * columns + x0, x1 - x0, y1 - y0
        if (right | down) & ~1 == 0:
            _append(tile, 1, record, spare, cursors, order)
            _append(tile + right, right, record, spare, cursors, order)
            tile += columns * down
            _append(tile, down, record, spare, cursors, order)
            _append(tile + right, down & right, record, spare, cursors, order)
            continue
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                _append(y * columns + x, 1, record, spare, cursors, order)
