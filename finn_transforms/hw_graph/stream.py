"""Layers that only join, split, copy, stretch or add streams: some channels per cycle, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd, prod
from typing import Any, Literal, TypeAlias

from qonnx.core.datatype import BaseDataType

from finn_transforms.hw_graph.attributes import NodeReader, require_divisor

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class StreamParams:
    """A layer that takes the same time for every vector of its widest stream.

    Attributes:
        name: Name of the node.
        kind: FINN's operator without the variant, e.g. ``ElementwiseAdd``.
        channels: Channels of the widest stream.
        parts: Channels of each stream that comes in or goes out, all of them multiples of the width.
        width: Channels per cycle.
        width_attribute: What FINN calls the width.
        vectors: Vectors of `channels` per frame; sums over all pixels take one more to leave.
        input_shape: Shape of the first input.
        output_shape: Shape of the first output.
        types: Data types of the operands or inputs; empty where they are not known.
        output_type: Data type of the first output; None where the node does not say it.
        copies: Outputs that each get everything.
        constants: Numbers of the operand that is no stream; 0 where every one is.

    Raises:
        HwGraphError: the width does not divide the channels of each stream.
    """

    name: str
    kind: str
    channels: int
    parts: tuple[int, ...]
    width: int
    width_attribute: Literal["PE", "SIMD"]
    vectors: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    types: tuple[BaseDataType, ...] = ()
    output_type: BaseDataType | None = None
    copies: int = 1
    constants: int = 0

    def __post_init__(self) -> None:
        for part in self.parts:
            require_divisor(self.name, (self.width_attribute, self.width), ("channels", part))

    @property
    def widest(self) -> int:
        """The largest width that divides all streams."""
        return gcd(*self.parts)

    @property
    def constant_rows(self) -> int:
        """Beats of constants that repeat; 0 where every operand is a stream."""
        return max(1, self.constants // self.width) if self.constants else 0

    def cycles(self) -> int:
        """Return clock cycles per frame: `width` channels of one vector per cycle."""
        return self.channels // self.width * self.vectors


def _elementwise(reader: NodeReader) -> StreamParams:
    shape = reader.integers("out_shape")
    left, right = (reader.integers(f"{side}_shape") for side in ("lhs", "rhs"))
    styles = [reader.text(f"{side}_style", "input") for side in ("lhs", "rhs")]
    stream = left if styles[0] == "input" else right
    layer = _stream(reader, "PE", (stream, shape))
    constants = [each for each, style in zip((left, right), styles, strict=True) if style != "input"]
    return replace(
        layer,
        types=(reader.data_type("lhs_dtype"), reader.data_type("rhs_dtype")),
        output_type=reader.data_type("out_dtype"),
        constants=prod(constants[0]) if constants else 0,
    )


def _duplicate(reader: NodeReader) -> StreamParams:
    shape = (*reader.integers("numInputVectors", default=(1,)), reader.integer("NumChannels"))
    data_type = reader.data_type("inputDataType")
    return _stream(
        reader, "PE", (shape, shape), types=(data_type,), output_type=data_type,
        copies=reader.integer("NumOutputStreams", 2),
    )  # fmt: skip


def _concat(reader: NodeReader) -> StreamParams:
    parts, vectors = reader.integers("ChannelsPerStream"), reader.integers("numInputVectors", default=(1,))
    shapes = (*vectors, parts[0]), (*vectors, sum(parts))
    return _stream(reader, "SIMD", shapes, parts=parts, types=reader.data_types("inputDataTypes"))


def _split(reader: NodeReader) -> StreamParams:
    parts, vectors = reader.integers("ChannelsPerStream"), reader.integers("numInputVectors", default=(1,))
    shapes = (*vectors, sum(parts)), (*vectors, parts[0])
    data_type = reader.data_type("inputDataType")
    return _stream(reader, "SIMD", shapes, parts=parts, types=(data_type,), output_type=data_type)


def _upsample(reader: NodeReader) -> StreamParams:
    batch, channels = reader.integer("batchSize", 1), reader.integer("NumChannels")
    small, large = ((batch, *(reader.integer(f"{axis}{side}") for axis in "HW"), channels) for side in "IO")
    data_type = reader.data_type("inputDataType")
    return _stream(reader, "SIMD", (small, large), types=(data_type,), output_type=data_type)


def _pixel_padding(reader: NodeReader) -> StreamParams:
    channels, image, stride = reader.integer("NumChannels"), reader.pair("ImgDim"), reader.pair("Stride")
    stretched = ((size - 1) * step + 1 for size, step in zip(image, stride, strict=True))
    data_type = reader.data_type("inputDataType")
    shapes = (1, *image, channels), (1, *stretched, channels)
    return _stream(reader, "SIMD", shapes, types=(data_type,), output_type=data_type)


def _global_acc_pool(reader: NodeReader) -> StreamParams:
    vectors, channels = reader.integers("numInputVectors", default=(1,)), reader.integer("NumChannels")
    result = (vectors[0], *(1 for _ in vectors[1:]), channels)
    # The sums leave one after the other once the last pixel has come.
    types = (reader.data_type("inputDataType"),)
    return _stream(reader, "PE", ((*vectors, channels), result), vectors=prod(vectors) + 1, types=types)


def _stream(
    reader: NodeReader, width_attribute: Literal["PE", "SIMD"], shapes: tuple[Shape, Shape], **changes: Any
) -> StreamParams:
    """Return a layer of given input and output shape, as wide as its attribute says (1 where it says nothing)."""
    input_shape, output_shape = shapes
    longest = max(input_shape, output_shape, key=prod)
    layer = StreamParams(
        name=reader.name,
        kind=reader.node.op_type.removesuffix("_hls").removesuffix("_rtl"),
        channels=longest[-1],
        parts=longest[-1:],
        width=reader.integer(width_attribute, 1),
        width_attribute=width_attribute,
        vectors=prod(longest[:-1]),
        input_shape=input_shape,
        output_shape=output_shape,
    )
    return replace(layer, **changes)


STREAM_READERS: dict[str, Callable[[NodeReader], StreamParams]] = {
    "DuplicateStreams": _duplicate,
    "ElementwiseAdd": _elementwise,
    "ElementwiseMul": _elementwise,
    "ElementwiseSub": _elementwise,
    "FMPadding_Pixel": _pixel_padding,
    "GlobalAccPool": _global_acc_pool,
    "StreamingConcat": _concat,
    "StreamingSplit": _split,
    "UpsampleNearestNeighbour": _upsample,
}
