"""Memories that are written while they are read: how many LUTs, block RAMs or UltraRAMs hold so many words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from finn_transforms.cost.timing import Family

# Depth and width of a RAMB18 in simple dual port mode, AMD UG573 table 1-10.
_BRAM18_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
_URAM_SHAPE = (4096, 72)
BRAM18_BITS = 512 * 36
URAM_BITS = 4096 * 72

# Words, bits and LUTs of the distributed memories with a port to write and one to read: RAM32M and RAM64M (AMD UG474),
# RAM32M16 and RAM64M8 (UG574). Synthesis takes them whole.
_LUT_MEMORIES: Final[dict[Family, tuple[tuple[int, int, int], ...]]] = {
    "xc7": ((32, 6, 4), (64, 3, 4)),
    "xcup": ((32, 14, 8), (64, 7, 8)),
}


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a memory takes.

    Attributes:
        lut: LUTs as memory.
        banks: Distributed memories behind one another; more than 1 need a choice of bank per bit, and a decoder.
        bram18: Block RAMs of 18 Kbit.
        uram: UltraRAMs.
    """

    lut: int = 0
    banks: int = 1
    bram18: int = 0
    uram: int = 0


def ram(words: int, width: int, *, in_blocks: bool = False, family: Family = "xcup") -> Memory:
    """Return what a memory with a write and a read port takes; one of no words or no bits takes nothing.

    Args:
        words: its depth.
        width: bits per word.
        in_blocks: in block RAM, else in LUTs.
        family: decides which distributed memories there are.
    """
    if words < 1 or width < 1:
        return Memory()
    if in_blocks:
        return Memory(bram18=bram18(words, width))
    shallow, deep = _LUT_MEMORIES[family]
    depth, bits, luts = shallow if words <= shallow[0] else deep
    banks = _ceil(words, depth)
    return Memory(lut=luts * banks * _ceil(width, bits), banks=banks)


def bram18(words: int, width: int) -> int:
    """Return the block RAMs of 18 Kbit for so many words of so many bits: the shape that takes the fewest."""
    return min(_ceil(words, depth) * _ceil(width, bits) for depth, bits in _BRAM18_SHAPES)


def uram(words: int, width: int) -> int:
    """Return the UltraRAMs for so many words of so many bits."""
    return _ceil(words, _URAM_SHAPE[0]) * _ceil(width, _URAM_SHAPE[1])


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
