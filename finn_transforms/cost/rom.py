"""Read-only memories in LUTs: how many, by what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]

# A LUT6 computes any function of six address bits.
_WORDS_PER_LUT = 64
# Words of what a memory is made of, one LUT or two or four with MUXF7 and MUXF8 behind them, and what each costs when
# one is chosen (``techmap/rom.txt``).
_UNITS = ((64, 12), (128, 23), (256, 42))


def rom_luts(content: Bits) -> int:
    """Return the LUTs of a memory with these bits.

    A column is a function of the address: each of its blocks of 64 words takes a LUT unless it is constant, once for
    all columns that hold the same; choosing among the units that they make takes more.

    Args:
        content: (words, bits per word).
    """
    words, width = content.shape
    if words <= 1 or width == 0:
        return 0
    if words <= _WORDS_PER_LUT:
        return len({np.packbits(column).tobytes() for column in content.T} - _free_functions(words))
    unit = _unit(words)
    padded = np.zeros((-(-words // unit) * unit, width), dtype=bool)
    padded[:words] = content
    # (width, unit, block, bytes of its words)
    packed = np.packbits(padded.T.reshape(width, -1, unit // _WORDS_PER_LUT, _WORDS_PER_LUT), axis=-1)
    blocks = {block.tobytes() for block in packed.reshape(-1, packed.shape[-1])}
    constant = {bytes(packed.shape[-1]), b"\xff" * packed.shape[-1]}
    choices = sum(_mux_luts(len({each.tobytes() for each in column})) for column in packed)
    return len(blocks - constant) + choices


def random_rom_luts(words: int, width: int) -> int:
    """Return the LUTs of a memory whose content is not known: all columns differ, no block is simple."""
    if words <= 1 or width == 0:
        return 0
    if words <= _WORDS_PER_LUT:
        return width
    return width * (-(-words // _WORDS_PER_LUT) + _mux_luts(-(-words // _unit(words))))


def _unit(words: int) -> int:
    """Return the words of the units that a memory is made of: those that cost least together."""
    return min(_UNITS, key=lambda unit: (-(-words // unit[0]) * unit[1], -unit[0]))[0]


def _mux_luts(inputs: int) -> int:
    """Return the LUTs of a choice among so many: four per LUT6."""
    return 0 if inputs <= 1 else -(-(inputs - 1) // 3)


def _free_functions(words: int) -> set[bytes]:
    """Return the functions of up to six address bits that take no LUT: constants and the address bits."""
    address = np.arange(words)
    bits = [(address >> bit & 1).astype(bool) for bit in range(max(1, (words - 1).bit_length()))]
    constants: list[Any] = [np.zeros(words, dtype=bool), np.ones(words, dtype=bool)]
    return {np.packbits(function).tobytes() for function in (*constants, *bits)}
