"""Channels of several streams one behind the other (FINN's StreamingConcat)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.ops.hardware import HARDWARE
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.turns import require_alike, require_folds, turn_parameters
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, gathered, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True)
class Concat(RtlUnit):
    """Takes the beats of each vector from one stream after the other; one register, tready passes through.

    Attributes:
        name: Name of the top module.
        channels: Channels of each stream.
        simd: Channels per beat, a divisor of each.
        vectors: Vectors per frame.
        input_types: Data types of the streams.
        output_type: A data type that holds them all.

    Raises:
        ValueError: SIMD does not divide the channels, or a type does not fit.
    """

    name: str
    channels: tuple[int, ...]
    simd: int
    vectors: int
    input_types: tuple[BaseDataType, ...]
    output_type: BaseDataType

    def __post_init__(self) -> None:
        if len(self.input_types) != len(self.channels):
            raise ValueError(
                f"{self.name}: expected {len(self.channels)} input types, one per stream, found "
                f"{len(self.input_types)}; give one each"
            )
        require_folds(self.name, self.channels, self.simd)
        require_alike(self.name, self.input_types, self.output_type)
        self._parameters()

    @property
    def folds(self) -> tuple[int, ...]:
        """Beats of each stream per vector."""
        return tuple(count // self.simd for count in self.channels)

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The streams it reads."""
        return tuple(
            Stream(name=f"in{index}_V", data_type=data_type, elements=self.simd, beats=count * self.vectors)
            for index, (data_type, count) in enumerate(zip(self.input_types, self.folds, strict=True))
        )

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """All channels."""
        beats = sum(self.folds) * self.vectors
        return (Stream(name="out0_V", data_type=self.output_type, elements=self.simd, beats=beats),)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the channels one behind the other."""
        vectors = [
            np.asarray(values).reshape(-1, self.vectors, count)
            for values, count in zip(inputs, self.channels, strict=True)
        ]
        return (HARDWARE["StreamingConcat"]({}, *vectors).reshape(-1, self.outputs[0].beats, self.simd),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, which extends the elements to the common width, and the multiplexer."""
        body, parts = [], []
        for index, stream in enumerate(self.inputs):
            width = self.outputs[0].element_bits
            fields = [self._extended(stream, f"in{index}_data", element, width) for element in range(self.simd)]
            body.append(f"wire [{self.outputs[0].bits - 1}:0] wide{index} = {{{', '.join(reversed(fields))}}};")
            parts.append(f"wide{index}")
        connections = {**gathered("in", len(self.channels)), **one_to_one(["out"])}
        connections["in_data"] = f"{{{', '.join(reversed(parts))}}}"
        body.append(instance("bfx_concat", self._parameters(), connections))
        used = ["bfx_concat.sv", "bfx_turns.sv"]
        return files_of(self.name, module(self, body), used)

    def cycles(self) -> int:
        """Return a cycle per beat that goes out."""
        return self.outputs[0].beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return the beats that have been sent on."""
        starts = np.cumsum((0, *self.folds[:-1]))
        vector, place = np.divmod(np.arange(self.outputs[0].beats), sum(self.folds))
        return tuple(
            vector * count + np.clip(place + 1 - start, 0, count)
            for start, count in zip(starts, self.folds, strict=True)
        )

    def _parameters(self) -> dict[str, int | str]:
        return turn_parameters(self.name, self.folds, self.outputs[0].bits)

    @staticmethod
    def _extended(stream: Stream, signal: str, element: int, width: int) -> str:
        bits, low = stream.element_bits, element * stream.element_bits
        field = f"{signal}[{low + bits - 1}:{low}]"
        if width == bits:
            return field
        sign = f"{signal}[{low + bits - 1}]" if stream.data_type.signed() else "1'b0"
        return f"{{{width - bits}{{{sign}}}}}, {field}"
