"""QONNX data types of values, kept where onnx_ir keeps quantization annotations, and the integers they hold."""

from __future__ import annotations

from typing import cast

import onnx_ir as ir
from qonnx.core.datatype import BaseDataType, DataType

from brevitas_ext.arith import IntRange

_ANNOTATIONS = "quant_parameter_tensor_names"
_KEY = "finn_datatype"


def named(name: str) -> BaseDataType:
    """Return a QONNX data type by its name, e.g. ``"INT4"``."""
    return cast(BaseDataType, DataType[name])


def datatype(value: ir.Value) -> BaseDataType | None:
    """Return the QONNX data type a value is annotated with, or None."""
    name = value.meta.get(_ANNOTATIONS, {}).get(_KEY)
    return None if name is None else named(name)


def set_datatype(value: ir.Value, data_type: BaseDataType | str) -> None:
    """Annotate a value with a QONNX data type; it replaces an earlier one."""
    name = data_type if isinstance(data_type, str) else data_type.name
    value.meta[_ANNOTATIONS] = {**value.meta.get(_ANNOTATIONS, {}), _KEY: name}


def integer_datatype(value: ir.Value) -> BaseDataType | None:
    """Return the data type of a value that holds integers, or None where it is anything else."""
    annotated = datatype(value)
    return annotated if annotated is not None and annotated.is_integer() else None


def range_of(data_type: BaseDataType) -> IntRange:
    """Return the interval an integer data type covers (BIPOLAR: -1 to 1, which also holds its missing 0)."""
    return IntRange(int(data_type.min()), int(data_type.max()))


def smallest_datatype(interval: IntRange, *, signed: bool | None = None) -> BaseDataType:
    """Return the narrowest INT or UINT type that holds an interval; ``signed=None`` takes the sign from it."""
    if signed is None:
        signed = interval.low < 0
    return named(f"{'INT' if signed else 'UINT'}{interval.bits(signed=signed)}")


def readable(data_type: BaseDataType) -> BaseDataType:
    """Return the type of a stream that FINN's units can read: they refuse inputs of one unsigned bit."""
    return named("UINT2") if data_type.name == "BINARY" else data_type
