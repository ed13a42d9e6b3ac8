"""Turns nearest-neighbour upsampling into FINN's layer."""

from __future__ import annotations

from typing import ClassVar

import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.ops.tensors import resize_indices
from finn_transforms.passes._edit import Operator, Output, insert_node, integer_type_of
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream, integer_input, replace_by_stream


class InferUpsample(NodePass):
    """Lower ``Resize`` and ``Upsample`` of integers where each pixel becomes a block of equal pixels.

    Before::

        u = Resize(q, scales=(1, 1, 2, 2), mode="nearest")              # NCHW

    After::

        u = Transpose(UpsampleNearestNeighbour(Transpose(q)))           # NHWC inside

    Refused: other modes and factors, ways of rounding that shift the image, batches; ``DepthToSpace``, for which FINN
    has no layer.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"DepthToSpace", "Resize", "Upsample"})

    def lower(self, node: ir.Node) -> str | None:
        """Lower one upsampling, unless it has nothing to do with integers."""
        if node.inputs[0] is None or integer_datatype(node.inputs[0]) is None:
            return None
        source = integer_input(node)
        if node.op_type == "DepthToSpace":
            raise NoMatchError("FINN has no layer that turns channels into pixels", "Use nearest upsampling instead")
        if len(static_shape(source)) != 4:
            raise NoMatchError(f"it resizes a tensor {static_shape(source)}", "Resize images (1, C, H, W)")
        rows, columns = _factors(node, static_shape(source))
        data_type, old = integer_type_of(source), node.outputs[0]
        stream = as_stream(node, source)
        _, height, width, channels = static_shape(stream)
        operator = Operator.hardware(
            "UpsampleNearestNeighbour",
            SIMD=1,
            HO=height * rows,
            WO=width * columns,
            HI=height,
            WI=width,
            NumChannels=channels,
            inputDataType=data_type.name,
            batchSize=1,
            cpp_interface="hls_vector",
            hls_style="freerunning",
        )
        shape = (1, height * rows, width * columns, channels)
        output = Output(f"UpsampleNearestNeighbour_{node.name or old.name}", shape, data_type)
        replace_by_stream(node, old, insert_node(node, operator, [stream], output))
        return f"UpsampleNearestNeighbour by {rows} x {columns}"


def _factors(node: ir.Node, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how often each row and each column appears, where that is all the node does."""
    try:
        indices = resize_indices(attributes_of(node), shape, *(constant(value) for value in node.inputs[1:]))
    except ValueError as error:
        raise NoMatchError(str(error), "Use mode 'nearest' with constant integer factors") from error
    factors = [max(len(taken) // size, 1) for taken, size in zip(indices, shape, strict=True)]
    for taken, size, factor in zip(indices, shape, factors, strict=True):
        if taken != [index // factor for index in range(size * factor)]:
            raise NoMatchError(
                "it does not repeat each pixel equally often, in its place",
                "Use integer factors and mode 'nearest' as torch.nn.Upsample exports it",
            )
    if factors[:2] != [1, 1]:
        raise NoMatchError(f"it resizes by {factors}", "Resize height and width only")
    return factors[2], factors[3]
