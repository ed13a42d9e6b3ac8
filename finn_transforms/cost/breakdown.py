"""Where the LUTs of a layer go."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """LUTs of one layer by purpose; they add up to `total`.

    Attributes:
        multipliers: Products.
        adder_tree: Sum of the SIMD products of one output.
        accumulator: Running sum of P bits per output, or of a pool.
        weights: Weight memory in LUTs.
        threshold_memory: Threshold memory in LUTs.
        comparators: Comparisons with thresholds, or of a maximum.
        control: Counters and handshakes.
        buffer: Vectors, lines and results that wait, in LUTs.
    """

    multipliers: int = 0
    adder_tree: int = 0
    accumulator: int = 0
    weights: int = 0
    threshold_memory: int = 0
    comparators: int = 0
    control: int = 0
    buffer: int = 0

    @property
    def total(self) -> int:
        """LUTs of the layer."""
        return sum(astuple(self))

    def __add__(self, other: Breakdown) -> Breakdown:
        pairs = zip(self.__dataclass_fields__, astuple(self), astuple(other), strict=True)
        return Breakdown(**{name: mine + theirs for name, mine, theirs in pairs})
