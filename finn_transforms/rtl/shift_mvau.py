"""The matrix-vector unit (MVAU) that shifts products, for inputs whose scales are powers of two of each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from finn_transforms.rtl.mvau_lut import LIBRARY as _MVAU_LIBRARY
from finn_transforms.rtl.mvau_lut import MvauLut, operand_parameters
from finn_transforms.rtl.shift_classes import ShiftSchedule
from finn_transforms.rtl.sparq_encoder import numbers
from finn_transforms.rtl.streams import Integers

LIBRARY: tuple[str, ...] = (
    "bfx_shift_mvau.sv",
    "bfx_shift_dot.sv",
    "bfx_constants.sv",
    *(file for file in _MVAU_LIBRARY if file != "bfx_mvau.sv"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ShiftMvau(MvauLut):
    """Multiplies a stream of vectors with a matrix and shifts the products, modulo 2^P.

    A result is the sum of ``(input * weight) << shifts[k]`` over the inputs k, the left-shift form of ShiftQuant
    (Towards Accurate and Efficient Sub-8-Bit Integer Training), Eq. 46.  Products whose exponents are the same in every
    word are summed before they are shifted, see `ShiftSchedule`: where all inputs of a word share an exponent, an
    output has one shift behind its adder tree; where no two lanes do, one behind each multiplier.  A lane with one
    exponent is shifted by wires.  Constant weights have the shifts in them.  Folding, weights, thresholds and handshake
    are those of `MvauLut`.

    Attributes:
        shifts: integers, (MW,), from 0 to P - 1: the exponent of each row of the weights.

    Raises:
        ValueError: as `MvauLut`; shifts that are none, bipolar inputs or weights.
    """

    shifts: Integers

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

    def _factors(self, weights: Integers) -> Integers:
        return np.asarray(weights) << self.shifts[:, np.newaxis]

    def _core(self) -> tuple[str, dict[str, int | str]]:
        schedule = self.schedule
        classes, rows, bits = schedule.classes, schedule.table, schedule.amount_bits
        fields = [amount for row in rows for amount in row]
        table = sum(amount << (bits * place) for place, amount in enumerate(fields))
        weights = [sum(1 << exponent for exponent in each.exponents) for each in classes]
        operands = {**operand_parameters("WEIGHT", self.weight_type), **operand_parameters("INPUT", self.input_type)}
        return "bfx_shift_mvau", {
            **self._folding_parameters(),
            **{key: value for key, value in operands.items() if not key.endswith("_BIPOLAR")},
            **self._source_parameters(),
            "CLASSES": len(classes),
            "LANES": numbers(schedule.lanes),
            "SIZES": numbers([len(each.lanes) for each in classes]),
            "BASES": numbers([each.base for each in classes]),
            "SPANS": numbers([each.span for each in classes]),
            "WEIGHTS": numbers(weights, width=64),
            "ROWS": len(rows),
            "BITS": bits,
            "TABLE": f"{len(fields) * bits}'h{table:x}",
            "HELD": int(schedule.is_held),
        }

    @property
    def _library(self) -> tuple[str, ...]:
        return LIBRARY
