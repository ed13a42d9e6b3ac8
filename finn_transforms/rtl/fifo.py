"""A stream buffer (FIFO)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one

BLOCK_WORDS, BLOCK_BITS = 128, 4096
"""From so many words of so many bits in all on, ``auto`` takes block RAM, there being about 150 LUTs for each 18 Kbit
block on UltraScale+ devices; 4096 bits take 73 LUTs and their multiplexers."""

RamStyle = Literal["auto", "distributed", "block"]
BufferStyle = Literal["auto", "shift", "distributed", "block"]


def ram_style(style: BufferStyle, words: int, bits: int) -> str:
    """Return the style, ``distributed`` or ``block`` instead of ``auto``, for a memory of words of so many bits."""
    if style != "auto":
        return style
    return "block" if words >= BLOCK_WORDS and words * bits >= BLOCK_BITS else "distributed"


@dataclass(frozen=True, kw_only=True)
class Fifo(RtlUnit):
    """Holds up to `capacity` beats; neither tvalid nor tready passes through it combinationally.

    Two beats are two registers. More are shift registers, LUT RAM or block RAM with a register behind them, which is
    block RAM's own.

    Attributes:
        name: Name of the top module.
        data_type: Data type of an element.
        elements: Elements per beat.
        beats: Beats per frame.
        depth: Beats it has to hold, at least 2.
        ram_style: ``shift`` registers, ``distributed``, ``block``, or ``auto``: block RAM for `BLOCK_WORDS` words of
            `BLOCK_BITS` bits, below that what takes fewer LUTs.

    Raises:
        ValueError: the depth is less than 2.
    """

    name: str
    data_type: BaseDataType
    elements: int
    beats: int
    depth: int = 2
    ram_style: BufferStyle = "auto"

    def __post_init__(self) -> None:
        if self.depth < 2:
            raise ValueError(
                f"{self.name}: expected a depth of at least 2 for a beat per cycle, found {self.depth}; set it to 2"
            )

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The stream it reads."""
        return (Stream(name="in0_V", data_type=self.data_type, elements=self.elements, beats=self.beats),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The same stream."""
        return (Stream(name="out0_V", data_type=self.data_type, elements=self.elements, beats=self.beats),)

    @property
    def words(self) -> int:
        """Words of the memory, 0 for two registers.

        A power of two, whose pointers return by themselves, where that takes no more memory.
        """
        words = self.depth - 1
        if words == 1:
            return 0
        rounded = 1 << (words - 1).bit_length()
        is_block = ram_style(self.ram_style, words, self.inputs[0].bits) == "block"
        unit = 512 if is_block else 64
        return rounded if -(-words // unit) == -(-rounded // unit) else words

    @property
    def memory(self) -> Literal["registers", "shift", "distributed", "block"]:
        """What holds the words: what is asked for, or what takes the fewest LUTs."""
        if not self.words:
            return "registers"
        if self.ram_style != "auto":
            return self.ram_style
        bits, pointer = self.inputs[0].bits, (self.words - 1).bit_length()
        if ram_style("auto", self.depth - 1, bits) == "block":
            return "block"
        # One counter and a LUT per bit of 32 words, or two counters and blocks of eight LUTs (RAM32M16, RAM64M8).
        shift = bits * -(-self.words // 32) + pointer + 8
        blocks = -(-bits // 14) if self.words <= 32 else -(-bits // 7) * -(-self.words // 64)
        return "shift" if shift <= 8 * blocks + 3 * pointer + 6 else "distributed"

    @property
    def capacity(self) -> int:
        """Beats it holds, `depth` or more."""
        return self.words + 1 if self.words else 2

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the input."""
        return (np.asarray(inputs[0]),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, and registers or a memory with its pointers."""
        parameters: dict[str, int | str] = {"WIDTH": self.inputs[0].bits}
        if self.memory == "registers":
            core, used = "bfx_skid", ["bfx_skid.sv"]
        elif self.memory == "shift":
            core, used = "bfx_shift_fifo", ["bfx_shift_fifo.sv"]
            parameters["WORDS"] = self.words
        else:
            core, used = "bfx_fifo", ["bfx_fifo.sv", "bfx_ring.sv"]
            parameters |= {"WORDS": self.words, "RAM_STYLE": f'"{self.memory}"'}
        return files_of(self.name, module(self, [instance(core, parameters, one_to_one())]), used)

    def cycles(self) -> int:
        """Return a cycle per beat."""
        return self.beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return that each beat waits for itself."""
        return (np.arange(1, self.beats + 1),)
