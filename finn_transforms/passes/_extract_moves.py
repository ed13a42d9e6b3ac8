"""Layers that only move, repeat or select values: integers go through and factors go with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import range_of, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.ops import evaluate
from finn_transforms.passes._edit import (
    Operator,
    Output,
    add_constant,
    graph_of,
    insert_node,
    insert_nodes,
    integer_type_of,
)
from finn_transforms.passes._scaled import Factor, Scaled, per_tensor, require_per_channel, same

Rule = Callable[[ir.Node, Scaled], Scaled]


def extract_move(node: ir.Node, source: Scaled) -> Scaled:
    """Return the same layer on integers; factors per channel are moved in the same way."""
    factors = source.factors
    if not per_tensor(factors):
        factors = tuple(_moved(factor, node, static_shape(source.integers)) for factor in factors)
    return _on_integers(node, source, factors)


def extract_max_pool(node: ir.Node, source: Scaled) -> Scaled:
    """Return the maximum of the integers, which is that of the values as long as no factor is negative."""
    require_per_channel(source)
    if any((factor.array < 0).any() for factor in source.factors):
        raise NoMatchError("a scale in front of it is negative", "Use positive scales")
    return _on_integers(node, source, source.factors)


def extract_spatial(node: ir.Node, source: Scaled) -> Scaled:
    """Return a resized integer image; channels, and factors per channel, stay in their places."""
    require_per_channel(source)
    if attributes_of(node).get("mode", "nearest") != "nearest":
        raise NoMatchError(
            f"it interpolates ({attributes_of(node)['mode']!r}), which gives no integers",
            "Resize by repeating the nearest pixel, or quantize the output",
        )
    return _on_integers(node, source, source.factors)


def extract_pad(node: ir.Node, source: Scaled) -> Scaled:
    """Return the integers padded with zeros.

    Channels of zeros, as in a residual network's shortcuts without parameters (option A), become a convolution with
    one weight of 1 for each output that has an input, for which there is a layer.
    """
    attributes = attributes_of(node)
    fill = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else None
    value = float(attributes.get("value", 0.0) if fill is None else np.asarray(fill).item())
    if attributes.get("mode", "constant") != "constant" or value != 0:
        raise NoMatchError(
            f"it pads with {attributes.get('mode', 'constant')} {value}, expected zeros", "Pad with constant zeros"
        )
    if not per_tensor(source.factors):
        require_per_channel(source)
        if static_shape(node.outputs[0])[1] != static_shape(source.integers)[1]:
            raise NoMatchError("it adds channels to others that have different scales", "Use one scale per tensor")
    data_type = integer_type_of(source.integers)
    if not data_type.allowed(0):
        data_type = smallest_datatype(range_of(data_type).union(IntRange(0, 0)))
    elif (pads := _image_pads(node)) is not None and (pads[1] or pads[5]) and min(pads) >= 0:
        return Scaled(_spread_over_channels(node, source.integers, pads, data_type), source.factors)
    return _on_integers(node, source, source.factors, data_type)


def _image_pads(node: ir.Node) -> list[int] | None:
    """Return what is added to an image, (begin, end) x (N, C, H, W), without any images; None for other tensors."""
    shape, given = static_shape(node.outputs[0]), node.inputs[1] if len(node.inputs) > 1 else None
    pads: Any = attributes_of(node).get("pads") if given is None else constant(given)
    is_image = len(shape) == 4 and pads is not None and len(pads) == 8 and len(node.inputs) < 4
    return [int(pad) for pad in pads] if is_image and not pads[0] and not pads[4] else None


def _spread_over_channels(node: ir.Node, integers: ir.Value, pads: list[int], data_type: BaseDataType) -> ir.Value:
    inputs, outputs = static_shape(integers)[1], static_shape(node.outputs[0])[1]
    ones = np.eye(outputs, inputs, k=-pads[1])[:, :, None, None]
    name = f"{node.outputs[0].name}_int"
    weights = add_constant(graph_of(node), f"{name}_weights", ones, "BINARY")
    operator = Operator("Conv", {"kernel_shape": [1, 1], "pads": [*pads[2:4], *pads[6:]]})
    return insert_node(node, operator, [integers, weights], Output(name, static_shape(node.outputs[0]), data_type))


def extract_shuffle(node: ir.Node, source: Scaled) -> Scaled:
    """Return shuffled integers; channels become pixels, so that one scale has to hold for all."""
    if not per_tensor(source.factors):
        raise NoMatchError("channels with different scales become pixels of one channel", "Use one scale per tensor")
    return _on_integers(node, source, source.factors)


def skip(_node: ir.Node, source: Scaled) -> Scaled:
    """Return the source itself, for layers that do nothing in inference."""
    return source


def extract_concat(node: ir.Node, sources: list[Scaled]) -> Scaled:
    """Return concatenated integers; branches with different scales get one scale per channel.

    Raises:
        NoMatchError: the branches differ in more than one factor.
    """
    axis = attributes_of(node)["axis"] % len(static_shape(node.outputs[0]))
    first = sources[0].factors
    if all(per_tensor(source.factors) and same(source.factors, first) for source in sources):
        factors = first
    else:
        factors = (_joined(sources, axis),)
    ranges = [range_of(integer_type_of(source.integers)) for source in sources]
    hull = IntRange(min(each.low for each in ranges), max(each.high for each in ranges))
    types = {integer_type_of(source.integers).name for source in sources}
    data_type = types.pop() if len(types) == 1 else smallest_datatype(hull)
    output = Output(f"{node.outputs[0].name}_int", static_shape(node.outputs[0]), data_type)
    integers = [source.integers for source in sources]
    return Scaled(insert_node(node, Operator("Concat", {"axis": axis}), integers, output), factors)


def extract_split(node: ir.Node, source: Scaled) -> list[Scaled]:
    """Return the parts of split integers, one for each output, with the scales of their channels."""
    outputs = [
        Output(f"{output.name}_int", static_shape(output), integer_type_of(source.integers)) for output in node.outputs
    ]
    inputs = [source.integers, *node.inputs[1:]]
    parts = insert_nodes(node, Operator("Split", attributes_of(node)), inputs, outputs)
    axis = attributes_of(node).get("axis", 0) % len(static_shape(source.integers))
    ends = np.cumsum([static_shape(part)[axis] for part in parts])[:-1]
    pieces = [_split_factor(factor, axis, ends) for factor in source.factors]
    return [Scaled(part, tuple(piece[place] for piece in pieces)) for place, part in enumerate(parts)]


def _split_factor(factor: Factor, axis: int, ends: NDArray[np.int64]) -> list[Factor]:
    if factor.array.size == 1 or factor.array.shape[axis] == 1:
        return [factor] * (len(ends) + 1)
    return [Factor(factor.op_type, part) for part in np.split(factor.array, ends, axis=axis)]


def _joined(sources: list[Scaled], axis: int) -> Factor:
    parts = []
    for source in sources:
        shape = static_shape(source.integers)
        chain = source.factors or (Factor("Mul", np.ones((), np.float32)),)
        if axis != 1 or len(chain) != 1 or chain[0].op_type != "Mul":
            raise NoMatchError(
                "its branches have different scales, one of which is no single factor per channel",
                "Quantize every branch; share one quantizer between them where they are to be added",
            )
        require_per_channel(source)
        parts.append(np.broadcast_to(chain[0].array, (1, shape[1], *[1] * (len(shape) - 2))))
    return Factor("Mul", np.concatenate(parts, axis=1))


def _on_integers(
    node: ir.Node, source: Scaled, factors: tuple[Factor, ...], data_type: BaseDataType | None = None
) -> Scaled:
    """Insert the same layer on integers, which keep their type unless another one is given."""
    output = node.outputs[0]
    integers = insert_node(
        node,
        Operator(node.op_type, attributes_of(node), node.domain),
        [source.integers, *node.inputs[1:]],
        Output(f"{output.name}_int", static_shape(output), data_type or integer_type_of(source.integers)),
    )
    return Scaled(integers, factors)


def _moved(factor: Factor, node: ir.Node, shape: tuple[int, ...]) -> Factor:
    if factor.array.size == 1:
        return factor
    others = [None if value is None else constant(value) for value in node.inputs[1:]]
    moved = evaluate(node.op_type, attributes_of(node), [np.broadcast_to(factor.array, shape), *others])
    return Factor(factor.op_type, _compressed(np.asarray(moved)))


def _compressed(array: NDArray[Any]) -> NDArray[np.float32]:
    """Keep one index of every axis along which nothing changes, and one number where that is all."""
    for axis in range(array.ndim):
        first = array.take([0], axis=axis)
        if (array == first).all():
            array = first
    return (array.reshape(()) if array.size == 1 else array).astype(np.float32)


MOVES: dict[str, Rule] = {
    **dict.fromkeys(("Dropout", "Identity"), skip),
    **dict.fromkeys(("Flatten", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"), extract_move),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), extract_shuffle),
    **dict.fromkeys(("Resize", "Upsample"), extract_spatial),
    "MaxPool": extract_max_pool,
    "Pad": extract_pad,
}
