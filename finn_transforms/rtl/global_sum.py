"""The sum of all pixels of each channel (FINN's GlobalAccPool)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.ops.hardware import global_acc_pool
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True)
class GlobalSum(RtlUnit):
    """Adds up the pixels of an image, C / PE sums in LUT RAM.

    The sums leave while the last pixel comes, where FINN's layer sends them behind it: `cycles` is C / PE less than
    `StreamParams.cycles` says.  tready passes through.

    Attributes:
        name: Name of the top module.
        channels: Channels C.
        pe: Channels per beat, a divisor of C.
        pixels: Pixels per frame.
        input_type: Data type of the pixels.
        output_type: Data type of the sums, and of what is held meanwhile.

    Raises:
        ValueError: PE does not divide C, or the pixels are bipolar.
    """

    name: str
    channels: int
    pe: int
    pixels: int
    input_type: BaseDataType
    output_type: BaseDataType

    def __post_init__(self) -> None:
        if self.channels % self.pe:
            raise ValueError(
                f"{self.name}: expected PE that divides {self.channels} channels, found {self.pe}; choose a divisor"
            )
        if self.input_type.name == "BIPOLAR":
            raise ValueError(f"{self.name}: expected numbers for a sum, found bipolar bits; sum numbers instead")

    @property
    def folds(self) -> int:
        """Beats per pixel."""
        return self.channels // self.pe

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The pixels."""
        return (Stream(name="in0_V", data_type=self.input_type, elements=self.pe, beats=self.pixels * self.folds),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The sums."""
        return (Stream(name="out0_V", data_type=self.output_type, elements=self.pe, beats=self.folds),)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the exact sums."""
        image = np.asarray(inputs[0]).reshape(-1, self.pixels, 1, self.channels)
        return (global_acc_pool({}, image).reshape(-1, self.folds, self.pe),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper and the accumulators."""
        parameters: dict[str, int | str] = {
            "ELEMENTS": self.pe,
            "FOLDS": self.folds,
            "PIXELS": self.pixels,
            "IN_BITS": self.input_type.bitwidth(),
            "SIGNED": int(self.input_type.signed()),
            "SUM_BITS": self.output_type.bitwidth(),
        }
        body = instance("bfx_global_sum", parameters, one_to_one())
        return files_of(self.name, module(self, [body]), ["bfx_global_sum.sv", "bfx_counter.sv"])

    def cycles(self) -> int:
        """Return a cycle per beat that comes in."""
        return self.inputs[0].beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return the beats of the last pixel."""
        return ((self.pixels - 1) * self.folds + np.arange(1, self.folds + 1),)
