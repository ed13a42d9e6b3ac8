"""Memories: how many LUTs, block RAMs or UltraRAMs hold so many words of so many bits."""

from __future__ import annotations

from dataclasses import dataclass

from finn_transforms.cost.coefficients import load_coefficients
from finn_transforms.cost.resources import luts

# Depth and width of a RAMB18 in simple dual port mode, AMD UG573 table 1-10.
_BRAM18_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
_URAM_SHAPE = (4096, 72)
BRAM18_BITS = 512 * 36
URAM_BITS = 4096 * 72


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a memory takes; exactly one of the three is not 0, unless it needs nothing at all."""

    lut: int = 0
    bram18: int = 0
    uram: int = 0


def rom(depth: int, width: int, style: str, *, count: int = 1, luts_per_bit: float = 1.0) -> Memory:
    """Return what ``count`` read-only memories of ``depth`` words of ``width`` bits take.

    One word is a constant and takes nothing.

    Args:
        depth: words.
        width: bits per word.
        style: FINN's ``ram_style``; ``auto`` is block memory above `Coefficients.block_memory_above` words, else LUTs.
        count: equal memories, each with an address of its own.
        luts_per_bit: LUTs that one bit of up to `Coefficients.lut_rom_depth` words takes.
    """
    if depth <= 1 or width == 0:
        return Memory()
    if in_luts(depth, style):
        banks = _ceil(depth, load_coefficients().lut_rom_depth)
        return Memory(lut=luts(luts_per_bit * count * width * banks))
    return _blocks(depth, width, style, count)


def ram(depth: int, width: int, style: str, *, count: int = 1) -> Memory:
    """Return what ``count`` memories with a write and a read port take, of ``depth`` words of ``width`` bits.

    In LUTs: the cheaper of RAM64M (64 words of 3 bits in 4 LUTs) and RAM32M (32 words of 6 bits), AMD UG574, and the
    multiplexer behind the banks, a LUT per bit and four banks.  One word is a register and takes no LUT.
    """
    if depth <= 1 or width == 0:
        return Memory()
    if not in_luts(depth, style):
        return _blocks(depth, width, style, count)
    choices = ((_ceil(depth, words), 4 * _ceil(width, bits)) for words, bits in ((64, 3), (32, 6)))
    stored, banks = min((banks * per_bank, banks) for banks, per_bank in choices)
    return Memory(lut=count * (stored + (width * _ceil(banks, 4) if banks > 1 else 0)))


def in_luts(depth: int, style: str) -> bool:
    """Tell whether a memory is built from LUTs."""
    return style == "distributed" or (style == "auto" and depth <= load_coefficients().block_memory_above)


def _blocks(depth: int, width: int, style: str, count: int) -> Memory:
    if style == "ultra":
        return Memory(uram=count * _ceil(depth, _URAM_SHAPE[0]) * _ceil(width, _URAM_SHAPE[1]))
    each = min(_ceil(depth, words) * _ceil(width, bits) for words, bits in _BRAM18_SHAPES)
    return Memory(bram18=count * each)


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
