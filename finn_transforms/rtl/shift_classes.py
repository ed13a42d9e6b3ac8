"""Which lanes of a matrix-vector unit are shifted together, and by how much in which word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class ShiftClass:
    """Lanes whose exponents are the same in every word, so that their products are summed before they are shifted.

    Attributes:
        lanes: The lanes, ascending.
        exponents: The exponent in each of the SF words of a vector.
    """

    lanes: tuple[int, ...]
    exponents: tuple[int, ...]

    @property
    def base(self) -> int:
        """The smallest exponent: a shift that is wires."""
        return min(self.exponents)

    @property
    def span(self) -> int:
        """What the largest exponent is above the smallest; 0 where all words have the same."""
        return max(self.exponents) - self.base

    @property
    def amounts(self) -> tuple[int, ...]:
        """What is shifted by besides the base, for each word."""
        return tuple(exponent - self.base for exponent in self.exponents)


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
    def table(self) -> tuple[tuple[int, ...], ...]:
        """What each class is shifted by besides its base, (rows, classes): word n has row n % rows, as few as do."""
        rows = tuple(zip(*(each.amounts for each in self.classes), strict=True))
        words = len(rows)
        periods = (period for period in range(1, words + 1) if words % period == 0)
        return next(rows[:period] for period in periods if rows[:period] * (words // period) == rows)

    @property
    def amount_bits(self) -> int:
        """Bits of an entry of the table, at least 1."""
        return max(1, *(each.span.bit_length() for each in self.classes))

    @property
    def is_held(self) -> bool:
        """Whether a register follows the shifts: not where the adder behind takes in the choice of one of two."""
        spans = [each.span for each in self.classes]
        alone = len(spans) == 1 and len(set(self.classes[0].exponents)) <= 2
        return max(spans) > 0 and not alone
