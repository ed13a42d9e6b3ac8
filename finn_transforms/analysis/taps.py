"""Which positions of a sliding window can hold data at the same time, and which then hold padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pattern: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A window sliding along one axis of an image.

    Attributes:
        size: Elements of data.
        kernel: Taps of the window.
        stride: Step of the window.
        dilation: Distance between taps.
        begin: Zeros in front of the data.
        end: Zeros behind it.
        spread: Distance between the elements of data, 1 where no zeros stand between them.
    """

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    begin: int = 0
    end: int = 0
    spread: int = 1

    def patterns(self) -> list[Pattern]:
        """Return each distinct set of taps (kernel,) that hold data while the others hold padding."""
        length = (self.size - 1) * self.spread + 1
        last = length + self.begin + self.end - self.dilation * (self.kernel - 1) - 1
        positions = np.arange(0, last + 1, self.stride)[:, None] + self.dilation * np.arange(self.kernel) - self.begin
        holds_data = (positions >= 0) & (positions < length) & (positions % self.spread == 0)
        return list(np.unique(holds_data, axis=0))


def window_patterns(axes: Sequence[Axis]) -> tuple[Pattern, ...]:
    """Return each set of taps of a window, flattened in the order of the axes, that hold data at the same time."""
    return tuple(_outer(each) for each in product(*(axis.patterns() for axis in axes)))


def largest(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    """Return the patterns that are in no other one: where data may be 0, padding reaches nothing that data does not."""
    unique = {pattern.tobytes(): pattern for pattern in patterns}
    return tuple(
        one
        for key, one in unique.items()
        if not any(key != other_key and np.all(one <= other) for other_key, other in unique.items())
    )


def _outer(vectors: Sequence[Pattern]) -> Pattern:
    result = np.ones(1, dtype=bool)
    for vector in vectors:
        result = np.logical_and.outer(result, vector).reshape(-1)
    return result
