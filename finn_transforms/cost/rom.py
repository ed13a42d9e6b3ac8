"""Read-only memories in LUTs: how many, by what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]

# A LUT6 computes any function of six address bits.
_WORDS_PER_LUT = 64
# MUXF7 and MUXF8 behind the LUTs choose between four of them and take none.
_WORDS_PER_FREE_CHOICE = 256


def rom_luts(content: Bits) -> int:
    """Return the LUTs of a memory with these bits.

    A column is a function of the address: each of its blocks of 64 words takes a LUT unless it is constant or an
    address bit, once for all columns that hold the same; choosing among more than 256 words takes more.

    Args:
        content: (words, bits per word).
    """
    words, width = content.shape
    if words <= 1 or width == 0:
        return 0
    filled = _filled(words)
    padded = np.zeros((filled, width), dtype=bool)
    padded[:words] = content
    # Synthesis takes the LUTs behind the last word, too, whatever it puts there; constant columns stay constant.
    behind = np.random.default_rng(0).integers(0, 2, padded[words:].shape).astype(bool)
    padded[words:] = np.where((content == content[0]).all(axis=0), content[0], behind)
    block = min(filled, _WORDS_PER_LUT)
    blocks = padded.reshape(-1, block, width).transpose(2, 0, 1)
    packed = np.packbits(blocks, axis=-1)
    columns = {column.tobytes() for column in packed}
    size = packed.shape[2]
    free = _free_functions(block)
    functions = {column[start : start + size] for column in columns for start in range(0, len(column), size)}
    choices = sum(_choice_luts(column, size) for column in columns)
    return len(functions - free) + choices


def random_rom_luts(words: int, width: int) -> int:
    """Return the LUTs of a memory whose content is not known: all columns differ, no block is simple."""
    if words <= 1 or width == 0:
        return 0
    blocks = -(-_filled(words) // _WORDS_PER_LUT)
    return width * (blocks + _mux_luts(-(-words // _WORDS_PER_FREE_CHOICE)))


def _filled(words: int) -> int:
    """Return the words whose LUTs are taken: up to 256, a power of two."""
    if words <= _WORDS_PER_LUT:
        return words
    if words <= _WORDS_PER_FREE_CHOICE:
        return 1 << (words - 1).bit_length()
    return -(-words // _WORDS_PER_LUT) * _WORDS_PER_LUT


def _choice_luts(column: bytes, size: int) -> int:
    """Return the LUTs that choose among the quarters of 256 words of a column, equal neighbours needing no choice."""
    span = size * (_WORDS_PER_FREE_CHOICE // _WORDS_PER_LUT)
    groups = {column[start : start + span] for start in range(0, len(column), span)}
    return _mux_luts(len(groups))


def _mux_luts(inputs: int) -> int:
    """Return the LUTs of a choice among so many: four per LUT6."""
    return 0 if inputs <= 1 else -(-(inputs - 1) // 3)


def _free_functions(words: int) -> set[bytes]:
    """Return the functions of up to six address bits that take no LUT: constants and the address bits."""
    address = np.arange(words)
    bits = [(address >> bit & 1).astype(bool) for bit in range(max(1, (words - 1).bit_length()))]
    constants: list[Any] = [np.zeros(words, dtype=bool), np.ones(words, dtype=bool)]
    return {np.packbits(function).tobytes() for function in (*constants, *bits)}
