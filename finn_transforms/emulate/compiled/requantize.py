"""The rounding at the end of onnxruntime's integer kernels, made equal to thresholds and proved so by running it.

The kernels end with ``saturate(round(float32(sum + bias) * scale))``.  Per channel, ``scale`` is the slope of the line
through the thresholds and ``bias`` its offset, which has to be an integer: weights that leave room in int8 are
multiplied by a factor first, so that the bias is counted in fractions of a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finn_transforms.emulate.compiled.builder import CONTRIB, Builder
from finn_transforms.emulate.compiled.steps import Steps, fit_lines

Ints = NDArray[np.int64]

_INT8_HIGHEST = 127
# A product pair is added in int16 on processors without dot product instructions.
_PAIR_HIGHEST = 2**15 - 1
_UINT8_HIGHEST = 255
_ALL_UP_TO = 2**15
_ROWS_AT_ONCE = 2**13
_USED_SLACK = 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantization:
    """Parameters of an integer kernel.

    Attributes:
        weights: (K, C) int8, the layer's times ``factors``.
        factors: (C,) integers.
        biases: (C,) int32.
        scales: (C,) float32.
    """

    weights: NDArray[np.int8]
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
    factors = factors_for(weights, highest_code)
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
    result = Requantization(
        weights=(weights * factors).astype(np.int8),
        factors=factors,
        biases=biases.astype(np.int32),
        scales=scales,
    )
    return result if _is_equal(result, offsets.astype(np.int32), steps) else None


def factors_for(weights: Ints, highest_code: int) -> Ints | None:
    """Return the largest factor per channel, (C,), with which weights fit int8 and pairs of products int16."""
    largest = np.abs(weights).max(axis=0, initial=0).clip(1)
    limit = min(_INT8_HIGHEST, _PAIR_HIGHEST // (2 * max(highest_code, 1)))
    factors = limit // largest
    return None if factors.min() < 1 else factors.astype(np.int64)


def _is_equal(found: Requantization, offsets: NDArray[np.int32], steps: Steps) -> bool:
    """Run the kernel on every sum, or on both sides of every threshold: it never falls, so these decide."""
    values = steps.probes(everything_up_to=_ALL_UP_TO)
    count = steps.thresholds.shape[1]
    # A sum is written in digits of at most 255 that meet weights as large as every channel's factor allows.
    digit = int((_INT8_HIGHEST // found.factors).min())
    places = -(-int(np.abs(values).max(initial=0)) // (digit * _UINT8_HIGHEST))
    column = np.array([digit] * places + [1] + [-digit] * places + [-1])
    session = _kernel(column[:, None] * found.factors, found.scales, offsets)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        part = values[start : start + _ROWS_AT_ONCE]
        signs = (np.maximum(part, 0), np.maximum(-part, 0))
        codes = np.concatenate([_digits(each, digit, places) for each in signs], axis=1)
        result = np.minimum(session.run(None, {"x": codes})[0].astype(np.int64), count)
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


def _kernel(weights: Ints, scales: NDArray[np.float32], biases: NDArray[np.int32]) -> Any:
    builder = Builder()
    one, zero = builder.constant(np.float32(1)), builder.constant(np.uint8(0))
    operands = [
        *("x", one, zero, builder.constant(weights.astype(np.int8)), builder.constant(scales)),
        *(builder.constant(np.zeros(len(scales), np.int8)), builder.constant(biases), one, zero),
    ]
    output = builder.node("QGemm", operands, CONTRIB)
    return builder.session([("x", np.uint8, ["rows", len(weights)])], [output], 1)
