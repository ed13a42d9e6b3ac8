"""Layers that move, join, split or add streams, or take their maximum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.matching import layer_type
from finn_transforms.emulate.compiled.builder import CONTRIB, Builder
from finn_transforms.emulate.compiled.stream import (
    CannotCompileError,
    Stream,
    Window,
    check_float32,
    float32,
    padded,
    settled,
    with_zero,
)

Ints = NDArray[np.int64]
_ELEMENTWISE = {"AddStreams": "Add", "ElementwiseAdd": "Add", "ElementwiseMul": "Mul", "ElementwiseSub": "Sub"}


def constant_stream(builder: Builder, array: NDArray[Any]) -> Stream:
    """Return constant integers as a stream, with one range for all of them."""
    low, high = (np.array([end], dtype=np.int64) for end in (array.min(), array.max()))
    name = builder.constant(array.astype(np.float32))
    return Stream(name=name, kind="float32", rank=array.ndim, low=low, high=high)


def padding(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Remember zeros to be added."""
    top, left, bottom, right = attributes_of(node)["Padding"]
    return [replace(settled(builder, sources[0]), pads=(top, left, bottom, right))]


def window(_builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Remember a window to be cut."""
    attributes = attributes_of(node)
    kernel, strides, dilations = (tuple(attributes[key]) for key in ("ConvKernelDim", "Stride", "Dilation"))
    depthwise = bool(attributes.get("depthwise", 0))
    return [
        replace(sources[0], window=Window(kernel=kernel, strides=strides, dilations=dilations, depthwise=depthwise))
    ]


def pool(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Add the maximum, or the sum, over windows."""
    function, pending = attributes_of(node)["Function"], sources[0].window
    if pending is None and set(attributes_of(node)["KernelSize"]) == {1}:
        return [sources[0]]
    if function not in {"AccPool", "MaxPool"} or pending is None:
        raise CannotCompileError(
            f"{node.op_type} {node.name!r}: expected a maximum or a sum over a window, found {function}; use emulate"
        )
    source = replace(padded(builder, sources[0]), window=None)
    attributes: dict[str, Any] = {
        "kernel_shape": pending.kernel,
        "strides": pending.strides,
        "dilations": pending.dilations,
    }
    if function == "AccPool":
        return [_summed(builder, float32(builder, source), attributes_of(node)["Channels"], attributes)]
    if source.kind == "uint8":
        return [source.renamed(builder.node("NhwcMaxPool", [source.name], CONTRIB, **attributes))]
    return [source.renamed(_channels_second(builder, source, "MaxPool", [], attributes))]


def _summed(builder: Builder, source: Stream, channels: int, attributes: dict[str, Any]) -> Stream:
    ones = builder.constant(np.ones((channels, 1, *attributes["kernel_shape"]), dtype=np.float32))
    pixels = int(np.prod(attributes["kernel_shape"]))
    low, high = source.extremes()
    name = _channels_second(builder, source, "Conv", [ones], {**attributes, "group": channels})
    return _checked(replace(source, name=name, low=low * pixels, high=high * pixels))


def _channels_second(
    builder: Builder, source: Stream, operator: str, others: list[str], attributes: dict[str, Any]
) -> str:
    """Add a node that wants channels second."""
    first = builder.node("Transpose", [source.name], perm=[0, 3, 1, 2])
    result = builder.node(operator, [first, *others], **attributes)
    return builder.node("Transpose", [result], perm=[0, 2, 3, 1])


def elementwise(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Add a sum, difference or product of integers."""
    left, right = (float32(builder, settled(builder, source)) for source in sources)
    operator = _ELEMENTWISE[layer_type(node)]
    (low, high), (other_low, other_high) = left.extremes(), right.extremes()
    if operator == "Mul":
        corners = [one * other for one in (low, high) for other in (other_low, other_high)]
        ends = np.minimum.reduce(corners), np.maximum.reduce(corners)
    elif operator == "Sub":
        ends = low - other_high, high - other_low
    else:
        ends = low + other_low, high + other_high
    name = builder.node(operator, [left.name, right.name])
    return [_checked(Stream(name=name, kind="float32", rank=max(left.rank, right.rank), low=ends[0], high=ends[1]))]


def duplicate(_builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Hand a stream to several readers."""
    return [sources[0]] * len(node.outputs)


def concatenate(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Join streams along their channels."""
    plain = [settled(builder, source) for source in sources]
    if len({(source.kind, source.factor, source.offset) for source in plain}) > 1:
        plain = [float32(builder, source) for source in plain]
    name = builder.node("Concat", [source.name for source in plain], axis=plain[0].rank - 1)
    counts = [value.shape[-1] if value is not None and value.shape is not None else None for value in node.inputs]
    if not all(isinstance(count, int) for count in counts):
        return [_together(plain, name)]
    ranges = [
        np.concatenate([np.broadcast_to(ends[side], (count,)) for ends, count in _with(plain, counts)])
        for side in (0, 1)
    ]
    return [replace(plain[0], name=name, low=ranges[0], high=ranges[1])]


def _with(streams: list[Stream], counts: list[Any]) -> list[tuple[tuple[Ints, Ints], int]]:
    return [(stream.extremes(), count) for stream, count in zip(streams, counts, strict=True)]


def _together(streams: list[Stream], name: str) -> Stream:
    low = min(stream.integers.low for stream in streams)
    high = max(stream.integers.high for stream in streams)
    return replace(streams[0], name=name, low=np.array([low], np.int64), high=np.array([high], np.int64))


def split(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Cut a stream into consecutive channels."""
    source, counts = settled(builder, sources[0]), attributes_of(node)["ChannelsPerStream"]
    ends = np.cumsum(counts)
    parts = []
    for start, end in zip(ends - counts, ends, strict=True):
        limits = (builder.constant(np.array([each], np.int64)) for each in (start, end, source.rank - 1))
        low, high = (each if len(each) == 1 else each[start:end] for each in source.extremes())
        parts.append(replace(source, name=builder.node("Slice", [source.name, *limits]), low=low, high=high))
    return parts


def upsample(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Repeat every pixel."""
    source, attributes = settled(builder, sources[0]), attributes_of(node)
    rows, columns = (attributes[f"{axis}O"] // attributes[f"{axis}I"] for axis in ("H", "W"))
    scales = builder.constant(np.array([1, rows, columns, 1], np.float32))
    options = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    return [source.renamed(builder.node("Resize", [source.name, "", scales], **options))]


def spread(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Put zeros between neighbouring pixels."""
    source, (rows, columns), value = settled(builder, sources[0]), attributes_of(node)["Stride"], node.inputs[0]
    source, zero = with_zero(builder, source)
    if value is None or value.shape is None or not value.shape.is_static():
        raise CannotCompileError(f"{node.op_type} {node.name!r}: expected an input of known shape; infer shapes first")
    _, height, width, channels = (int(size) for size in value.shape.numpy())

    def shape(*sizes: int) -> str:
        return builder.constant(np.array(sizes, np.int64))

    apart = builder.node("Reshape", [source.name, shape(-1, height, 1, width, 1, channels)])
    filler = builder.constant(np.array(zero, np.uint8 if source.kind == "uint8" else np.float32))
    padded = builder.node("Pad", [apart, shape(*[0] * 8, rows - 1, 0, columns - 1, 0), filler])
    joined = builder.node("Reshape", [padded, shape(-1, height * rows, width * columns, channels)])
    last = shape((height - 1) * rows + 1, (width - 1) * columns + 1)
    name = builder.node("Slice", [joined, shape(0, 0), last, shape(1, 2)])
    low, high = source.extremes()
    return [replace(source, name=name, low=np.minimum(low, 0), high=np.maximum(high, 0))]


def global_sum(builder: Builder, node: ir.Node, sources: list[Stream]) -> list[Stream]:
    """Add up all pixels of a channel."""
    source, value = float32(builder, settled(builder, sources[0])), node.inputs[0]
    if value is None or value.shape is None or not value.shape.is_static():
        raise CannotCompileError(f"{node.op_type} {node.name!r}: expected an input of known shape; infer shapes first")
    pixels = int(np.prod(value.shape.numpy()[1:3]))
    low, high = source.extremes()
    axes = builder.constant(np.array([1, 2], np.int64))
    name = builder.node("ReduceSum", [source.name, axes], keepdims=1)
    return [_checked(replace(source, name=name, low=low * pixels, high=high * pixels))]


def _checked(stream: Stream) -> Stream:
    check_float32(stream.integers, stream.name)
    return stream


STREAM_LAYERS: dict[str, Callable[[Builder, ir.Node, list[Stream]], list[Stream]]] = {
    **dict.fromkeys(_ELEMENTWISE, elementwise),
    "ConvolutionInputGenerator": window,
    "DuplicateStreams": duplicate,
    "FMPadding": padding,
    "FMPadding_Pixel": spread,
    "GlobalAccPool": global_sum,
    "Pool": pool,
    "StreamingConcat": concatenate,
    "StreamingSplit": split,
    "UpsampleNearestNeighbour": upsample,
}
