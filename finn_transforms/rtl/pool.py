"""The largest value or the sum of each window, behind a depthwise sliding window generator (FINN's Pool)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.datatypes import smallest_datatype
from finn_transforms.ops import hardware
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True)
class Pool(RtlUnit):
    """Reduces each window to one value per channel; a window's PE channels come pixel after pixel, then the next ones.

    That is FINN's order behind a depthwise window generator, (windows, C / PE, KH * KW, PE).  A maximum is a comparator
    that enables its register; a sum is an accumulator.  The result is that register; tready passes through.

    Attributes:
        name: Name of the top module.
        channels: Channels C.
        pe: Channels per beat.
        kernel: KH, KW.
        windows: Windows per frame, OH * OW.
        function: ``MaxPool``, ``AccPool`` (sum) or ``QuantAvgPool`` (sum without its lowest bits).
        input_type: Data type of the inputs.
        output_type: Data type of the results; that of the inputs for ``MaxPool``.
        accumulator_bits: Width of the running sum, that of a sum of any inputs where it is 0.

    Raises:
        ValueError: PE does not divide C, the function is another, or types do not fit it.
    """

    name: str
    channels: int
    pe: int
    kernel: tuple[int, int]
    windows: int
    function: Literal["MaxPool", "AccPool", "QuantAvgPool"]
    input_type: BaseDataType
    output_type: BaseDataType
    accumulator_bits: int = 0

    def __post_init__(self) -> None:
        if self.channels % self.pe:
            raise ValueError(
                f"{self.name}: expected PE that divides {self.channels} channels, found {self.pe}; choose a divisor"
            )
        if self.function not in ("MaxPool", "AccPool", "QuantAvgPool"):
            raise ValueError(
                f"{self.name}: expected MaxPool, AccPool or QuantAvgPool, found {self.function}; "
                "lower an average to a sum and a requantization"
            )
        if self.function == "MaxPool" and self.input_type != self.output_type:
            raise ValueError(
                f"{self.name}: expected the input's type {self.input_type} for a maximum, found {self.output_type}; "
                "set it"
            )
        if self.function != "MaxPool" and self.input_type.name == "BIPOLAR":
            raise ValueError(f"{self.name}: expected numbers for a sum, found bipolar bits; sum numbers instead")

    @property
    def size(self) -> int:
        """Pixels of a window."""
        return prod(self.kernel)

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The windows."""
        beats = self.windows * self.channels // self.pe * self.size
        return (Stream(name="in0_V", data_type=self.input_type, elements=self.pe, beats=beats),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """A value per channel and window."""
        beats = self.windows * self.channels // self.pe
        return (Stream(name="out0_V", data_type=self.output_type, elements=self.pe, beats=beats),)

    @property
    def sum_bits(self) -> int:
        """Width of the running sum."""
        if self.accumulator_bits:
            return self.accumulator_bits
        ends = int(self.input_type.min()) * self.size, int(self.input_type.max()) * self.size
        return int(smallest_datatype(IntRange(min(0, ends[0]), max(1, ends[1]))).bitwidth())

    @property
    def shift(self) -> int:
        """Lowest bits of the sum that are dropped, as FINN derives them from the widths."""
        if self.function != "QuantAvgPool":
            return 0
        largest = ((1 << int(self.input_type.bitwidth())) - 1) * self.size
        return max(largest.bit_length() - int(self.output_type.bitwidth()), 0)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return what FINN's operator makes of the windows."""
        folds = self.channels // self.pe
        streamed = np.asarray(inputs[0]).reshape(-1, 1, self.windows, folds, self.size, self.pe)
        windows = np.moveaxis(streamed, 4, 3).reshape(-1, 1, self.windows, self.size * self.channels)
        attributes = {
            "Channels": self.channels,
            "Function": self.function,
            "InputDataType": self.input_type.name,
            "OutputDataType": self.output_type.name,
        }
        return (hardware.pool(attributes, windows).reshape(-1, self.windows * folds, self.pe),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper, and comparators or accumulators."""
        parameters: dict[str, int | str] = {
            "FUNCTION": '"max"' if self.function == "MaxPool" else '"sum"',
            "ELEMENTS": self.pe,
            "KERNEL": self.size,
            "IN_BITS": self.input_type.bitwidth(),
            "SIGNED": int(self.input_type.signed() and self.input_type.name != "BIPOLAR"),
            "SUM_BITS": self.sum_bits,
            "SHIFT": self.shift,
            "OUT_BITS": self.output_type.bitwidth(),
        }
        body = instance("bfx_pool", parameters, one_to_one())
        return files_of(self.name, module(self, [body]), ["bfx_pool.sv", "bfx_counter.sv"])

    def cycles(self) -> int:
        """Return a cycle per beat that comes in."""
        return self.inputs[0].beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return the ends of the windows."""
        return (np.arange(1, self.outputs[0].beats + 1) * self.size,)
