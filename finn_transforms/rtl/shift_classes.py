"""Which lanes of a matrix-vector unit are shifted together, and by how much in which word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, kw_only=True)
class ShiftClass:
    """Lanes whose exponents are the same in every word, so that their products are summed before they are shifted.

    A shift is the base, which is wires, a step that the last adder of the sum takes or not, and what is left, the near
    shift.

    Attributes:
        lanes: The lanes, ascending.
        exponents: The exponent in each of the SF words of a vector.
    """

    lanes: tuple[int, ...]
    exponents: tuple[int, ...]

    @cached_property
    def base(self) -> int:
        """The smallest exponent."""
        return min(self.exponents)

    @cached_property
    def step(self) -> int:
        """The step that leaves the fewest near shifts; 0 where all exponents are equal."""
        amounts = sorted(set(self.exponents))
        steps = [high - low for high in amounts for low in amounts if high > low]
        return min(steps, key=lambda step: (len(set(self._near(amounts, step))), step), default=0)

    @cached_property
    def near(self) -> tuple[int, ...]:
        """The near shift of each word."""
        return self._near(self.exponents, self.step)

    @cached_property
    def nearest(self) -> int:
        """The largest near shift; 0 where there is none besides the step."""
        return max(self.near)

    @property
    def far(self) -> tuple[bool, ...]:
        """Whether each word takes the step."""
        return tuple(exponent - self.base >= self.step > 0 for exponent in self.exponents)

    def _near(self, exponents: Sequence[int], step: int) -> tuple[int, ...]:
        above = (exponent - self.base for exponent in exponents)
        return tuple(amount - step if amount >= step else amount for amount in above)


@dataclass(frozen=True, kw_only=True)
class ShiftSchedule:
    """The shifts of a matrix-vector unit.

    One class of all lanes, or few of them, is a shift behind an adder tree; a class of one lane, one behind a
    multiplier.

    Attributes:
        classes: The classes, by ascending base.
    """

    classes: tuple[ShiftClass, ...]

    @classmethod
    def of(cls, shifts: Sequence[int], simd: int) -> ShiftSchedule:
        """Return the schedule of MW exponents, `simd` of them in a word."""
        table = np.asarray(shifts, dtype=np.int64).reshape(-1, simd)
        lanes: dict[tuple[int, ...], list[int]] = {}
        for lane, column in enumerate(table.T.tolist()):
            lanes.setdefault(tuple(column), []).append(lane)
        classes = [ShiftClass(lanes=tuple(each), exponents=exponents) for exponents, each in lanes.items()]
        return cls(classes=tuple(sorted(classes, key=lambda each: (each.base, each.lanes))))

    @property
    def lanes(self) -> tuple[int, ...]:
        """All lanes, class by class."""
        return tuple(lane for each in self.classes for lane in each.lanes)

    @property
    def near_bits(self) -> int:
        """Bits of a near shift, at least 1."""
        return max(1, *(each.nearest.bit_length() for each in self.classes))

    @property
    def table(self) -> tuple[tuple[int, ...], ...]:
        """The near shift of each class and above it whether it takes its step, (rows, classes).

        Word n has row n % rows, as few rows as do.
        """
        bits = self.near_bits
        columns = [
            [near + (far << bits) for near, far in zip(each.near, each.far, strict=True)] for each in self.classes
        ]
        return _shortest(tuple(zip(*columns, strict=True)))

    @property
    def lane_table(self) -> tuple[tuple[int, ...], ...]:
        """The exponent of each lane, (rows, SIMD), as `table`."""
        columns = {lane: each.exponents for each in self.classes for lane in each.lanes}
        return _shortest(tuple(zip(*(columns[lane] for lane in sorted(columns)), strict=True)))

    @property
    def is_held(self) -> bool:
        """Whether a register follows near shifts: not where the adder behind takes in the choice of one of two."""
        alone = len(self.classes) == 1 and len(set(self.classes[0].near)) <= 2
        return any(each.nearest > 0 for each in self.classes) and not alone

    @property
    def is_scattered(self) -> bool:
        """Whether classes whose exponents vary have less than two lanes, so that it takes less to shift the inputs.

        Measured at SIMD 2 to 16, PE 1 to 4, inputs and weights of 4 and 8 bits (Yosys 0.70, UltraScale+).
        """
        varying = sum(each.step > 0 for each in self.classes)
        return 2 * varying > len(self.lanes) > 1


def _shortest(rows: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """Return the first rows, as few as give all of them when they repeat."""
    words = len(rows)
    periods = (period for period in range(1, words + 1) if words % period == 0)
    return next(rows[:period] for period in periods if rows[:period] * (words // period) == rows)
