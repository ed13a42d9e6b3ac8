"""What units take from a node: data types, initializers as integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, named
from finn_transforms.rtl.streams import Integers

# Thresholds that no input reaches may be infinite in the graph; units take any integer.
_BEYOND = 2**70


class NoUnitError(ValueError):
    """A layer has no unit; says why, and what to do."""


def data_type_of(node: ir.Node, attribute: str) -> BaseDataType:
    """Return the data type that an attribute names."""
    return named(str(attributes_of(node)[attribute]))


def annotated_type(value: ir.Value) -> BaseDataType:
    """Return the data type that a value is annotated with.

    Raises:
        NoUnitError: there is none.
    """
    data_type = integer_datatype(value)
    if data_type is None:
        raise NoUnitError(f"expected an integer data type for {value.name!r}, found none; annotate it")
    return data_type


def initializer(node: ir.Node, place: int) -> Any:
    """Return the constant that a node reads.

    Raises:
        NoUnitError: that input is computed, or missing.
    """
    value = node.inputs[place] if len(node.inputs) > place else None
    array = constant(value)
    if array is None:
        found = "nothing" if value is None else f"the computed value {value.name!r}"
        raise NoUnitError(f"expected an initializer as input {place}, found {found}; fold constants first")
    return array


def integers(array: Any) -> Integers:
    """Return an array of whole numbers as int64, or Python's integers where they are larger.

    Raises:
        NoUnitError: a number is not whole.
    """
    values = np.asarray(array)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        values = np.clip(values.astype(np.float64), -float(_BEYOND), float(_BEYOND))
    if (values != np.floor(values)).any():
        raise NoUnitError("expected whole numbers in an initializer, found fractions; extract its scale first")
    if np.abs(values).max(initial=0) < 2**62:
        return values.astype(np.int64)
    return np.array([int(value) for value in values.flat], dtype=object).reshape(values.shape)
