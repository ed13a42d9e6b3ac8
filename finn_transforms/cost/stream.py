"""Layers that move pixels: window generator, padding and pooling."""

from __future__ import annotations

from math import prod

from finn_transforms.cost.breakdown import Breakdown
from finn_transforms.cost.coefficients import load_coefficients
from finn_transforms.cost.memory import ram
from finn_transforms.cost.resources import Resources, counter_bits, luts
from finn_transforms.hw_graph import PaddingParams, PoolParams, SwgParams


def swg_buffer_words(params: SwgParams) -> int:
    """Return the words of SIMD pixels that the addressed buffer of a window generator holds (FINN's RTL)."""
    return params.buffer_words


def swg_cost(params: SwgParams) -> Resources:
    """Estimate a sliding window generator: a buffer of lines, with the window in registers where it leaves at once."""
    coefficients = load_coefficients()
    word = params.simd * int(params.data_type.bitwidth())
    if params.registers_window:
        # Between two rows of the window, the rest of the line waits in a memory of its own.
        depth, count = (params.image[1] - params.extent[1]) * params.channel_fold, params.extent[0] - 1
        registers = word * params.extent[1] * params.extent[0]
        control = coefficients.swg_window_control
    else:
        depth, count, registers = swg_buffer_words(params), 1, word
        control = coefficients.swg_control + coefficients.swg_control_per_address_bit * counter_bits(depth)
    held = ram(depth, word, params.ram_style, count=count)
    in_blocks = held.bram18 + held.uram > 0
    return Resources(
        breakdown=Breakdown(buffer=held.lut, control=luts(control)),
        ff=registers,
        bram18=held.bram18,
        uram=held.uram,
        stored_bits=count * depth * word if in_blocks else 0,
    )


def padding_cost(params: PaddingParams) -> Resources:
    """Estimate zero padding: a two-word stream buffer and three nested counters, two of them compared with limits."""
    word = params.simd * int(params.data_type.bitwidth())
    rows, columns = (counter_bits(size + 1) for size in params.padded)
    # Increment, end, first and last pixel of each direction.
    coefficients = load_coefficients()
    limits = luts((rows + columns) * (1 + 3 * coefficients.compare) + coefficients.padding_control)
    fold = counter_bits(params.channels // params.simd)
    return Resources(
        breakdown=Breakdown(control=limits + fold, buffer=word),
        ff=2 * word + rows + columns + fold,
    )


def pool_cost(params: PoolParams) -> Resources:
    """Estimate pooling: per channel of a cycle a comparison and a choice (maximum), or a running sum."""
    bits = int(params.input_type.bitwidth())
    counters = counter_bits(prod(params.kernel)) + counter_bits(params.channels // params.pe)
    if params.function == "MaxPool":
        comparators = luts(params.pe * bits * (1 + load_coefficients().compare))
        return Resources(breakdown=Breakdown(comparators=comparators, control=counters), ff=params.pe * bits)
    # Without a stated width, the sum of a whole window of the widest inputs must fit.
    width = params.accumulator_bits or bits + counter_bits(prod(params.kernel))
    return Resources(breakdown=Breakdown(accumulator=params.pe * width, control=counters), ff=params.pe * width)
