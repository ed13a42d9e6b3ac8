"""Integers and the factors that turn them into the real values of the original graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.matching import NoMatchError, static_shape

Floats = NDArray[np.float32]

# float64 has 53 significant bits, float32 has 24.
_EXACT_BITS = 53
_SCALE_BITS = 24


class Factor(NamedTuple):
    """A multiplication or division by a float32 constant, one value or an array of the tensor's rank."""

    op_type: Literal["Mul", "Div"]
    array: Floats

    def exact(self) -> NDArray[Any]:
        """Return the factor as an object array of fractions."""
        fractions = np.vectorize(lambda value: Fraction(float(value)), otypes=[object])(self.array)
        return np.asarray(fractions if self.op_type == "Mul" else 1 / fractions, dtype=object)


class Scaled(NamedTuple):
    """An integer value and what turns it into the value of the original graph: factors in order, then an offset."""

    integers: ir.Value
    factors: tuple[Factor, ...] = ()
    offset: Floats | None = None


def total(factors: Iterable[Factor]) -> NDArray[Any]:
    """Return the exact product of factors, an object array of fractions of the shape they broadcast to."""
    product = reduce(np.multiply, (factor.exact() for factor in factors), np.array(Fraction(1), dtype=object))
    return np.asarray(product, dtype=object)


def per_tensor(factors: Iterable[Factor]) -> bool:
    """Tell whether every factor is one value for the entire tensor."""
    return all(factor.array.size == 1 for factor in factors)


def require_per_channel(source: Scaled) -> None:
    """Refuse factors that vary along another axis than the channels, the second.

    Raises:
        NoMatchError: a factor differs between pixels or between rows.
    """
    for factor in source.factors:
        if factor.array.size > 1 and factor.array.size != factor.array.shape[1]:
            raise NoMatchError(
                f"the scales of its input have shape {factor.array.shape}",
                "Use one scale per tensor or one per channel",
            )


def spread(array: Floats, value: ir.Value) -> Floats:
    """Return a constant that is combined with a value element by element: one number, or an array of its rank.

    Raises:
        NoMatchError: the constant makes the value larger, or cannot be combined with it.
    """
    if array.size == 1:
        return array.reshape(())
    shape = static_shape(value)
    sizes = zip(array.shape[::-1], shape[::-1], strict=False)
    if array.ndim > len(shape) or any(size not in {1, whole} for size, whole in sizes):
        raise NoMatchError(
            f"a constant of shape {array.shape} does not fit {value.name!r} of shape {shape}",
            "Use one value per tensor or one per channel",
        )
    return array.reshape((1,) * (len(shape) - array.ndim) + array.shape)


def same(first: Sequence[Factor], second: Sequence[Factor]) -> bool:
    """Tell whether two chains of factors are the same operations with the same constants."""
    return len(first) == len(second) and all(
        one.op_type == other.op_type and np.array_equal(one.array, other.array)
        for one, other in zip(first, second, strict=True)
    )


def evaluated_exactly(factors: Sequence[Factor], integer_bits: int) -> bool:
    """Tell whether float64 computes integers of so many bits times the factors without rounding."""
    product = total(factors)
    return all(
        _is_power_of_two(value.denominator) and _odd(value.numerator).bit_length() + integer_bits <= _EXACT_BITS
        for value in product.flat
    )


def common_unit(values: Iterable[Fraction]) -> Fraction:
    """Return the largest fraction that all values are integer multiples of.

    Raises:
        NoMatchError: float32 does not hold it.
    """
    fractions = list(values)
    denominator = lcm(*(value.denominator for value in fractions))
    unit = Fraction(gcd(*(int(value * denominator) for value in fractions)), denominator)
    if not _is_power_of_two(unit.denominator) or _odd(unit.numerator).bit_length() > _SCALE_BITS:
        raise NoMatchError(
            f"its scales have no common unit that float32 holds ({float(unit):.6g} is the largest)",
            "Share one quantizer between the branches",
        )
    return unit


def scalar(unit: Fraction) -> Factor:
    """Return the multiplication by a fraction that float32 holds."""
    return Factor("Mul", np.array(float(unit), dtype=np.float32))


def _is_power_of_two(value: int) -> bool:
    return value & (value - 1) == 0


def _odd(value: int) -> int:
    value = abs(value)
    return value >> ((value & -value).bit_length() - 1) if value else 0
