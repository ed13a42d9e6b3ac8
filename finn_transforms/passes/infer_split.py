"""Turns splits of channels into FINN's layer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.ops import evaluate
from finn_transforms.passes._edit import Operator, Output, graph_of, insert_nodes, integer_type_of, producer_of
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream, channel_axis, integer_input, redirect_to_stream


class InferSplit(NodePass):
    """Lower ``Split`` of an integer tensor along its channels, and slices that share them out.

    Before::

        a, b = Split(q, [2, 4], axis=1)                                 # NCHW
        c, d = Slice(r, 0, 2, axis=1), Slice(r, 2, 6, axis=1)           # all of r's channels, in order

    After::

        a, b = Transpose(StreamingSplit(Transpose(q)))                  # NHWC inside, one transpose per output
        c, d = Transpose(StreamingSplit(Transpose(r)))

    Refused: other axes, channels that no one reads (FINN's layer has a reader for each), batches.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"Slice", "Split"})

    def lower(self, node: ir.Node) -> str | None:
        """Lower one split, or all slices of a value together, unless they have nothing to do with integers."""
        source = node.inputs[0]
        if source is None or integer_datatype(source) is None or constant(source) is not None:
            return None
        integer_input(node)
        axis = channel_axis(source)
        if node.op_type == "Split":
            if attributes_of(node).get("axis", 0) % len(static_shape(source)) != axis:
                raise NoMatchError(f"it splits axis {attributes_of(node).get('axis', 0)}", "Split channels, axis 1")
            parts = list(node.outputs)
        else:
            parts = _slices(source, axis)
        if not all(part.uses() or part.is_graph_output() for part in parts):
            raise NoMatchError("nothing reads a part of it", "Leave out the channels that are not used")
        return _insert(node, source, parts, axis)


def _insert(node: ir.Node, source: ir.Value, parts: list[ir.Value], axis: int) -> str:
    # The first node's place: everything that reads a part comes behind it.
    stream = as_stream(node, source)
    data_type = integer_type_of(stream)
    *vectors, _ = static_shape(stream)
    channels = [static_shape(part)[axis] for part in parts]
    operator = Operator.hardware(
        "StreamingSplit",
        SIMD=1,
        ChannelsPerStream=channels,
        inputDataType=data_type.name,
        numInputVectors=vectors,
        outFIFODepths=[2] * len(parts),
        cpp_interface="hls_vector",
        hls_style="freerunning",
    )
    label = node.name or node.outputs[0].name
    outputs = [Output(f"StreamingSplit_{label}", (*vectors, size), data_type) for size in channels]
    for part, stream_part in zip(parts, insert_nodes(node, operator, [stream], outputs), strict=True):
        redirect_to_stream(node, part, stream_part)
    graph_of(node).remove(dict.fromkeys(map(producer_of, parts)), safe=True)
    return f"StreamingSplit into {' + '.join(map(str, channels))} channels"


def _slices(source: ir.Value, axis: int) -> list[ir.Value]:
    """Return the slices of a value in the order of their channels; together they are all of them, each once.

    Raises:
        NoMatchError: they are not.
    """
    readers = [reader for reader in source.consumers() if reader.op_type == "Slice" and reader.domain == ""]
    taken = sorted((_channels(reader, source, axis), reader.outputs[0].name or "", reader) for reader in readers)
    if [channel for channels, _, _ in taken for channel in channels] != list(range(static_shape(source)[axis])):
        raise NoMatchError(
            f"the slices of {source.name!r} are not all of its channels, each once",
            "Use Split, or slices that share out all channels",
        )
    return [reader.outputs[0] for _, _, reader in taken]


def _channels(node: ir.Node, source: ir.Value, axis: int) -> list[int]:
    """Return the channels that a slice takes."""
    shape = static_shape(source)
    parameters = [constant(value) for value in node.inputs[1:]]
    if any(array is None and value is not None for array, value in zip(parameters, node.inputs[1:], strict=True)):
        raise NoMatchError("where it slices is computed", "Use constant slices")
    numbered = np.arange(np.prod(shape)).reshape(shape)
    result = evaluate("Slice", attributes_of(node), [numbered, *parameters])
    first = np.moveaxis(result, axis, 0).reshape(result.shape[axis], -1)[:, :1]
    channels = np.unravel_index(first.reshape(-1), shape)[axis]
    if not np.array_equal(result, np.take(numbered, channels, axis=axis)):
        raise NoMatchError("it slices more than channels", "Slice axis 1 only")
    return [int(channel) for channel in channels]
