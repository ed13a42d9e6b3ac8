"""Thresholds written as one rounded straight line per channel, where they can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SEARCH_STEPS = 80
_CONSTANT_OFFSET = 2.0**22


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """Thresholds per channel, and the integers that reach them.

    Attributes:
        thresholds: (C, S) integers, ascending along the second axis.
        low: (C,) lowest input of each channel.
        high: (C,) highest input of each channel.
    """

    thresholds: Ints
    low: Ints
    high: Ints

    def counts(self, values: Ints) -> Ints:
        """Return how many thresholds each of ``values`` (n,) reaches, (n, C)."""
        return np.stack([np.searchsorted(row, values, side="right") for row in self.thresholds], axis=1)

    def reached(self) -> tuple[Ints, Ints]:
        """Return the lowest and highest count of each channel, (C,)."""
        low, high = ((self.thresholds <= end[:, None]).sum(axis=1) for end in (self.low, self.high))
        return low, high

    def probes(self, *, everything_up_to: int) -> Ints:
        """Return inputs that decide whether a monotone function equals the steps.

        That are all inputs of a range of at most ``everything_up_to`` integers; else both sides of every threshold and
        both ends, which suffice for a function that never falls.
        """
        low, high = int(self.low.min()), int(self.high.max())
        if high - low < everything_up_to:
            return np.arange(low, high + 1)
        beside = np.concatenate([self.thresholds.ravel(), self.thresholds.ravel() - 1, self.low, self.high])
        return np.unique(np.clip(beside, low, high))

    def reachable(self, values: Ints) -> NDArray[np.bool_]:
        """Tell which of ``values`` (n,) each channel can see, (n, C)."""
        return (values[:, None] >= self.low) & (values[:, None] <= self.high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines:
    """``count(x) = clip(round(slope * x + offset), 0, S)`` for each channel.

    Attributes:
        slope: (C,) positive.
        offset: (C,), in the middle of the offsets that give the right counts.
        slack: (C,) how far the offset may move either way.
    """

    slope: Floats
    offset: Floats
    slack: Floats


def fit_lines(steps: Steps) -> Lines | None:
    """Return the lines with the most room for error, or None where a channel's thresholds follow none.

    Threshold number s (from 1) at T asks for ``slope * T + offset >= s - 1/2 > slope * (T - 1) + offset``.  For a given
    slope these leave an interval for the offset, whose width is concave in the slope: a ternary search finds the best.
    """
    thresholds = steps.thresholds.astype(np.float64)
    numbers = np.arange(1, thresholds.shape[1] + 1) - 0.5
    low, high = (end.astype(np.float64)[:, None] for end in (steps.low, steps.high))
    always, reached = thresholds <= low, thresholds <= high
    within = reached & ~always
    first, last = (flags.sum(axis=1) for flags in (always, reached))

    def interval(slope: Floats) -> tuple[Floats, Floats]:
        needed = numbers - slope[:, None] * thresholds
        lower = np.where(within, needed, -np.inf).max(axis=1, initial=-np.inf)
        upper = np.where(within, needed, np.inf).min(axis=1, initial=np.inf) + slope
        lower = np.where(first > 0, np.maximum(lower, first - 0.5 - slope * steps.low), lower)
        upper = np.where(last < len(numbers), np.minimum(upper, last + 0.5 - slope * steps.high), upper)
        return lower, upper

    varies = within.any(axis=1)
    slope = _steepest_allowed(interval, np.where(varies, float(len(numbers)) + 1, 0.0))
    lower, upper = interval(slope)
    with np.errstate(invalid="ignore"):
        offset, slack = (lower + upper) / 2, (upper - lower) / 2
    # A channel whose count never changes: a line that is flat enough.
    slope = np.where(varies, slope, np.maximum(first, 2.0**-2) / _CONSTANT_OFFSET)
    offset = np.where(varies, offset, first)
    slack = np.where(varies, slack, 0.25)
    if not np.all(np.isfinite(offset) & (slack > 0) & (slope > 0)):
        return None
    return Lines(slope=slope, offset=offset, slack=slack)


def _steepest_allowed(interval: Any, highest: Floats) -> Floats:
    def width(slope: Floats) -> Floats:
        lower, upper = interval(slope)
        with np.errstate(invalid="ignore"):
            # One threshold alone is served better by every steeper line: take what is left of infinity by the slope.
            return np.where(np.isfinite(upper - lower), upper - lower, slope)

    left, right = np.zeros_like(highest), highest
    for _ in range(_SEARCH_STEPS):
        third = (right - left) / 3
        one, two = left + third, right - third
        better = width(one) < width(two)
        left, right = np.where(better, one, left), np.where(better, right, two)
    return np.asarray((left + right) / 2)
