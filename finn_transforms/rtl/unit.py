"""What every generated layer offers: one parameter object, its golden result, its SystemVerilog, its cycles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from finn_transforms.rtl.streams import Integers, Stream


class RtlUnit(ABC):
    """A layer with AXI streams in and out, ``ap_clk`` and an active-low, synchronous ``ap_rst_n``.

    Subclasses are frozen, keyword-only dataclasses with a field ``name``, the name of the top module.
    """

    name: str

    @property
    @abstractmethod
    def inputs(self) -> tuple[Stream, ...]:
        """Streams it reads, ``in0_V``, ``in1_V``, ..."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[Stream, ...]:
        """Streams it writes, ``out0_V``, ``out1_V``, ..."""

    @property
    def taps(self) -> tuple[Stream, ...]:
        """Streams inside it that its top module shows, ``<name>_tdata`` and, while a beat passes, ``<name>_tvalid``."""
        return ()

    @abstractmethod
    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return what it computes, exactly.

        Args:
            inputs: integers per input, (frames, beats, elements), in the stream's order.

        Returns:
            Integers per output, (frames, beats, elements).
        """

    @abstractmethod
    def sources(self) -> Mapping[str, str]:
        """Return SystemVerilog by file name; one file holds module `name`, others are shared between units."""

    @abstractmethod
    def cycles(self) -> int:
        """Return clock cycles per frame in steady state, nothing slowing it down: the initiation interval."""

    @abstractmethod
    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        """Return, per input, how many of its beats each output beat of a frame waits for, (beats of the output,).

        That is what the hardware insists on, beyond which it may accept more. The last entries may be less than the
        input's beats: the rest is accepted before the next frame begins.
        """


@cache
def library_source(file_name: str) -> str:
    """Return a module of the library beside this file, e.g. ``bfx_fifo.sv``."""
    return files("finn_transforms.rtl").joinpath("sv", file_name).read_text(encoding="utf-8")
