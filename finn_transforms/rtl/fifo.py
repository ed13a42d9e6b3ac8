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


def ram_style(style: RamStyle, words: int, bits: int) -> str:
    """Return ``distributed`` or ``block`` for a memory of some words of so many bits."""
    if style != "auto":
        return style
    return "block" if words >= BLOCK_WORDS and words * bits >= BLOCK_BITS else "distributed"


@dataclass(frozen=True, kw_only=True)
class Fifo(RtlUnit):
    """Holds up to `capacity` beats; neither tvalid nor tready passes through it combinationally.

    Two beats are two registers. More are a memory with a register behind it, both in LUT RAM (which takes 0.6 LUT per
    bit of 32 words, where a shift register takes 1) and block RAM, whose own output register that is.

    Attributes:
        name: Name of the top module.
        data_type: Data type of an element.
        elements: Elements per beat.
        beats: Beats per frame.
        depth: Beats it has to hold, at least 2.
        ram_style: ``distributed``, ``block``, or ``auto``: block RAM for `BLOCK_WORDS` words of `BLOCK_BITS` bits.

    Raises:
        ValueError: the depth is less than 2.
    """

    name: str
    data_type: BaseDataType
    elements: int
    beats: int
    depth: int = 2
    ram_style: RamStyle = "auto"

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

        A power of two, whose pointers return by themselves, up to what the smallest LUT RAM or block RAM holds anyway.
        """
        words = self.depth - 1
        if words == 1:
            return 0
        is_block = ram_style(self.ram_style, words, self.inputs[0].bits) == "block"
        return 1 << (words - 1).bit_length() if words <= (512 if is_block else 64) else words

    @property
    def capacity(self) -> int:
        """Beats it holds, `depth` or more."""
        return self.words + 1 if self.words else 2

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the input."""
        return (np.asarray(inputs[0]),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, and registers or a memory with its pointers."""
        bits = self.inputs[0].bits
        if not self.words:
            body = instance("bfx_skid", {"WIDTH": bits}, one_to_one())
            return files_of(self.name, module(self, [body]), ["bfx_skid.sv"])
        style = ram_style(self.ram_style, self.depth - 1, bits)
        body = instance("bfx_fifo", {"WIDTH": bits, "WORDS": self.words, "RAM_STYLE": f'"{style}"'}, one_to_one())
        return files_of(self.name, module(self, [body]), ["bfx_fifo.sv", "bfx_ring.sv"])

    def cycles(self) -> int:
        """Return a cycle per beat."""
        return self.beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return that each beat waits for itself."""
        return (np.arange(1, self.beats + 1),)
