"""What the accumulator of a hardware layer can reach."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

import numpy as np
import onnx_ir as ir

from brevitas_ext.arith import IntRange, signed_bits, unsigned_bits
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, is_hardware, layer_type, static_shape
from finn_transforms.analysis.products import Extremes, Products
from finn_transforms.analysis.ranges_rules import Known
from finn_transforms.analysis.ranges_sums import known_products
from finn_transforms.analysis.weights import counts_matches

Overflow: TypeAlias = Literal["any_order", "wrap"]
Kind: TypeAlias = Literal["dot", "matches", "pool", "elementwise"]

UNITS = frozenset({"MVAU", "ShiftMVAU", "SparqMVAU", "VVAU"})
ELEMENTWISE = frozenset({"ElementwiseAdd", "ElementwiseMul", "ElementwiseSub"})
_ADDING_POOLS = {"AccPool", "AvgPool", "QuantAvgPool"}

OVERFLOW_KEY = "finn_transforms.overflow"
"""Key of the node metadata that says so where only the final sum fits its accumulator."""


@dataclass(frozen=True, eq=False)
class Accumulator:
    """Sums of one hardware layer, over all inputs that can occur.

    Attributes:
        kind: products (``"dot"``), equal bits (``"matches"``), elements of a window (``"pool"``), or one operation
            per element (``"elementwise"``).
        k: how many terms one sum has.
        partial: lowest and highest partial sum in any order, (C,) each.
        final: lowest and highest final sum.
        products: the terms, for products and equal bits.
        inputs: for pools, the range (C,) or (1,) of one element.
    """

    kind: Kind
    k: int
    partial: Extremes
    final: Extremes
    products: Products | None = None
    inputs: Box | None = None

    def extremes(self, overflow: Overflow) -> Extremes:
        """Return the extremes (C,) that the accumulator has to hold."""
        return self.partial if overflow == "any_order" else self.final

    def hull(self, overflow: Overflow) -> IntRange:
        """Return the range of all channels together, which one accumulator per PE has to hold."""
        low, high = self.extremes(overflow)
        return IntRange(int(low.min()), int(high.max()))

    def channel_bits(self, overflow: Overflow) -> list[int]:
        """Return the width that each channel alone would need, with a sign only where it has negative sums."""
        ends = zip(*self.extremes(overflow), strict=True)
        return [unsigned_bits(high) if low >= 0 else signed_bits(low, high) for low, high in ends]


def overflow_of(node: ir.Node) -> Overflow:
    """Return what a layer's accumulator was sized for."""
    return "wrap" if node.metadata_props.get(OVERFLOW_KEY) == "wrap" else "any_order"


def accumulates(node: ir.Node) -> bool:
    """Tell whether a node is a hardware layer that computes sums of integers, or products element by element."""
    if not is_hardware(node):
        return False
    kind = layer_type(node)
    if kind == "Pool":
        return attributes_of(node).get("Function") in _ADDING_POOLS
    return kind in UNITS | ELEMENTWISE | {"GlobalAccPool"}


def read_accumulator(node: ir.Node, known: Known) -> Accumulator:
    """Return what a layer that `accumulates` can reach.

    Raises:
        NoMatchError: its inputs or weights are no integers.
    """
    source = node.inputs[0]
    if layer_type(node) in ELEMENTWISE:
        return _elementwise(node, known)
    if source is None or source not in known:
        raise NoMatchError("its input is not an integer tensor", "Annotate the input's data type")
    if layer_type(node) not in UNITS:
        return _pool(node, known[source])
    products = known_products(node, known)
    if products is None:
        weights = attributes_of(node).get("weightDataType")
        raise NoMatchError(f"its weights are {weights}", "Quantize the weights to integers")
    kind: Kind = "matches" if counts_matches(node) else "dot"
    k = products.rows.shape[1]
    return Accumulator(kind, k, products.partial_sums(), products.final_sums(), products)


def _elementwise(node: ir.Node, known: Known) -> Accumulator:
    output = known.get(node.outputs[0])
    operands = [value for value in node.inputs if value is not None]
    if output is None or any(integer_datatype(value) is None for value in operands):
        raise NoMatchError("its operands are not all integer tensors", "Annotate their data types")
    box = output.reduced(*range(output.low.ndim - 1)).map(lambda array: array.reshape(-1))
    # Nothing is added up step by step: the result is all there is.
    return Accumulator("elementwise", len(operands), (box.low, box.high), (box.low, box.high))


def _pool(node: ir.Node, source: Box) -> Accumulator:
    attributes = attributes_of(node)
    if layer_type(node) == "Pool":
        k = prod(attributes["KernelSize"])
        mixed = source.reduced(*range(source.low.ndim - 1)).map(lambda array: array.reshape(-1))
        taps = mixed if mixed.is_uniform else mixed.map(lambda array: array.reshape(k, -1)).reduced(0)
    else:
        k = prod(static_shape(node.inputs[0])[1:-1]) if node.inputs[0] is not None else 1
        taps = source.reduced(*range(source.low.ndim - 1))
    taps = taps.map(lambda array: array.reshape(-1))
    partial = np.minimum(taps.low, 0) * k, np.maximum(taps.high, 0) * k
    return Accumulator("pool", k, partial, (taps.low * k, taps.high * k), inputs=taps)
