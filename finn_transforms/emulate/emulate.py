"""Runs a graph of integers and float64 tails on batches, at any stage between export and hardware."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import layer_type, nodes_of
from finn_transforms.emulate.accumulators import Overflow, accumulate, has_accumulator
from finn_transforms.emulate.formats import evaluate_exactly
from finn_transforms.ops import evaluate, evaluate_outputs

Array = NDArray[Any]

# Layers that may compare their sums with thresholds themselves: inputs are data, weights, thresholds.
_WITH_THRESHOLDS = {"MVAU", "ShiftMVAU", "VVAU"}
_DATA_AND_WEIGHTS = 2


def emulate(
    model: ir.Model,
    inputs: Mapping[str, Array],
    *,
    overflow: Overflow = "error",
    keep: Collection[str] | Literal["all", "outputs"] = "all",
) -> dict[str, Array]:
    """Return the values of the main graph for a batch of inputs.

    Integers are exact whatever their magnitude, see `evaluate_exactly`; element-wise tails are evaluated in float64.
    Quantized constants are computed in the float32 they are stored in, as every runtime does.

    Args:
        model: a QONNX or hardware graph.
        inputs: values by name, the batch first; the batch may be larger than the graph's.  Usually the graph's
            inputs; a value in the middle that is given is not computed, nor is what only it depends on.
        overflow: ``"error"`` stops where a hardware layer's sum does not fit the accumulator that the graph declares;
            ``"wrap"`` goes on with its lowest bits, as hardware does, so that a too narrow accumulator gives the
            wrong answer that it would give there.
        keep: names of the values to return; everything else is dropped as soon as its last reader has run, and what
            they do not need is not computed.  ``"outputs"`` stands for the graph's outputs.

    Returns:
        Arrays by value name: float64; int64 or object where integers are too large for float64.

    Raises:
        AccumulatorOverflowError: a final sum does not fit the data type that its layer declares.
        KeyError: an input is missing, or a value of ``keep`` is not in the graph.
        ValueError: an input has another shape than the graph's beyond the batch, or ``overflow`` is neither.
        UnsupportedOperatorError: an operator has no golden function.
    """
    if overflow not in get_args(Overflow):
        raise ValueError(f"overflow: expected one of {get_args(Overflow)}, got {overflow!r}")
    values = _given(model, inputs)
    wanted = _wanted(model, keep)
    nodes = _needed(model, values, wanted)
    _require_inputs(model, inputs, nodes, values, wanted)
    readers = Counter(value for node in nodes for value in node.inputs if value is not None)
    for node in nodes:
        for output, array in zip(node.outputs, _run(node, values, overflow), strict=False):
            values[output] = array
        for value in node.inputs:
            if value is not None:
                readers[value] -= 1
                if keep != "all" and value not in wanted and not readers[value]:
                    values.pop(value, None)
    return {value.name or "": array for value, array in values.items() if keep == "all" or value in wanted}


def _given(model: ir.Model, inputs: Mapping[str, Array]) -> dict[ir.Value, Array]:
    candidates = [value for value in model.graph.inputs if value.const_value is None]
    candidates += [value for node in model.graph for value in node.outputs]
    return {value: _floats(inputs[value.name or ""]) for value in candidates if (value.name or "") in inputs}


def _floats(array: Array) -> Array:
    array = np.asarray(array)
    return array if array.dtype == object else array.astype(np.float64, copy=False)


def _wanted(model: ir.Model, keep: Collection[str] | Literal["all", "outputs"]) -> set[ir.Value]:
    if keep == "outputs":
        return set(model.graph.outputs)
    known = {value.name or "": value for node in model.graph for value in node.outputs}
    if keep == "all":
        return set(known.values())
    known |= {value.name or "": value for value in model.graph.inputs}
    missing = sorted(set(keep) - known.keys())
    if missing:
        raise KeyError(f"expected names of values of the graph to keep, got {missing[0]!r}, which is not one")
    return {known[name] for name in keep}


def _needed(model: ir.Model, given: Mapping[ir.Value, Array], wanted: set[ir.Value]) -> list[ir.Node]:
    """Return the nodes that the wanted values depend on, down to given values and constants, in graph order."""
    needed: set[ir.Node] = set()
    pending = [value for value in wanted if value not in given]
    while pending:
        node = pending.pop().producer()
        if node is None or node in needed or constant(node.outputs[0]) is not None:
            continue
        needed.add(node)
        pending += [value for value in node.inputs if value is not None and value not in given]
    return [node for node in nodes_of(model) if node in needed]


def _require_inputs(
    model: ir.Model,
    inputs: Mapping[str, Array],
    nodes: list[ir.Node],
    given: Mapping[ir.Value, Array],
    wanted: set[ir.Value],
) -> None:
    read = {value for node in nodes for value in node.inputs} | wanted
    for value in model.graph.inputs:
        if value.const_value is not None or value not in read:
            continue
        if value not in given:
            raise KeyError(f"expected an input named {value.name or ''!r}, got {sorted(inputs)}")
        _require_shape(value, given[value])


def _require_shape(value: ir.Value, array: Array) -> None:
    if value.shape is None:
        return
    sizes = [size if isinstance(size, int) else None for size in value.shape][1:]
    fits = array.ndim == len(value.shape) and all(
        size in (None, found) for size, found in zip(sizes, array.shape[1:], strict=True)
    )
    if not fits:
        expected = ", ".join(["batch", *("any" if size is None else str(size) for size in sizes)])
        raise ValueError(f"input {value.name!r}: expected shape ({expected}), got {array.shape}")


def _run(node: ir.Node, values: Mapping[ir.Value, Array], overflow: Overflow) -> list[Array]:
    attributes = attributes_of(node)
    if not any(value in values for value in node.inputs):
        constants = [constant(value) for value in node.inputs]
        outputs = evaluate_outputs(node.op_type, attributes, constants, len(node.outputs))
        return [np.asarray(output, dtype=np.float64) for output in outputs]
    operands = [None if value is None else _operand(value, values) for value in node.inputs]
    if not has_accumulator(node):
        return evaluate_exactly(node, attributes, operands)
    thresholds = operands.pop() if layer_type(node) in _WITH_THRESHOLDS and len(operands) > _DATA_AND_WEIGHTS else None
    (sums,) = evaluate_exactly(node, attributes, operands)
    sums = accumulate(node, attributes, sums, overflow)
    if thresholds is None:
        return [sums]
    return [np.asarray(evaluate("Thresholding", attributes, [sums, thresholds]), dtype=np.float64)]


def _operand(value: ir.Value, values: Mapping[ir.Value, Array]) -> Array:
    if value in values:
        return values[value]
    array = constant(value)
    if array is None:
        raise KeyError(f"value {value.name!r} is read before it is computed: sort the graph")
    return array.astype(np.float64) if array.dtype.kind == "f" else array
