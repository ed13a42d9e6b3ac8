"""From what an exporter wrote to the file that is promised: names, clean-up, function bodies, shapes, metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
import onnx.shape_inference
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import (
    LiftConstantsToInitializersPass,
    RemoveInitializersFromInputsPass,
    RemoveUnusedNodesPass,
)

from brevitas_ext.export.emission import TAG_SEPARATOR
from brevitas_ext.export.float64_ops import run_node
from brevitas_ext.export.handlers import UnsupportedModuleError
from brevitas_ext.export.recording import NodeNames, join
from brevitas_ext.export.session import TracedQuantizer
from brevitas_ext.export.sparq import TAGGED
from brevitas_ext.export.tracing import OPSET
from brevitas_ext.qonnx_ops import sparq
from brevitas_ext.qonnx_ops.catalogue import (
    DOMAIN,
    DOMAIN_VERSION,
    BodyOptions,
    function_body,
    read_quantizer,
)
from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.rounding import Rounding
from brevitas_ext.qonnx_ops.trunc import Trunc

IR_VERSION: Final = 10
"""The first one with everything used here; onnxruntime reads it since 1.18."""

PARAMETERS: Final = {
    "Quant": ("scale", "zero_point", "bit_width"),
    "BipolarQuant": ("scale",),
    "Trunc": ("scale", "zero_point", "input_bit_width", "output_scale", "output_bit_width"),
}
"""Names of a quantizer node's inputs after the quantized one."""


def finish(
    traced: onnx.ModelProto, quantizers: Mapping[str, TracedQuantizer], metadata: Mapping[str, str]
) -> onnx.ModelProto:
    """Makes the exported model out of the traced one.

    Quantizer nodes get the names of `NodeNames` and initializers of their own, named after them; weights are named
    after their layers. Only what is used stays: opset imports, initializers, no graph inputs besides the model's, no
    node metadata (the dynamo exporter writes stack traces with paths there).

    Args:
        traced: What an exporter wrote.
        quantizers: The quantizers by the tag on their nodes.
        metadata: Model metadata to write.

    Raises:
        UnsupportedModuleError: a quantizer's parameter depends on the model's input.
    """
    model = ir.from_proto(traced)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    _fold_sizes(model.graph)
    names, initializers = NodeNames(), _Initializers(model.graph)
    for node in model.graph:
        node.metadata_props.clear()
        node.doc_string = None
        if node.domain == DOMAIN:
            _name_quantizer(node, quantizers, names, initializers)
        elif node.domain == sparq.DOMAIN:
            _name_sparq(node, quantizers, names, initializers)
    RemoveUnusedNodesPass()(model)
    RemoveInitializersFromInputsPass()(model)
    initializers.settle()
    model.metadata_props.clear()
    model.metadata_props.update(metadata)
    model.ir_version = IR_VERSION
    proto = ir.to_proto(model)
    del proto.opset_import[:]
    # QONNX takes the first import for ONNX's own, whatever its domain.
    imports = {"": OPSET, DOMAIN: DOMAIN_VERSION}
    if any(node.domain == sparq.DOMAIN for node in proto.graph.node):
        imports[sparq.DOMAIN] = sparq.DOMAIN_VERSION
    proto.opset_import.extend([onnx.helper.make_opsetid(domain, version) for domain, version in imports.items()])
    proto.functions.extend(_function_bodies(proto))
    return onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)


def _fold_sizes(graph: ir.Graph) -> None:
    """Replaces integers that are computed from constants, such as a padding's, on which shape inference would stop."""
    for node in tuple(graph):
        arrays = [
            None if value is None or value.const_value is None else value.const_value.numpy() for value in node.inputs
        ]
        known = [array for array in arrays if array is not None and array.dtype == np.int64]
        if node.domain or len(node.outputs) != 1 or not arrays or len(known) < len(arrays):
            continue
        (result,) = run_node(ir.to_proto(node), known, OPSET)
        if np.asarray(result).dtype != np.int64 or node.outputs[0].is_graph_output():
            continue
        folded = ir.Value(name=f"{node.outputs[0].name}//folded", const_value=ir.tensor(np.asarray(result)))
        folded.shape, folded.type = ir.Shape(np.shape(result)), ir.TensorType(ir.DataType.INT64)
        graph.register_initializer(folded)
        node.outputs[0].replace_all_uses_with(folded)


