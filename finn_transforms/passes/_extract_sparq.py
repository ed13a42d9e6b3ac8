"""SPARQ on integers: the windows are cut out of the integers, and their scale stays."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import range_of
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.analysis.ranges_sparq import WHOLE, read_sparq
from finn_transforms.passes._edit import Operator, Output, add_constant, graph_of, insert_node, integer_type_of
from finn_transforms.passes._scaled import Scaled, spread


def extract_sparq(node: ir.Node, source: Scaled) -> Scaled:
    """Return a ``Sparq`` with scale 1 on the integers in front, and their scale.

    Raises:
        NoMatchError: its scale is not that of its input, its input is no 8-bit unsigned integer, or an attribute has no
            meaning.
    """
    read_sparq(node)
    scale = constant(node.inputs[1])
    factors = source.factors
    if scale is None or len(factors) != 1 or factors[0].op_type != "Mul":
        raise NoMatchError("its input is no integer times a constant scale", "Put it behind an 8-bit quantizer")
    if not np.array_equal(spread(scale.astype(np.float32), source.integers), factors[0].array):
        raise NoMatchError(
            f"its scale {np.ravel(scale)[:4].tolist()} is not its input's, {factors[0].array.ravel()[:4].tolist()}",
            "Export the model again with export_qonnx",
        )
    data_type = integer_type_of(source.integers)
    if not WHOLE.contains(range_of(data_type)):
        raise NoMatchError(f"its input is {data_type.name}, expected 8 bits without sign", "Quantize it to UINT8")
    name = node.outputs[0].name
    one = add_constant(graph_of(node), f"{name}_one", np.ones((), np.float32))
    output = Output(f"{name}_int", static_shape(node.outputs[0]), data_type)
    operator = Operator(node.op_type, attributes_of(node), node.domain)
    return Scaled(insert_node(node, operator, [source.integers, one], output), factors)
