"""Values that are integers without a quantizer saying so, such as (x + 1) / 2 of a bipolar x."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, named, range_of, readable, smallest_datatype
from finn_transforms.analysis.matching import static_shape
from finn_transforms.ops import evaluate
from finn_transforms.ops.elementwise import ELEMENTWISE
from finn_transforms.passes._edit import Operator, Output, add_constant, graph_of, insert_node

_DOMAIN: Final = "qonnx.custom_op.general"
# More values are tried out for no tail.
_MOST_VALUES: Final = 4096


def insert_quantizer(before: ir.Node, value: ir.Value) -> ir.Value | None:
    """Put a quantizer that changes nothing behind a value that is always an integer, in front of a node.

    Every integer that the tail can start from is tried out.

    Returns:
        The quantizer's output, annotated, or None where the value comes from no integer or is not always one.
    """
    found = _start_of_tail(value)
    if found is None:
        return None
    source, nodes = found
    results = _results(source, nodes)
    if results is None:
        return None
    interval = IntRange(int(results.min()), int(results.max()))
    data_type = smallest_datatype(interval)
    if data_type.name == "INT1":
        # A signed quantizer of one bit is bipolar: it gives -1 and 1, not -1 and 0.
        data_type = named("INT2")
    graph = graph_of(before)
    parameters = [
        add_constant(graph, f"{value.name}_{name}", np.array(number))
        for name, number in (("one", 1), ("zero", 0), ("bits", data_type.bitwidth()))
    ]
    attributes = {"signed": int(data_type.signed()), "narrow": 0, "rounding_mode": "ROUND"}
    output = Output(f"{value.name}_int", static_shape(value), readable(data_type))
    return insert_node(before, Operator("Quant", attributes, _DOMAIN), [value, *parameters], output)


def _start_of_tail(value: ir.Value) -> tuple[ir.Value, list[ir.Node]] | None:
    """Return the integer value and the element-wise nodes with scalar constants behind it."""
    nodes: list[ir.Node] = []
    while integer_datatype(value) is None:
        node = value.producer()
        if node is None or node.op_type not in ELEMENTWISE or node.domain != "":
            return None
        constants = [constant(operand) for operand in node.inputs if operand is not None]
        streamed = [operand for operand in node.inputs if operand is not None and constant(operand) is None]
        if len(streamed) != 1 or any(array is not None and array.size != 1 for array in constants):
            return None
        nodes.append(node)
        value = streamed[0]
    return value, nodes[::-1]


def _results(source: ir.Value, nodes: list[ir.Node]) -> NDArray[Any] | None:
    data_type = integer_datatype(source)
    if data_type is None or not nodes:
        return None
    interval = range_of(data_type)
    if interval.high - interval.low >= _MOST_VALUES:
        return None
    x = np.arange(interval.low, interval.high + 1, 2 if data_type.name == "BIPOLAR" else 1).astype(np.float64)
    for node in nodes:
        # An absent input keeps its place: what follows an absent lower limit is the upper one.
        inputs = [None if value is None else _operand(value, x) for value in node.inputs]
        x = evaluate(node.op_type, attributes_of(node), inputs)
    return x if np.isfinite(x).all() and (x == np.rint(x)).all() else None


def _operand(value: ir.Value, x: NDArray[Any]) -> NDArray[Any]:
    array = constant(value)
    return x if array is None else array.reshape(()).astype(np.float64)
