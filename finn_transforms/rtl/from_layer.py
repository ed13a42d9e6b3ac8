"""The unit of a hardware layer: its parameters, with weights, thresholds and constants from the graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, named
from finn_transforms.hw_graph import (
    HwLayer,
    MvauParams,
    PaddingParams,
    PoolParams,
    SparqEncoderParams,
    SparqMvauParams,
    StreamParams,
    SwgParams,
    ThresholdingParams,
    VvauParams,
)
from finn_transforms.rtl.streams import Integers
from finn_transforms.rtl.unit import RtlUnit

# Thresholds that no input reaches may be infinite in the graph; units take any integer.
_BEYOND = 2**70
_OPERATIONS: dict[str, Literal["add", "sub", "mul"]] = {
    "ElementwiseAdd": "add",
    "ElementwiseMul": "mul",
    "ElementwiseSub": "sub",
}


class NoUnitError(ValueError):
    """A layer has no unit; says why, and what to do."""


def unit_of(layer: HwLayer, node: ir.Node, name: str | None = None) -> RtlUnit:
    """Return the unit that computes a hardware layer, with its folding.

    Args:
        layer: the layer's parameters.
        node: its node, whose initializers are weights, thresholds and constants.
        name: name of the unit's top module; by default made from the layer's.

    Raises:
        NoUnitError: there is no unit for this kind of layer, or not with these parameters.
        FinnMissingError: a unit from FINN's RTL library is asked for its sources, and FINN is not installed.
    """
    module = name or "unit_" + re.sub(r"\W", "_", layer.name)
    try:
        return _MAKERS[type(layer)](layer, node, module)
    except NoUnitError:
        raise
    except ValueError as error:
        raise NoUnitError(str(error)) from error


def _mvau(layer: MvauParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.mvau_lut import MvauLut

    if layer.tiling != 1:
        raise NoUnitError(f"expected an MVAU without tiling, found TH = {layer.tiling}; set it to 1")
    weights = _integers(_initializer(node, 1))
    if layer.dsp:
        return _mvau_in_dsp(layer, weights, name)
    attributes = attributes_of(node)
    source: Literal["memory", "constant"] = "constant" if layer.synapse_fold * layer.neuron_fold == 1 else "memory"
    return MvauLut(
        name=name,
        mw=layer.mw,
        mh=layer.mh,
        pe=layer.pe,
        simd=layer.simd,
        input_type=layer.input_type,
        weight_type=layer.weight_type,
        accumulator_type=layer.accumulator_type,
        weights=weights,
        weight_source=source,
        ram_style=_ram_style(layer),
        num_vectors=layer.num_vectors,
        thresholds=_integers(np.ceil(_initializer(node, 2))) if layer.threshold_steps else None,
        output_type=layer.output_type,
        bias=int(attributes.get("ActVal", 0)) if layer.threshold_steps else 0,
        xnor=bool(attributes.get("binaryXnorMode", 0)) and layer.input_type.name != "BIPOLAR",
    )


def _sparq_encoder(layer: SparqEncoderParams, _node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.sparq_encoder import SparqEncoder

    return SparqEncoder(name=name, sparq=layer.sparq, simd=layer.simd, beats=layer.cycles())


def _sparq_mvau(layer: SparqMvauParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.sparq_mvau import SparqMvau

    if layer.tiling != 1:
        raise NoUnitError(f"expected an MVAU without tiling, found TH = {layer.tiling}; set it to 1")
    _refuse_thresholds_inside(layer)
    return SparqMvau(
        name=name,
        sparq=layer.sparq,
        mw=layer.mw,
        mh=layer.mh,
        pe=layer.pe,
        simd=layer.simd,
        input_type=layer.input_type,
        weight_type=layer.weight_type,
        accumulator_type=layer.accumulator_type,
        weights=_integers(_initializer(node, 1)),
        ram_style=_ram_style(layer),
        num_vectors=layer.num_vectors,
    )


def _mvau_in_dsp(layer: MvauParams, weights: Integers, name: str) -> RtlUnit:
    from finn_transforms.rtl.finn_library import FinnMvu

    _refuse_thresholds_inside(layer)
    return FinnMvu(name=name, layer=layer, weights=weights)


def _vvau(layer: VvauParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.vvau_lut import VvauLut

    _refuse_thresholds_inside(layer)
    return VvauLut(
        name=name,
        channels=layer.channels,
        kernel=layer.kernel,
        windows=prod(layer.image),
        pe=layer.pe,
        simd=layer.simd,
        input_type=layer.input_type,
        weight_type=layer.weight_type,
        accumulator_type=layer.accumulator_type,
        weights=_integers(_initializer(node, 1)),
        ram_style=_ram_style(layer),
    )


def _ram_style(layer: MvauParams | VvauParams | ThresholdingParams) -> Literal["auto", "distributed", "block"]:
    """Return where a memory is; there is none in UltraRAM here, which is block memory, too."""
    styles: dict[str, Literal["distributed", "block"]] = {
        "distributed": "distributed", "block": "block", "ultra": "block"
    }  # fmt: skip
    return styles.get(layer.ram_style, "auto")


def _refuse_thresholds_inside(layer: MvauParams | VvauParams) -> None:
    if layer.threshold_steps:
        raise NoUnitError(
            f"expected a layer without thresholds inside, found {layer.threshold_steps} per channel; lower the model "
            "again, which puts them in a layer of their own"
        )


def _thresholding(layer: ThresholdingParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.thresholding import Thresholding

    return Thresholding(
        name=name,
        channels=layer.channels,
        pe=layer.pe,
        thresholds=_integers(np.ceil(_initializer(node, 1))),
        input_type=layer.input_type,
        output_type=layer.output_type,
        bias=layer.bias,
        num_vectors=layer.num_vectors,
        memory=_ram_style(layer),
    )


def _swg(layer: SwgParams, _node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.finn_library import FinnSwg

    return FinnSwg(name=name, layer=layer)


def _padding(layer: PaddingParams, _node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.finn_library import FinnPadding

    return FinnPadding(name=name, layer=layer)


def _pool(layer: PoolParams, _node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.pool import Pool

    functions: dict[str, Literal["MaxPool", "AccPool", "QuantAvgPool"]] = {
        "MaxPool": "MaxPool",
        "AccPool": "AccPool",
        "QuantAvgPool": "QuantAvgPool",
    }
    if layer.function not in functions:
        raise NoUnitError(f"expected one of {', '.join(functions)}, found {layer.function}; lower an average to a sum")
    height, width = (*layer.kernel, 1)[:2]
    return Pool(
        name=name,
        channels=layer.channels,
        pe=layer.pe,
        kernel=(height, width),
        windows=prod(layer.output) * layer.batch,
        function=functions[layer.function],
        input_type=layer.input_type,
        output_type=layer.output_type,
        accumulator_bits=layer.accumulator_bits,
    )


def _stream(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
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
        data_type=_type(node, "inputDataType"),
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
        left_type=_type(node, "lhs_dtype"),
        right_type=_type(node, "rhs_dtype"),
        output_type=_type(node, "out_dtype"),
        elements=layer.width,
        beats=prod(layer.output_shape) // layer.width,
    )
    left, right = (
        None if array is None else constant_beats(_integers(array), layer.channels, layer.width) for array in sides
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
        output_type=_annotated(node.outputs[0]),
    )


def _split(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.split import Split

    return Split(
        name=name,
        channels=layer.parts,
        simd=layer.width,
        vectors=layer.vectors,
        data_type=_type(node, "inputDataType"),
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
        data_type=_type(node, "inputDataType"),
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
        data_type=_type(node, "inputDataType"),
    )


def _global_sum(layer: StreamParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.global_sum import GlobalSum

    return GlobalSum(
        name=name,
        channels=layer.channels,
        pe=layer.width,
        pixels=prod(layer.input_shape) // layer.channels,
        input_type=_type(node, "inputDataType"),
        output_type=_annotated(node.outputs[0]),
    )


def _type(node: ir.Node, attribute: str) -> BaseDataType:
    return named(str(attributes_of(node)[attribute]))


def _annotated(value: ir.Value) -> BaseDataType:
    data_type = integer_datatype(value)
    if data_type is None:
        raise NoUnitError(f"expected an integer data type for {value.name!r}, found none; annotate it")
    return data_type


def _initializer(node: ir.Node, place: int) -> Any:
    value = node.inputs[place] if len(node.inputs) > place else None
    array = constant(value)
    if array is None:
        found = "nothing" if value is None else f"the computed value {value.name!r}"
        raise NoUnitError(f"expected an initializer as input {place}, found {found}; fold constants first")
    return array


def _integers(array: Any) -> Integers:
    """Return an array of whole numbers as int64, or Python's integers where they are larger.

    Raises:
        NoUnitError: a number is not whole.
    """
    values = np.asarray(array)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        values = np.clip(values.astype(np.float64), -float(_BEYOND), float(_BEYOND))
    if (values != np.floor(values)).any():
        raise NoUnitError("expected whole numbers in an initializer, found fractions; extract its scale first")
    if np.abs(values).max(initial=0) < 2**62:
        return values.astype(np.int64)
    return np.array([int(value) for value in values.flat], dtype=object).reshape(values.shape)


_STREAMS: dict[str, Callable[[StreamParams, ir.Node, str], RtlUnit]] = {
    "DuplicateStreams": _duplicate,
    "Elementwise": _elementwise,
    "FMPadding_Pixel": _pixel_padding,
    "GlobalAccPool": _global_sum,
    "StreamingConcat": _concat,
    "StreamingSplit": _split,
    "UpsampleNearestNeighbour": _upsample,
}

_MAKERS: dict[type, Callable[[Any, ir.Node, str], RtlUnit]] = {
    MvauParams: _mvau,
    PaddingParams: _padding,
    PoolParams: _pool,
    SparqEncoderParams: _sparq_encoder,
    SparqMvauParams: _sparq_mvau,
    StreamParams: _stream,
    SwgParams: _swg,
    ThresholdingParams: _thresholding,
    VvauParams: _vvau,
}
