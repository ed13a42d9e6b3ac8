"""Evaluates the part of a graph that depends on no input."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx_ir.passes.common import RemoveUnusedNodesPass

from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype, set_datatype
from finn_transforms.analysis.matching import nodes_of, static_shape

# Quantizers keep their stored operand, since it is what their integers are made from; the others give what they like.
_KEPT = {"Constant", "DequantizeLinear", "Identity", "QuantizeLinear"}
_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
_SHAPES = {"Shape", "Size"}


def fold_constants(model: ir.Model) -> list[ir.Node]:
    """Replace what only depends on constants and on static shapes by initializers, and return the nodes that went.

    ONNX's reference implementation evaluates all of it in one go, in the types that the file stores.
    """
    folded = _foldable(model)
    if not folded:
        return []
    kept = {node for node in nodes_of(model) if node not in folded}
    wanted = [value for node in folded for value in node.outputs if any(use.node in kept for use in value.uses())]
    for value, array in zip(wanted, _evaluate(folded, wanted, model.graph), strict=True):
        _store(model.graph, value, array)
    RemoveUnusedNodesPass()(model)
    return list(folded)


def _foldable(model: ir.Model) -> dict[ir.Node, None]:
    """Return the nodes to fold, in graph order."""
    folded: dict[ir.Node, None] = {}
    for node in nodes_of(model):
        operands = [value for value in node.inputs if value is not None]
        if node.domain != "" or node.op_type in _KEPT | _RANDOM or not operands:
            continue
        if _has_subgraph(node) or any(value.is_graph_output() for value in node.outputs):
            continue
        if _known_shape(node) or all(value.producer() in folded or constant(value) is not None for value in operands):
            folded[node] = None
    return folded


def _has_subgraph(node: ir.Node) -> bool:
    kinds = {ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS}
    return any(attribute.type in kinds for attribute in node.attributes.values())


def _known_shape(node: ir.Node) -> bool:
    source = node.inputs[0]
    return node.op_type in _SHAPES and source is not None and source.shape is not None and source.shape.is_static()


def _evaluate(nodes: dict[ir.Node, None], wanted: list[ir.Value], graph: ir.Graph) -> list[NDArray[Any]]:
    feeds: dict[str, NDArray[Any]] = {}
    for node in nodes:
        for value in node.inputs:
            if value is None or value.producer() in nodes:
                continue
            array = constant(value)
            if array is None:
                # Only the shape of it is read; a view of one element takes no memory.
                array = np.broadcast_to(np.float32(0), static_shape(value))
            feeds[str(value.name)] = array
    outputs = [str(value.name) for value in wanted]
    part = onnx.helper.make_graph(
        [ir.serde.serialize_node(node) for node in nodes],
        "constants",
        [_declared(name, array.dtype) for name, array in feeds.items()],
        [_declared(name, np.dtype(np.float32)) for name in outputs],
    )
    opset = onnx.helper.make_opsetid("", graph.opset_imports[""])
    results = ReferenceEvaluator(onnx.helper.make_model(part, opset_imports=[opset])).run(outputs, feeds)
    return [np.asarray(result) for result in results]


def _declared(name: str, dtype: np.dtype[Any]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(dtype), None)


def _store(graph: ir.Graph, value: ir.Value, array: NDArray[Any]) -> None:
    """Put an initializer in the place of a computed value, whose name it takes."""
    tensor, name = ir.tensor(array), str(value.name)
    stored = ir.Value(name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype))
    data_type = datatype(value)
    if data_type is not None:
        set_datatype(stored, data_type)
    value.name = f"{name}_folded"
    graph.register_initializer(stored)
    ir.convenience.replace_all_uses_with(value, stored)
