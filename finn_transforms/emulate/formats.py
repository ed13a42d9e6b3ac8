"""The narrowest number format in which a node's integers are computed without rounding, and the computation in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith.sparq import CODES
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import is_hardware, layer_type
from finn_transforms.ops import evaluate_outputs
from finn_transforms.ops.shift import UNIT as SHIFT_UNIT
from finn_transforms.ops.shift import shifts_of
from finn_transforms.ops.sparq import UNIT as SPARQ_UNIT

Array = NDArray[Any]

FLOAT32_EXACT = 2**24
"""Every integer up to this magnitude is a float32 number."""
FLOAT64_EXACT = 2**53
"""Every integer up to this magnitude is a float64 number."""
_INT64_EXACT = 2**63

# Which axes of the weights run along the products of one output.
_WEIGHT_SUMS: dict[str, tuple[int, ...]] = {
    "Conv": (1, 2, 3),
    "ConvTranspose": (0, 2, 3),
    "MVAU": (0,),
    "ShiftMVAU": (0,),
    "SparqMVAU": (0,),
    "VVAU": (1, 2, 3),
}
_ADDS_MANY = {"AveragePool", "GlobalAccPool", "GlobalAveragePool", "Pool", "ReduceMean", "ReduceSum"}
_COMBINES = {"Add", "AddStreams", "ChannelwiseOp", "Mul", "Sub", "Sum"}
_MATRIX_RANK, _CONVOLUTION_RANK = 2, 4


def evaluate_exactly(node: ir.Node, attributes: Mapping[str, Any], operands: Sequence[Array | None]) -> list[Array]:
    """Return the outputs of a node; if it works on integers, nothing is rounded whatever their magnitude.

    Sums of products run in float32 where the magnitudes of inputs and weights prove that no partial sum, in any order,
    passes 2**24, in float64 below 2**53, else in int64 or Python's integers.  Whatever is not on integers is computed
    in float64.

    Args:
        node: the node.
        attributes: its attributes as Python values.
        operands: its inputs as arrays, None for an absent one.

    Returns:
        One array per output: float64, or int64 and dtype object for integers that float64 does not hold.
    """
    if _is_integer(node):
        kind = _format(node, attributes, operands)
        operands = [_cast(operand, kind) for operand in operands]
    else:
        operands = [_cast(operand, np.float64) if _is_wide(operand) else operand for operand in operands]
    outputs = evaluate_outputs(node.op_type, attributes, operands, len(node.outputs))
    return [_stored(np.asarray(output)) for output in outputs]


def magnitude(array: Array) -> int:
    """Return the largest absolute value, rounded up to an integer; 0 for an empty array."""
    if not array.size:
        return 0
    return max(abs(int(np.floor(array.min()))), abs(int(np.ceil(array.max()))))


def exact_format(bound: int, *, narrowest: type[np.generic] = np.float64) -> type[Any]:
    """Return the format that holds every integer up to ``bound``: float32 (if allowed), float64, int64 or object."""
    if narrowest is np.float32 and bound <= FLOAT32_EXACT:
        return np.float32
    if bound <= FLOAT64_EXACT:
        return np.float64
    return np.int64 if bound < _INT64_EXACT else object


def _is_integer(node: ir.Node) -> bool:
    if is_hardware(node):
        return True
    values = [value for value in (*node.inputs[:2], *node.outputs) if value is not None]
    return len(node.inputs) > 0 and all(integer_datatype(value) is not None for value in values)


def _format(node: ir.Node, attributes: Mapping[str, Any], operands: Sequence[Array | None]) -> type[Any]:
    name = layer_type(node)
    arrays = [operand for operand in operands if operand is not None and operand.dtype.kind in "fiO"]
    if any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in arrays):
        return np.float64
    sizes = [magnitude(array) for array in arrays]
    if name == SPARQ_UNIT:
        # A word may be worth more than itself.
        sizes[0] = max(sizes[0], CODES - 1)
    if name == SHIFT_UNIT:
        # The largest shift stands for all of them.
        sizes[:2] = [size << max(shifts_of(attributes), default=0) for size in sizes[:2]]
    if name == "MatMul" or name in _WEIGHT_SUMS:
        return exact_format(max(*sizes, sizes[0] * _weight_sum(name, arrays[1])), narrowest=np.float32)
    if name in _ADDS_MANY:
        return exact_format(sizes[0] * prod(arrays[0].shape[1:]))
    if name in _COMBINES or name.startswith("Elementwise"):
        # Sums, differences and products alike stay below this.
        return exact_format(prod(size + 1 for size in sizes))
    return exact_format(max(sizes, default=0))


def _weight_sum(name: str, weights: Array) -> int:
    """Return the largest sum of the magnitudes of the weights of one output."""
    axes: tuple[int, ...] = (weights.ndim - 2,) if name == "MatMul" else _WEIGHT_SUMS[name]
    if weights.ndim not in {_MATRIX_RANK, _CONVOLUTION_RANK} or max(axes) >= weights.ndim:
        axes = tuple(range(weights.ndim))
    sums = np.abs(weights.astype(np.float64) if weights.dtype.kind == "f" else weights).sum(axis=axes)
    # Above 2**53 float64 rounds the sum by less than the factor.
    total = int(np.ceil(sums.max(initial=0)))
    return total if total < FLOAT64_EXACT else 2 * total


def _is_wide(operand: Array | None) -> bool:
    return operand is not None and operand.dtype == object


def _cast(operand: Array | None, kind: type[Any]) -> Array | None:
    if operand is None or operand.dtype == kind or operand.dtype.kind not in "fiO":
        return operand
    if operand.dtype.kind == "i" and magnitude(operand) <= FLOAT64_EXACT:
        # A shape or axes: an integer of the data only is one where float64 does not hold it.
        return operand
    if kind is object and operand.dtype.kind == "f":
        # A threshold may be a fraction or infinite: Python compares integers with it exactly.
        exact = [int(value) if value.is_integer() else value for value in operand.ravel().tolist()]
        return np.array(exact, dtype=object).reshape(operand.shape)
    return operand.astype(kind)


def _stored(output: Array) -> Array:
    """Return float64 where it holds the values, else what was computed."""
    if output.dtype.kind == "f" or magnitude(output) <= FLOAT64_EXACT:
        return output.astype(np.float64, copy=False)
    return output
