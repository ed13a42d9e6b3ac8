"""Thresholds as an array: how many a layer needs, and the numbers that stand for always and never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.datatypes import range_of, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError

Ints = NDArray[np.int64]

# float32, in which QONNX keeps every tensor, has 24 significant bits.
_FLOAT32_BITS = 24

# A quantizer of 16 bits with a zero point takes no more.
_MOST_STEPS = 1 << 17


@dataclass(frozen=True, eq=False)
class Thresholds:
    """What a Thresholding layer computes: ``bias`` plus the number of thresholds that x reaches.

    Attributes:
        bias: value where no threshold is reached.
        values: (C, steps), ascending.
    """

    bias: int
    values: Ints


def arrange_thresholds(rows: Sequence[Ints], low: Ints, high: Ints, *, bias: int, output: BaseDataType) -> Thresholds:
    """Make one array of the thresholds of all channels, as small as the hardware takes it.

    A threshold that all channels always reach becomes part of the bias; rows of different lengths are filled with
    numbers that are never reached.  FINN's RTL layer derives the width of its output, and the depth of its search, from
    the number of thresholds, and the stream and the memory files from the output's type.  So that they agree, some
    thresholds that no channel needs may stay.

    Args:
        rows: ascending thresholds of each channel.
        low: (C,) lowest integer that each channel can see.
        high: (C,) the highest one.
        bias: value where no threshold is reached.
        output: data type of the layer's output.

    Raises:
        NoMatchError: float32 does not hold a threshold, or the output's type takes too many of them.
    """
    always = min(int((row <= lowest).sum()) for row, lowest in zip(rows, low.tolist(), strict=True))
    needed = max(row.size for row in rows)
    dropped, steps = _fitting(always, needed, bias, output)
    if steps > _MOST_STEPS:
        raise NoMatchError(
            f"an output of type {output.name} takes {steps} thresholds for each channel",
            "Use fewer bits, or a zero point within the codes",
        )
    values = np.broadcast_to(_next_float32(high + 1)[:, None], (len(rows), steps)).copy()
    for channel, row in enumerate(rows):
        values[channel, : row.size - dropped] = row[dropped:]
    reached = values <= low[:, None]
    values = np.where(reached, -_next_float32(-low)[:, None], values)
    _refuse_rounded(values)
    return Thresholds(bias + dropped, values)


def threshold_datatype(thresholds: NDArray[Any], accumulator: BaseDataType) -> BaseDataType:
    """Return the narrowest data type for thresholds.

    FINN's RTL layer saturates its input to that type: it holds a number below the lowest threshold too, unless the
    accumulator has none.
    """
    low = max(int(thresholds.min()) - 1, min(int(thresholds.min()), range_of(accumulator).low))
    return smallest_datatype(IntRange(low, int(thresholds.max())), signed=accumulator.signed())


def fit_thresholds(thresholds: NDArray[Any], reachable: IntRange, data_type: IntRange) -> Ints:
    """Make thresholds integers and move those that an accumulator's data type cannot tell apart into it.

    One below the type is always reached and becomes the type's lowest value.  One above the reachable values is never
    reached and becomes the next number that float32 holds, which costs a bit only if the type ends before it.  A row
    stays ascending.

    Args:
        thresholds: real numbers of any shape, infinite ones included.
        reachable: the values the accumulator can take.
        data_type: the values its data type holds, a superset.
    """
    never = int(_next_float32(np.array(reachable.high + 1)))
    result: Ints = np.clip(np.ceil(thresholds), data_type.low, never).astype(np.int64)
    return result


def _next_float32(values: NDArray[Any]) -> Ints:
    """Return the smallest integers, not below the given ones, that float32 holds."""
    sizes = np.frexp(np.abs(values.astype(np.float64)))[1]
    step = np.left_shift(np.int64(1), np.maximum(0, sizes - _FLOAT32_BITS).astype(np.int64))
    return np.asarray(-(-values.astype(np.int64) // step) * step)


def _fitting(always: int, needed: int, bias: int, output: BaseDataType) -> tuple[int, int]:
    """Return how many thresholds to move into the bias and how many to have, the fewest that the hardware takes."""
    bits = output.bitwidth()
    best: tuple[int, int] | None = None
    for dropped in range(always + 1):
        lowest = bias + dropped
        steps = max(needed - dropped, 1 << (bits - 1))
        if bits > 1 and -(1 << (bits - 2)) <= lowest < 0:
            steps = max(steps, (1 << (bits - 2)) - lowest)
        fits = steps < 1 << bits and _output_bits(steps, lowest) == bits
        if fits and (best is None or steps < best[1]):
            best = dropped, steps
    return best or (0, max(needed, 1))


def _output_bits(steps: int, bias: int) -> int:
    """Return the output width of FINN's RTL layer (``O_BITS`` of thresholding.sv)."""
    if bias >= 0:
        return (steps + bias).bit_length()
    return 1 + (max(-bias, steps + bias + 1) - 1).bit_length()


def _refuse_rounded(thresholds: Ints) -> None:
    wrong = np.argwhere(thresholds.astype(np.float32).astype(np.int64) != thresholds)
    if wrong.size:
        channel, step = wrong[0]
        raise NoMatchError(
            f"threshold {thresholds[channel, step]} of channel {channel} is not exact in float32, in which QONNX keeps "
            "tensors",
            "Narrow it to 25 bits: narrower weights or activations, or one shared quantizer for what is added",
        )
