"""Quantizers as integers and a scale."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.analysis.quantizer import Quantizer, read_quantizer
from finn_transforms.passes._edit import Operator, Output, add_constant, graph_of, input_of, insert_node
from finn_transforms.passes._scaled import Factor, Scaled, spread


def extract_quantizer(node: ir.Node) -> Scaled:
    """Return a quantizer with scale 1 behind a division, and its scale.

    Raises:
        NoMatchError: a parameter is computed or impossible.
    """
    quantizer = read_quantizer(node)
    scale = _scale(node, quantizer)
    insert = {"BipolarQuant": _insert_bipolar, "Trunc": _insert_trunc}.get(node.op_type, _insert_quant)
    return Scaled(insert(node, quantizer), (Factor("Mul", scale),))


def _insert_quant(node: ir.Node, quantizer: Quantizer) -> ir.Value:
    return _insert(node, quantizer, _divided(node, quantizer), [_one(node), input_of(node, 2), input_of(node, 3)])


def _insert_bipolar(node: ir.Node, quantizer: Quantizer) -> ir.Value:
    # Only the sign counts, which a positive scale does not change.
    return _insert(node, quantizer, input_of(node, 0), [_one(node)])


def _insert_trunc(node: ir.Node, quantizer: Quantizer) -> ir.Value:
    """Keep the ratio of the two scales, a power of two, and make the output scale 1."""
    input_scale = np.asarray(constant(node.inputs[1]), dtype=np.float64)
    ratio = input_scale / quantizer.scale.astype(np.float64)
    if (np.frexp(ratio)[0] != 0.5).any():
        raise NoMatchError(
            f"its output scale is {(1 / ratio).ravel()[0]} times its input scale, no power of two",
            "Export the truncation again; it drops whole bits",
        )
    name = node.outputs[0].name
    step = add_constant(graph_of(node), f"{name}_ratio", ratio)
    return _insert(
        node,
        quantizer,
        _divided(node, quantizer),
        [step, input_of(node, 2), input_of(node, 3), _one(node), input_of(node, 5)],
    )


def _divided(node: ir.Node, quantizer: Quantizer) -> ir.Value:
    name, shape = node.outputs[0].name, static_shape(node.outputs[0])
    step = add_constant(graph_of(node), f"{name}_step", _scale(node, quantizer))
    return insert_node(node, Operator("Div"), [input_of(node, 0), step], Output(f"{name}_steps", shape))


def _scale(node: ir.Node, quantizer: Quantizer) -> NDArray[np.float32]:
    return spread(quantizer.scale, input_of(node, 0))


def _one(node: ir.Node) -> ir.Value:
    return add_constant(graph_of(node), f"{node.outputs[0].name}_one", np.ones((), np.float32))


def _insert(node: ir.Node, quantizer: Quantizer, value: ir.Value, parameters: list[ir.Value]) -> ir.Value:
    output = Output(f"{node.outputs[0].name}_int", static_shape(node.outputs[0]), quantizer.datatype)
    operator = Operator(node.op_type, attributes_of(node), node.domain)
    return insert_node(node, operator, [value, *parameters], output)
