"""Interval arithmetic that holds for floating-point evaluation, so that one function serves for points and intervals.

A function written with the operators and the functions of this file maps arrays to arrays and `Bounds` to `Bounds`;
the bounds hold for the *floating-point* result at every point inside.  For the four operators that needs no care: IEEE
rounding is monotone, so the extremes of the rounded results are the rounded extremes.  Functions of the mathematical
library round almost correctly only, and are widened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Operand: TypeAlias = Any  # an array, a number or `Bounds`

LIBRARY_ULPS = 16
"""How far a function of the mathematical library may be off; numpy documents four at most."""

_LARGEST = np.finfo(np.float64).max


@dataclass(frozen=True, eq=False)
class Bounds:
    """Values between two arrays of one shape; where both are NaN nothing is known, a NaN inside included.

    Attributes:
        low: float64 lower bounds.
        high: float64 upper bounds.
    """

    low: Array
    high: Array

    __array_ufunc__ = None  # so that ``array + bounds`` comes here too

    @classmethod
    def of(cls, low: Array, high: Array, unknown: Array | bool = False) -> Bounds:
        """Return bounds in which an end that is NaN, or the flag, makes both ends NaN."""
        nothing = np.isnan(low) | np.isnan(high) | unknown
        if not nothing.any():
            return cls(low, high)
        return cls(np.where(nothing, np.nan, low), np.where(nothing, np.nan, high))

    def contains(self, value: float) -> Array:
        """Tell where a value lies inside."""
        return np.asarray((self.low <= value) & (self.high >= value))

    def __neg__(self) -> Bounds:
        return Bounds(-self.high, -self.low)

    def __add__(self, other: Operand) -> Bounds:
        other = bounds(other)
        # Infinities of either sign inside: their sum is NaN although neither end is.
        opposite = (np.isposinf(self.high) & np.isneginf(other.low)) | (np.isneginf(self.low) & np.isposinf(other.high))
        with np.errstate(invalid="ignore", over="ignore"):
            return Bounds.of(self.low + other.low, self.high + other.high, opposite)

    def __radd__(self, other: Operand) -> Bounds:
        return self.__add__(other)

    def __sub__(self, other: Operand) -> Bounds:
        return self + -bounds(other)

    def __rsub__(self, other: Operand) -> Bounds:
        return bounds(other) + -self

    def __mul__(self, other: Operand) -> Bounds:
        other = bounds(other)
        zero_times_infinity = (self.contains(0) & _infinite(other)) | (other.contains(0) & _infinite(self))
        return _corners(np.multiply, self, other, zero_times_infinity)

    def __rmul__(self, other: Operand) -> Bounds:
        return self.__mul__(other)

    def __truediv__(self, other: Operand) -> Bounds:
        if isinstance(other, Bounds):
            return _corners(np.divide, self, other, other.contains(0))
        divisor = np.asarray(other, dtype=np.float64)
        return _corners(np.divide, self, bounds(divisor), self.contains(0) & (divisor == 0))

    def __rtruediv__(self, other: Operand) -> Bounds:
        return _corners(np.divide, bounds(other), self, self.contains(0))


def bounds(value: Operand) -> Bounds:
    """Return bounds as they are, and an array or a number as bounds around each element."""
    if isinstance(value, Bounds):
        return value
    array = np.asarray(value, dtype=np.float64)
    return Bounds(array, array)


def increasing(function: Callable[..., Any], *operands: Operand) -> Operand:
    """Evaluate a function whose floating-point evaluation is non-decreasing in every operand, and NaN for a NaN.

    True for exactly rounded functions (``sqrt``) and for those that round nothing (``maximum``, ``floor``, ``sign``).
    """
    if not any(isinstance(operand, Bounds) for operand in operands):
        return function(*operands)
    ends = [bounds(operand) for operand in operands]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return Bounds.of(function(*(end.low for end in ends)), function(*(end.high for end in ends)))


def maximum(first: Operand, second: Operand) -> Operand:
    """Return the larger of two operands."""
    return increasing(np.maximum, first, second)


def minimum(first: Operand, second: Operand) -> Operand:
    """Return the smaller of two operands."""
    return increasing(np.minimum, first, second)


def magnitude(x: Operand) -> Operand:
    """Return the absolute value."""
    if not isinstance(x, Bounds):
        return np.abs(x)
    ends = np.abs(x.low), np.abs(x.high)
    return Bounds(np.where(x.contains(0), 0.0, np.minimum(*ends)), np.maximum(*ends))


@dataclass(frozen=True)
class LibraryFunction:
    """A function that increases in exact arithmetic, but in the last bits not necessarily as computed.

    Attributes:
        function: maps float64 to float64, at most `LIBRARY_ULPS` units in the last place off.
        saturation: (x, y) pairs: at and below the first x the value is exactly its y, at and above the second likewise.
            Without that a threshold exactly at the limit could be decided for each integer only by trying it.
    """

    function: Callable[[Array], Array]
    saturation: tuple[tuple[float, float], tuple[float, float]] = ((np.nan, -np.inf), (np.nan, np.inf))

    def __call__(self, x: Operand) -> Operand:
        """Evaluate at points or on intervals."""
        if not isinstance(x, Bounds):
            return self._saturated(x, self.function(x))
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            low, high = self.function(x.low), self.function(x.high)
            margins = (LIBRARY_ULPS * np.spacing(np.abs(end)) for end in (low, high))
            wide = (np.minimum(low, _LARGEST) - np.nan_to_num(next(margins)), high + np.nan_to_num(next(margins)))
        return Bounds.of(self._saturated(x.low, wide[0]), self._saturated(x.high, wide[1]))

    def _saturated(self, x: Operand, y: Operand) -> Operand:
        (first, lowest), (last, highest) = self.saturation
        # Outside its range the function is its limit, inside no further than that.
        inside = np.clip(y, lowest, highest)
        return np.where(x <= first, lowest, np.where(x >= last, highest, inside))


def compare(function: Callable[[Any, Any], Any], difference: Operand) -> Operand:
    """Return where ``function(difference, 0)`` is true, as 0 and 1; it has to be a comparison that increases."""
    return increasing(lambda x: np.where(np.isnan(x), x, function(x, 0).astype(np.float64)), difference)


def choose(condition: Operand, first: Operand, second: Operand) -> Operand:
    """Return the first operand where a condition of 0 and 1 holds, else the second."""
    if not any(isinstance(operand, Bounds) for operand in (condition, first, second)):
        return np.where(np.asarray(condition, dtype=bool), first, second)
    flag, one, other = bounds(condition), bounds(first), bounds(second)
    both = np.minimum(one.low, other.low), np.maximum(one.high, other.high)
    sure = (np.where(flag.low == 1, chosen, rest) for chosen, rest in zip((one.low, one.high), both, strict=True))
    low, high = (np.where(flag.high == 0, rest, each) for rest, each in zip((other.low, other.high), sure, strict=True))
    return Bounds.of(low, high, np.isnan(flag.low))


def _infinite(x: Bounds) -> Array:
    return np.asarray(np.isinf(x.low) | np.isinf(x.high))


def _corners(function: Callable[..., Any], a: Bounds, b: Bounds, unknown: Array) -> Bounds:
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        ends = [function(a.low, b.low), function(a.high, b.low)]
        if b.low is not b.high:
            ends += [function(a.low, b.high), function(a.high, b.high)]
    low, high = ends[0], ends[0]
    for end in ends[1:]:
        low, high = np.minimum(low, end), np.maximum(high, end)
    return Bounds.of(low, high, unknown)
