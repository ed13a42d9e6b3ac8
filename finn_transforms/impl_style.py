"""Whether FINN is to build a matrix-vector unit in LUTs (its HLS variant) or on DSP slices (its RTL variant)."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import onnx_ir as ir

from finn_transforms.hw_graph import (
    MvauParams,
    ShiftMvauParams,
    SparqMvauParams,
    ThresholdingParams,
    VvauParams,
    read_layer,
)

Compute: TypeAlias = Literal["lut", "dsp", "finn"]

# Ports of a DSP slice, the narrowest of the kinds (DSP48E1): activations, weights, accumulator.
_WIDEST_INPUT: Final = 17
_WIDEST_WEIGHT: Final = 25
_WIDEST_SUM: Final = 48


def choose_impl_style(model: ir.Model, compute: Compute) -> list[str]:
    """Write ``preferred_impl_style`` to every unit that multiplies; FINN's ``SpecializeLayers`` honours it.

    A vector-vector unit has an RTL variant on Versal parts only: where it could be built, FINN chooses.

    FINN's RTL unit stops with an error where its accumulator is narrower than one product, M + N bits (one less for
    signed inputs), and FINN does not check that before it chooses the variant.  Such a unit always gets the HLS
    variant, whose accumulator may have any width.

    Args:
        model: a graph of hardware layers that are not specialized yet.
        compute: ``"lut"``: products, weights and thresholds in LUTs, the setting of A2Q's section 5.3; ``"dsp"``:
            products in DSP slices wherever the RTL variant can be built; ``"finn"``: FINN chooses, except where its
            choice could not be built.

    Returns:
        The names of the units whose accumulator is too narrow for the RTL variant.

    Raises:
        ValueError: ``compute`` is none of the three.
    """
    if compute not in get_args(Compute):
        raise ValueError(f"compute: expected one of {get_args(Compute)}, got {compute!r}")
    too_narrow = []
    for node in model.graph:
        layer = read_layer(node)
        if compute == "lut" and isinstance(layer, ThresholdingParams):
            node.attributes["ram_style"] = ir.AttrString("ram_style", "distributed")
        if isinstance(layer, ShiftMvauParams | SparqMvauParams):
            # There is one variant, in LUTs.
            if compute == "lut":
                node.attributes["ram_style"] = ir.AttrString("ram_style", "distributed")
            continue
        if not isinstance(layer, MvauParams | VvauParams):
            continue
        if _narrower_than_a_product(layer):
            too_narrow.append(layer.name)
        style = _style(layer, compute)
        if style:
            node.attributes["preferred_impl_style"] = ir.AttrString("preferred_impl_style", style)
        if compute == "lut":
            node.attributes["resType"] = ir.AttrString("resType", "lut")
            node.attributes["ram_style"] = ir.AttrString("ram_style", "distributed")
    return too_narrow


def _style(layer: MvauParams | VvauParams, compute: Compute) -> str:
    if compute == "lut" or _narrower_than_a_product(layer):
        return "hls"
    if compute == "finn" or isinstance(layer, VvauParams):
        return ""
    return "rtl" if _fits_a_slice(layer) else "hls"


def _narrower_than_a_product(layer: MvauParams | VvauParams) -> bool:
    product = int(layer.weight_type.bitwidth()) + int(layer.input_type.bitwidth()) - int(layer.input_type.signed())
    return layer.accumulator_bits < product


def _fits_a_slice(layer: MvauParams) -> bool:
    weights, inputs = int(layer.weight_type.bitwidth()), int(layer.input_type.bitwidth())
    signed_weights = bool(layer.weight_type.signed())
    in_range = 2 <= weights <= _WIDEST_WEIGHT and 2 <= inputs <= _WIDEST_INPUT
    return signed_weights and in_range and layer.accumulator_bits <= _WIDEST_SUM and not layer.threshold_steps
