"""Fully quantized normalization on integers: the golden function of the layers in `brevitas_ext.nn`.

Source: ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), section 4, Fig. 5, Eq. 35, 36, 41, 42.
The input, the statistics and the affine parameters are quantized per tensor, symmetrically: the largest magnitude is
the largest integer, so nothing is clipped. The deviation is unsigned and at least one step, since it divides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

LARGEST_BITS = 16


def largest_integer(bits: int, *, signed: bool = True) -> int:
    """Return the largest integer of a symmetric format.

    Raises:
        ValueError: fewer than 2 or more than 16 bits.
    """
    if not 2 <= bits <= LARGEST_BITS:
        raise ValueError(f"per-tensor quantization: expected 2 to {LARGEST_BITS} bits, found {bits}; None is float")
    return (1 << bits - 1) - 1 if signed else (1 << bits) - 1


class PerTensor(NamedTuple):
    """Integers, held in float32, and the size of their step."""

    integers: Float32
    scale: np.float32

    @property
    def values(self) -> Float32:
        """What the integers are worth."""
        return self.integers * self.scale


def quantize_per_tensor(x: Float32, bits: int | None, *, signed: bool = True, least: int = 0) -> PerTensor:
    """Quantize to the nearest integer, half to even, with one scale.

    Args:
        x: any shape.
        bits: width; None keeps the values, with a scale of 1.
        signed: whether the format has negative integers.
        least: the smallest integer given, e.g. 1 for divisors.

    Returns:
        Integers and scale. The scale of a tensor whose step would be no normal number, such as zeros, is 1.
    """
    if bits is None:
        return PerTensor(x, np.float32(1))
    scale = np.float32(np.abs(x).max() / np.float32(largest_integer(bits, signed=signed)))
    if not scale >= np.finfo(np.float32).tiny:
        scale = np.float32(1)
    integers = np.round(x / scale)
    return PerTensor(np.maximum(integers, np.float32(least)) if least else integers, scale)


class Statistics(NamedTuple):
    """Mean and deviation of each slice, before they are quantized, with the reduced axes kept as 1."""

    mean: Float32
    deviation: Float32


def statistics(x: PerTensor, *, axes: tuple[int, ...], order: int, epsilon: float) -> Statistics:
    """Return mean and deviation of quantized values, rounded once from exact integers.

    Args:
        x: the quantized input.
        axes: which axes each mean is over.
        order: 1 for the mean absolute deviation, at least `sqrt(epsilon)`; 2 for `sqrt(variance + epsilon)`.
        epsilon: keeps the deviation of equal values off zero.
    """
    integers = x.integers.astype(np.int64)
    count = int(np.prod([integers.shape[axis] for axis in axes]))
    total = integers.sum(axes, keepdims=True)
    apart = count * integers - total  # count times what a value is off the mean
    scale = np.float64(x.scale)
    mean = scale * (total / count)
    if order == 1:
        deviation = scale * (np.abs(apart).sum(axes, keepdims=True) / count / count)
        deviation = np.maximum(deviation, np.sqrt(epsilon))
    else:
        squares = count * (integers**2).sum(axes, keepdims=True) - total**2
        deviation = np.sqrt(scale * scale * (squares / count / count) + epsilon)
    return Statistics(mean.astype(np.float32), deviation.astype(np.float32))


class Affine(NamedTuple):
    """What is left of a normalization once its statistics are known: `x * multiplier + addend`."""

    multiplier: Float32
    addend: Float32


def affine(
    found: Statistics, weight: Float32, bias: Float32, *, statistics_bits: int | None = 8, affine_bits: int | None = 8
) -> Affine:
    """Return multiplier and addend out of quantized statistics and quantized parameters.

    Args:
        found: statistics, of the shape of the parameters.
        weight: gamma in Eq. 36.
        bias: beta in Eq. 36.
        statistics_bits: width of mean (signed) and deviation (unsigned); None for float.
        affine_bits: width of weight and bias; None for float.
    """
    mean = quantize_per_tensor(found.mean, statistics_bits).values
    deviation = quantize_per_tensor(found.deviation, statistics_bits, signed=False, least=1).values
    multiplier = quantize_per_tensor(weight, affine_bits).values / deviation
    return Affine(multiplier, quantize_per_tensor(bias, affine_bits).values - mean * multiplier)


def normalize(x: PerTensor, made: Affine) -> Float32:
    """Return the normalized values (Eq. 35 and 36), the input's scale folded into the multiplier."""
    return x.integers * (made.multiplier * x.scale) + made.addend
