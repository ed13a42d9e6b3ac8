"""Reads linear nodes, of ONNX and of FINN, as sums of products."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.datatypes import named, range_of
from finn_transforms.analysis.matching import is_hardware, layer_type, static_shape
from finn_transforms.analysis.products import Products
from finn_transforms.analysis.sparq_stream import sparq_values
from finn_transforms.analysis.taps import Axis, Pattern, window_patterns
from finn_transforms.analysis.weights import can_change, counts_matches, weight_rows
from finn_transforms.ops.shift import UNIT as SHIFT_UNIT
from finn_transforms.ops.sparq import UNIT as SPARQ_UNIT
from finn_transforms.ops.sparq import sparq_format

_UNITS = {"MVAU", "ShiftMVAU", "SparqMVAU", "VVAU"}
_BIT = IntRange(0, 1)


class Windows(NamedTuple):
    """Where the windows that a matrix-vector unit reads come from.

    Attributes:
        image: the stream (1, H, W, C) before any padding.
        patterns: sets of taps (KH * KW,) that are data at the same time.
    """

    image: ir.Value
    patterns: tuple[Pattern, ...]


def windows_of(node: ir.Node) -> Windows | None:
    """Return the windows a hardware layer reads, or None where no input generator is in front of it."""
    generator = _producer(node, "ConvolutionInputGenerator")
    if generator is None:
        return None
    attributes = attributes_of(generator)
    if attributes.get("dynamic_mode", 0) or not {"ConvKernelDim", "IFMDim"} <= attributes.keys():
        return None
    begin, end, spread = [0, 0], [0, 0], [1, 1]
    first, size = generator, list(attributes["IFMDim"])
    if (padding := _producer(first, "FMPadding")) is not None:
        pads = attributes_of(padding)["Padding"]
        begin, end, first = list(pads[:2]), list(pads[2:]), padding
        size = list(attributes_of(padding)["ImgDim"])
    if (spreading := _producer(first, "FMPadding_Pixel")) is not None:
        spread, first = list(attributes_of(spreading)["Stride"]), spreading
        size = list(attributes_of(spreading)["ImgDim"])
    if first.inputs[0] is None:
        return None
    axes = [
        Axis(
            size=size[axis],
            kernel=attributes["ConvKernelDim"][axis],
            stride=attributes.get("Stride", (1, 1))[axis],
            dilation=attributes.get("Dilation", (1, 1))[axis],
            begin=begin[axis],
            end=end[axis],
            spread=spread[axis],
        )
        for axis in (0, 1)
    ]
    return Windows(first.inputs[0], window_patterns(axes))


def products_of(node: ir.Node, box: Box, data: Box | None = None) -> Products | None:
    """Return the sums that a linear node computes, or None where its weights are not integers.

    Args:
        node: a ``Conv``, ``ConvTranspose``, ``MatMul``, ``MVAU``, ``ShiftMVAU``, ``SparqMVAU`` or ``VVAU`` without a
            bias.  Weights of a hardware layer that are not in the graph, or that can change at run time, count with the
            range of their data type; a unit that shifts products has none such.
        box: its input; the padding that a ``Conv`` does itself is taken into account here.
        data: for a hardware layer behind an input generator, the image (1, H, W, C) before it was padded.
    """
    rows = weight_rows(node)
    if is_hardware(node):
        return _unit(node, rows, box, data) if layer_type(node) in _UNITS else None
    if rows is None or (len(node.inputs) > 2 and node.inputs[2] is not None):
        return None
    if node.op_type == "MatMul":
        return Products(rows, _vector(box.reduced(*range(box.low.ndim - 1))))
    patterns = _transposed_patterns(node) if node.op_type == "ConvTranspose" else _patterns(node)
    return _grouped(node, rows, box, patterns)


def _producer(node: ir.Node, kind: str) -> ir.Node | None:
    producer = None if node.inputs[0] is None else node.inputs[0].producer()
    return producer if producer is not None and is_hardware(producer) and layer_type(producer) == kind else None


def _vector(box: Box) -> Box:
    return box.map(lambda array: array.reshape(-1))


def _kernel(node: ir.Node) -> tuple[int, ...]:
    weights = node.inputs[1]
    return () if weights is None else static_shape(weights)[2:]


def _grouped(node: ir.Node, rows: NDArray[Any], box: Box, patterns: tuple[Pattern, ...]) -> Products:
    """Return the sums of a convolution of (1, C, ...); each group of channels reads inputs of its own."""
    taps = prod(_kernel(node))
    channels = _vector(box.reduced(0, *range(2, box.low.ndim)))
    groups = attributes_of(node).get("group", 1)
    inputs = rows.shape[1] // taps
    patterns = tuple(np.tile(pattern, inputs) for pattern in patterns)
    if channels.is_uniform:
        return Products(rows, channels, patterns)
    each = channels.map(lambda array: np.repeat(array.reshape(groups, inputs), taps, axis=1))
    per_group = len(rows) // groups
    spread = _vector(each) if groups == 1 else each.map(lambda array: np.repeat(array, per_group, axis=0))
    return Products(rows, spread, patterns)


def _patterns(node: ir.Node) -> tuple[Pattern, ...]:
    attributes, kernel = attributes_of(node), _kernel(node)
    if node.inputs[0] is None:
        return ()
    image = static_shape(node.inputs[0])[2:]
    ones = [1] * len(kernel)
    strides, dilations = (attributes.get(name, ones) for name in ("strides", "dilations"))
    pads = _pads(attributes, image, kernel, strides, dilations)
    return window_patterns(
        [
            Axis(size=size, kernel=k, stride=stride, dilation=dilation, begin=begin, end=end)
            for size, k, stride, dilation, begin, end in zip(
                image, kernel, strides, dilations, pads[: len(kernel)], pads[len(kernel) :], strict=True
            )
        ]
    )


def _pads(
    attributes: dict[str, Any], image: tuple[int, ...], kernel: tuple[int, ...], strides: Any, dilations: Any
) -> list[int]:
    mode = attributes.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        return list(attributes.get("pads", [0] * 2 * len(kernel)))
    if mode == "VALID":
        return [0] * 2 * len(kernel)
    totals = [
        max(0, (-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size)
        for size, k, stride, dilation in zip(image, kernel, strides, dilations, strict=True)
    ]
    smaller, larger = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return smaller + larger if mode == "SAME_UPPER" else larger + smaller


def _transposed_patterns(node: ir.Node) -> tuple[Pattern, ...]:
    """Return the taps that meet one output: a transposed convolution is one over an image with zeros in between."""
    attributes, kernel = attributes_of(node), _kernel(node)
    output = node.outputs[0]
    if node.inputs[0] is None or attributes.get("auto_pad", "NOTSET") != "NOTSET":
        return ()
    ones = [1] * len(kernel)
    strides, dilations = (attributes.get(name, ones) for name in ("strides", "dilations"))
    pads = attributes.get("pads", [0] * 2 * len(kernel))
    axes = []
    for axis, (size, made) in enumerate(zip(static_shape(node.inputs[0])[2:], static_shape(output)[2:], strict=True)):
        span = dilations[axis] * (kernel[axis] - 1)
        begin = span - pads[axis]
        # What is left behind the data follows from the size of the output.
        end = made + span - begin - ((size - 1) * strides[axis] + 1)
        axes.append(
            Axis(
                size=size,
                kernel=kernel[axis],
                dilation=dilations[axis],
                begin=begin,
                end=end,
                spread=strides[axis],
            )
        )
    # The window runs over the flipped kernel.
    return tuple(pattern[::-1] for pattern in window_patterns(axes))


def _unit(node: ir.Node, rows: NDArray[Any] | None, box: Box, data: Box | None) -> Products | None:
    """Return the sums of FINN's matrix-vector or vector-vector unit."""
    attributes = attributes_of(node)
    if layer_type(node) == SPARQ_UNIT:
        return _sparq_unit(node, rows)
    depthwise = layer_type(node) == "VVAU"
    channels = attributes["Channels"] if depthwise else attributes["MH"]
    k = prod(attributes["Kernel"]) if depthwise else attributes["MW"]
    windows = windows_of(node)
    patterns: tuple[Pattern, ...] = ()
    if windows is not None and (depthwise or k % len(windows.patterns[0]) == 0):
        taps = len(windows.patterns[0])
        patterns = tuple(windows.patterns if depthwise else (np.repeat(each, k // taps) for each in windows.patterns))
    if data is not None and windows is not None and patterns:
        box = _windowed(data, len(windows.patterns[0]))
    inputs = _inputs_by_channel(node, box, channels, k) if depthwise else _inputs(node, box, k)
    if counts_matches(node):
        return _matches(node, rows, inputs, channels, k)
    if rows is None or can_change(node):
        shifts = layer_type(node) == SHIFT_UNIT
        return None if shifts else _any_weights(node, inputs, patterns, channels, k)
    return Products(rows, inputs, patterns)


def _sparq_unit(node: ir.Node, rows: NDArray[Any] | None) -> Products | None:
    """Return the sums of a matrix-vector unit that reads SPARQ's code, over all activations."""
    attributes = attributes_of(node)
    sparq = sparq_format(attributes)
    inputs = Box.uniform(sparq_values(sparq), rank=1)
    if rows is None or can_change(node):
        return _any_weights(node, inputs, (), attributes["MH"], attributes["MW"])
    return Products(rows, inputs, sparq=sparq)


def _windowed(data: Box, taps: int) -> Box:
    """Return the box of windows (1, 1, 1, taps * C) of an image."""
    data = data.reduced(*range(data.low.ndim - 1))
    return data if data.is_uniform else data.map(lambda array: np.tile(array, taps))


def _inputs(node: ir.Node, box: Box, k: int) -> Box:
    """Return the box (K,) of one vector; like FINN's unit, it takes an image (1, H, W, C) of K elements for one."""
    if box.is_uniform or box.low.ndim == 0:
        return _vector(box)
    source = node.inputs[0]
    shape = () if source is None or source.shape is None else static_shape(source)
    if box.shape[-1] == k or shape[-1:] == (k,):
        return _vector(box.reduced(*range(box.low.ndim - 1)))
    if prod(shape[1:]) == k:
        return _vector(box.reduced(0).expanded((1, *shape[1:])))
    return _vector(box.reduced(*range(box.low.ndim)))


def _inputs_by_channel(node: ir.Node, box: Box, channels: int, k: int) -> Box:
    """Return the box (C, K) that a vector-vector unit reads from windows (K, C)."""
    if box.is_uniform:
        return _vector(box)
    box = _vector(box.reduced(*range(box.low.ndim - 1)))
    if windows_of(node) is None and k > 1:
        # Other layers may interleave the channels differently.
        return box.reduced(0)
    return box.map(lambda array: array.reshape(k, channels).T)


def _any_weights(node: ir.Node, inputs: Box, patterns: tuple[Pattern, ...], channels: int, k: int) -> Products | None:
    """Return the sums over all weights of the declared type: each product reaches its extremes on its own."""
    weight_type = named(attributes_of(node)["weightDataType"])
    if not weight_type.is_integer():
        return None
    weights = range_of(weight_type)
    ends = [inputs.times(weights.low), inputs.times(weights.high)]
    products = ends[0].union(ends[1])
    low, high = products.low.reshape(-1, products.low.shape[-1]), products.high.reshape(-1, products.low.shape[-1])
    # One row stands for every channel.
    worst = Box.of(low.min(axis=0), high.max(axis=0))
    return Products(np.ones((1, k), dtype=np.int64), worst, patterns, channels, inputs)


def _matches(node: ir.Node, rows: NDArray[Any] | None, inputs: Box, channels: int, k: int) -> Products:
    """Return a unit that counts equal bits as a sum of matches, each of them 0 or 1."""
    if rows is None or can_change(node) or not (inputs.low == inputs.high).any():
        return Products(np.ones((1, k), dtype=np.int64), Box.uniform(_BIT, rank=1), (), channels, inputs)
    # An input that never changes matches always or never; one bit is 1 where its value is positive.
    same = (rows > 0) == (inputs.low > 0)
    fixed = np.broadcast_to(inputs.low == inputs.high, rows.shape)
    low, high = np.where(fixed & same, 1, 0), np.where(fixed & ~same, 0, 1)
    return Products(np.ones(rows.shape, dtype=np.int64), Box.of(low, high), (), channels, inputs)
