"""Constants of a graph as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array behind an initializer or ``Constant`` node, or None where the value is computed or absent.

    An exporter that finds two equal initializers keeps one and copies it with ``Identity``: that is a constant too.
    """
    if value is None:
        return None
    producer = value.producer()
    if producer is not None and producer.op_type == "Identity" and producer.domain == "":
        return constant(producer.inputs[0])
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else np.asarray(tensor.numpy())


def exact_float32(array: NDArray[Any]) -> NDArray[np.float32] | None:
    """Return an array as float32, in which QONNX keeps every tensor, or None where that rounds an element."""
    with np.errstate(over="ignore"):
        stored = array.astype(np.float32)
    return stored if np.array_equal(stored, array, equal_nan=True) else None
