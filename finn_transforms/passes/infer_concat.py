"""Turns concatenations of channels into FINN's layer."""

from __future__ import annotations

from typing import ClassVar

import onnx_ir as ir

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, range_of, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.passes._edit import Operator, Output, insert_node, integer_type_of
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._retype import retype
from finn_transforms.passes._streams import (
    as_stream,
    channel_axis,
    replace_by_stream,
    require_numbers,
    require_one_image,
)


class InferConcat(NodePass):
    """Lower ``Concat`` of integers along the channels.

    Before::

        c = Concat(a, b, axis=1)                                        # NCHW

    After::

        c = Transpose(StreamingConcat(Transpose(a), Transpose(b)))      # NHWC inside

    FINN gives the output the narrowest type that holds all inputs; the pass does as well, and tells its readers.

    Refused: other axes, constants or values that are not integers among integers, bits that stand for -1 and
    1, batches.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"Concat"})

    def lower(self, node: ir.Node) -> str | None:
        """Lower one concatenation, unless it has nothing to do with integers."""
        values = [value for value in node.inputs if value is not None]
        integers = [value for value in values if integer_datatype(value) is not None]
        if not integers:
            return None
        old = node.outputs[0]
        others = [value.name for value in values if value not in integers or constant(value) is not None]
        if others:
            raise NoMatchError(f"{others[0]!r} is no stream of integers", "Quantize every part of the concatenation")
        if attributes_of(node)["axis"] % len(static_shape(old)) != channel_axis(old):
            raise NoMatchError(
                f"it concatenates along axis {attributes_of(node)['axis']}", "Concatenate channels, axis 1"
            )
        require_one_image(old)
        for value in values:
            require_numbers(value)
        streams = [as_stream(node, value) for value in values]
        types = [integer_type_of(stream) for stream in streams]
        *vectors, _ = static_shape(streams[0])
        channels = [static_shape(stream)[-1] for stream in streams]
        reachable = IntRange(min(range_of(each).low for each in types), max(range_of(each).high for each in types))
        data_type = smallest_datatype(reachable)
        operator = Operator.hardware(
            "StreamingConcat",
            SIMD=1,
            ChannelsPerStream=channels,
            inputDataTypes=[each.name for each in types],
            numInputVectors=vectors,
            inFIFODepths=[2] * len(streams),
            cpp_interface="hls_vector",
            hls_style="freerunning",
        )
        output = Output(f"StreamingConcat_{node.name or old.name}", (*vectors, sum(channels)), data_type)
        stream = insert_node(node, operator, streams, output)
        replace_by_stream(node, old, stream)
        retype(stream, reachable, data_type)
        return f"StreamingConcat of {' + '.join(map(str, channels))} channels"
