"""Exact integer thresholds of a monotone function of an integer, by bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.matching import NoMatchError

Function = Callable[[NDArray[np.int64]], NDArray[np.float64]]

# float64 holds every integer up to here, so the tail sees the accumulator itself.
_EXACT = 1 << 53


def decreasing_channels(function: Function, channels: int, domain: IntRange) -> NDArray[np.bool_]:
    """Return, as (C,), which channels of a monotone function fall from one end of the domain to the other.

    Args:
        function: maps integers (C, n) to quantized integers (C, n).
        channels: C.
        domain: the accumulator's range.

    Raises:
        NoMatchError: the domain exceeds what float64 holds exactly.
    """
    if max(abs(domain.low), abs(domain.high)) > _EXACT:
        raise NoMatchError(
            f"the accumulator's range [{domain.low}, {domain.high}] exceeds 2**53, where float64 is no longer exact",
            "Narrow the weights or the input of this layer",
        )
    ends = function(np.tile(np.array([domain.low, domain.high]), (channels, 1)))
    return np.asarray(ends[:, 0] > ends[:, 1])


def find_thresholds(function: Function, channels: int, domain: IntRange, codes: IntRange) -> NDArray[np.int64]:
    """Invert a non-decreasing quantized function per channel over its whole domain.

    Args:
        function: maps integers (C, n) to quantized integers (C, n), non-decreasing in each channel.
        channels: C.
        domain: the accumulator's range.
        codes: the integers that the quantizer can give; one threshold for each but the lowest.

    Returns:
        (C, steps) thresholds, ascending: ``codes.low`` plus the number of thresholds that x reaches is ``function(x)``
        for every x in ``domain``.  A step that is always reached has ``domain.low``, one that never is
        ``domain.high + 1``.
    """
    levels = np.arange(codes.low + 1, codes.high + 1)
    # `below` never satisfies its level and `reached` always does; both start just outside the domain.
    below = np.full((channels, levels.size), domain.low - 1)
    reached = np.full((channels, levels.size), domain.high + 1)
    while (open_ := reached - below > 1).any():
        middle = np.where(open_, (below + reached) // 2, domain.low)
        satisfied = function(middle) >= levels
        reached = np.where(open_ & satisfied, middle, reached)
        below = np.where(open_ & ~satisfied, middle, below)
    return reached


def fit_thresholds(thresholds: NDArray[Any], reachable: IntRange, data_type: IntRange) -> NDArray[np.int64]:
    """Make thresholds integers and move those that an accumulator's data type cannot tell apart into it.

    One below the type is always reached and becomes the type's lowest value.  One above the reachable values is never
    reached and becomes the next number that float32 holds, which costs a bit only if the type ends before it.  A row
    stays ascending.

    Args:
        thresholds: real numbers of any shape, infinite ones included.
        reachable: the values the accumulator can take.
        data_type: the values its data type holds, a superset.
    """
    never = reachable.high + 1
    # float32, in which QONNX keeps every tensor, has 24 significant bits.
    step = 1 << max(0, abs(never).bit_length() - 24)
    never = -(-never // step) * step
    result: NDArray[np.int64] = np.clip(np.ceil(thresholds), data_type.low, never).astype(np.int64)
    return result
