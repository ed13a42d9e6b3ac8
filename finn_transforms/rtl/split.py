"""Channels of a stream given to several (FINN's StreamingSplit)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.ops.hardware import streaming_split
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.turns import require_folds, turn_parameters
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, gathered, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True)
class Split(RtlUnit):
    """Gives the beats of each vector to one stream after the other; they share a register, tready passes through.

    Attributes:
        name: Name of the top module.
        channels: Channels of each stream.
        simd: Channels per beat, a divisor of each.
        vectors: Vectors per frame.
        data_type: Data type of an element.

    Raises:
        ValueError: SIMD does not divide the channels.
    """

    name: str
    channels: tuple[int, ...]
    simd: int
    vectors: int
    data_type: BaseDataType

    def __post_init__(self) -> None:
        require_folds(self.name, self.channels, self.simd)
        self._parameters()

    @property
    def folds(self) -> tuple[int, ...]:
        """Beats of each stream per vector."""
        return tuple(count // self.simd for count in self.channels)

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """All channels."""
        return (self._stream("in0_V", sum(self.folds)),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The streams it writes."""
        return tuple(self._stream(f"out{index}_V", count) for index, count in enumerate(self.folds))

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the channels of each."""
        vectors = np.asarray(inputs[0]).reshape(-1, self.vectors, sum(self.channels))
        parts = streaming_split({"ChannelsPerStream": self.channels}, len(self.channels), vectors)
        return tuple(
            part.reshape(-1, stream.beats, self.simd) for part, stream in zip(parts, self.outputs, strict=True)
        )

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, and the register with a valid bit per output."""
        connections = {**one_to_one(["in"]), **gathered("out", len(self.channels))}
        body = instance("bfx_split", self._parameters(), connections)
        return files_of(self.name, module(self, [body]), ["bfx_split.sv", "bfx_turns.sv"])

    def cycles(self) -> int:
        """Return a cycle per beat that comes in."""
        return self.inputs[0].beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        """Return the places of the output's beats in the input."""
        start, count = sum(self.folds[:output]), self.folds[output]
        vector, place = np.divmod(np.arange(count * self.vectors), count)
        return (vector * sum(self.folds) + start + place + 1,)

    def _parameters(self) -> dict[str, int | str]:
        return turn_parameters(self.name, self.folds, self.simd * int(self.data_type.bitwidth()))

    def _stream(self, name: str, folds: int) -> Stream:
        return Stream(name=name, data_type=self.data_type, elements=self.simd, beats=folds * self.vectors)
