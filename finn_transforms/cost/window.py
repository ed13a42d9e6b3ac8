"""FINN's window generator and padding, in its own RTL."""

from __future__ import annotations

from math import prod
from typing import Final

from finn_transforms.cost.library import bits_of, memory_terms
from finn_transforms.cost.memory import ram
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import COUNTED, Term
from finn_transforms.cost.timing import Family
from finn_transforms.hw_graph import PaddingParams, SwgParams

SWG: Final = "window_generator"
SWG_PARALLEL: Final = "window_generator_parallel"
PADDING: Final = "padding"

# Words from which on a buffer of style ``auto`` is taken for block RAM.
_BLOCK_WORDS: Final = 128

_NARROW: Final = 16


def swg_buffer_words(params: SwgParams) -> int:
    """Return the words of SIMD pixels that the addressed buffer of a window generator holds (FINN's RTL).

    The pixels from the first to the last of a window; with strides, also those that may be read ahead meanwhile.
    """
    window = prod(params.kernel)
    ahead = max(0, params.stride[1] - 1 - window) + max(0, (params.stride[0] - 1) * params.image[1] - window)
    return (params.pixels_between_first_and_last + ahead) * params.channel_fold


def swg_structure(params: SwgParams, family: Family) -> Structure:
    """Return the structure of a window generator: an addressed buffer of lines, or the window in registers.

    Constants: ``control``, ``address_bit`` per bit of a buffer's address, ``loop_bit`` per bit of the loop counters,
    ``element_bit`` per bit of the counters of elements, ``gap_bit`` per bit between the taps of a row.
    """
    word = params.simd * int(params.data_type.bitwidth())
    in_blocks = params.ram_style in ("block", "ultra")
    if params.registers_window:
        # Between two rows of the window, the rest of the line waits in a memory of its own.
        depth, count = (params.image[1] - params.extent[1]) * params.channel_fold, params.extent[0] - 1
        registers = word * params.extent[1] * params.extent[0]
        loops: tuple[int, ...] = (*params.output, params.channel_fold)
        gaps = word * params.extent[0] * (params.extent[1] - 1) if params.channel_fold > 2 else 0
    else:
        depth, count, registers = swg_buffer_words(params), 1, word
        loops, gaps = (*params.output, *params.kernel, params.channel_fold), 0
    in_blocks = in_blocks or (params.ram_style == "auto" and depth > _BLOCK_WORDS)
    memory = ram(depth, word, in_blocks=in_blocks, family=family)
    terms = [
        *(term for _ in range(count) for term in memory_terms(memory, word)),
        Term("control", 1, "control"),
        Term("gap_bit", gaps, "buffer", "srl"),
        Term("address_bit", bits_of(max(1, depth)) * max(1, count), "control"),
        Term("loop_bit", sum(bits_of(states) + 1 for states in loops if states > 1), "control"),
        Term("element_bit", bits_of(prod(params.image) * params.channel_fold + 1) + 1, "control"),
    ]
    return Structure(
        kind=SWG_PARALLEL if params.registers_window else SWG,
        terms=tuple(terms),
        ff={"bit": registers, "unit": 1, "state": bits_of(max(1, depth))},
        delay={"unit": 1, "address": bits_of(max(1, depth)), "banks": bits_of(memory.banks)},
        bram18=count * memory.bram18,
        stored_bits=count * depth * word if in_blocks else 0,
    )


def padding_structure(params: PaddingParams) -> Structure:
    """Return the structure of zero padding: a two-word stream buffer, three nested counters, compared with limits.

    A LUT per bit of the stream chooses its source.  Constants: ``padding``, ``limit`` per bit of a counter, ``fold``
    and ``fold_bit``, ``narrow`` of streams whose registers are too few for a reset of their own.
    """
    width = params.simd * int(params.data_type.bitwidth())
    rows, columns = (bits_of(size + 1) for size in params.padded)
    fold = bits_of(params.channels // params.simd)
    terms = (
        Term("padding", 1, "control"),
        Term(COUNTED, width, "buffer"),
        Term("limit", rows + columns, "control"),
        Term("fold", fold > 0, "control"),
        Term("fold_bit", fold, "control"),
        Term("narrow", width <= _NARROW, "control"),
    )
    return Structure(
        kind=PADDING, terms=terms, ff={"bit": 2 * width, "state": rows + columns + fold, "unit": 1},
        delay={"unit": 1, "state": rows + columns},
    )  # fmt: skip
