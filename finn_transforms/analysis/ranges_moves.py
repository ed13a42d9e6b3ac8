"""Ranges behind layers that move, copy, pick or pad elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box, concatenate
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import static_shape
from finn_transforms.analysis.ranges_rules import Known, Rule, exact_integers, integer_vector, operand

Indices = NDArray[np.int64]


def same(node: ir.Node, known: Known) -> Box | None:
    """Return the range of the input, for layers that keep or copy it."""
    return operand(node, 0, known)


def spatially_mixed(node: ir.Node, known: Known) -> Box | None:
    """Return the range behind layers that mix positions of (1, C, H, W), but no channels."""
    source = operand(node, 0, known)
    return None if source is None else source.reduced(0, *range(2, source.low.ndim))


def mixed_stream(node: ir.Node, known: Known) -> Box | None:
    """Return the range behind layers that mix positions of a stream (1, H, W, C), but no channels."""
    source = operand(node, 0, known)
    return None if source is None else source.reduced(*range(source.low.ndim - 1))


def padded_stream(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a stream with zeros around it or in between."""
    mixed = mixed_stream(node, known)
    return None if mixed is None else mixed.with_zero()


def windows(node: ir.Node, known: Known) -> Box | None:
    """Return the range of ``ConvolutionInputGenerator``: windows (1, OH, OW, KH * KW * C), channels innermost."""
    mixed = mixed_stream(node, known)
    if mixed is None or mixed.is_uniform:
        return mixed
    taps = prod(attributes_of(node)["ConvKernelDim"])
    return mixed.map(lambda array: np.tile(array, taps))


def reshaped(node: ir.Node, known: Known) -> Box | None:
    """Return the range behind a layer that only changes the shape."""
    source = operand(node, 0, known)
    if source is None or node.inputs[0] is None:
        return None
    old, new = static_shape(node.inputs[0]), static_shape(node.outputs[0])
    if source.is_uniform:
        return source.map(lambda array: array.reshape((1,) * len(new)))
    return _rearranged(source, old, lambda indices: indices.reshape(new))


def transposed(node: ir.Node, known: Known) -> Box | None:
    """Return the range behind a ``Transpose``."""
    source = operand(node, 0, known)
    perm = attributes_of(node).get("perm")
    return None if source is None else source.map(lambda array: np.transpose(array, perm))


def joined(node: ir.Node, known: Known) -> Box | None:
    """Return the range of tensors joined along an axis; FINN's streams are joined along the channels, the last."""
    boxes = [operand(node, index, known) for index in range(len(node.inputs))]
    axis = attributes_of(node).get("axis", -1)
    found = [box for box in boxes if box is not None]
    if len(found) != len(boxes):
        return None
    sizes = [static_shape(value)[axis] for value in node.inputs if value is not None]
    return concatenate(found, sizes, axis)


def parts(node: ir.Node, known: Known) -> list[Box | None] | None:
    """Return a range for each part that a tensor is split into along an axis; streams along the channels, the last."""
    source = operand(node, 0, known)
    if source is None:
        return None
    axis = attributes_of(node).get("axis", 0 if node.domain == "" else -1) % source.low.ndim
    if source.shape[axis] == 1:
        return [source] * len(node.outputs)
    ends = np.cumsum([static_shape(output)[axis] for output in node.outputs])[:-1]
    sides = [np.split(array, ends, axis=axis) for array in (source.low, source.high, source.step)]
    return [Box(*part) for part in zip(*sides, strict=True)]


