"""What is known about the integers of a tensor, element by element where they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        lows, highs, steps = np.broadcast_arrays(*map(_python_integers, (low, high, step)))
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
    def is_uniform(self) -> bool:
        """Whether one range is known for all elements."""
        return self.low.size == 1

    @property
    def hull(self) -> IntRange:
        """The range of all elements together."""
        return IntRange(int(self.low.min()), int(self.high.max()))

    def along(self, axis: int, size: int) -> tuple[Ints, Ints]:
        """Return the lowest and highest value for each index of one axis, arrays of shape (size,)."""
        if self.low.ndim == 0:
            return np.broadcast_to(self.low, (size,)), np.broadcast_to(self.high, (size,))
        others = tuple(other for other in range(self.low.ndim) if other != axis % self.low.ndim)
        ends = (self.low.min(axis=others), self.high.max(axis=others)) if others else (self.low, self.high)
        low, high = (np.broadcast_to(end, (size,)) for end in ends)
        return low, high

    def map(self, function: Callable[[Ints], Ints]) -> Box:
        """Return the box whose elements ``function`` takes from this one, e.g. ``lambda x: x.reshape(1, -1)``."""
        return Box(function(self.low), function(self.high), function(self.step))

    def expanded(self, shape: Sequence[int]) -> Box:
        """Return the same box with arrays of a larger shape, which this one's broadcasts to."""
        return self.map(lambda array: np.broadcast_to(array, shape))

    def union(self, other: Box) -> Box:
        """Return the smallest box whose elements are of this one or of another of the same rank."""
        lows, highs = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        steps = np.gcd(np.gcd(self.step, other.step), np.abs(self.low - other.low))
        return Box.of(lows, highs, steps)

    def with_zero(self) -> Box:
        """Return the box of elements that may also be 0, as padding makes them."""
        return self.union(Box.uniform(IntRange(0, 0), rank=self.low.ndim))

    def reduced(self, *axes: int) -> Box:
        """Return the box of elements that may be any of those along some axes, which get size 1."""
        axes = tuple(axis % self.low.ndim for axis in axes)
        if all(self.shape[axis] == 1 for axis in axes):
            return self
        low, high = self.low.min(axis=axes, keepdims=True), self.high.max(axis=axes, keepdims=True)
        steps = np.gcd(self.step, self.low - low)
        for axis in axes:
            steps = np.gcd.reduce(steps, axis=axis, keepdims=True)
        return Box.of(low, high, steps)

    def __add__(self, other: Box) -> Box:
        """Return the box of sums of independent elements."""
        return Box.of(self.low + other.low, self.high + other.high, np.gcd(self.step, other.step))

    def __neg__(self) -> Box:
        """Return the box of negated elements."""
        return Box(-self.high, -self.low, self.step)

    def times(self, factor: Ints | int) -> Box:
        """Return the box of elements multiplied by integers, one for all or an array that broadcasts."""
        ends = self.low * factor, self.high * factor
        return Box.of(np.minimum(*ends), np.maximum(*ends), np.abs(self.step * factor))

    def clipped(self, low: int | None, high: int | None) -> Box:
        """Return the box of elements moved into ``[low, high]``; None is no bound."""
        ends = [self.low, self.high]
        for bound, side in ((low, np.maximum), (high, np.minimum)):
            if bound is not None:
                ends = [side(end, bound) for end in ends]
        # An end that is cut off need not be a whole number of steps away from the values that are left.
        moved = np.gcd(ends[0] - self.low, ends[1] - self.high)
        return Box.of(ends[0], ends[1], np.gcd(self.step, moved))


def concatenate(boxes: Sequence[Box], sizes: Sequence[int], axis: int) -> Box:
    """Return the box of tensors joined along one axis, on which they have ``sizes`` elements."""
    axis %= boxes[0].low.ndim
    shape = list(np.broadcast_shapes(*(_without(box.shape, axis) for box in boxes)))
    parts = [box.expanded((*shape[:axis], size, *shape[axis + 1 :])) for box, size in zip(boxes, sizes, strict=True)]
    if all(box.is_uniform for box in boxes) and len({(box.hull, *box.step.flat) for box in boxes}) == 1:
        return boxes[0]
    low, high, step = (
        np.concatenate([getattr(part, name) for part in parts], axis=axis) for name in ("low", "high", "step")
    )
    return Box(low, high, step)


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis + 1 :])


def _python_integers(values: ArrayLike) -> Ints:
    """Return an object array of Python ints (a NumPy integer would wrap around silently)."""
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        return array.astype(object)
    if array.dtype.kind == "O":
        return array
    raise TypeError(f"Box: expected integers, got an array of {array.dtype}")
