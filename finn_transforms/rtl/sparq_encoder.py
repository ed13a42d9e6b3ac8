"""The unit that encodes 8-bit activations for a SPARQ matrix-vector unit, where they are fewest: before the windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brevitas_ext.arith.sparq import ACTIVATION_BITS, SparqFormat
from brevitas_ext.arith.sparq_code import encode, pack
from finn_transforms.analysis.datatypes import named
from finn_transforms.analysis.sparq_stream import code_type, words_of
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one

LIBRARY: tuple[str, ...] = ("bfx_sparq_encoder.sv", "bfx_sparq_window.sv")


def check_format(name: str, sparq: SparqFormat, simd: int) -> None:
    """Reject a SIMD that pairs do not divide.

    Raises:
        ValueError: the format has pairs and SIMD is odd, or SIMD is no number of activations.
    """
    if simd < 1 or (sparq.pairs and simd % 2):
        raise ValueError(
            f"{name}: expected {'an even' if sparq.pairs else 'a positive'} SIMD, found {simd}; both activations of a "
            "pair come in the same beat, choose another SIMD or a format without pairs"
        )


def numbers(values: Sequence[int], width: int = 32) -> str:
    """Return integers as the value of a parameter ``bit [COUNT-1:0][width-1:0]``, the first in the lowest bits."""
    return "{" + ", ".join(f"{width}'d{value}" for value in reversed(values)) + "}"


@dataclass(frozen=True, kw_only=True)
class SparqEncoder(RtlUnit):
    """Encodes a stream of unsigned 8-bit activations, SIMD per beat: data fields, ShiftCtrl and MuxCtrl.

    The code is that of `brevitas_ext.arith.sparq`, packed into one word per pair, ``UINT16`` at 4b5opt.  A beat passes
    in every cycle; ``out0_V_tready`` makes ``in0_V_tready`` within the cycle.

    Attributes:
        name: Name of the top module.
        sparq: Windows, rounding or trimming, pairs or single activations.
        simd: Activations per beat, neighbours being pairs.
        beats: Beats per frame.

    Raises:
        ValueError: SIMD is odd in a format with pairs, or there is no beat.
    """

    name: str
    sparq: SparqFormat
    simd: int
    beats: int

    def __post_init__(self) -> None:
        check_format(self.name, self.sparq, self.simd)
        if self.beats < 1:
            raise ValueError(f"{self.name}: expected at least one beat, found {self.beats}; leave the unit out")

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The activations."""
        data_type = named(f"UINT{ACTIVATION_BITS}")
        return (Stream(name="in0_V", data_type=data_type, elements=self.simd, beats=self.beats),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The words of the code."""
        elements = words_of(self.sparq, self.simd)
        return (Stream(name="out0_V", data_type=code_type(self.sparq), elements=elements, beats=self.beats),)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the packed words of the activations."""
        return (pack(encode(inputs[0], self.sparq), self.sparq),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, the encoder and its windows."""
        sparq = self.sparq
        parameters: dict[str, int | str] = {
            "SIMD": self.simd,
            "N": sparq.bits,
            "COUNT": len(sparq.shifts),
            "SHIFTS": numbers(sparq.shifts),
            "PLACES": len(sparq.shift_table),
            "TABLE": numbers(sparq.shift_table),
            "ROUNDING": int(sparq.rounding),
            "CARRY": int(sparq.overflow == "carry"),
            "PAIRS": int(sparq.pairs),
        }
        return files_of(self.name, module(self, [instance("bfx_sparq_encoder", parameters, one_to_one())]), LIBRARY)

    def cycles(self) -> int:
        """Return a cycle per beat."""
        return self.beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return that each beat waits for its activations."""
        return (np.arange(1, self.beats + 1),)
