"""What every rule for a range shares: its form, and how it reads its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant

Known: TypeAlias = Mapping[ir.Value, Box]

# One box for each output, or a single one for all; None where nothing is known beyond the data type.
Rule: TypeAlias = Callable[[ir.Node, Known], "Box | Sequence[Box | None] | None"]


def operand(node: ir.Node, index: int, known: Known) -> Box | None:
    """Return the box of a node's input; a constant's holds its values."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        return None
    array = constant(value)
    if array is None:
        return known.get(value)
    integers = exact_integers(array)
    return None if integers is None else Box.of(integers, integers, 0)


def exact_integers(array: NDArray[Any]) -> NDArray[Any] | None:
    """Return an array of integers as Python ints, or None where an element is no integer."""
    if array.dtype.kind in "iu":
        return array.astype(object)
    if array.dtype.kind != "f" or not np.all(np.isfinite(array)) or np.any(array != np.rint(array)):
        return None
    return np.array([int(value) for value in array.flat], dtype=object).reshape(array.shape)


def integer_vector(node: ir.Node, index: int) -> list[int] | None:
    """Return a constant input of a node as a list of Python ints, or None where it is absent or computed."""
    array = constant(node.inputs[index]) if index < len(node.inputs) else None
    return None if array is None else [int(value) for value in array.reshape(-1)]


def with_rank(box: Box, rank: int) -> Box | None:
    """Return a box with axes of size 1 in front up to a rank, as broadcasting adds them."""
    missing = rank - box.low.ndim
    return None if missing < 0 else box.map(lambda array: array.reshape((1,) * missing + array.shape))
