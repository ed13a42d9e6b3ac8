"""Matrix-vector units (MVAU), in LUTs or in DSP slices."""

from __future__ import annotations

from finn_transforms.cost.breakdown import Breakdown
from finn_transforms.cost.coefficients import load_coefficients
from finn_transforms.cost.dsp import DspBlock, lanes, rtl_dsps
from finn_transforms.cost.memory import ram, rom
from finn_transforms.cost.resources import Resources, counter_bits, luts
from finn_transforms.hw_graph import MvauParams


def adder_tree_luts(leaves: int, width: int, accumulator_bits: int) -> int:
    """Return the LUTs of a balanced tree of adders, one LUT per bit of each sum.

    Sums grow by a bit per level, but never beyond P bits: an accumulator that wraps needs its addends modulo 2^P only.

    Args:
        leaves: number of addends.
        width: bits of an addend.
        accumulator_bits: P.
    """
    total = 0
    while leaves > 1:
        width = min(width + 1, accumulator_bits)
        total += leaves // 2 * width
        leaves = (leaves + 1) // 2
    return total


def mvau_cost(params: MvauParams, dsp: DspBlock) -> Resources:
    """Estimate an MVAU: PE dot products of SIMD terms per cycle, accumulated over MW / SIMD cycles.

    FINN-R's terms, with M weight bits, N input bits and P accumulator bits:

    - products: PE * SIMD, each proportional to M * N, less where P < M + N;
    - adder tree: see `adder_tree_luts`;
    - accumulator: PE * P, no adder where one cycle takes the whole vector (SIMD = MW);
    - weights: MW * MH / (PE * SIMD) words of PE * SIMD * M bits, unless they come from outside;
    - buffer: the input vector, kept while it is used MH / PE times;
    - thresholds inside the layer: compared in parallel, 2^n - 1 comparators and rows per output.
    """
    weight_bits, input_bits = int(params.weight_type.bitwidth()), int(params.input_type.bitwidth())
    held = rom(
        0 if params.mem_mode.startswith("external") else params.weight_words,
        params.pe * params.simd * weight_bits,
        params.ram_style,
    )
    vector = ram(params.synapse_fold if params.neuron_fold > 1 else 0, params.simd * input_bits, "distributed")
    breakdown = (
        _arithmetic(params, weight_bits, input_bits, dsp)
        + _thresholds(params)
        + Breakdown(
            weights=held.lut,
            buffer=vector.lut,
            control=counter_bits(params.synapse_fold) + counter_bits(params.neuron_fold),
        )
    )
    in_blocks = held.bram18 + held.uram > 0
    return Resources(
        breakdown=breakdown,
        ff=params.pe * (params.accumulator_bits + int(params.output_type.bitwidth())),
        bram18=held.bram18,
        uram=held.uram,
        dsp=_dsps(params, weight_bits, input_bits, dsp),
        stored_bits=params.mw * params.mh * weight_bits if in_blocks else 0,
    )


def _arithmetic(params: MvauParams, weight_bits: int, input_bits: int, dsp: DspBlock) -> Breakdown:
    coefficients = load_coefficients()
    p, pe, simd = params.accumulator_bits, params.pe, params.simd
    if params.style == "rtl" and params.dsp:
        # FINN's RTL accumulates in the slices and adds the SIMD sums, P bits wide, behind them.
        shared = 1 - 1 / lanes(weight_bits, input_bits, dsp)
        crossings = luts(coefficients.dsp_lane_crossing * pe * simd * shared)
        return Breakdown(multipliers=crossings, adder_tree=pe * (simd - 1) * p)
    # A product of two single bits is one bit.
    product_bits = 1 if weight_bits == input_bits == 1 else weight_bits + input_bits
    kept = min(1.0, p / product_bits)
    products = 0 if params.dsp else luts(coefficients.multiplier * weight_bits * input_bits * kept * pe * simd)
    return Breakdown(
        multipliers=products,
        adder_tree=pe * adder_tree_luts(simd, min(product_bits, p), p),
        accumulator=pe * p if params.synapse_fold > 1 else 0,
    )


def _thresholds(params: MvauParams) -> Breakdown:
    bits = params.pe * params.threshold_steps * params.accumulator_bits
    coefficients = load_coefficients()
    held = rom(params.neuron_fold, bits, "distributed", luts_per_bit=coefficients.threshold_rom)
    return Breakdown(threshold_memory=held.lut, comparators=luts(coefficients.compare * bits))


def _dsps(params: MvauParams, weight_bits: int, input_bits: int, dsp: DspBlock) -> int:
    if not params.dsp:
        return 0
    if params.style == "rtl":
        return rtl_dsps(params.pe, params.simd, weight_bits, input_bits, dsp)
    return params.pe * params.simd * -(-(weight_bits + input_bits) // 48)
