"""Accumulator widths: the bounds of A2Q and A2Q+, and the exact extremes of a dot product.

Symbols, as in A2Q (arXiv 2308.13504): K products, M-bit signed weights, N-bit inputs, P-bit signed accumulator.
A *box* is what is known about the inputs: each input lies in its own closed interval.  A dot product is linear, so its
extremes over a box are those over any set of values that reaches the box's corners; a set of reachable values narrower
than its data type (SPARQ) is therefore described exactly by its minimum and maximum, and a left shift per input
(ShiftQuant) by shifting the interval of that input.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray: TypeAlias = NDArray[Any]

_FLOAT32_BITS, _FLOAT64_BITS = 24, 53


def datatype_bound(k: int, weight_bits: int, input_bits: int, *, input_signed: bool) -> int:
    """Return the accumulator width that the data types alone require, A2Q Eq. 8.

    The smallest P with ``K * 2**(N + M - 1 - signed) <= 2**(P-1) - 1`` (Eq. 6).

    Args:
        k: number of products K of one output.
        weight_bits: width M of the signed weights.
        input_bits: width N of the inputs.
        input_signed: whether the inputs are signed.

    Raises:
        ValueError: a size is not positive.
    """
    _positive(k=k, weight_bits=weight_bits, input_bits=input_bits)
    return (k << (input_bits + weight_bits - 1 - input_signed)).bit_length() + 1


def weight_bound(l1_norm: int, input_bits: int, *, input_signed: bool) -> int:
    """Return the accumulator width that known weights require, A2Q Eq. 12.

    The smallest P with ``2**(N - signed) * l1_norm <= 2**(P-1) - 1`` (Eq. 11); an all-zero channel needs 1 bit.

    Args:
        l1_norm: l1 norm of the integer weights of one output channel.
        input_bits: width N of the inputs.
        input_signed: whether the inputs are signed.

    Raises:
        ValueError: the norm is negative or the width not positive.
    """
    _positive(input_bits=input_bits)
    if l1_norm < 0:
        raise ValueError(f"l1_norm: expected a non-negative integer, got {l1_norm}")
    return (int(l1_norm) << (input_bits - input_signed)).bit_length() + 1


def a2q_l1_budget(accumulator_bits: int, input_bits: int, *, input_signed: bool) -> Fraction:
    """Return A2Q's budget for the l1 norm of a channel's integer weights, Eq. 15.

    ``(2**(P-1) - 1) * 2**(signed - N)``: with at most this norm no partial sum, in any order, leaves P bits.

    Raises:
        ValueError: a width is not positive.
    """
    _positive(accumulator_bits=accumulator_bits, input_bits=input_bits)
    return Fraction((1 << (accumulator_bits - 1)) - 1, 1 << (input_bits - input_signed))


def a2q_plus_l1_budget(accumulator_bits: int, input_bits: int, *, input_signed: bool) -> Fraction:
    """Return A2Q+'s budget for the l1 norm of a channel's *zero-centered* weights (arXiv 2401.10432).

    ``(2**P - 2) / (2**N - 1)``: where the positive and the negative weights each hold half of the norm, the worst sum
    is half of the norm times what an input spans, ``2**N - 1``, which must not exceed ``2**(P-1) - 1``.  For unsigned
    inputs this is about twice A2Q's budget.  Signed two's complement inputs span as much, so it holds for them as well,
    where it is hardly more than A2Q's; ``input_signed`` does not change it.

    Weights that are not exactly centered, as after rounding, must keep each sign's sum within half of the budget.

    Raises:
        ValueError: a width is not positive.
    """
    del input_signed  # the span of N bits is the same for both
    _positive(accumulator_bits=accumulator_bits, input_bits=input_bits)
    return Fraction((1 << accumulator_bits) - 2, (1 << input_bits) - 1)


def dot_extremes(
    weights: ArrayLike, low: ArrayLike, high: ArrayLike, *, partial_sums: bool = False
) -> tuple[IntArray, IntArray]:
    """Return the exact extremes of ``weights @ x`` over all integer inputs with ``low <= x <= high``.

    Args:
        weights: integers of shape (C, K), a row per output channel.
        low: lowest value of the inputs: a scalar, one per input (K,), or, where each channel reads inputs of its own,
            (C, K).
        high: highest value of the inputs, likewise.
        partial_sums: return the extremes over every partial sum in every order of accumulation (the empty sum,
            0, included) instead of those over the final sum.

    Returns:
        ``(lowest, highest)``, object arrays of Python ints, shape (C,).  Both are attained.

    Raises:
        TypeError: an array does not hold integers.
        ValueError: a shape does not fit, or ``low`` exceeds ``high`` somewhere.

    Example:
        >>> dot_extremes([[3, -2]], 0, 15)
        (array([-30], dtype=object), array([45], dtype=object))
    """
    matrix = _matrix(weights)
    box_low, box_high = (_per_input(name, bound, matrix.shape) for name, bound in (("low", low), ("high", high)))
    if box_low.ndim < 2 and box_high.ndim < 2:
        k = matrix.shape[1]
        boxes = (np.broadcast_to(end, (1, k)) for end in (box_low, box_high))
        lowest, highest = dot_extremes_over_boxes(matrix, *boxes, partial_sums=partial_sums)
        return lowest[0], highest[0]
    _in_order(box_low, box_high)
    if partial_sums:
        box_low, box_high = _with_zero(box_low, box_high)
    signed, magnitudes, centers, spans = _exact(matrix, box_low, box_high)
    middle, reach = (signed * centers).sum(axis=1), (magnitudes * spans).sum(axis=1)
    return _half(middle - reach), _half(middle + reach)


def dot_extremes_over_boxes(
    weights: ArrayLike, low: ArrayLike, high: ArrayLike, *, partial_sums: bool = False
) -> tuple[IntArray, IntArray]:
    """Return what `dot_extremes` gives for each of B boxes, at the price of one matrix product for all.

    Args:
        weights: integers of shape (C, K).
        low: lowest values (B, K).
        high: highest values (B, K).
        partial_sums: see `dot_extremes`.

    Returns:
        ``(lowest, highest)``, object arrays of Python ints, shape (B, C).

    Raises:
        TypeError: an array does not hold integers.
        ValueError: a shape does not fit, or ``low`` exceeds ``high`` somewhere.
    """
    matrix = _matrix(weights)
    box_low, box_high = (integer_array(name, bound) for name, bound in (("low", low), ("high", high)))
    if box_low.ndim != 2 or box_low.shape != box_high.shape or box_low.shape[1] != matrix.shape[1]:
        raise ValueError(
            f"expected low and high of shape (B, {matrix.shape[1]}) to match weights, got {box_low.shape} and "
            f"{box_high.shape}"
        )
    _in_order(box_low, box_high)
    if partial_sums:
        box_low, box_high = _with_zero(box_low, box_high)
    signed, magnitudes, centers, spans = _exact(matrix, box_low, box_high)
    middle, reach = (signed @ centers.T).T, (magnitudes @ spans.T).T
    return _half(middle - reach), _half(middle + reach)


def _matrix(weights: ArrayLike) -> IntArray:
    matrix = integer_array("weights", weights)
    if matrix.ndim != 2:
        raise ValueError(f"weights: expected shape (C, K), got {matrix.shape}")
    return matrix


def _in_order(low: IntArray, high: IntArray) -> None:
    if (crossed := np.argwhere(low > high)).size:
        first = tuple(crossed[0])
        raise ValueError(
            f"expected low <= high for every input, got [{low[first]}, {high[first]}] at {first[-1] if first else 0}"
        )


def _with_zero(low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """Return the box of terms that may be missing: a partial sum is a final sum over inputs that may also be 0."""
    return np.asarray(np.minimum(low, 0)), np.asarray(np.maximum(high, 0))


def _exact(matrix: IntArray, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return weights, their magnitudes, ``low + high`` and ``high - low``, in a type in which no sum is rounded.

    A product lies between ``(w * (low + high) -+ |w| * (high - low)) / 2``.  The type is the fastest one: float32 or
    float64, for which there is BLAS, else Python ints.
    """
    factors = (_magnitude(matrix), 2 * max(_magnitude(low), _magnitude(high)), 2 * matrix.shape[1])
    bits = sum(factor.bit_length() for factor in factors)
    dtype = np.float32 if bits <= _FLOAT32_BITS else np.float64 if bits <= _FLOAT64_BITS else object
    signed = matrix.astype(dtype)
    low, high = low.astype(dtype), high.astype(dtype)
    return signed, np.abs(signed), low + high, high - low


