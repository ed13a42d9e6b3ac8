"""The rounding at the end of onnxruntime's integer kernels, made equal to thresholds and proved so by running it.

The kernels end with ``saturate(round(float32(sum + bias) * scale))``.  Per channel, ``scale`` is the slope of the line
through the thresholds and ``bias`` its offset, which has to be an integer: weights that leave room in int8 are
multiplied by a factor first, so that the bias is counted in fractions of a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from finn_transforms.emulate.compiled.builder import CONTRIB, Builder, run
from finn_transforms.emulate.compiled.steps import Steps, fit_lines

Ints = NDArray[np.int64]

INT8_HIGHEST = 127
_PAIR_HIGHEST = 2**15 - 1
_UINT8_HIGHEST = 255
_UINT8_ZERO = 128
_ALL_UP_TO = 2**15
_ROWS_AT_ONCE = 2**13
_USED_SLACK = 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantization:
    """Parameters of an integer kernel.

    Attributes:
        weights: (K, C), the layer's times ``factors``: int8, or uint8 around ``zero``, see `stored_weights`.
        zero: (C,) zero point of the weights.
        factors: (C,) integers.
        biases: (C,) int32.
        scales: (C,) float32.
    """

    weights: NDArray[Any]
    zero: NDArray[Any]
    factors: Ints
    biases: NDArray[np.int32]
    scales: NDArray[np.float32]


def fit_requantization(weights: Ints, constants: Ints, highest_code: int, steps: Steps) -> Requantization | None:
    """Return parameters with which a kernel's output, clipped to the number of thresholds, is their count.

    Args:
        weights: (K, C) integers.
        constants: (C,) what is added to the sums of products of the codes.
        highest_code: highest uint8 code of the input.
        steps: thresholds and range of the sums with their constants.

    Returns:
        None where weights do not fit, a channel's thresholds follow no line, or the line's offset cannot be met.
    """
    count = steps.thresholds.shape[1]
    factors = _factors(weights)
    lines = None if factors is None or count > _UINT8_HIGHEST else fit_lines(steps)
    if lines is None or factors is None:
        return None
    scales = (lines.slope / factors).astype(np.float32)
    offsets = np.rint(lines.offset / scales.astype(np.float64))
    biases = offsets + factors * constants
    largest = np.abs(factors * np.maximum(np.abs(steps.low), np.abs(steps.high))) + np.abs(offsets)
    missed = np.abs(offsets * scales - lines.offset)
    if np.abs(biases).max() + largest.max() >= 2**31 or np.any(missed > _USED_SLACK * lines.slack):
        return None
    matrix, zero = stored_weights(weights * factors, highest_code)
    result = Requantization(
        weights=matrix,
        zero=zero,
        factors=factors,
        biases=biases.astype(np.int32),
        scales=scales,
    )
    return result if _is_equal(result, offsets.astype(np.int32), steps) else None


def _factors(weights: Ints) -> Ints | None:
    """Return the largest factor per channel, (C,), with which weights fit int8."""
    factors = INT8_HIGHEST // np.abs(weights).max(axis=0, initial=0).clip(1)
    return None if factors.min() < 1 else factors.astype(np.int64)


def stored_weights(weights: Ints, highest_code: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return weights and zero points in a format whose kernels add without saturation.

    Processors without dot product instructions add pairs of uint8 times int8 in int16.  Where a pair might leave it and
    this processor saturates, weights become uint8 around 128, whose kernels are wider everywhere.
    """
    largest = int(np.abs(weights).max(initial=0))
    channels = weights.shape[1]
    if 2 * highest_code * largest <= _PAIR_HIGHEST or _adds_widely():
        return weights.astype(np.int8), np.zeros(channels, np.int8)
    return (weights + _UINT8_ZERO).astype(np.uint8), np.full(channels, _UINT8_ZERO, np.uint8)


@cache
def _adds_widely() -> bool:
    """Try whether this processor adds the largest products of uint8 and int8 exactly, for all shapes of kernels."""
    for rows, products in ((1, 2), (1, 64), (3, 70), (64, 256)):
        weights = np.full((products, 32), -INT8_HIGHEST, np.int8)
        weights[:, 1::2] = INT8_HIGHEST
        ones = np.ones(32, np.float32)
        builder = Builder()
        output = _qgemm(builder, weights, np.zeros(32, np.int8), ones, np.zeros(32, np.int32))
        session = builder.session([("x", np.uint8, ["rows", products])], [output], 1)
        sums = run(session, {"x": np.full((rows, products), _UINT8_HIGHEST, np.uint8)})[0]
        if not np.array_equal(sums, np.broadcast_to(_UINT8_HIGHEST * weights.astype(np.int64).sum(axis=0), sums.shape)):
            return False
    return True


def _is_equal(found: Requantization, offsets: NDArray[np.int32], steps: Steps) -> bool:
    """Run the kernel on every sum, or on both sides of every threshold: it never falls, so these decide."""
    values = steps.probes(everything_up_to=_ALL_UP_TO)
    count = steps.thresholds.shape[1]
    # A sum is written in digits of at most 255 that meet weights as large as every channel's factor allows.
    digit = int((INT8_HIGHEST // found.factors).min())
    places = -(-int(np.abs(values).max(initial=0)) // (digit * _UINT8_HIGHEST))
    column = np.array([digit] * places + [1] + [-digit] * places + [-1])
    matrix, zero = stored_weights(column[:, None] * found.factors, _UINT8_HIGHEST)
    session = _kernel(matrix, zero, found.scales, offsets)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        part = values[start : start + _ROWS_AT_ONCE]
        signs = (np.maximum(part, 0), np.maximum(-part, 0))
        codes = np.concatenate([_digits(each, digit, places) for each in signs], axis=1)
        result = np.minimum(run(session, {"x": codes})[0].astype(np.int64), count)
        if ((result != steps.counts(part)) & steps.reachable(part)).any():
            return False
    return True


def _digits(values: Ints, digit: int, places: int) -> NDArray[np.uint8]:
    whole, rest = np.divmod(values, digit)
    columns = []
    for _ in range(places):
        columns.append(np.minimum(whole, _UINT8_HIGHEST))
        whole = whole - columns[-1]
    return np.stack([*columns, rest], axis=1).astype(np.uint8)


def _kernel(
    weights: NDArray[Any], zero: NDArray[Any], scales: NDArray[np.float32], biases: NDArray[np.int32]
) -> onnxruntime.InferenceSession:
    builder = Builder()
    one, nothing = builder.constant(np.float32(1)), builder.constant(np.uint8(0))
    output = _qgemm(builder, weights, zero, scales, biases, [one, nothing])
    return builder.session([("x", np.uint8, ["rows", len(weights)])], [output], 1)


def _qgemm(builder: Builder, weights: Any, zero: Any, scales: Any, biases: Any, result: Sequence[str] = ()) -> str:  # noqa: PLR0913
    one, nothing = builder.constant(np.float32(1)), builder.constant(np.uint8(0))
    operands = ["x", one, nothing, *(builder.constant(array) for array in (weights, scales, zero, biases)), *result]
    return builder.node("QGemm", operands, CONTRIB)
