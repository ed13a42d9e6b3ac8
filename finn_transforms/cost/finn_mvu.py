"""FINN's matrix-vector unit on DSP slices, and the memory that streams its weights."""

from __future__ import annotations

from typing import Final

from finn_transforms.cost.dsp import DspBlock, lanes, rtl_dsps
from finn_transforms.cost.library import bits_of, counter, memory_terms
from finn_transforms.cost.memory import bram18, ram, uram
from finn_transforms.cost.rom import random_rom_luts
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Term
from finn_transforms.cost.timing import Family
from finn_transforms.hw_graph import MvauParams

FINN_MVU: Final = "finn_mvu"


def finn_mvu_structure(layer: MvauParams, block: DspBlock, family: Family, *, in_blocks: bool) -> Structure:
    """Return the structure of FINN's unit: slices accumulate, LUTs add the SIMD sums and separate shared slices.

    Constants: ``tree_bit`` per bit of an adder behind the slices, ``crossing`` per product that shares a slice,
    ``output_bit`` per bit of the result, ``unit``, ``memstream``, ``rom`` per LUT of the weights.

    Args:
        layer: the layer; where FINN's RTL cannot compute it (HLS style), the figures are those of the RTL.
        block: kind of DSP slice.
        family: part family.
        in_blocks: whether the weights are in block RAM.
    """
    weight_bits, input_bits = int(layer.weight_type.bitwidth()), int(layer.input_type.bitwidth())
    p, pe, simd = layer.accumulator_bits, layer.pe, layer.simd
    word = pe * simd * weight_bits
    shared = pe - -(-pe // lanes(weight_bits, input_bits, block))
    streamed = layer.mem_mode.startswith("external")
    kept = ram(layer.synapse_fold if layer.neuron_fold > 1 else 0, simd * input_bits, family=family)
    terms = [
        Term("crossing", shared * simd, "multipliers"),
        Term("tree_bit", pe * (simd - 1) * p, "adder_tree"),
        Term("output_bit", pe * p, "accumulator"),
        Term("unit", 1, "control"),
        *counter(layer.synapse_fold),
        *counter(layer.neuron_fold),
        *memory_terms(kept, simd * input_bits),
    ]
    blocks = 0
    is_ultra = layer.ram_style == "ultra" and not streamed
    if not streamed:
        terms += [Term("memstream", 1, "control"), Term("memstream_bit", word, "weights")]
        if in_blocks:
            blocks = bram18(layer.weight_words, word)
        elif not is_ultra:
            terms.append(Term("rom", random_rom_luts(layer.weight_words, word), "weights"))
    return Structure(
        kind=FINN_MVU,
        terms=tuple(terms),
        ff={"output": pe * p, "input": simd * input_bits, "weights": 0 if streamed else word, "unit": 1},
        delay={"unit": 1, "carry": p, "levels": bits_of(simd)},
        bram18=blocks + kept.bram18,
        uram=uram(layer.weight_words, word) if is_ultra else 0,
        dsp=rtl_dsps(pe, simd, weight_bits, input_bits, block) if layer.style == "rtl" else _hls_dsps(layer),
        stored_bits=layer.weight_words * word if blocks or is_ultra else 0,
        note="" if layer.style == "rtl" else "LUTs of FINN's RTL unit",
    )


def _hls_dsps(layer: MvauParams) -> int:
    product = int(layer.weight_type.bitwidth()) + int(layer.input_type.bitwidth())
    return layer.pe * layer.simd * -(-product // 48)