def integer_array(name: str, values: ArrayLike) -> IntArray:
    """Return ``values`` as an array of integers (int64, or Python ints where needed), or raise ``TypeError``."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        if all(hasattr(type(item), "__index__") and not isinstance(item, bool) for item in array.flat):
            return array
    elif array.dtype.kind == "u":
        return array.astype(object)
    elif array.dtype.kind == "i" or array.size == 0:
        return array.astype(np.int64, copy=False)
    raise TypeError(f"{name}: expected integers, got an array of {array.dtype}; round and convert them first")


def _per_input(name: str, bound: ArrayLike, shape: tuple[int, int]) -> IntArray:
    array = integer_array(name, bound)
    channels, k = shape
    if array.shape not in {(), (k,), (channels, k)}:
        raise ValueError(
            f"{name}: expected a scalar, shape ({k},) or ({channels}, {k}) to match weights, got {array.shape}"
        )
    return array


def _magnitude(array: IntArray) -> int:
    return max(abs(int(array.min())), abs(int(array.max()))) if array.size else 0


def _half(doubled: IntArray) -> IntArray:
    """Return half of even numbers as Python ints."""
    # From int64 numpy makes Python ints itself.
    exact = doubled if doubled.dtype == object else doubled.astype(np.int64)
    return np.asarray(exact // 2).astype(object)


def _positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}: expected a positive integer, got {size}")
