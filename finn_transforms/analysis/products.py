"""The products that a linear node adds up for one output, and how far their sums reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brevitas_ext.arith import SparqFormat, dot_extremes, dot_extremes_over_boxes
from brevitas_ext.arith.sparq_extremes import sparq_dot_extremes
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.taps import Pattern, largest

Extremes = tuple[NDArray[Any], NDArray[Any]]

# Columns looked at before those channels are left out whose divisor is 1 already.
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class Products:
    """Sums of weights times inputs, one per channel.

    Attributes:
        rows: integer weights (C, K).
        inputs: what is known about the inputs: arrays (1,) for all, (K,) for each, or (C, K) where each channel reads
            inputs of its own.
        patterns: sets of inputs (K,) that are data at the same time while the others are padding, which is 0; empty
            where all of them always are data.
        channels: C; a single row then stands for all of them.
        read: what is known about the inputs of the layer, where the terms are made from them (matches, or products
            with weights that can change) instead of being those inputs times ``rows``.
        sparq: the format of inputs in SPARQ's code, neighbours being pairs, where the inputs are any activations; what
            a pair is worth together bounds its two products, and padding is among it.
    """

    rows: NDArray[Any]
    inputs: Box
    patterns: tuple[Pattern, ...] = ()
    channels: int = 0
    read: Box | None = None
    sparq: SparqFormat | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", self.channels or len(self.rows))
        if all(pattern.all() for pattern in self.patterns):
            object.__setattr__(self, "patterns", ())

    def partial_sums(self) -> Extremes:
        """Return the extremes (C,) of every partial sum in any order, 0 included."""
        return self._hull(largest(self.patterns), partial_sums=True)

    def final_sums(self) -> Extremes:
        """Return the extremes (C,) of the final sums."""
        return self._hull(largest(self.patterns) if self._includes_zero else self.patterns, partial_sums=False)

    def box(self) -> Box:
        """Return the final sums as a box of shape (C,)."""
        if not self.patterns:
            return Box.of(*self.final_sums(), self._steps())
        steps = np.gcd.reduce([self._with(pattern)._steps() for pattern in largest(self.patterns)])
        # What the other patterns add can only make a divisor smaller; a row of zeros adds nothing.
        if np.all((steps == 1) | self._without_weights):
            return Box.of(*self.final_sums(), steps)
        result, *others = [self._with(pattern).box() for pattern in self.patterns]
        for part in others:
            result = result.union(part)
        return result

    @property
    def _without_weights(self) -> NDArray[np.bool_]:
        """Whether each row has zeros only."""
        return np.asarray(~self.rows.any(axis=1))

    @property
    def _includes_zero(self) -> bool:
        """Whether padding is within the range of every input."""
        return bool(np.all(self.inputs.low <= 0) and np.all(self.inputs.high >= 0))

    def _hull(self, patterns: tuple[Pattern, ...], *, partial_sums: bool) -> Extremes:
        low, high = self._extremes(patterns, partial_sums=partial_sums)
        return np.broadcast_to(low, self.channels), np.broadcast_to(high, self.channels)

    def _extremes(self, patterns: tuple[Pattern, ...], *, partial_sums: bool) -> Extremes:
        """Return the extremes over all patterns, of each row."""
        if self.sparq is not None:
            # A pair of zeros adds nothing, so that no partial sum passes these.
            return sparq_dot_extremes(self.rows, self.sparq)
        ends = [as_integers(side) for side in (self.inputs.low, self.inputs.high)]
        if ends[0].ndim > 1:
            parts = [self._with(pattern) for pattern in patterns] or [self]
            found = [
                dot_extremes(part.rows, part.inputs.low, part.inputs.high, partial_sums=partial_sums) for part in parts
            ]
            lows, highs = (np.array(side) for side in zip(*found, strict=True))
        else:
            # Padding is 0, so that a pattern is a box in which the other inputs are 0.
            k = self.rows.shape[1]
            masks = np.array(patterns, dtype=np.int64).reshape(-1, k) if patterns else np.ones((1, k), dtype=np.int64)
            lows, highs = dot_extremes_over_boxes(
                self.rows, ends[0] * masks, ends[1] * masks, partial_sums=partial_sums
            )
        return lows.min(axis=0), highs.max(axis=0)

    def _with(self, pattern: Pattern) -> Products:
        """Return the sums over the inputs of a pattern alone."""
        inputs = self.inputs if self.inputs.is_uniform else self.inputs.map(lambda array: array[..., pattern])
        return Products(self.rows[:, pattern], inputs, (), self.channels)

    def _steps(self) -> NDArray[Any]:
        """Return the greatest common divisor of what a step of one input changes, per channel."""
        step = self.inputs.step
        if self.inputs.is_uniform or not self.rows.shape[1]:
            return np.broadcast_to(row_divisors(self.rows) * step.max(initial=0), self.channels)
        if max(int(step.max()), 1).bit_length() + 32 > 63:
            return np.broadcast_to(np.gcd.reduce(np.abs(self.rows).astype(object) * step, axis=1), self.channels)
        return np.broadcast_to(row_divisors(self.rows, step.astype(np.int64)), self.channels)


def row_divisors(rows: NDArray[Any], steps: NDArray[Any] | int = 1) -> NDArray[Any]:
    """Return the greatest common divisor of each row (K,) times ``steps`` as Python ints, 0 for a row of zeros."""
    result = np.zeros(len(rows), dtype=np.int64)
    open_ = np.arange(len(rows))
    for start in range(0, rows.shape[1], _CHUNK):
        chunk = slice(start, start + _CHUNK)
        part = np.abs(rows[open_, chunk])
        if isinstance(steps, np.ndarray):
            part = part * (steps[chunk] if steps.ndim == 1 else steps[open_, chunk])
        result[open_] = np.gcd(result[open_], np.gcd.reduce(part, axis=1))
        open_ = open_[result[open_] != 1]
        if not open_.size:
            break
    return result.astype(object)


def as_integers(array: NDArray[Any]) -> NDArray[Any]:
    """Return Python ints as int64 where it holds them, which is faster to compute with."""
    try:
        return array.astype(np.int64)
    except OverflowError:
        return array
