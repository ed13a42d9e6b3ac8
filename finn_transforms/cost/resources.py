"""What the estimates of the layer kinds return."""

from __future__ import annotations

from dataclasses import dataclass

from finn_transforms.cost.breakdown import Breakdown


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Resources of one layer; see `Estimate` for the fields."""

    breakdown: Breakdown
    ff: int
    bram18: int = 0
    uram: int = 0
    dsp: int = 0
    stored_bits: int = 0


def luts(amount: float) -> int:
    """Return a whole number of LUTs, rounded up."""
    return -int(-amount // 1)


def counter_bits(states: int) -> int:
    """Return the width of a counter with so many states; 0 for a single one."""
    return (states - 1).bit_length()
