"""The vector-vector unit (VVAU) of a depthwise convolution in LUTs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from qonnx.core.datatype import BaseDataType, IntType

from finn_transforms.ops.hardware import vvau
from finn_transforms.rtl.memory import RamStyle, ReadOnlyMemory
from finn_transforms.rtl.mvau_lut import LIBRARY, MvauLut, operand_parameters
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one


@dataclass(frozen=True, kw_only=True, eq=False)
class VvauLut(RtlUnit):
    """Applies one kernel per channel to windows, PE channels and SIMD pixels at a time, modulo 2^P.

    The dot products are those of `finn_transforms.rtl.mvau_lut.MvauLut`, each with inputs of its own; where a window is
    computed in one cycle, all channels of it, the weights are constants of the adders, as there.  A window comes as
    FINN's depthwise window generator sends it, (C / PE, KH * KW / SIMD, SIMD, PE), PE last.

    Attributes:
        name: Name of the top module.
        channels: Channels C, a multiple of PE.
        pe: Channels per beat.
        simd: Pixels per beat, a divisor of KH * KW.
        kernel: KH, KW.
        windows: Windows per frame, OH * OW.
        input_type: Data type of the pixels.
        weight_type: Data type of the weights.  Where both are ``BIPOLAR`` equal signs are counted, as in FINN.
        accumulator_type: Integer type of P bits; sums that do not fit wrap.
        weights: integers, (C, 1, KH, KW) as FINN's initializer.
        ram_style: Memory of the weights, see `ReadOnlyMemory`.

    Raises:
        ValueError: PE or SIMD divides nothing, a type is too wide, or weights do not fit.
    """

    name: str
    channels: int
    pe: int
    simd: int
    kernel: tuple[int, int]
    windows: int
    input_type: BaseDataType
    weight_type: BaseDataType
    accumulator_type: BaseDataType
    weights: Integers
    ram_style: RamStyle = "auto"

    def __post_init__(self) -> None:
        for what, part, total in (("PE", self.pe, self.channels), ("SIMD", self.simd, self.size)):
            if part < 1 or total < 1 or total % part:
                raise ValueError(f"{self.name}: expected {what} to divide {total}, found {part}; choose a divisor")
        if self.accumulator_type.name == "BIPOLAR":
            raise ValueError(f"{self.name}: expected an accumulator of numbers, found BIPOLAR; choose an integer type")
        weights = np.array(self.weights, dtype=np.int64)
        expected = (self.channels, 1, *self.kernel)
        if weights.shape != expected or not np.array_equal(weights, self.weights):
            raise ValueError(
                f"{self.name}: expected integer weights of shape {expected}, found {np.shape(self.weights)} "
                f"{np.asarray(self.weights).dtype}; pass FINN's initializer (C, 1, KH, KW)"
            )
        weights.flags.writeable = False
        object.__setattr__(self, "weights", weights)
        self._weight_stream.pack(weights)

    @property
    def size(self) -> int:
        """Products of one output, KH * KW."""
        return prod(self.kernel)

    @property
    def synapse_fold(self) -> int:
        """SF, cycles for one group of PE outputs."""
        return self.size // self.simd

    @property
    def neuron_fold(self) -> int:
        """NF, groups of channels."""
        return self.channels // self.pe

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The windows."""
        beats = self.windows * self.neuron_fold * self.synapse_fold
        return (Stream(name="in0_V", data_type=self.input_type, elements=self.simd * self.pe, beats=beats),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The sums."""
        beats = self.windows * self.neuron_fold
        return (Stream(name="out0_V", data_type=self.accumulator_type, elements=self.pe, beats=beats),)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the exact sums, whether they fit P bits or not."""
        streamed = np.asarray(inputs[0]).reshape(-1, self.neuron_fold, self.size, self.pe)
        windows = streamed.transpose(0, 2, 1, 3).reshape(-1, 1, 1, self.size * self.channels)
        attributes = {"inputDataType": self.input_type.name, "weightDataType": self.weight_type.name}
        return (vvau(attributes, windows, self.weights).reshape(-1, self.outputs[0].beats, self.pe),)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper with the weights, and the library modules."""
        if self.unrolled is not None:
            return self.unrolled.sources()
        parameters: dict[str, int | str] = {
            "SIMD": self.simd,
            "PE": self.pe,
            "SF": self.synapse_fold,
            "NF": self.neuron_fold,
            "P": int(self.accumulator_type.bitwidth()),
            **operand_parameters("WEIGHT", self.weight_type),
            **operand_parameters("INPUT", self.input_type),
            "SEPARATE": 1,
        }
        pins = {
            **one_to_one(),
            "weights": "weights",
            "weights_valid": "1'b1",
            "weights_ready": "unread",
            "advance": "advance",
            "address": "weights_address",
        }
        lines = ["wire advance, unread; wire unused = &{1'b0, unread};", *self.memory.lines("advance")]
        return files_of(self.name, module(self, [*lines, instance("bfx_mvau", parameters, pins)]), LIBRARY)

    def cycles(self) -> int:
        """Return a cycle per beat that comes in."""
        return self.inputs[0].beats

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return the beats of the group that the sums belong to."""
        return (np.arange(1, self.outputs[0].beats + 1) * self.synapse_fold,)

    @cached_property
    def unrolled(self) -> MvauLut | None:
        """The same unit as a matrix of constants, most of them 0; None where the weights are a memory of several words.

        Signs that are counted have no 0, and remain a memory of one word.
        """
        counts = self.input_type.name == self.weight_type.name == "BIPOLAR"
        if self.synapse_fold * self.neuron_fold > 1 or counts:
            return None
        matrix = np.zeros((self.size, self.channels, self.channels), dtype=np.int64)
        diagonal = np.arange(self.channels)
        matrix[:, diagonal, diagonal] = self.weights.reshape(self.channels, self.size).T
        return MvauLut(
            name=self.name, mw=self.size * self.channels, mh=self.channels, pe=self.channels,
            simd=self.size * self.channels, input_type=self.input_type,
            weight_type=IntType(2, True) if self.weight_type.name == "BIPOLAR" else self.weight_type,
            accumulator_type=self.accumulator_type, weights=matrix.reshape(-1, self.channels),
            weight_source="constant", num_vectors=(self.windows,),
        )  # fmt: skip

    @cached_property
    def memory(self) -> ReadOnlyMemory:
        """The memory of the weights, a word per beat of a window."""
        folds = (self.neuron_fold, self.pe, self.synapse_fold, self.simd)
        words = self._weight_stream.pack(self.weights.reshape(folds).transpose(0, 2, 1, 3))
        return ReadOnlyMemory(name="weights", words=words, width=self._weight_stream.bits, style=self.ram_style)

    @property
    def _weight_stream(self) -> Stream:
        return Stream(name="weights", data_type=self.weight_type, elements=self.pe * self.simd, beats=1)
