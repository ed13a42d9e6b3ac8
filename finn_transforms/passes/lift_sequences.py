"""Gives sequences (1, C, L) a second dimension of size 1, so that they are images (1, C, L, 1)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype, integer_datatype
from finn_transforms.analysis.matching import NoMatchError, nodes_of, static_shape
from finn_transforms.ops.convolution import lift_window
from finn_transforms.ops.elementwise import ELEMENTWISE
from finn_transforms.ops.quantizers import QUANTIZERS
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import (
    Operator,
    Output,
    add_constant,
    add_integers,
    graph_of,
    hand_over_output,
    insert_node,
    producer_of,
)

_WINDOWED = {"Conv", "ConvTranspose", "MaxPool"}
# Sparq pairs elements along an axis, which may be counted from the end.
_ELEMENT_BY_ELEMENT = (set(ELEMENTWISE) | set(QUANTIZERS)) - {"BatchNormalization", "Sparq"}


class LiftSequences(HardwarePass):
    """Lift one-dimensional convolutions and pools, and what stands between them, to two dimensions.

    Before::

        y = MaxPool(Relu(Conv(q, W)), kernel_shape=(2,))                        # q (1, C, L), W (O, C, K)

    After::

        y = Squeeze(MaxPool(Relu(Conv(Unsqueeze(q), W')), kernel_shape=(2, 1)))     # (1, C, L, 1), W' (O, C, K, 1)

    Only sequences that are connected to such a window by element-wise operators, sums and concatenations are lifted:
    a stream of (1, T, C) vectors between linear layers stays as it is.  Flattening needs no ``Squeeze`` in front.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Lift every connected group of nodes in place."""
        region = _region(model)
        lifted: dict[ir.Value, ir.Value] = {}
        for node in nodes_of(model):
            if node not in region:
                continue
            for index, value in enumerate(node.inputs):
                if value is not None and _is_sequence(node, index):
                    node.replace_input_with(index, _lifted(node, value, region, lifted))
            _lift_attributes(node)
            output = node.outputs[0]
            output.shape = ir.Shape([*static_shape(output), 1])
            self.note(result, node, f"on (1, C, L, 1): {output.shape}")
        for node in nodes_of(model):
            if node in region:
                _lower_readers(node, region)
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


def _region(model: ir.Model) -> set[ir.Node]:
    """Return the nodes that are lifted: windows over sequences, and what is connected to them."""
    windows = (node for node in model.graph if node.op_type in _WINDOWED and integer_datatype(node.outputs[0]))
    found = {node for node in windows if _can_be_lifted(node)}
    behind_integers = _behind_integers(model)
    waiting = list(found)
    while waiting:
        for neighbour in _neighbours(waiting.pop()):
            if neighbour in behind_integers and neighbour not in found and _can_be_lifted(neighbour):
                found.add(neighbour)
                waiting.append(neighbour)
    return found


def _behind_integers(model: ir.Model) -> set[ir.Node]:
    """Return the nodes that depend on an integer value, all but those of the host in front of the accelerator."""
    values = {value for value in model.graph.inputs if integer_datatype(value) is not None}
    found = set()
    for node in model.graph:
        if any(value in values for value in node.inputs):
            found.add(node)
        if node in found or any(integer_datatype(value) is not None for value in node.outputs):
            values.update(node.outputs)
    return found


def _neighbours(node: ir.Node) -> Iterator[ir.Node]:
    for value in node.inputs:
        if value is not None and (producer := value.producer()) is not None and constant(value) is None:
            yield producer
    yield from node.outputs[0].consumers()


def _can_be_lifted(node: ir.Node) -> bool:
    if node.op_type not in _WINDOWED | _ELEMENT_BY_ELEMENT | {"BatchNormalization", "Concat", "ReduceSum"}:
        return False
    if node.op_type == "ReduceSum" and not _sums_the_sequence(node):
        return False
    dynamic = [value for value in node.inputs if value is not None and constant(value) is None]
    try:
        return bool(dynamic) and all(len(static_shape(value)) == 3 for value in (*dynamic, node.outputs[0]))
    except NoMatchError:
        return False


def _sums_the_sequence(node: ir.Node) -> bool:
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 else attributes_of(node).get("axes")
    return axes is not None and [int(axis) % 3 for axis in axes] == [2] and bool(attributes_of(node).get("keepdims", 1))


def _is_sequence(node: ir.Node, index: int) -> bool:
    """Tell whether an input has a dimension for the sequence; scalars have none, nor have some parameters."""
    if node.op_type == "BatchNormalization":
        return index == 0
    if node.op_type in {"Conv", "ConvTranspose"}:
        return index < 2
    value = node.inputs[index]
    return value is not None and len(static_shape(value)) > 0


def _lifted(node: ir.Node, value: ir.Value, region: set[ir.Node], lifted: dict[ir.Value, ir.Value]) -> ir.Value:
    """Return a value with one dimension more: it was lifted where it is computed, or is lifted here."""
    array = constant(value)
    if array is None and value.producer() in region:
        return value
    if value in lifted:
        return lifted[value]
    if node.op_type == "ReduceSum" and array is not None:
        return add_integers(graph_of(node), f"{value.name}_lifted", (2, 3))
    if array is not None:
        lifted[value] = add_constant(graph_of(node), f"{value.name}_lifted", array[..., np.newaxis], datatype(value))
    else:
        axes = add_integers(graph_of(node), f"{value.name}_axes", (3,))
        shape = (*static_shape(value), 1)
        lifted[value] = insert_node(
            node, Operator("Unsqueeze"), [value, axes], Output(f"{value.name}_lifted", shape, datatype(value))
        )
    return lifted[value]


def _lift_attributes(node: ir.Node) -> None:
    attributes = attributes_of(node)
    if node.op_type in _WINDOWED:
        for name, value in lift_window(attributes).items():
            if value != attributes[name]:
                node.attributes[name] = ir.AttrInt64s(name, value)
    elif node.op_type == "Concat":
        node.attributes["axis"] = ir.AttrInt64("axis", attributes["axis"] % 3)
    elif "axes" in attributes:
        node.attributes["axes"] = ir.AttrInt64s("axes", [2, 3])


def _lower_readers(node: ir.Node, region: set[ir.Node]) -> None:
    """Let what is not lifted read a lifted value without its last dimension."""
    value = node.outputs[0]
    readers = [(reader, index) for reader, index in value.uses() if reader not in region and not _flattens(reader)]
    if not readers and not value.is_graph_output():
        return
    graph = graph_of(node)
    axes = add_integers(graph, f"{value.name}_axes", (3,))
    output = Output(f"{value.name}_sequence", static_shape(value)[:3], datatype(value))
    sequence = insert_node(node, Operator("Squeeze"), [value, axes], output)
    squeeze = producer_of(sequence)
    graph.remove(squeeze)
    graph.insert_after(node, squeeze)
    for reader, index in readers:
        reader.replace_input_with(index, sequence)
    if value.is_graph_output():
        hand_over_output(graph, value, sequence)


def _flattens(node: ir.Node) -> bool:
    """Tell whether a node gives the same vector (1, C * L) for (1, C, L) and (1, C, L, 1)."""
    if node.op_type == "Flatten":
        return bool(attributes_of(node).get("axis", 1) == 1)
    return node.op_type == "Reshape" and len(static_shape(node.outputs[0])) == 2
