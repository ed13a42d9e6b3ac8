"""What runs before and behind the accelerator, in float64 as in the emulator: quantizers and element-wise tails."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.rounding import Rounding
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import NoMatchError
from finn_transforms.analysis.quantizer import Quantizer, read_quantizer
from finn_transforms.emulate.compiled.builder import Builder
from finn_transforms.emulate.compiled.stream import (
    UINT8_HIGHEST,
    CannotCompileError,
    Stream,
    ends,
    float32,
    float64,
    settled,
)

# onnxruntime broadcasts row by row, which takes longer than the addition below this length.
_SHORT_ROW = 32

ARITHMETIC = {"Add", "Div", "Mul", "Sub"}
"""Operators whose float64 results IEEE 754 defines, so that onnxruntime and numpy agree bit for bit."""


SELECTING = {"Clip", "Neg", "Relu"}
"""Operators that round nothing."""


def selecting(builder: Builder, node: ir.Node, source: Stream) -> Stream:
    """Add an operator of `SELECTING` on real numbers."""
    names = [float64(builder, settled(builder, source)).name]
    for value in node.inputs[1:]:
        array = constant(value)
        if value is not None and (array is None or array.size != 1):
            raise CannotCompileError(f"{node.op_type} {node.name!r}: expected a constant number as limit")
        names.append("" if array is None else builder.constant(array.astype(np.float64).reshape(())))
    return Stream(name=builder.node(node.op_type, names), kind="float64", rank=source.rank)


def arithmetic(builder: Builder, node: ir.Node, operands: list[Stream | None]) -> Stream:
    """Add an element-wise operator on real numbers."""
    streams = [operand for operand in operands if operand is not None]
    constants = [constant(value) for value, operand in zip(node.inputs, operands, strict=True) if operand is None]
    if len(streams) == 1 and len(constants) == 1 and constants[0] is not None:
        return _with_constant(builder, node, settled(builder, streams[0]), constants[0])
    if len(streams) != len(operands):
        raise CannotCompileError(f"{node.op_type} {node.name!r}: its input is neither computed nor constant")
    names = [float64(builder, settled(builder, stream)).name for stream in streams]
    return Stream(name=builder.node(node.op_type, names), kind="float64", rank=max(stream.rank for stream in streams))


def _with_constant(builder: Builder, node: ir.Node, source: Stream, array: NDArray[Any]) -> Stream:
    values, rank = array.astype(np.float64), max(source.rank, array.ndim)
    if node.op_type == "Mul" and array.size == 1 and array.dtype == np.float32:
        return replace(_scaled(builder, source, float(array.item())), rank=rank)
    stream = float64(builder, source)
    short = rank == 2 and 1 < values.size < _SHORT_ROW and values.shape[-1] == values.size
    operand = builder.row(values.reshape(-1)) if short and node.op_type == "Add" else builder.constant(values)
    pair = [stream.name, operand]
    is_first = node.inputs[0] is not None and constant(node.inputs[0]) is not None
    return Stream(name=builder.node(node.op_type, pair[::-1] if is_first else pair), kind="float64", rank=rank)


def _scaled(builder: Builder, source: Stream, factor: float) -> Stream:
    """Multiply by a float32 number.

    Integers of 24 bits times a float32 number of 24 bits are exact in float64, so a second such factor is the only one
    to round, and both may be multiplied first if their product is exact.
    """
    if source.product is not None:
        integers, first = source.product
        if Fraction(first) * Fraction(factor) == Fraction(first * factor):
            name = builder.node("Mul", [integers, builder.constant(np.float64(first * factor))])
            return Stream(name=name, kind="float64", rank=source.rank)
    values = float64(builder, source).name
    name = builder.node("Mul", [values, builder.constant(np.float64(factor))])
    product = None if source.low is None else (values, factor)
    return Stream(name=name, kind="float64", rank=source.rank, product=product)


def quantizer(builder: Builder, node: ir.Node, source: Stream, divided: tuple[Stream, Any] | None) -> Stream:
    """Add a quantizer to integers.

    Args:
        builder: where it is added.
        node: a ``Quant`` with scale 1.
        source: its input.
        divided: the numerator and the divisor where its input is a quotient of the graph's float32 input.

    Raises:
        CannotCompileError: it does not give integers, or they do not fit eight bits.
    """
    try:
        read = read_quantizer(node)
    except NoMatchError as why:
        raise CannotCompileError(f"{node.op_type} {node.name!r}: {why.reason}") from why
    codes = read.codes
    if np.any(read.scale != 1) or read.zero_point.size != 1 or codes.high - codes.low > UINT8_HIGHEST:
        raise CannotCompileError(
            f"{node.op_type} {node.name!r}: expected codes of up to 8 bits, scale 1 and one zero point, found scale "
            f"{read.scale.ravel()[:4].tolist()}, zero points {read.zero_point.ravel()[:4].tolist()} and {read.bits} "
            "bits; run ExtractIntegers first, or use emulate"
        )
    low, high = ends(read.integers)
    if read.is_bipolar:
        positive = builder.node("GreaterOrEqual", [float64(builder, source).name, builder.constant(np.float64(0))])
        code, factor = builder.cast(positive, np.uint8), 2
    else:
        exact = None if divided is None else _in_float32(builder, read, *divided)
        code, factor = exact or _in_float64(builder, read, float64(builder, source).name), 1
    return Stream(name=code, kind="uint8", rank=source.rank, low=low, high=high, factor=factor, offset=int(low[0]))


def _in_float32(builder: Builder, read: Quantizer, numerator: Stream, divisor: NDArray[Any]) -> str | None:
    """Add onnxruntime's quantizer where the division is exact in float32: by a power of two.

    A result too small for float32 rounds to 0 either way, one too large saturates.
    """
    mantissa, _ = np.frexp(divisor)
    if divisor.size != 1 or mantissa.item() != 0.5 or _rounding(read) is not Rounding.ROUND or read.zero_point.any():
        return None
    codes = read.codes
    zero = -codes.low
    if not 0 <= zero <= UINT8_HIGHEST:
        return None
    step, shift = builder.constant(np.float32(divisor.item())), builder.constant(np.uint8(zero))
    code = builder.node("QuantizeLinear", [numerator.name, step, shift])
    return clip(builder, code, UINT8_HIGHEST, codes.high - codes.low)


def clip(builder: Builder, code: str, highest_possible: int, highest: int) -> str:
    """Limit uint8 codes."""
    if highest >= highest_possible:
        return code
    return builder.node("Clip", [code, builder.constant(np.uint8(0)), builder.constant(np.uint8(highest))])


def _in_float64(builder: Builder, read: Quantizer, value: str) -> str:
    codes, rounding = read.codes, _rounding(read)
    if read.zero_point.any():
        value = builder.node("Add", [value, builder.constant(np.float64(read.zero_point.item()))])
    if rounding is Rounding.ROUND:
        # Adding so much that float64 has no fraction left rounds to the nearest integer, ties to even.  What is too
        # large for that is no integer, but saturates all the same.
        much = builder.constant(np.float64(1.5 * 2**52))
        value = builder.node("Sub", [builder.node("Add", [value, much]), much])
    else:
        value = _ROUNDINGS[rounding](builder, value)
    shift = builder.constant(np.float64(codes.low))
    value = builder.cast(builder.node("Sub", [value, shift]) if codes.low else value, np.float32)
    one, zero = builder.constant(np.float32(1)), builder.constant(np.uint8(0))
    code = builder.node("QuantizeLinear", [value, one, zero])
    return clip(builder, code, UINT8_HIGHEST, codes.high - codes.low)


def _rounding(read: Quantizer) -> Rounding:
    if not isinstance(read.operator, Quant):
        raise CannotCompileError(f"expected a uniform quantizer, found {read.operator.op_type}; use emulate")
    return read.operator.rounding


def _single(op_type: str) -> Any:
    return lambda builder, value: builder.node(op_type, [value])


def _signed(op_type: str) -> Any:
    def rounded(builder: Builder, value: str) -> str:
        sign, size = builder.node("Sign", [value]), builder.node("Abs", [value])
        return builder.node("Mul", [sign, builder.node(op_type, [size])])

    return rounded


def _half(compare: str) -> Any:
    def rounded(builder: Builder, value: str) -> str:
        sign, size = builder.node("Sign", [value]), builder.node("Abs", [value])
        whole = builder.node("Floor", [size])
        fraction = builder.node("Sub", [size, whole])
        away = builder.cast(builder.node(compare, [fraction, builder.constant(np.float64(0.5))]), np.float64)
        return builder.node("Mul", [sign, builder.node("Add", [whole, away])])

    return rounded


_ROUNDINGS: dict[Rounding, Any] = {
    Rounding.CEIL: _single("Ceil"),
    Rounding.FLOOR: _single("Floor"),
    Rounding.UP: _signed("Ceil"),
    Rounding.DOWN: _signed("Floor"),
    Rounding.HALF_UP: _half("GreaterOrEqual"),
    Rounding.HALF_DOWN: _half("Greater"),
}


def moved(builder: Builder, node: ir.Node, source: Stream) -> Stream:
    """Add a layer that only moves data; the batch stays free."""
    source = settled(builder, source)
    attributes, shape = attributes_of(node), node.outputs[0].shape
    if node.op_type == "Identity":
        return source
    source = source.uniform()
    if node.op_type == "Transpose":
        permutation = attributes.get("perm", list(range(source.rank))[::-1])
        return source.renamed(builder.node("Transpose", [source.name], perm=list(permutation)))
    if node.op_type == "DepthToSpace":
        exact = float64(builder, source) if source.kind == "float64" or source.low is None else float32(builder, source)
        options = {name: attributes[name] for name in ("blocksize", "mode") if name in attributes}
        return exact.renamed(builder.node("DepthToSpace", [exact.name], **options))
    if shape is None or not shape.is_static() or shape.numpy()[0] != 1:
        raise CannotCompileError(f"{node.op_type} {node.name!r}: expected a shape that begins with 1, found {shape}")
    sizes = [-1, *shape.numpy()[1:]]
    result = builder.node("Reshape", [source.name, builder.constant(np.array(sizes, np.int64))])
    return replace(source, name=result, rank=len(sizes))


MOVES = {"DepthToSpace", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
