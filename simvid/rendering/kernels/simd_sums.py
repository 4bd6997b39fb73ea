"""Vectors of sixteen lanes inside numba kernels: what gradients need beside ``simd`` and ``simd_memory``."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types  # noqa: TID253  part of the cpu rasterizer, loaded only when it is asked for

from simvid.rendering.cpu.layout import LANES
from simvid.rendering.kernels.jit import instruction
from simvid.rendering.kernels.simd import VECTOR_OF, F32x16, broadcast, call, shuffled
from simvid.rendering.kernels.simd_memory import _pointer, _read

_ROW = 4  # a vector of pixels is a block of four rows of four


@instruction
def load_block(typing_context: Any, array: Any, index: Any, row_stride: Any, pixel_stride: Any) -> Any:
    """One element of each pixel of a block of 4 x 4: lane k is the pixel in row k % 4, column k // 4."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values, index, row_stride, pixel_stride = args
        result = ir.Constant(F32x16.llvm, ir.Undefined)
        for column in range(_ROW):
            position = index
            for row in range(_ROW):
                element = builder.load(_pointer(context, builder, array, values, position), typ=F32x16.element)
                result = builder.insert_element(result, element, ir.IntType(32)(_ROW * column + row))
                position = builder.add(position, row_stride)
            index = builder.add(index, pixel_stride)
        return result

    return VECTOR_OF[array.dtype](array, types.intp, types.intp, types.intp), generate


@instruction
def load_strided(typing_context: Any, array: Any, index: Any, stride: Any) -> Any:
    """Sixteen elements of each of sixteen rows that begin every ``stride`` elements from ``index`` on."""
    result = types.UniTuple(VECTOR_OF[array.dtype], LANES)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values, index, stride = args
        vectors = []
        for _ in range(LANES):
            vectors.append(_read(builder, _pointer(context, builder, array, values, index), array))
            index = builder.add(index, stride)
        return context.make_tuple(builder, result, vectors)

    return result(array, types.intp, types.intp), generate


@instruction
def zeros(typing_context: Any, like: Any) -> Any:
    """As many vectors of zeros as the tuple ``like`` is long."""
    result = types.UniTuple(F32x16, len(like))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_tuple(builder, result, [ir.Constant(F32x16.llvm, None)] * len(like))

    return result(like), generate


@instruction
def add_products(typing_context: Any, total: Any, vectors: Any, first: Any, array: Any, index: Any, step: Any,
                 like: Any) -> Any:  # fmt: skip
    """total + sum over k < len(like) of vectors[first + 16 k : ... + 16] * array[index + k step]; step is a literal."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        total = args[0]
        for k in range(len(like)):
            vector = _read(builder, _pointer(context, builder, vectors, args[1], args[2], offset=LANES * k), vectors)
            pointer = _pointer(context, builder, array, args[3], args[4], offset=k * step.literal_value)
            factor = broadcast(builder, builder.load(pointer, typ=F32x16.element))
            total = call(builder, "fmuladd", [vector, factor, total])
        return total

    return total(total, vectors, types.intp, array, types.intp, step, like), generate


@instruction
def add_weighted(typing_context: Any, sums: Any, weight: Any, vectors: Any, first: Any) -> Any:
    """sums[k] + weight * vectors[first + 16 k : ... + 16] for every vector of the tuple ``sums``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        results = []
        for k in range(len(sums)):
            vector = _read(builder, _pointer(context, builder, vectors, args[2], args[3], offset=LANES * k), vectors)
            results.append(call(builder, "fmuladd", [args[1], vector, builder.extract_value(args[0], k)]))
        return context.make_tuple(builder, sums, results)

    return sums(sums, weight, vectors, types.intp), generate


@instruction
def lane_sums(typing_context: Any, first: Any, second: Any) -> Any:
    """A vector whose lane k is the sum over the lanes of vector k of two tuples, sixteen at most together.

    Vectors are added in pairs, half of the lanes of each, which then hold sums of two: four rounds leave one vector.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vectors = [builder.extract_value(args[0], k) for k in range(len(first))]
        vectors += [builder.extract_value(args[1], k) for k in range(len(second))]
        rows: list[Any] = [*vectors, *[None] * (LANES - len(vectors))]
        zero = ir.Constant(F32x16.llvm, None)
        for step in (1, 2, 4, 8):
            near = [lane if not lane & step else LANES + lane for lane in range(LANES)]
            far = [lane ^ step if not lane & step else LANES + (lane ^ step) for lane in range(LANES)]
            for i in (k for k in range(LANES) if not k & (2 * step - 1)):
                a, b = rows[i], rows[i + step]
                if a is not None:
                    b = zero if b is None else b
                    rows[i] = builder.fadd(shuffled(builder, a, b, near), shuffled(builder, a, b, far))
        return rows[0]

    return F32x16(first, second), generate
