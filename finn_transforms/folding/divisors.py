"""The widths that a number of elements can be folded to."""

from __future__ import annotations

from functools import cache
from math import isqrt


@cache
def divisors(number: int) -> tuple[int, ...]:
    """Return all divisors of a positive number, from 1 up."""
    small = [divisor for divisor in range(1, isqrt(number) + 1) if number % divisor == 0]
    large = [number // divisor for divisor in reversed(small) if divisor * divisor != number]
    return (*small, *large)
