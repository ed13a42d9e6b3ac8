"""FINN's element-wise layers: a sum, difference or product of two streams, or of a stream and constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import smallest_datatype
from finn_transforms.analysis.matching import static_shape
from finn_transforms.passes._edit import Operator, Output, add_constant, graph_of, insert_node, integer_type_of


def insert_with_number(
    before: ir.Node, operation: str, operands: tuple[ir.Value, int], data_type: BaseDataType
) -> ir.Value:
    """Insert FINN's element-wise layer for a stream and one constant that is the same for every element."""
    stream, number = operands
    shape = static_shape(stream)
    number_type = smallest_datatype(IntRange(min(number, 0), max(number, 1)))
    other = add_constant(graph_of(before), f"{stream.name}_{operation.lower()}", np.array([number]), number_type)
    operator = elementwise_operator(operation, (stream, other), shape, data_type)
    return insert_node(
        before, operator, [stream, other], Output(f"Elementwise{operation}_{stream.name}", shape, data_type)
    )


def elementwise_operator(
    operation: str, operands: tuple[ir.Value, ir.Value], shape: tuple[int, ...], data_type: BaseDataType
) -> Operator:
    """Return FINN's element-wise layer for two annotated operands, each a stream or a constant."""
    attributes: dict[str, Any] = {"PE": 1, "out_shape": list(shape), "out_dtype": data_type.name}
    for side, operand in zip(("lhs", "rhs"), operands, strict=True):
        attributes[f"{side}_shape"] = list(static_shape(operand))
        attributes[f"{side}_dtype"] = integer_type_of(operand).name
        attributes[f"{side}_style"] = "input" if constant(operand) is None else "const"
    return Operator.hardware(f"Elementwise{operation}", **attributes)