def _function_bodies(model: onnx.ModelProto) -> list[onnx.FunctionProto]:
    """Returns a body for every quantizer operator of a model, which handles the rounding modes that occur."""
    kinds: dict[str, set[Rounding]] = {}
    for node in model.graph.node:
        op = read_quantizer(node)
        if op is not None:
            kinds.setdefault(op.op_type, set()).update([op.rounding] if isinstance(op, Quant | Trunc) else [])
    bodies = [
        function_body(kind, OPSET, BodyOptions(roundings=tuple(sorted(roundings)), bipolar=False))
        for kind, roundings in sorted(kinds.items())
    ]
    if any(node.domain == sparq.DOMAIN for node in model.graph.node):
        bodies.append(function_body(sparq.Sparq.op_type, OPSET))
    return bodies


class _Initializers:
    """Gives nodes initializers of their own, whose names may still be taken until the graph is cleaned up."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._given: dict[str, ir.Value] = {}

    def give(self, node: ir.Node, index: int, name: str, array: NDArray[Any]) -> None:
        """Makes an array a node's input, under a name that is final after `settle`."""
        if name not in self._given:
            value = ir.Value(name=f"{name}//given", const_value=ir.tensor(array))
            value.shape, value.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.FLOAT)
            self._graph.register_initializer(value)
            self._given[name] = value
        node.replace_input_with(index, self._given[name])

    def settle(self) -> None:
        """Gives the initializers their final names."""
        for name, value in self._given.items():
            if name in self._graph.initializers:
                # The model also uses the parameter as it is.
                self._graph.initializers[name].name = f"{name}.unquantized"
            value.name = name


def _name_quantizer(
    node: ir.Node, quantizers: Mapping[str, TracedQuantizer], names: NodeNames, initializers: _Initializers
) -> None:
    rounding, _, tag = node.attributes.pop("rounding_mode").as_string().partition(TAG_SEPARATOR)
    if rounding:
        node.attributes.add(ir.AttrString("rounding_mode", rounding))
    quantizer = quantizers[tag]
    if quantizer.weights:
        layer = names.least_used(_candidates(node, quantizer))
        node.name = names.weight(layer)
        initializers.give(node, 0, join(layer, "weight"), quantizer.weights[layer].quantized)
    else:
        node.name = names.call(quantizer.name)
    node.outputs[0].name = f"{node.name}.output"
    for index, parameter in enumerate(PARAMETERS[node.op_type], start=1):
        constant = _constant(node, index)
        if constant is None:
            raise UnsupportedModuleError(
                f"Quantizer {node.name!r}: expected a constant {parameter}, found one that is computed from the "
                "model's input. Use a quantizer with fixed or learned parameters."
            )
        initializers.give(node, index, f"{node.name}.{parameter}", constant)


def _name_sparq(
    node: ir.Node, quantizers: Mapping[str, TracedQuantizer], names: NodeNames, initializers: _Initializers
) -> None:
    overflow, _, tag = node.attributes.pop(TAGGED).as_string().partition(TAG_SEPARATOR)
    node.attributes.add(ir.AttrString(TAGGED, overflow))
    node.name = names.call(join(quantizers[tag].name, "sparq"))
    node.outputs[0].name = f"{node.name}.output"
    scale = _constant(node, 1)
    if scale is None:
        raise UnsupportedModuleError(
            f"SPARQ {node.name!r}: expected a constant scale, found one that is computed from the model's input. Use a "
            "quantizer with a fixed or learned scale."
        )
    initializers.give(node, 1, f"{node.name}.scale", scale)


def _candidates(node: ir.Node, quantizer: TracedQuantizer) -> list[str]:
    """Returns the layers whose weight a node may quantize, by the weight itself where layers share the quantizer."""
    if len(quantizer.weights) == 1:
        return list(quantizer.weights)
    traced = _constant(node, 0)
    found = [
        layer
        for layer, weight in quantizer.weights.items()
        if traced is not None and np.array_equal(traced, weight.trained)
    ]
    if found:
        return found
    raise UnsupportedModuleError(
        f"Quantizer {quantizer.name!r}: expected to quantize the weight of one of {sorted(quantizer.weights)} as it "
        "is, found another tensor. Give every layer its own weight quantizer."
    )


def _constant(node: ir.Node, index: int) -> NDArray[Any] | None:
    value = node.inputs[index]
    return None if value is None or value.const_value is None else value.const_value.numpy()
