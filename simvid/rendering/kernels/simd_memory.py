"""Vectors of sixteen lanes inside numba kernels: loads, stores and transpositions.

Every function works on flat, contiguous arrays, counts in elements and checks no bounds: staying inside is the
kernel's duty, and indices are never negative. That is also why scalars go through ``at`` and ``put``: numba's own
indexing tests for negative indices, which costs the inner loops dearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types  # noqa: TID253  part of the cpu rasterizer, loaded only when it is asked for
from numba.core import cgutils  # noqa: TID253  as above

from simvid.rendering.cpu.layout import LANES
from simvid.rendering.kernels.jit import instruction
from simvid.rendering.kernels.simd import VECTOR_OF, F32x16, I32x16, broadcast, call, shuffled

_ROW = 4  # a vector of pixels is a block of four rows of four


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, offset: int = 0) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    if offset:
        index = builder.add(index, index.type(offset))
    return builder.gep(data, [index], inbounds=True, source_etype=context.get_data_type(kind.dtype))


def _read(builder: Any, pointer: Any, kind: Any, lanes: int = LANES) -> Any:
    vector = ir.VectorType(VECTOR_OF[kind.dtype].element, lanes)
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), typ=vector, align=kind.dtype.bitwidth // 8)


def _write(builder: Any, value: Any, pointer: Any, kind: Any) -> None:
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=kind.dtype.bitwidth // 8)


def _prefetch(builder: Any, pointer: Any) -> None:
    byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
    prefetching = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0")
    builder.call(prefetching, [builder.bitcast(pointer, byte), i32(0), i32(3), i32(1)])


@instruction
def at(typing_context: Any, array: Any, index: Any) -> Any:
    """The element at a position."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_data_type(array.dtype)
        return builder.load(_pointer(context, builder, array, *args), typ=kind, align=array.dtype.bitwidth // 8)

    return array.dtype(array, types.intp), generate


@instruction
def put(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write the element at a position; the value is converted to the array's type."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, array, *args[:2]), align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), generate


@instruction
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask the processor to bring an element's cache line near."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _prefetch(builder, _pointer(context, builder, array, *args))
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@instruction
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Sixteen consecutive elements from ``index`` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _read(builder, _pointer(context, builder, array, *args), array)

    return VECTOR_OF[array.dtype](array, types.intp), generate


@instruction
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen consecutive elements from ``index`` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _write(builder, args[2], _pointer(context, builder, array, *args[:2]), array)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@instruction
def store_bits(typing_context: Any, array: Any, index: Any, mask: Any) -> Any:
    """Write a mask as one element of an int16 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _write(
            builder, builder.bitcast(args[2], ir.IntType(LANES)), _pointer(context, builder, array, *args[:2]), array
        )
        return context.get_dummy_value()

    return types.void(array, types.intp, mask), generate


@instruction
def load_splat(typing_context: Any, array: Any, index: Any) -> Any:
    """One element in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = VECTOR_OF[array.dtype]
        return broadcast(builder, builder.load(_pointer(context, builder, array, *args), typ=vector.element))

    return VECTOR_OF[array.dtype](array, types.intp), generate


@instruction
def load_repeated(typing_context: Any, array: Any, index: Any) -> Any:
    """Four consecutive elements, four times over."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        four = _read(builder, _pointer(context, builder, array, *args), array, lanes=4)
        return shuffled(builder, four, four, [lane % 4 for lane in range(LANES)])

    return VECTOR_OF[array.dtype](array, types.intp), generate


@instruction
def gather(typing_context: Any, array: Any, indices: Any) -> Any:
    """The elements at sixteen positions (I32x16) of a float32 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = ir.Constant(F32x16.llvm, ir.Undefined)
        for lane in range(LANES):
            index = builder.sext(builder.extract_element(args[1], ir.IntType(32)(lane)), ir.IntType(64))
            element = builder.load(_pointer(context, builder, array, args[0], index), typ=F32x16.element)
            result = builder.insert_element(result, element, ir.IntType(32)(lane))
        return result

    return F32x16(array, I32x16), generate


@instruction
def load_columns(typing_context: Any, array: Any, index: Any, width: Any) -> Any:
    """Sixteen rows of ``width`` (a literal) elements each, as a tuple of one vector per column."""
    n = width.literal_value
    result = types.UniTuple(VECTOR_OF[array.dtype], n)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointers = [_pointer(context, builder, array, args[0], args[1], offset=LANES * k) for k in range(n)]
        parts = [_read(builder, pointer, array) for pointer in pointers]
        columns = [_picked(builder, parts, [lane * n + column for lane in range(LANES)]) for column in range(n)]
        return context.make_tuple(builder, result, columns)

    return result(array, types.intp, width), generate


def _picked(builder: Any, parts: Sequence[Any], elements: Sequence[int]) -> Any:
    """The vector of the given elements of several vectors laid side by side."""
    result, start = parts[0], [element % LANES for element in elements]
    if len(parts) == 1:
        return shuffled(builder, result, result, start)
    for k in range(1, len(parts)):
        kept = start if k == 1 else list(range(LANES))
        order = [
            LANES + element % LANES if element // LANES == k else kept[lane] for lane, element in enumerate(elements)
        ]
        result = shuffled(builder, result, parts[k], order)
    return result


@instruction
def transposed(typing_context: Any, rows: Any) -> Any:
    """Sixteen vectors as a square matrix, turned over (Eklundh 1972: swap ever smaller blocks)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        matrix = [builder.extract_value(args[0], k) for k in range(LANES)]
        for step in (1, 2, 4, 8):
            upper = [lane if not lane & step else LANES + (lane ^ step) for lane in range(LANES)]
            lower = [LANES + lane if lane & step else lane ^ step for lane in range(LANES)]
            for i in (k for k in range(LANES) if not k & step):
                a, b = matrix[i], matrix[i | step]
                matrix[i], matrix[i | step] = shuffled(builder, a, b, upper), shuffled(builder, a, b, lower)
        return context.make_tuple(builder, sig.return_type, matrix)

    return rows(rows), generate


@instruction
def load_rows(typing_context: Any, array: Any, rows: Any, first: Any, stride: Any, offset: Any) -> Any:
    """Sixteen elements of each of sixteen rows, from ``offset`` in the row on; the rows are rows[first], ...."""
    result = types.UniTuple(VECTOR_OF[array.dtype], LANES)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values, numbers, first, stride, offset = args
        vectors = []
        for lane in range(LANES):
            number = builder.load(_pointer(context, builder, rows, numbers, first, lane), typ=ir.IntType(32))
            index = builder.add(builder.mul(builder.zext(number, stride.type), stride), offset)
            vectors.append(_read(builder, _pointer(context, builder, array, values, index), array))
        return context.make_tuple(builder, result, vectors)

    return result(array, rows, types.intp, types.intp, types.intp), generate


@instruction
def prefetch_rows(typing_context: Any, array: Any, rows: Any, first: Any, stride: Any) -> Any:
    """Ask the processor to bring sixteen rows near."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values, numbers, first, stride = args
        for lane in range(LANES):
            number = builder.load(_pointer(context, builder, rows, numbers, first, lane), typ=ir.IntType(32))
            index = builder.mul(builder.zext(number, stride.type), stride)
            _prefetch(builder, _pointer(context, builder, array, values, index))
        return context.get_dummy_value()

    return types.void(array, rows, types.intp, types.intp), generate


@instruction
def append_rows(typing_context: Any, array: Any, index: Any, stride: Any, mask: Any, rows: Any) -> Any:
    """Write those of sixteen rows whose mask lane holds, one every ``stride`` elements from ``index`` on.

    Rows that are not wanted are written too, and overwritten by the next: the array needs one row to spare.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        index, zero = args[1], args[1].type(0)
        for lane in range(LANES):
            row = builder.extract_value(args[4], lane)
            _write(builder, row, _pointer(context, builder, array, args[0], index), array)
            wanted = builder.extract_element(args[3], ir.IntType(32)(lane))
            index = builder.add(index, builder.select(wanted, args[2], zero))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, mask, rows), generate


# ----------------------------------------------------------------------------------------------------- blocks of pixels


def _block_rows(builder: Any, vectors: Sequence[Any]) -> list[list[Any]]:
    """Four pixel rows, each as pieces of four elements, of a block whose channels lie in one vector each."""
    n = len(vectors)
    flat = [_interleaved(builder, vectors, part) for part in range(n)]
    pieces = []
    for k in range(_ROW * n):
        lanes = [_ROW * (k % _ROW) + lane for lane in range(_ROW)]
        pieces.append(shuffled(builder, flat[k // _ROW], flat[k // _ROW], lanes))
    return [pieces[row * n : (row + 1) * n] for row in range(_ROW)]


def _interleaved(builder: Any, vectors: Sequence[Any], part: int) -> Any:
    """Elements 16 part .. 16 part + 15 of the channels written pixel by pixel."""
    n = len(vectors)
    elements = []
    for position in range(LANES * part, LANES * (part + 1)):
        pixel, channel = position // n, position % n
        elements.append(channel * LANES + (pixel % _ROW) * _ROW + pixel // _ROW)
    return _picked(builder, vectors, elements)


@instruction
def store_block(typing_context: Any, array: Any, index: Any, row_stride: Any, channels: Any) -> Any:
    """Write a block of 4 x 4 pixels with interleaved channels; a vector of the tuple is a channel, a lane a pixel."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vectors = [builder.extract_value(args[3], k) for k in range(len(channels))]
        index = args[1]
        for pieces in _block_rows(builder, vectors) if vectors else []:
            for k, piece in enumerate(pieces):
                _write(builder, piece, _pointer(context, builder, array, args[0], index, offset=_ROW * k), array)
            index = builder.add(index, args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, channels), generate


# --------------------------------------------------------------------------------------------------- tuples of vectors


@instruction
def load_many(typing_context: Any, array: Any, index: Any, like: Any) -> Any:
    """As many consecutive vectors as the tuple ``like`` is long."""
    result = types.UniTuple(F32x16, len(like))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointers = [_pointer(context, builder, array, args[0], args[1], offset=LANES * k) for k in range(len(like))]
        return context.make_tuple(builder, result, [_read(builder, pointer, array) for pointer in pointers])

    return result(array, types.intp, like), generate


@instruction
def store_many(typing_context: Any, array: Any, index: Any, vectors: Any) -> Any:
    """Write the vectors of a tuple one after the other."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        for k in range(len(vectors)):
            pointer = _pointer(context, builder, array, args[0], args[1], offset=LANES * k)
            _write(builder, builder.extract_value(args[2], k), pointer, array)
        return context.get_dummy_value()

    return types.void(array, types.intp, vectors), generate


@instruction
def store_columns(typing_context: Any, array: Any, index: Any, step: Any, vectors: Any, skip: Any, like: Any) -> Any:
    """Write len(like) vectors of a tuple, or as many as there are, from number ``skip`` on, every ``step`` elements."""
    numbers = range(skip.literal_value, min(len(vectors), skip.literal_value + len(like)))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        index = args[1]
        for k in numbers:
            _write(builder, builder.extract_value(args[3], k), _pointer(context, builder, array, args[0], index), array)
            index = builder.add(index, args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vectors, skip, like), generate


@instruction
def add_scaled(typing_context: Any, sums: Any, weight: Any, array: Any, index: Any, step: Any) -> Any:
    """sums[k] + weight * array[index + k * step] for every vector of the tuple ``sums``; ``step`` is a literal."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        results = []
        for k in range(len(sums)):
            offset = k * step.literal_value
            factor = builder.load(
                _pointer(context, builder, array, args[2], args[3], offset=offset), typ=F32x16.element
            )
            operands = [args[1], broadcast(builder, factor), builder.extract_value(args[0], k)]
            results.append(call(builder, "fmuladd", operands))
        return context.make_tuple(builder, sums, results)

    return sums(sums, weight, array, types.intp, step), generate


@instruction
def weighted_rows(typing_context: Any, rows: Any, start: Any, weights: Any, first: Any, like: Any) -> Any:
    """Sum over k < len(like) of weights[first + k] * rows[start + 3 k : start + 3 k + 3], as a tuple of three scalars.

    ``len(like)`` is 4 or more: rows are read four elements at a time, and the last one from one element earlier.
    """
    n = len(like)
    result = types.UniTuple(types.float32, 3)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums: list[Any] = [None, None, None, None]
        for k in range(n):
            last = int(k == n - 1)
            row = _read(builder, _pointer(context, builder, rows, args[0], args[1], offset=3 * k - last), rows, lanes=4)
            if last:
                row = shuffled(builder, row, row, [1, 2, 3, 3])
            weight = builder.load(_pointer(context, builder, weights, args[2], args[3], offset=k), typ=F32x16.element)
            spread = shuffled(
                builder,
                builder.insert_element(ir.Constant(row.type, ir.Undefined), weight, ir.IntType(32)(0)),
                ir.Constant(row.type, ir.Undefined),
                [0] * 4,
            )
            held = sums[k % 4]
            sums[k % 4] = builder.fmul(row, spread) if held is None else call(builder, "fmuladd", [row, spread, held])
        total = builder.fadd(builder.fadd(sums[0], sums[1]), builder.fadd(sums[2], sums[3]))
        channels = [builder.extract_element(total, ir.IntType(32)(c)) for c in range(3)]
        return context.make_tuple(builder, result, channels)

    return result(rows, types.intp, weights, types.intp, like), generate
