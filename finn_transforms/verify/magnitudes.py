"""How exactly float32 can be expected to meet a value: the magnitudes of the terms that were added up to it.

Rounding errors are proportional to these, not to the value, which may be the small difference of large terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.ops import UnsupportedOperatorError, evaluate

Array = NDArray[Any]

# The same operator on the magnitudes adds up the magnitudes of all terms, or moves them.
_SAME = {
    "Add", "AveragePool", "Concat", "Conv", "ConvTranspose", "DepthToSpace", "Flatten", "Gemm", "GlobalAveragePool",
    "Identity", "MatMul", "MaxPool", "Mul", "Pad", "ReduceMean", "ReduceSum", "Reshape", "Resize", "Slice", "Split",
    "Squeeze", "Sum", "Transpose", "Unsqueeze", "Upsample",
}  # fmt: skip
# Functions with a slope of at most 1 that float32 computes exactly.
_KEEPS = {"Abs", "Clip", "Dropout", "Neg", "Relu"}
# Functions with a slope of about 1 at most that round.
_ADDS_OWN = {"Elu", "Gelu", "HardSigmoid", "LeakyRelu", "Mish", "Selu", "Sigmoid", "Softplus", "Tanh"}


def magnitude_of(value: ir.Value, values: Mapping[str, Array], stops: set[ir.Value]) -> Array:
    """Return the magnitudes of a value's terms, of its shape.

    Args:
        value: the value.
        values: every computed value by name, float64.
        stops: where terms begin: the tensors that both graphs were given.
    """
    known: dict[ir.Value, Array] = {}
    pending = [value]
    while pending:
        current = pending[-1]
        node = current.producer()
        if current in known:
            pending.pop()
        elif (array := constant(current)) is not None:
            known[current] = np.abs(array.astype(np.float64)) if array.dtype.kind == "f" else array
        elif node is None or current in stops or not _has_rule(node):
            known[current] = np.abs(values[current.name or ""])
        elif missing := [each for each in node.inputs if each is not None and each not in known]:
            pending += missing
        else:
            known[current] = _through(node, current, known, values)
    return known[value]


def unit_in_last_place(magnitudes: Array) -> Array:
    """Return the unit in the last place of float32 numbers of these magnitudes."""
    return np.spacing(magnitudes.astype(np.float32)).astype(np.float64)


def _has_rule(node: ir.Node) -> bool:
    known = _SAME | _KEEPS | _ADDS_OWN | {"BatchNormalization", "Div", "Sub"}
    return node.domain == "" and node.op_type in known and len(node.outputs) == 1


def _through(node: ir.Node, output: ir.Value, known: Mapping[ir.Value, Array], values: Mapping[str, Array]) -> Array:
    inputs = [None if value is None else known[value] for value in node.inputs]
    own = np.abs(values[output.name or ""])
    first = inputs[0]
    if first is None:
        return own
    if node.op_type in _KEEPS:
        return first
    if node.op_type in _ADDS_OWN:
        return np.asarray(first + own)
    attributes = attributes_of(node)
    try:
        if node.op_type == "Div":
            return np.asarray(first / inputs[1])
        if node.op_type == "BatchNormalization":
            # The mean is subtracted: with its sign turned all terms add up.
            mean, variance = inputs[3], constant(node.inputs[4])
            turned = [*inputs[:3], None if mean is None else -mean, variance]
            return np.asarray(evaluate("BatchNormalization", attributes, turned))
        return np.asarray(evaluate("Add" if node.op_type == "Sub" else node.op_type, attributes, inputs))
    except UnsupportedOperatorError:
        return own
