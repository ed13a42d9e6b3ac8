"""What is known about the integers of a tensor, element by element where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brevitas_ext.arith import IntRange

Ints = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Box:
    """Each element of a tensor is one of ``low, low + step, ..., high``, independently of the others.

    The three arrays have one shape of the tensor's rank; an axis of size 1 says the same for every index along it, so
    the batch axis always has size 1.  They hold Python integers (dtype object): no magnitude is too large.

    Attributes:
        low: lowest values.
        high: highest values; they can be reached.
        step: greatest common divisor of all differences, 0 where an element is constant.

    Example:
        >>> Box.uniform(IntRange(-8, 7), rank=4).hull
        IntRange(low=-8, high=7)
    """

    low: Ints
    high: Ints
    step: Ints

    @classmethod
    def of(cls, low: ArrayLike, high: ArrayLike, step: ArrayLike = 1) -> Box:
        """Return a box from arrays that broadcast to each other; a constant element gets step 0.

        Raises:
            ValueError: ``low`` exceeds ``high`` somewhere.
        """
        lows, highs, steps = np.broadcast_arrays(*(np.asarray(each, dtype=object) for each in (low, high, step)))
        if (wrong := np.argwhere(lows > highs)).size:
            at = tuple(wrong[0])
            raise ValueError(f"Box: expected low <= high, got [{lows[at]}, {highs[at]}] at {wrong[0].tolist()}")
        return cls(lows, highs, np.where(lows == highs, 0, steps).astype(object))

    @classmethod
    def uniform(cls, interval: IntRange, *, rank: int, step: int = 1) -> Box:
        """Return the box in which every element has the same range."""
        shape = (1,) * rank
        return cls.of(np.full(shape, interval.low, object), np.full(shape, interval.high, object), step)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the arrays, which broadcasts to the tensor's."""
        return self.low.shape

    @property
    def hull(self) -> IntRange:
        """The range of all elements together."""
        return IntRange(int(self.low.min()), int(self.high.max()))

    def along(self, axis: int, size: int) -> tuple[Ints, Ints]:
        """Return the lowest and highest value for each index of one axis, arrays of shape (size,)."""
        others = tuple(other for other in range(self.low.ndim) if other != axis % self.low.ndim)
        ends = (self.low.min(axis=others), self.high.max(axis=others)) if others else (self.low, self.high)
        low, high = (np.broadcast_to(end, (size,)) for end in ends)
        return low, high