def sliced(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a ``Slice`` with constant bounds."""
    source = operand(node, 0, known)
    starts, ends, axes, steps = (integer_vector(node, index) for index in range(1, 5))
    if source is None or starts is None or ends is None:
        return None
    axes = list(range(len(starts))) if axes is None else axes
    picked: list[slice] = [slice(None)] * source.low.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        if source.shape[axis] > 1:
            # Counting backwards, an end in front of the first element is no index from the back.
            stop = None if step < 0 and end < -source.shape[axis] else end
            picked[axis % source.low.ndim] = slice(start, stop, step)
    return source.map(lambda array: array[tuple(picked)])


def gathered(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a ``Gather`` with constant indices: any of the elements along its axis."""
    source, axis = operand(node, 0, known), attributes_of(node).get("axis", 0)
    indices = constant(node.inputs[1])
    if source is None or indices is None:
        return None
    if source.shape[axis] > 1:
        return source.map(lambda array: np.take(array, indices.astype(np.int64), axis=axis))
    axis %= source.low.ndim
    shape = (*source.shape[:axis], *[1] * indices.ndim, *source.shape[axis + 1 :])
    return source.map(lambda array: array.reshape(shape))


def padded(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a ``Pad``: exact along an axis whose elements are told apart already."""
    source, attributes = operand(node, 0, known), attributes_of(node)
    pads = integer_vector(node, 1) if len(node.inputs) > 1 else attributes.get("pads")
    if source is None or pads is None or len(pads) != 2 * source.low.ndim or min(pads) < 0:
        return None
    around = [axis for axis in range(source.low.ndim) if pads[axis] or pads[axis + source.low.ndim]]
    if attributes.get("mode", "constant") != "constant":
        return source.reduced(*around)
    value = constant(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1)
    integers = None if value is None else exact_integers(value)
    if integers is None or not around:
        return None if integers is None else source
    filling = Box.of(integers.reshape(()), integers.reshape(()), 0).map(
        lambda array: array.reshape((1,) * source.low.ndim)
    )
    if len(around) > 1:
        return source.reduced(*around).union(filling)
    axis = around[0]
    sizes = [
        pads[axis],
        static_shape(node.inputs[0])[axis] if node.inputs[0] is not None else 0,
        pads[axis + source.low.ndim],
    ]
    if source.shape[axis] == 1 and axis != 1:
        return source.union(filling)
    return concatenate([filling, source, filling], sizes, axis)


def depth_to_space(node: ir.Node, known: Known) -> Box | None:
    """Return the range of ``DepthToSpace``: a channel takes its pixels from several ones."""
    mixed, attributes = spatially_mixed(node, known), attributes_of(node)
    if mixed is None or mixed.is_uniform:
        return mixed
    depth_first = attributes.get("mode", "DCR") == "DCR"
    pixels = attributes["blocksize"] ** 2
    shape = (pixels, -1) if depth_first else (-1, pixels)
    grouped = mixed.map(lambda array: array.reshape(shape)).reduced(0 if depth_first else 1)
    return grouped.map(lambda array: array.reshape(1, -1, 1, 1))


def space_to_depth(node: ir.Node, known: Known) -> Box | None:
    """Return the range of ``SpaceToDepth``: each channel becomes several ones."""
    mixed = spatially_mixed(node, known)
    if mixed is None or mixed.is_uniform:
        return mixed
    return mixed.map(lambda array: np.tile(array, (1, attributes_of(node)["blocksize"] ** 2, 1, 1)))


def resized(node: ir.Node, known: Known) -> Box | None:
    """Return the range behind nearest-neighbour resizing of (1, C, H, W)."""
    if attributes_of(node).get("mode", "nearest") != "nearest":
        return None
    return spatially_mixed(node, known)


def _rearranged(source: Box, shape: Sequence[int], function: Callable[[Indices], Indices]) -> Box:
    """Return the box of elements moved as ``function`` moves indices of the whole tensor."""
    indices = np.arange(source.low.size).reshape(source.shape)
    moved = function(np.broadcast_to(indices, shape))
    for axis in range(moved.ndim):
        first = moved.take([0], axis=axis)
        if np.all(first == moved):
            moved = first
    return source.map(lambda array: _flat(array)[moved])


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(-1)


MOVES: dict[str, Rule] = {
    "Concat": joined,
    "ConvolutionInputGenerator": windows,
    "DepthToSpace": depth_to_space,
    "Dropout": same,
    "DuplicateStreams": same,
    "FMPadding": padded_stream,
    "FMPadding_Pixel": padded_stream,
    "Flatten": reshaped,
    "Gather": gathered,
    "GlobalMaxPool": spatially_mixed,
    "Identity": same,
    "MaxPool": spatially_mixed,
    "Pad": padded,
    "Reshape": reshaped,
    "Resize": resized,
    "Slice": sliced,
    "SpaceToDepth": space_to_depth,
    "Split": parts,
    "Squeeze": reshaped,
    "StreamingConcat": joined,
    "StreamingDataWidthConverter": same,
    "StreamingFIFO": same,
    "StreamingSplit": parts,
    "Transpose": transposed,
    "Unsqueeze": reshaped,
    "Upsample": resized,
    "UpsampleNearestNeighbour": mixed_stream,
}
