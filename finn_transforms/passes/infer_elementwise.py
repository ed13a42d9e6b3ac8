"""Turns sums, differences and products of integers into FINN's element-wise layers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, named
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.passes._edit import (
    NCHW_TO_NHWC,
    Output,
    add_constant,
    graph_of,
    input_of,
    insert_node,
    integer_type_of,
)
from finn_transforms.passes._elementwise import elementwise_operator
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream, has_signs, replace_by_stream, require_numbers, require_one_image


class InferElementwise(NodePass):
    """Lower ``Add``, ``Sub`` and ``Mul`` of integers, one of them constant or none.

    Before::

        s = Add(a, b)                                               # NCHW
        m = Mul(s, c)                                               # c (1, C, 1, 1)

    After::

        s = Transpose(ElementwiseAdd(Transpose(a), Transpose(b)))   # NHWC inside
        m = Transpose(ElementwiseMul(Transpose(s), c'))             # c' (1, 1, 1, C)

    FINN+ has no other layer for residual sums (its ``AddStreams`` is gone).  Element-wise nodes of a float tail, whose
    values are not annotated, are none of this pass's business.

    Refused: two streams of different shapes; streams of bits that stand for -1 and 1; batches.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"Add", "Mul", "Sub"})

    def lower(self, node: ir.Node) -> str | None:
        """Lower one node between integers."""
        old, operands = node.outputs[0], [input_of(node, index) for index in range(2)]
        streams = [operand for operand in operands if constant(operand) is None]
        if not streams or any(integer_datatype(value) is None for value in (old, *operands)):
            return None
        for stream in streams:
            if static_shape(stream) != static_shape(old):
                raise NoMatchError(
                    f"it combines {static_shape(stream)} to {static_shape(old)}",
                    "Give both operands the same shape; FINN's layer does not repeat a stream",
                )
            require_numbers(stream)
        require_one_image(old)
        left, right = (_operand(node, operand, len(static_shape(old))) for operand in operands)
        shape = static_shape(left if constant(left) is None else right)
        data_type = integer_type_of(old)
        operator = elementwise_operator(node.op_type, (left, right), shape, data_type)
        output = Output(f"{operator.op_type}_{node.name or old.name}", shape, data_type)
        replace_by_stream(node, old, insert_node(node, operator, [left, right], output))
        return f"{operator.op_type} of " + ("two streams" if len(streams) > 1 else "a stream and a constant")


def _operand(node: ir.Node, operand: ir.Value, rank: int) -> ir.Value:
    """Return an operand as a stream, or as a constant that broadcasts to one."""
    array = constant(operand)
    if array is None:
        return as_stream(node, operand)
    # FINN wants at least one dimension.
    aligned = array.reshape((1,) * (rank - array.ndim) + array.shape) if array.size > 1 else array.reshape(1)
    if aligned.ndim == 4:
        aligned = np.transpose(aligned, NCHW_TO_NHWC)
    data_type = named("INT2") if has_signs(operand) else integer_type_of(operand)
    return add_constant(graph_of(node), f"{operand.name}_nhwc", aligned, data_type)
