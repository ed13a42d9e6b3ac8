"""The matrix-vector unit (MVAU) that shifts products, for inputs whose scales are powers of two of each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from finn_transforms.rtl.mvau_lut import LIBRARY as _MVAU_LIBRARY
from finn_transforms.rtl.mvau_lut import MvauLut, operand_parameters
from finn_transforms.rtl.shift_classes import ShiftSchedule
from finn_transforms.rtl.sparq_encoder import numbers
from finn_transforms.rtl.streams import Integers
from finn_transforms.rtl.wrapper import instance

LIBRARY: tuple[str, ...] = (
    "bfx_shift_mvau.sv",
    "bfx_shift_dot.sv",
    "bfx_constants.sv",
    *(file for file in _MVAU_LIBRARY if file != "bfx_mvau.sv"),
)
FRONT_LIBRARY: tuple[str, ...] = ("bfx_shift_inputs.sv", "bfx_constants.sv", *_MVAU_LIBRARY)

ShiftPlace = Literal["auto", "products", "inputs"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ShiftMvau(MvauLut):
    """Multiplies a stream of vectors with a matrix and shifts the products, modulo 2^P.

    A result is the sum of ``(input * weight) << shifts[k]`` over the inputs k, the left-shift form of ShiftQuant
    (Towards Accurate and Efficient Sub-8-Bit Integer Training), Eq. 46.  Products whose exponents are the same in every
    word are summed before they are shifted, see `ShiftSchedule`: where all inputs of a word share an exponent, an
    output has one shift behind its adder tree; where no two lanes do, one behind each multiplier.  A lane with one
    exponent is shifted by wires.  Where many lanes have exponents of their own it takes fewer LUTs to shift the inputs,
    once for all outputs (``benchmarks/shiftquant/area.py``), and equal sums come of it.  Constant weights have the
    shifts in them.  Folding, weights, thresholds and handshake are those of `MvauLut`.

    Attributes:
        shifts: integers, (MW,), from 0 to P - 1: the exponent of each row of the weights.
        place: Where shifts are: behind the ``products`` or at the ``inputs``; ``auto`` chooses, see `shifts_inputs`.

    Raises:
        ValueError: as `MvauLut`; shifts that are none, bipolar inputs or weights.
    """

    shifts: Integers
    place: ShiftPlace = "auto"

    def __post_init__(self) -> None:
        shifts = np.array(self.shifts, dtype=np.int64)
        if shifts.shape != (self.mw,) or not np.array_equal(shifts, self.shifts):
            raise ValueError(
                f"{self.name}: expected MW = {self.mw} integer shifts, found {np.shape(self.shifts)} "
                f"{np.asarray(self.shifts).dtype}; give one for each row of the weights"
            )
        if shifts.min() < 0 or shifts.max() >= self.accumulator_bits:
            raise ValueError(
                f"{self.name}: expected shifts from 0 to P - 1 = {self.accumulator_bits - 1}, found {shifts.min()} to "
                f"{shifts.max()}; widen the accumulator"
            )
        shifts.flags.writeable = False
        object.__setattr__(self, "shifts", shifts)
        if "BIPOLAR" in (self.input_type.name, self.weight_type.name) or self.xnor:
            raise ValueError(
                f"{self.name}: expected integer inputs and weights, found {self.input_type.name} and "
                f"{self.weight_type.name}; fold the shifts into the weights of an MvauLut"
            )
        super().__post_init__()

    @cached_property
    def schedule(self) -> ShiftSchedule:
        """Which lanes are shifted together, by how much in which word."""
        return ShiftSchedule.of(self.shifts.tolist(), self.simd)

    @property
    def shifts_inputs(self) -> bool:
        """Whether inputs are shifted, not products."""
        if self.weight_source == "constant":
            return False
        return self.place == "inputs" or (self.place == "auto" and self.schedule.is_scattered)

    def _factors(self, weights: Integers) -> Integers:
        return np.asarray(weights) << self.shifts[:, np.newaxis]

    def _core(self) -> tuple[str, dict[str, int | str]]:
        operands = {**operand_parameters("WEIGHT", self.weight_type), **operand_parameters("INPUT", self.input_type)}
        plain = {**self._folding_parameters(), **self._source_parameters()}
        if self.shifts_inputs:
            return "bfx_mvau", {**plain, **operands, "INPUT_BITS": self._input_bits + int(self.shifts.max())}
        schedule = self.schedule
        classes = schedule.classes
        weights = [sum(1 << exponent for exponent in each.exponents) for each in classes]
        return "bfx_shift_mvau", {
            **plain,
            **{key: value for key, value in operands.items() if not key.endswith("_BIPOLAR")},
            "CLASSES": len(classes),
            "LANES": numbers(schedule.lanes),
            "SIZES": numbers([len(each.lanes) for each in classes]),
            "BASES": numbers([each.base for each in classes]),
            "STEPS": numbers([each.step for each in classes]),
            "NEAR": numbers([each.nearest for each in classes]),
            "WEIGHTS": numbers(weights, width=64),
            **_table_parameters(schedule.table, schedule.near_bits, schedule.near_bits + 1),
            "HELD": int(schedule.is_held),
        }

    @property
    def _library(self) -> tuple[str, ...]:
        return FRONT_LIBRARY if self.shifts_inputs else LIBRARY

    @property
    def _input_bits(self) -> int:
        return int(self.input_type.bitwidth())

    @property
    def _vector_data(self) -> str:
        return "shifted" if self.shifts_inputs else super()._vector_data

    def _body(self) -> list[str]:
        if not self.shifts_inputs:
            return super()._body()
        most = int(self.shifts.max())
        bits = max(1, most.bit_length())
        parameters: dict[str, int | str] = {
            "LANES": self.simd,
            "WIDTH": self._input_bits,
            "SIGNED": int(self.input_type.min() < 0),
            "SPAN": most,
            **_table_parameters(self.schedule.lane_table, bits, bits),
        }
        pins = {"step": "in0_valid && in0_ready", "word": "in0_data", "shifted": "shifted"}
        return [
            f"wire [{self.simd * (self._input_bits + most) - 1}:0] shifted;",
            instance("bfx_shift_inputs", parameters, pins, label="shift"),
            *super()._body(),
        ]


def _table_parameters(rows: tuple[tuple[int, ...], ...], bits: int, width: int) -> dict[str, int | str]:
    """Return parameters with a table of fields of so many bits, `bits` of which are what is shifted by."""
    fields = [field for row in rows for field in row]
    table = sum(field << (width * place) for place, field in enumerate(fields))
    return {"ROWS": len(rows), "BITS": bits, "TABLE": f"{len(fields) * width}'h{table:x}"}
