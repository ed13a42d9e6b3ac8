"""Copies of a stream (FINN's DuplicateStreams)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, gathered, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True)
class Duplicate(RtlUnit):
    """Sends every beat to each of `copies` outputs, which take it independently of each other.

    Outputs are registered; tready passes through.

    Attributes:
        name: Name of the top module.
        data_type: Data type of an element.
        elements: Elements per beat.
        beats: Beats per frame.
        copies: Outputs, at least 2.

    Raises:
        ValueError: there is no copy.
    """

    name: str
    data_type: BaseDataType
    elements: int
    beats: int
    copies: int = 2

    def __post_init__(self) -> None:
        if self.copies < 2:
            raise ValueError(f"{self.name}: expected at least 2 copies, found {self.copies}; leave it out")

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The stream it reads."""
        return (self._stream("in0_V"),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The copies."""
        return tuple(self._stream(f"out{index}_V") for index in range(self.copies))

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the input as often as there are outputs."""
        return (np.asarray(inputs[0]),) * self.copies

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, and the register with a valid bit per output."""
        connections = {**one_to_one(["in"]), **gathered("out", self.copies)}
        parameters = {"WIDTH": self.inputs[0].bits, "COUNT": self.copies}
        return files_of(
            self.name, module(self, [instance("bfx_duplicate", parameters, connections)]), ["bfx_duplicate.sv"]
        )

    def cycles(self) -> int:
        """Return a cycle per beat."""
        return self.beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - all alike
        """Return that each beat waits for itself."""
        return (np.arange(1, self.beats + 1),)

    def _stream(self, name: str) -> Stream:
        return Stream(name=name, data_type=self.data_type, elements=self.elements, beats=self.beats)
