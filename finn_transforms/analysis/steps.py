"""Where quantized functions of an integer step, found exactly and without assuming that they are monotone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from finn_transforms.analysis.matching import NoMatchError

Ints = NDArray[np.int64]

# float64 holds every integer up to here, so the function sees the accumulator itself.
_EXACT = 1 << 53

# More evaluations than this take minutes; a function that needs them steps at almost every integer.
_MOST_EVALUATIONS = 50_000_000

# Channels are searched in groups that step about so often, which bounds the memory.
_STEPS_AT_ONCE = 1 << 16


class Function(Protocol):
    """A quantized function of integers per channel, at points and on intervals; arrays are flat."""

    def points(self, channel: Ints, integers: Ints) -> Ints:
        """Return the values at points."""

    def bounds(self, channel: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """Return bounds of the values that `points` gives anywhere from ``low`` to ``high``."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Step functions, one per channel.

    Attributes:
        low: (C,) the lowest integer of each channel's domain.
        high: (C,) the highest.
        first: (C,) the function's value there.
        channel: (K,) the channel of each step, ascending.
        position: (K,) the lowest integer behind the step, ascending within a channel.
        delta: (K,) by how much the value changes.
    """

    low: Ints
    high: Ints
    first: Ints
    channel: Ints
    position: Ints
    delta: Ints

    @property
    def falling(self) -> NDArray[np.bool_]:
        """(C,) Whether a channel falls somewhere."""
        return self._any(self.delta < 0)

    @property
    def rising(self) -> NDArray[np.bool_]:
        """(C,) Whether a channel rises somewhere."""
        return self._any(self.delta > 0)

    def extremes(self) -> tuple[Ints, Ints]:
        """Return the lowest and the highest value (C,) of each channel."""
        before = np.cumsum(np.concatenate([[0], self.delta]))[:-1]
        starts = np.searchsorted(self.channel, self.channel)
        values = self.first[self.channel] + before - before[starts] + self.delta
        low, high = self.first.copy(), self.first.copy()
        np.minimum.at(low, self.channel, values)
        np.maximum.at(high, self.channel, values)
        return low, high

    def _any(self, steps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.bincount(self.channel[steps], minlength=self.low.size) > 0

    def mirrored(self, channels: NDArray[np.bool_]) -> Steps:
        """Return the functions of the negated integer in the given channels (C,)."""
        last = self.first + np.bincount(self.channel, self.delta, self.low.size).astype(np.int64)
        turned = channels[self.channel]
        position = np.where(turned, 1 - self.position, self.position)
        order = np.lexsort((position, self.channel))
        return Steps(
            np.where(channels, -self.high, self.low),
            np.where(channels, -self.low, self.high),
            np.where(channels, last, self.first),
            self.channel,
            position[order],
            np.where(turned, -self.delta, self.delta)[order],
        )

    def thresholds(self, *, base: Ints, sign: int = 1) -> list[Ints]:
        """Return the rising (``sign`` 1) or falling (-1) steps as thresholds, ascending, one array for each channel.

        A step by several codes is as many equal thresholds.  A channel that starts above its ``base`` (C,) gets as many
        thresholds that every integer of its domain reaches, at the lowest one.
        """
        chosen = self.delta * sign > 0
        channel, count = self.channel[chosen], np.abs(self.delta[chosen])
        position = np.repeat(self.position[chosen], count)
        ends = np.cumsum(np.bincount(channel, count, self.low.size).astype(np.int64))
        rows = np.split(position, ends[:-1])
        always = self.first - base if sign > 0 else np.zeros_like(self.first)
        return [
            np.concatenate([np.full(number, lowest), row])
            for number, lowest, row in zip(always.tolist(), self.low.tolist(), rows, strict=True)
        ]


def find_steps(function: Function, low: NDArray[Any], high: NDArray[Any]) -> Steps:
    """Find every step of each channel's function by adaptive bisection.

    An interval on which the bounds of the function are one value is done, any other is halved; a single integer is
    evaluated.  So nothing is assumed about the function, and one that is monotone costs about as much as bisection.

    Args:
        function: to search.
        low: (C,) lowest integer of each channel's domain, Python integers or int64.
        high: (C,) highest.

    Raises:
        NoMatchError: a domain exceeds what float64 holds exactly, or the function steps too often.
    """
    lowest, highest = int(low.min()), int(high.max())
    if max(abs(lowest), abs(highest)) > _EXACT:
        raise NoMatchError(
            f"the accumulator's range [{lowest}, {highest}] exceeds 2**53, where float64 is no longer exact",
            "Narrow the weights or the input of this layer",
        )
    lows, highs = low.astype(np.int64), high.astype(np.int64)
    channels = np.arange(lows.size)
    # The ends first: whatever is not a number everywhere shows here.
    first, last = function.points(channels, lows), function.points(channels, highs)
    group = max(1, _STEPS_AT_ONCE // int(np.abs(last - first).max() + 1))
    found = [
        _search(function, part, lows[part], highs[part])
        for part in np.split(channels, np.arange(group, lows.size, group))
    ]
    channel, start, value = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    new = np.diff(channel, prepend=-1) != 0
    delta = np.diff(value, prepend=0)
    step = ~new & (delta != 0)
    return Steps(lows, highs, first, channel[step], start[step], delta[step])


def _search(function: Function, channel: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints, Ints]:
    """Return channel, first integer and value of intervals of one value, in order."""
    done: list[tuple[Ints, Ints, Ints]] = []
    evaluations = 0
    while channel.size:
        evaluations += channel.size
        if evaluations > _MOST_EVALUATIONS:
            most = int(np.bincount(channel).argmax())
            raise NoMatchError(
                f"its function of channel {most} steps too often between {low[channel == most].min()} and "
                f"{high[channel == most].max()}",
                "Narrow the accumulator, or use an activation that settles",
            )
        single = low == high
        done.append((channel[single], low[single], function.points(channel[single], low[single])))
        channel, low, high = channel[~single], low[~single], high[~single]
        lowest, highest = function.bounds(channel, low, high)
        same = lowest == highest
        done.append((channel[same], low[same], lowest[same]))
        channel, low, high = channel[~same], low[~same], high[~same]
        middle = low + (high - low) // 2
        channel = np.concatenate([channel, channel])
        low, high = np.concatenate([low, middle + 1]), np.concatenate([middle, high])
    channel, low, value = (np.concatenate(arrays) for arrays in zip(*done, strict=True))
    order = np.lexsort((low, channel))
    return channel[order], low[order], value[order]
