"""Stand-alone activations (Thresholding)."""

from __future__ import annotations

from finn_transforms.cost.breakdown import Breakdown
from finn_transforms.cost.coefficients import load_coefficients
from finn_transforms.cost.memory import Memory, rom
from finn_transforms.cost.resources import Resources, counter_bits, luts
from finn_transforms.hw_graph import ThresholdingParams


def thresholding_cost(params: ThresholdingParams) -> Resources:
    """Estimate a Thresholding with K-bit comparisons, K the accumulator's P where it follows a dot product.

    The RTL variant, which FINN takes unless told otherwise, searches 2^n - 1 thresholds in n stages: per channel of a
    cycle, n comparators and, in stage s, a memory of 2^s thresholds for each of the C / PE folds. The HLS variant
    compares with all thresholds at once: 2^n - 1 comparators and memories of C / PE words.
    """
    return _parallel(params) if params.style == "hls" else _binary_search(params)


def _binary_search(params: ThresholdingParams) -> Resources:
    coefficients = load_coefficients()
    stages = counter_bits(params.steps + 1)
    bits = params.compared_bits
    fold = 1 if params.shared else params.channels // params.pe
    stage_memories = [_rom(params, fold << stage, bits, params.pe) for stage in range(stages)]
    block_bits = sum((fold << stage) * bits for stage, held in enumerate(stage_memories) if held.bram18)
    breakdown = Breakdown(
        comparators=luts(coefficients.compare * params.pe * stages * bits),
        threshold_memory=sum(held.lut for held in stage_memories),
        buffer=params.pe * stages,
        control=_control(params, fold),
    )
    return Resources(
        breakdown=breakdown,
        # Each stage registers the value and the result so far, before and after its comparison.
        ff=params.pe * 2 * stages * (bits + stages),
        bram18=sum(held.bram18 for held in stage_memories),
        stored_bits=params.pe * block_bits,
    )


def _parallel(params: ThresholdingParams) -> Resources:
    coefficients = load_coefficients()
    fold = 1 if params.shared else params.channels // params.pe
    bits = params.pe * params.steps * params.compared_bits
    held = _rom(params, fold, bits)
    breakdown = Breakdown(
        comparators=luts(coefficients.compare * bits),
        threshold_memory=held.lut,
        # The comparisons that hold are counted by a tree of adders, about one LUT for each.
        adder_tree=params.pe * (params.steps - 1),
        control=_control(params, fold),
    )
    return Resources(
        breakdown=breakdown,
        ff=params.pe * int(params.output_type.bitwidth()),
        bram18=held.bram18,
        stored_bits=fold * bits if held.bram18 else 0,
    )


def _control(params: ThresholdingParams, fold: int) -> int:
    offset = params.pe * int(params.output_type.bitwidth()) if params.bias else 0
    return luts(load_coefficients().thresholding_control) + counter_bits(fold) + offset


def _rom(params: ThresholdingParams, depth: int, width: int, count: int = 1) -> Memory:
    return rom(depth, width, params.ram_style, count=count, luts_per_bit=load_coefficients().threshold_rom)
