"""What a sum becomes in the accumulator that the graph declares for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from finn_transforms.analysis.datatypes import integer_datatype, named, range_of
from finn_transforms.analysis.matching import FINN_ACCUMULATOR, is_hardware, layer_type

Array = NDArray[Any]

Overflow: TypeAlias = Literal["error", "wrap"]
"""What happens to a sum that does not fit: it raises, or keeps its lowest bits, as two's complement hardware does."""

# Sums of products; FINN declares their accumulator apart from their output, which may be thresholded.
_DOT_PRODUCTS = {"MVAU", "ShiftMVAU", "SparqMVAU", "VVAU"}
_OTHER_SUMS = {"AddStreams", "ChannelwiseOp", "GlobalAccPool", "Pool"}
_OUTPUT_TYPES = ("out_dtype", "outputDataType", "OutputDataType")


class AccumulatorOverflowError(ArithmeticError):
    """A sum left the accumulator that the graph declares for it."""


def has_accumulator(node: ir.Node) -> bool:
    """Tell whether a node is a hardware layer that adds."""
    name = layer_type(node)
    return is_hardware(node) and (name in _DOT_PRODUCTS | _OTHER_SUMS or name.startswith("Elementwise"))


def accumulate(node: ir.Node, attributes: Mapping[str, Any], sums: Array, overflow: Overflow) -> Array:
    """Return what a hardware layer's accumulator holds after the last addition.

    Only the final sum counts: in two's complement, a partial sum that left the range comes back with it.

    Args:
        node: a node that `has_accumulator`.
        attributes: its attributes as Python values.
        sums: the exact sums, channels last.
        overflow: what to do with one that does not fit.

    Raises:
        AccumulatorOverflowError: a sum does not fit and ``overflow`` is ``"error"``.
    """
    attribute, declared = declared_type(node, attributes)
    if declared is None or not declared.is_integer():
        return sums
    holds = range_of(declared)
    if not sums.size or holds.low <= sums.min() <= sums.max() <= holds.high:
        return sums
    if overflow == "wrap":
        kind = np.int64 if declared.bitwidth() < np.iinfo(np.int64).bits and sums.dtype != object else object
        exact = sums.astype(np.int64).astype(kind) if sums.dtype.kind == "f" else sums.astype(kind)
        wrapped = (exact - holds.low) % (1 << declared.bitwidth()) + holds.low
        return np.asarray(wrapped).astype(sums.dtype)
    channel = int(np.argwhere((sums < holds.low) | (sums > holds.high))[0][-1])
    raise AccumulatorOverflowError(
        f"{node.name!r}, channel {channel}: {attribute} {declared.name} holds [{holds.low}, {holds.high}], "
        f"found a sum in [{sums.min():.0f}, {sums.max():.0f}]"
    )


def declared_type(node: ir.Node, attributes: Mapping[str, Any]) -> tuple[str, BaseDataType | None]:
    """Return where a layer declares the data type of its sums (an attribute, or its annotation), and which it is."""
    if layer_type(node) in _DOT_PRODUCTS:
        return "accDataType", named(attributes.get("accDataType", FINN_ACCUMULATOR))
    for attribute in _OUTPUT_TYPES:
        if attributes.get(attribute):
            return attribute, named(attributes[attribute])
    return "its annotation", integer_datatype(node.outputs[0])
