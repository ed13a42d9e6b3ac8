"""Exact integer ranges of values, for a whole tensor, from what produces them.

An annotated data type says what a wire can carry; the producer often says more (a narrow-range quantizer, weights that
bound their sum, thresholds that are never reached).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange, dot_extremes
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, named, range_of
from finn_transforms.analysis.matching import NoMatchError, is_hardware, is_quantizer, layer_type, nodes_of
from finn_transforms.analysis.quantizer import read_quantizer
from finn_transforms.analysis.weights import can_change, counts_matches, weight_rows

_MOVES_DATA = {"ConvolutionInputGenerator", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_SAME_RANGE = _MOVES_DATA | {"MaxPool"}


def integer_ranges(model: ir.Model) -> dict[ir.Value, IntRange]:
    """Return the range of every value of the main graph that is annotated with an integer data type."""
    ranges: dict[ir.Value, IntRange] = {}
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        if (data_type := integer_datatype(value)) is not None:
            ranges[value] = range_of(data_type)
    for node in nodes_of(model):
        output = node.outputs[0]
        if (data_type := integer_datatype(output)) is None:
            continue
        known = _known_range(node, ranges)
        annotated = range_of(data_type)
        ranges[output] = annotated if known is None else known
    return ranges


def sum_extremes(node: ir.Node, inputs: IntRange) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the extremes, per output channel, of every partial sum of a linear node, in any order.

    Args:
        node: a ``Conv``, ``MatMul`` or ``MVAU``; weights of an ``MVAU`` that are not in the graph, or that can change
            at run time, count with the range of their data type.
        inputs: range of its input; zero padding is taken into account here.

    Returns:
        Two object arrays (C,), or None where the weights are not integer constants or nothing is added.
    """
    return _extremes(node, inputs, partial_sums=True)


def hull(extremes: tuple[NDArray[Any], NDArray[Any]]) -> IntRange:
    """Return the range of all channels together."""
    return IntRange(int(np.min(extremes[0])), int(np.max(extremes[1])))


def _known_range(node: ir.Node, ranges: dict[ir.Value, IntRange]) -> IntRange | None:
    name = layer_type(node)
    if is_quantizer(node):
        return _quantizer_range(node)
    source = None if node.inputs[0] is None else ranges.get(node.inputs[0])
    if source is None:
        return None
    if name in _SAME_RANGE:
        return source
    rule = _RULES.get(name)
    return None if rule is None else rule(node, source)


def _quantizer_range(node: ir.Node) -> IntRange | None:
    try:
        return read_quantizer(node).integers
    except NoMatchError:
        return None


def _padding_range(_node: ir.Node, source: IntRange) -> IntRange:
    return source.union(IntRange(0, 0))


def _pool_range(node: ir.Node, source: IntRange) -> IntRange | None:
    return source if attributes_of(node).get("Function") == "MaxPool" else None


def _padded(node: ir.Node, inputs: IntRange) -> IntRange:
    attributes = attributes_of(node)
    is_padded = any(attributes.get("pads", ())) or attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}
    return inputs.union(IntRange(0, 0)) if is_padded else inputs


def _extremes(node: ir.Node, inputs: IntRange, *, partial_sums: bool) -> tuple[NDArray[Any], NDArray[Any]] | None:
    rows = weight_rows(node)
    if is_hardware(node):
        if layer_type(node) != "MVAU" or counts_matches(node):
            return None
        if rows is None or can_change(node):
            return _extremes_of_any_weights(node, inputs)
    if rows is None or _has_bias(node):
        return None
    box = _padded(node, inputs)
    return dot_extremes(rows, box.low, box.high, partial_sums=partial_sums)


def _has_bias(node: ir.Node) -> bool:
    return node.op_type == "Conv" and len(node.inputs) > 2 and node.inputs[2] is not None


def _extremes_of_any_weights(node: ir.Node, inputs: IntRange) -> tuple[NDArray[Any], NDArray[Any]] | None:
    attributes = attributes_of(node)
    weight_type = named(attributes["weightDataType"])
    if not weight_type.is_integer():
        return None
    weights = range_of(weight_type)
    # Every weight at the same end of its range drives each product, and so the sum, to one of its extremes.
    rows = [[bound] * attributes["MW"] for bound in (weights.low, weights.high)]
    worst = hull(dot_extremes(rows, inputs.low, inputs.high, partial_sums=True))
    channels = attributes["MH"]
    return np.full(channels, worst.low, dtype=object), np.full(channels, worst.high, dtype=object)


def _sum_range(node: ir.Node, source: IntRange) -> IntRange | None:
    extremes = _extremes(node, source, partial_sums=False)
    if extremes is None:
        return None
    if is_hardware(node) and len(node.inputs) > 2:
        return _threshold_range(constant(node.inputs[2]), node, hull(extremes))
    return hull(extremes)


def _thresholding_range(node: ir.Node, source: IntRange) -> IntRange | None:
    return _threshold_range(constant(node.inputs[1]), node, source)


def _threshold_range(thresholds: NDArray[Any] | None, node: ir.Node, source: IntRange) -> IntRange | None:
    attributes = attributes_of(node)
    if thresholds is None or can_change(node) or attributes.get("outputDataType") == "BIPOLAR":
        return None
    bias = int(attributes.get("ActVal", 0))
    always = int((thresholds <= source.low).sum(axis=1).min())
    reached = int((thresholds <= source.high).sum(axis=1).max())
    return IntRange(bias + always, bias + reached)


_RULES: dict[str, Callable[[ir.Node, IntRange], IntRange | None]] = {
    "Conv": _sum_range,
    "FMPadding": _padding_range,
    "MVAU": _sum_range,
    "MatMul": _sum_range,
    "Pool": _pool_range,
    "Thresholding": _thresholding_range,
}
