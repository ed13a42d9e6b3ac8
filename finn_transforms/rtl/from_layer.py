"""The unit of a hardware layer: its parameters, with weights, thresholds and constants from the graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any, Literal

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.hw_graph import (
    HwLayer,
    MvauParams,
    PaddingParams,
    PoolParams,
    ShiftMvauParams,
    SparqEncoderParams,
    SparqMvauParams,
    StreamParams,
    SwgParams,
    ThresholdingParams,
    VvauParams,
)
from finn_transforms.rtl.from_stream_layer import stream_unit
from finn_transforms.rtl.node_values import NoUnitError, initializer, integers
from finn_transforms.rtl.streams import Integers
from finn_transforms.rtl.unit import RtlUnit


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

    _refuse_tiling(layer)
    if layer.dsp:
        return _mvau_in_dsp(layer, integers(initializer(node, 1)), name)
    xnor = bool(attributes_of(node).get("binaryXnorMode", 0)) and layer.input_type.name != "BIPOLAR"
    return MvauLut(name=name, **_matrix_vector(layer, node), **_around_sums(layer, node), xnor=xnor)


def _shift_mvau(layer: ShiftMvauParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.shift_mvau import ShiftMvau

    _refuse_tiling(layer)
    shifts = np.array(layer.shifts)
    return ShiftMvau(name=name, **_matrix_vector(layer, node), **_around_sums(layer, node), shifts=shifts)


def _around_sums(layer: MvauParams, node: ir.Node) -> dict[str, Any]:
    """Return where the weights of a unit of integers come from, and what follows its sums."""
    return {
        "weight_source": "constant" if layer.synapse_fold * layer.neuron_fold == 1 else "memory",
        "thresholds": integers(np.ceil(initializer(node, 2))) if layer.threshold_steps else None,
        "output_type": layer.output_type,
        "bias": int(attributes_of(node).get("ActVal", 0)) if layer.threshold_steps else 0,
    }


def _matrix_vector(layer: MvauParams, node: ir.Node) -> dict[str, Any]:
    """Return what every matrix-vector unit is given."""
    return {
        "mw": layer.mw,
        "mh": layer.mh,
        "pe": layer.pe,
        "simd": layer.simd,
        "input_type": layer.input_type,
        "weight_type": layer.weight_type,
        "accumulator_type": layer.accumulator_type,
        "weights": integers(initializer(node, 1)),
        "ram_style": _ram_style(layer),
        "num_vectors": layer.num_vectors,
    }


def _refuse_tiling(layer: MvauParams) -> None:
    if layer.tiling != 1:
        raise NoUnitError(f"expected an MVAU without tiling, found TH = {layer.tiling}; set it to 1")


def _sparq_encoder(layer: SparqEncoderParams, _node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.sparq_encoder import SparqEncoder

    return SparqEncoder(name=name, sparq=layer.sparq, simd=layer.simd, beats=layer.cycles())


def _sparq_mvau(layer: SparqMvauParams, node: ir.Node, name: str) -> RtlUnit:
    from finn_transforms.rtl.sparq_mvau import SparqMvau

    _refuse_tiling(layer)
    _refuse_thresholds_inside(layer)
    return SparqMvau(
        name=name,
        sparq=layer.sparq,
        **_matrix_vector(layer, node),
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
        weights=integers(initializer(node, 1)),
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
        thresholds=integers(np.ceil(initializer(node, 1))),
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


_MAKERS: dict[type, Callable[[Any, ir.Node, str], RtlUnit]] = {
    MvauParams: _mvau,
    PaddingParams: _padding,
    PoolParams: _pool,
    ShiftMvauParams: _shift_mvau,
    SparqEncoderParams: _sparq_encoder,
    SparqMvauParams: _sparq_mvau,
    StreamParams: stream_unit,
    SwgParams: _swg,
    ThresholdingParams: _thresholding,
    VvauParams: _vvau,
}
