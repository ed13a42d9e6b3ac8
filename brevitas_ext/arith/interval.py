"""Closed integer intervals of any magnitude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add


def unsigned_bits(high: int) -> int:
    """Return the smallest width N with ``high <= 2**N - 1`` (at least 1, so that a register exists).

    Raises:
        ValueError: ``high`` is negative.
    """
    if high < 0:
        raise ValueError(f"expected a non-negative value for an unsigned width, got {high}; use signed_bits")
    return max(1, high.bit_length())


def signed_bits(low: int, high: int) -> int:
    """Return the smallest two's complement width P with ``-2**(P-1) <= low`` and ``high <= 2**(P-1) - 1``.

    Raises:
        ValueError: ``low`` exceeds ``high``.
    """
    if low > high:
        raise ValueError(f"expected low <= high, got [{low}, {high}]")
    # -2**b needs b magnitude bits just like 2**b - 1, and ~low maps the first on the second.
    return 1 + max(*(value.bit_length() if value >= 0 else (~value).bit_length() for value in (low, high)))


@dataclass(frozen=True, order=True)
class IntRange:
    """The integers from ``low`` to ``high``, both included.

    Python integers throughout: no magnitude is too large and nothing is rounded.

    Example:
        >>> IntRange(0, 15).scale(-3) + IntRange(1, 1)
        IntRange(low=-44, high=1)
        >>> _.bits(signed=True)
        7
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        """Reject what is not an interval of integers."""
        for name in ("low", "high"):
            value = getattr(self, name)
            if isinstance(value, bool) or not hasattr(type(value), "__index__"):
                raise TypeError(f"IntRange.{name}: expected an integer, got {value!r} ({type(value).__name__})")
            object.__setattr__(self, name, value.__index__())
        if self.low > self.high:
            raise ValueError(f"IntRange: expected low <= high, got [{self.low}, {self.high}]")

    @classmethod
    def of_bits(cls, bits: int, *, signed: bool, narrow: bool = False) -> IntRange:
        """Return the range of a ``bits`` wide integer; ``narrow`` leaves out one code as Brevitas does.

        A narrow signed range drops the lowest value, a narrow unsigned one the highest.

        Raises:
            ValueError: ``bits`` is too small for the format.
        """
        if bits < 1 + (signed and narrow):
            raise ValueError(f"expected at least {1 + (signed and narrow)} bits for this format, got {bits}")
        if signed:
            return cls(-(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1)
        return cls(0, (1 << bits) - 1 - narrow)

    def __add__(self, other: IntRange) -> IntRange:
        """Return the range of the sum of a value of ``self`` and one of ``other``."""
        return IntRange(self.low + other.low, self.high + other.high)

    def __neg__(self) -> IntRange:
        """Return the range of the negated value."""
        return IntRange(-self.high, -self.low)

    def scale(self, factor: int) -> IntRange:
        """Return the range of ``factor * value``."""
        return IntRange(*sorted((factor * self.low, factor * self.high)))

    def union(self, other: IntRange) -> IntRange:
        """Return the smallest range that holds both, e.g. a tensor and its padding value."""
        return IntRange(min(self.low, other.low), max(self.high, other.high))

    def contains(self, other: int | IntRange) -> bool:
        """Tell whether a value, or every value of a range, lies in this range."""
        low, high = (other.low, other.high) if isinstance(other, IntRange) else (other, other)
        return self.low <= low and high <= self.high

    def bits(self, *, signed: bool | None = None) -> int:
        """Return the width that holds every value; ``signed=None`` takes the sign from ``low``.

        Raises:
            ValueError: ``signed`` is False and the range holds negative values.
        """
        if signed is None:
            signed = self.low < 0
        if signed:
            return signed_bits(self.low, self.high)
        if self.low < 0:
            raise ValueError(f"expected no negative value in an unsigned range, got [{self.low}, {self.high}]")
        return unsigned_bits(self.high)

    @staticmethod
    def dot(weights: Sequence[int], inputs: Sequence[IntRange]) -> IntRange:
        """Return the range of ``sum(w * x)`` for one row of weights and the range of each input.

        Raises:
            ValueError: the lengths differ.
        """
        products = (inp.scale(weight) for weight, inp in zip(weights, inputs, strict=True))
        return reduce(add, products, IntRange(0, 0))
