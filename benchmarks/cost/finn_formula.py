"""What FINN's analytical formula says of matrix-vector units with their thresholds inside, as A2Q's paper counts."""

from __future__ import annotations

import onnx.helper
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.finn_compat import prepare_finn
from finn_transforms.hw_graph import HwGraph, MvauParams, ThresholdingParams

PART = "xczu7ev-ffvc1156-2-e"
NARROW = 2


def finns_lut(graph: HwGraph) -> int:
    """Return the LUTs of all matrix-vector units of a graph by FINN+'s formula, nothing in DSP slices or block RAM.

    The formula does not take more accumulator bits than the data type bound, but is linear in them up to there; wider
    ones are extrapolated.
    """
    readers = {
        stream.producer: graph.layer(stream.consumer)
        for stream in graph.streams
        if any(layer.name == stream.consumer for layer in graph.layers)
    }
    total = 0
    for layer in graph.layers:
        if isinstance(layer, MvauParams):
            reader = readers.get(layer.name)
            total += unit_lut(layer, reader if isinstance(reader, ThresholdingParams) else None)
    return total


def unit_lut(layer: MvauParams, thresholding: ThresholdingParams | None) -> int:
    # At most the bits of the data type bound, A2Q Eq. 8.
    factors = int(layer.weight_type.bitwidth()) - 1 + int(layer.input_type.bitwidth())
    low, high = NARROW, (layer.mw << factors).bit_length() - 1
    lowest, highest = (_formula(layer, thresholding, bits) for bits in (low, high))
    return round(lowest + (highest - lowest) / (high - low) * (layer.accumulator_bits - low))


def _formula(layer: MvauParams, thresholding: ThresholdingParams | None, accumulator_bits: int) -> int:
    prepare_finn()
    output = layer.output_type if thresholding is None else thresholding.output_type
    node = onnx.helper.make_node(
        "MVAU_hls",
        ["x", "weights", "thresholds"],
        ["y"],
        domain="finn.custom_op.fpgadataflow.hls",
        MW=layer.mw,
        MH=layer.mh,
        SIMD=layer.simd,
        PE=layer.pe,
        inputDataType=layer.input_type.name,
        weightDataType=layer.weight_type.name,
        outputDataType=output.name,
        accDataType=f"INT{accumulator_bits}",
        noActivation=int(thresholding is None),
        mem_mode="internal_decoupled",
        ram_style="distributed",
        ram_style_thresholds="distributed",
        resType="lut",
    )
    found: int = getCustomOp(node).lut_estimation(PART)
    return found
