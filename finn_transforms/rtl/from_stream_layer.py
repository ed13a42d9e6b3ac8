"""The units of hardware layers that move or combine streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Literal

import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import named
from finn_transforms.hw_graph import StreamParams
from finn_transforms.rtl.node_values import NoUnitError, annotated_type, data_type_of, integers
from finn_transforms.rtl.unit import RtlUnit

_OPERATIONS: dict[str, Literal["add", "sub", "mul"]] = {
    "ElementwiseAdd": "add",
    "ElementwiseMul": "mul",
    "ElementwiseSub": "sub",
}


def stream_unit(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    """Return the unit of a layer that only moves or combines streams.

    Raises:
        NoUnitError: there is none of its kind.
    """
    kind = "Elementwise" if layer.kind in _OPERATIONS else layer.kind
    if kind not in _STREAMS:
        raise NoUnitError(
            f"expected one of {', '.join((*_OPERATIONS, *_STREAMS))}, found {layer.kind}; run it on the host"
        )
    return _STREAMS[kind](layer, node, name)


def _duplicate(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.duplicate import Duplicate

    return Duplicate(
        name=name,
        data_type=data_type_of(node, "inputDataType"),
        elements=layer.width,
        beats=prod(layer.input_shape) // layer.width,
        copies=len(node.outputs),
    )


def _elementwise(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.elementwise import Elementwise, constant_beats

    sides = [constant(value) for value in node.inputs]
    unit = Elementwise(
        name=name,
        operation=_OPERATIONS[layer.kind],
        left_type=data_type_of(node, "lhs_dtype"),
        right_type=data_type_of(node, "rhs_dtype"),
        output_type=data_type_of(node, "out_dtype"),
        elements=layer.width,
        beats=prod(layer.output_shape) // layer.width,
    )
    left, right = (
        None if array is None else constant_beats(integers(array), layer.channels, layer.width) for array in sides
    )
    if left is not None:
        return replace(unit, constants=left, constant_side="left")
    return unit if right is None else replace(unit, constants=right, constant_side="right")


def _concat(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.concat import Concat

    types = tuple(named(str(each)) for each in attributes_of(node)["inputDataTypes"])
    return Concat(
        name=name,
        channels=layer.parts,
        simd=layer.width,
        vectors=layer.vectors,
        input_types=types,
        output_type=annotated_type(node.outputs[0]),
    )


def _split(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.split import Split

    return Split(
        name=name,
        channels=layer.parts,
        simd=layer.width,
        vectors=layer.vectors,
        data_type=data_type_of(node, "inputDataType"),
    )


def _upsample(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.upsample import Upsample

    (_, high, wide, channels), (_, higher, wider, _) = layer.input_shape, layer.output_shape
    return Upsample(
        name=name,
        image=(high, wide),
        factors=(higher // high, wider // wide),
        channels=channels,
        simd=layer.width,
        data_type=data_type_of(node, "inputDataType"),
    )


def _pixel_padding(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.pixel_padding import PixelPadding

    rows, columns = attributes_of(node)["Stride"]
    return PixelPadding(
        name=name,
        image=(layer.input_shape[1], layer.input_shape[2]),
        stride=(int(rows), int(columns)),
        channels=layer.channels,
        simd=layer.width,
        data_type=data_type_of(node, "inputDataType"),
    )


def _global_sum(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.global_sum import GlobalSum

    return GlobalSum(
        name=name,
        channels=layer.channels,
        pe=layer.width,
        pixels=prod(layer.input_shape) // layer.channels,
        input_type=data_type_of(node, "inputDataType"),
        output_type=annotated_type(node.outputs[0]),
    )


_STREAMS: dict[str, Callable[[StreamParams, ir.Node, str], RtlUnit]] = {
    "DuplicateStreams": _duplicate,
    "Elementwise": _elementwise,
    "FMPadding_Pixel": _pixel_padding,
    "GlobalAccPool": _global_sum,
    "StreamingConcat": _concat,
    "StreamingSplit": _split,
    "UpsampleNearestNeighbour": _upsample,
}
