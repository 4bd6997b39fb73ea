"""Vectors of sixteen lanes inside numba kernels: their types and arithmetic.

Numba turns loops into vector code only when it recognises them. The rasterizer's inner loop is not of that kind, so
its kernels are written with explicit vectors: ``F32x16`` (sixteen float32), ``F64x16``, ``I32x16`` and ``Mask16``
(sixteen truth values). They exist only inside ``@kernel`` functions, come from ``splat``, the loads of
``simd_memory`` and comparisons, and know ``+ - * /``, ``< <= > >=``, ``& | ^`` and ``<< >>``.

LLVM lowers the vectors to what the processor has: one AVX-512 register, two of AVX2 or four of SSE. ``fma`` is fused
only where the processor can do that, so results may differ in the last bits between processors, never between runs
or thread counts on one processor.

Everything here is at module level on purpose: numba's disk cache does not work for kernels that call closures.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types  # noqa: TID253  part of the cpu rasterizer, loaded only when it is asked for
from numba.core import cgutils  # noqa: TID253  as above
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature  # noqa: TID253  as above
from numba.extending import lower_builtin, models, register_model  # noqa: TID253  as above

from simvid.rendering.cpu.layout import LANES
from simvid.rendering.kernels.jit import instruction

Lanes = Any
"""What a vector is to a type checker: kernels are checked by numba, which knows the real type."""


class Vector(types.Type):  # type: ignore[misc,unused-ignore]
    """Numba type of a vector of sixteen equal LLVM scalars."""

    def __init__(self, name: str, element: ir.Type) -> None:
        super().__init__(name=name)
        self.element = element
        self.llvm = ir.VectorType(element, LANES)


F32x16 = Vector("F32x16", ir.FloatType())
F64x16 = Vector("F64x16", ir.DoubleType())
I32x16 = Vector("I32x16", ir.IntType(32))
Mask16 = Vector("Mask16", ir.IntType(1))

VECTOR_OF = {types.float32: F32x16, types.float64: F64x16, types.int32: I32x16}
"""The vector type that holds sixteen of a scalar type."""


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc,unused-ignore]
    """A vector is held as the LLVM vector itself."""

    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm)


# ---------------------------------------------------------------------------------------------------------- operators


def _register(function: Any, cases: Sequence[Any], emit: Callable[[Any, Sequence[Any], Vector], Any]) -> None:
    """Teach numba an operator: ``emit(builder, operands, operand type)`` writes the LLVM instruction."""

    def lower(context: Any, builder: Any, sig: Any, args: Sequence[Any]) -> Any:
        del context
        return emit(builder, args, sig.args[0])

    infer: Any = infer_global
    infer(function)(type(f"_{function.__name__}", (ConcreteTemplate,), {"cases": list(cases)}))
    for case in cases:
        lower_builtin(function, *case.args)(lower)


def _register_all() -> None:
    for name, verb in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div"}.items():

        def arithmetic(builder: Any, args: Sequence[Any], kind: Vector, verb: str = verb) -> Any:
            return getattr(builder, verb if kind is I32x16 else "f" + verb)(*args)

        kinds: tuple[Vector, ...] = (F32x16, F64x16) if name == "truediv" else (F32x16, F64x16, I32x16)
        _register(getattr(operator, name), [signature(k, k, k) for k in kinds], arithmetic)
    for name, symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items():

        def comparison(builder: Any, args: Sequence[Any], kind: Vector, symbol: str = symbol) -> Any:
            return (builder.icmp_signed if kind is I32x16 else builder.fcmp_ordered)(symbol, *args)

        kinds = (F32x16, F64x16, I32x16)
        _register(getattr(operator, name), [signature(Mask16, k, k) for k in kinds], comparison)
    for name, verb in {"and_": "and_", "or_": "or_", "xor": "xor", "lshift": "shl", "rshift": "ashr"}.items():

        def bitwise(builder: Any, args: Sequence[Any], kind: Vector, verb: str = verb) -> Any:
            del kind
            return getattr(builder, verb)(*args)

        kinds = (I32x16,) if "shift" in name else (I32x16, Mask16)
        _register(getattr(operator, name), [signature(k, k, k) for k in kinds], bitwise)

    def negation(builder: Any, args: Sequence[Any], kind: Vector) -> Any:
        del kind
        return builder.fneg(args[0])

    _register(operator.neg, [signature(k, k) for k in (F32x16, F64x16)], negation)


_register_all()

# ----------------------------------------------------------------------------------------------------------- functions


def shuffled(builder: Any, a: Any, b: Any, order: Sequence[int]) -> Any:
    """LLVM shuffle: lane k of the result is lane ``order[k]`` of a and b laid side by side."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(order)), list(order)))


def broadcast(builder: Any, scalar: Any) -> Any:
    """LLVM vector with the scalar in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    return shuffled(builder, builder.insert_element(undefined, scalar, ir.IntType(32)(0)), undefined, [0] * LANES)


def call(builder: Any, name: str, args: Sequence[Any]) -> Any:
    """Call of an LLVM intrinsic whose operands and result are float vectors of one type."""
    vector = args[0].type
    letter = "f32" if vector.element == ir.FloatType() else "f64"
    function = ir.FunctionType(vector, [vector] * len(args))
    full_name = f"llvm.{name}.v{vector.count}{letter}"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, full_name), args)


@instruction
def splat(typing_context: Any, value: Any) -> Any:
    """A vector with the scalar in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return broadcast(builder, args[0])

    return VECTOR_OF[value](value), generate


@instruction
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once where the processor can."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, "fmuladd", args)

    return a(a, a, a), generate


@instruction
def sqrt(typing_context: Any, a: Any) -> Any:
    """Square root of every lane; NaN below zero."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, "sqrt", args)

    return a(a), generate


@instruction
def minimum(typing_context: Any, a: Any, b: Any) -> Any:
    """The lesser of each lane; the second where one is NaN."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return a(a, a), generate


@instruction
def maximum(typing_context: Any, a: Any, b: Any) -> Any:
    """The greater of each lane; the second where one is NaN."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, a), generate


@instruction
def select(typing_context: Any, mask: Any, a: Any, b: Any) -> Any:
    """``a`` where the mask holds, else ``b``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(mask, a, a), generate


@instruction
def bits(typing_context: Any, mask: Any) -> Any:
    """The mask as an int64: bit k is lane k."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(LANES)), ir.IntType(64))

    return types.int64(mask), generate


@instruction
def lowest_bit(typing_context: Any, value: Any) -> Any:
    """Index of the lowest set bit of an int64; 64 if there is none."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(0))

    return types.int64(types.int64), generate


def _conversion(source: Vector, target: Vector, verb: str, doc: str) -> Any:
    def convert(typing_context: Any, a: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return getattr(builder, verb)(args[0], target.llvm)

        return target(source), generate

    convert.__doc__ = doc
    return instruction(convert)


widened = _conversion(F32x16, F64x16, "fpext", "float32 lanes as float64.")
narrowed = _conversion(F64x16, F32x16, "fptrunc", "float64 lanes rounded to float32.")
truncated = _conversion(F32x16, I32x16, "fptosi", "Lanes rounded towards zero; they must fit int32.")
floated = _conversion(I32x16, F32x16, "sitofp", "int32 lanes as float32.")
as_bits = _conversion(F32x16, I32x16, "bitcast", "The bit patterns of float32 lanes.")
from_bits = _conversion(I32x16, F32x16, "bitcast", "Bit patterns read as float32.")
