"""Moves pixel shuffles and flattening behind the quantizer that follows them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype
from finn_transforms.analysis.matching import is_quantizer, nodes_of, sole_consumer, static_shape
from finn_transforms.ops.elementwise import ELEMENTWISE
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import Operator, Output, graph_of, insert_node, redirect

_SHUFFLES = {"DepthToSpace", "SpaceToDepth"}
_VIEWS = {"Flatten", "Reshape", "Squeeze"}
_IMAGE, _VECTOR = 4, 2


class PostponeShuffles(HardwarePass):
    """Let element-wise functions work in front of a shuffle or view, where an accumulator is, instead of behind it.

    Before::

        y = Quant(Relu(DepthToSpace(Conv(q, W))), s)
        z = Gemm(Quant(Flatten(GlobalAveragePool(r)), t), V)

    After::

        y = DepthToSpace(Quant(Relu(Conv(q, W)), s))
        z = Gemm(Flatten(Quant(GlobalAveragePool(r), t)), V)

    The function becomes thresholds of the convolution, and the shuffle moves few bits instead of whole sums.  A
    flattened image is put into its stream's order by the layer that reads it, and by no other: so that is where the
    view belongs, unless it is the graph's input that is flattened.  Functions with constants that differ between
    channels, or with two computed inputs, stay behind.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Move every shuffle as far as it goes."""
        for node in nodes_of(model):
            if node.domain != "" or not (node.op_type in _SHUFFLES or _flattens_an_image(node)):
                continue
            shuffle, passed = node, 0
            while (behind := _function_behind(shuffle)) is not None:
                shuffle, passed = _swap(shuffle, behind), passed + 1
            if passed:
                self.note(result, node, f"moved behind {passed} element-wise nodes")


def _flattens_an_image(node: ir.Node) -> bool:
    """Tell whether a node makes one vector out of an image."""
    if node.op_type not in _VIEWS or node.inputs[0] is None:
        return False
    before, after = static_shape(node.inputs[0]), static_shape(node.outputs[0])
    is_view = (len(before), len(after)) == (_IMAGE, _VECTOR) and before[0] == after[0] == 1
    return is_view and not _is_prepared_input(node.inputs[0])


def _is_prepared_input(value: ir.Value) -> bool:
    """Tell whether a value is the graph's input, or functions of it: the host prepares that, and may flatten it."""
    node = value.producer()
    while node is not None:
        computed = [each for each in node.inputs if each is not None and constant(each) is None]
        if len(computed) != 1 or not (is_quantizer(node) or (node.domain == "" and node.op_type in ELEMENTWISE)):
            return False
        (value,) = computed
        node = value.producer()
    return True


def _function_behind(shuffle: ir.Node) -> ir.Node | None:
    """Return the one reader of a shuffle that computes the same for every pixel and channel."""
    shuffled = shuffle.outputs[0]
    if not sole_consumer(shuffled):
        return None
    (reader, _), *_ = shuffled.uses()
    others = [value for value in reader.inputs if value is not None and value is not shuffled]
    constants = [constant(value) for value in others]
    if any(array is None or np.asarray(array).size != 1 for array in constants):
        return None
    # Batch normalization names each of its channels, of which there are more in front of a shuffle.
    is_function = reader.domain == "" and reader.op_type in ELEMENTWISE.keys() - {"BatchNormalization"}
    return reader if is_quantizer(reader) or is_function else None


def _swap(shuffle: ir.Node, function: ir.Node) -> ir.Node:
    """Exchange a shuffle and the function behind it; return the shuffle in its new place."""
    old, source = function.outputs[0], shuffle.inputs[0]
    if source is None:
        raise ValueError(f"{shuffle.op_type} {shuffle.name!r}: expected an input, found none; repair the file")
    inputs = [source if value is shuffle.outputs[0] else value for value in function.inputs]
    computed = insert_node(
        function,
        Operator(function.op_type, attributes_of(function), function.domain),
        inputs,
        Output(old.name or function.op_type, static_shape(source), datatype(old)),
    )
    shuffled = insert_node(
        function,
        Operator(shuffle.op_type, attributes_of(shuffle)),
        [computed, *shuffle.inputs[1:]],
        Output(f"{old.name}_shuffled", static_shape(old), datatype(old)),
    )
    redirect(old, shuffled)
    graph = graph_of(function)
    graph.remove(function, safe=True)
    graph.remove(shuffle, safe=True)
    producer = shuffled.producer()
    if producer is None:
        raise ValueError(f"{shuffled.name!r}: expected the node that was just inserted")
    return producer
