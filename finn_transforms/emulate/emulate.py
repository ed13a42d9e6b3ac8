"""Runs a graph of integers and float64 tails on batches, at any stage between export and hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import named, range_of
from finn_transforms.analysis.matching import FINN_ACCUMULATOR, is_hardware, layer_type, nodes_of
from finn_transforms.ops import evaluate_outputs

Array = NDArray[Any]


class AccumulatorOverflowError(ArithmeticError):
    """A sum left the accumulator that the graph declares for it."""


def emulate(model: ir.Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return every value of the main graph for a batch of inputs.

    Integers are exact as long as they stay below 2**53 (they are kept in float64 between layers, so that dot products
    run in BLAS), which the accumulators' data types guarantee; element-wise tails are evaluated in float64.  Quantized
    constants are computed in the float32 they are stored in, as every runtime does.

    Args:
        model: a QONNX or hardware graph.
        inputs: graph inputs by name, the batch first; the batch may be larger than the graph's.

    Returns:
        Arrays by value name.

    Raises:
        AccumulatorOverflowError: a final sum does not fit its MVAU's ``accDataType``.
        KeyError: an input is missing.
        UnsupportedOperatorError: an operator has no golden function.
    """
    values: dict[ir.Value, Array] = {}
    for value in model.graph.inputs:
        if value.const_value is None:
            name = value.name or ""
            if name not in inputs:
                raise KeyError(f"expected an input named {name!r}, got {sorted(inputs)}")
            values[value] = np.asarray(inputs[name], dtype=np.float64)
    for node in nodes_of(model):
        if constant(node.outputs[0]) is not None:
            continue
        operands = [None if value is None else _operand(value, values) for value in node.inputs]
        if not any(value in values for value in node.inputs):
            operands = [constant(value) for value in node.inputs]
        outputs = evaluate_outputs(node.op_type, attributes_of(node), operands, len(node.outputs))
        for value, output in zip(node.outputs, outputs, strict=False):
            values[value] = np.asarray(output, dtype=np.float64)
        if is_hardware(node) and layer_type(node) in {"MVAU", "VVAU"} and len(node.inputs) == 2:
            _check_accumulator(node, values[node.outputs[0]])
    return {value.name or "": array for value, array in values.items()}


def _operand(value: ir.Value, values: dict[ir.Value, Array]) -> Array:
    if value in values:
        return values[value]
    array = constant(value)
    if array is None:
        raise KeyError(f"value {value.name!r} is read before it is computed: sort the graph")
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _check_accumulator(node: ir.Node, sums: Array) -> None:
    name = attributes_of(node).get("accDataType", FINN_ACCUMULATOR)
    holds = range_of(named(name))
    if sums.size and not holds.low <= sums.min() <= sums.max() <= holds.high:
        channel = int(np.argwhere((sums < holds.low) | (sums > holds.high))[0][-1])
        raise AccumulatorOverflowError(
            f"{node.name!r}, channel {channel}: accDataType {name} holds [{holds.low}, {holds.high}], "
            f"found a sum in [{sums.min():.0f}, {sums.max():.0f}]"
        )
