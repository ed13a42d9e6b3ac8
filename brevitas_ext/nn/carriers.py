"""Which number format holds a sum of integer products exactly: a proof from magnitudes and length, not a guess."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import torch

FLOAT32_LIMIT: Final = 1 << 24
"""float32 holds every integer up to this magnitude, so every partial sum while magnitudes add up to it."""
FLOAT64_LIMIT: Final = (1 << 53) - 1
"""One less than float64 holds, so that a bound that was rounded to float64 is never taken for a smaller one."""
INT32_LIMIT: Final = (1 << 31) - 1
INT64_LIMIT: Final = (1 << 63) - 1
INT8_LIMIT: Final = 127


class Part(NamedTuple):
    """A run of the inner dimension whose sum one number format holds.

    Attributes:
        start: first index.
        stop: one past the last index.
        dtype: torch.float32 or torch.float64.
    """

    start: int
    stop: int
    dtype: torch.dtype


def parts_of(bounds: Sequence[int]) -> list[Part]:
    """Halve an inner dimension until float32 holds the sum of each run; what is not to be halved goes to float64.

    Halves have few different lengths, so that oneDNN, which compiles a kernel for every shape, finds those it has.

    Args:
        bounds: the largest sum of magnitudes ``sum |a * b|`` that each index of the inner dimension can add to any
            element of the product; an index may stand for several products, such as a channel's kernel positions.

    Returns:
        Runs in order; none for an empty inner dimension.

    Raises:
        OverflowError: an index alone exceeds float64, or all together exceed int64, in which the runs are added.

    Example:
        >>> [(part.start, part.stop) for part in parts_of([9_000_000, 7_000_000, 5_000_000, 2_000_000])]
        [(0, 2), (2, 4)]
    """
    if sum(bounds) > INT64_LIMIT:
        raise OverflowError(
            f"expected sums of integer products below 2**63, found up to {sum(bounds)}: use fewer bits, fewer groups "
            "or smaller batches"
        )
    return list(_halved(bounds, 0, len(bounds)))


def _halved(bounds: Sequence[int], start: int, stop: int) -> Iterator[Part]:
    total = sum(bounds[start:stop])
    if total <= FLOAT32_LIMIT:
        if stop > start:
            yield Part(start, stop, torch.float32)
    elif stop - start == 1:
        yield Part(start, stop, _double(total))
    else:
        middle = (start + stop + 1) // 2
        yield from _halved(bounds, start, middle)
        yield from _halved(bounds, middle, stop)


def sum_dtype(total: int) -> torch.dtype:
    """Return the float format, or int64, that the sum of all runs fits, `total` being its largest magnitude."""
    if total <= FLOAT32_LIMIT:
        return torch.float32
    return torch.float64 if total <= FLOAT64_LIMIT else torch.int64


def _double(bound: int) -> torch.dtype:
    if bound > FLOAT64_LIMIT:
        raise OverflowError(
            f"expected sums of at most 2**53 for one index of the inner dimension, found up to {bound}: use fewer bits "
            "or fewer groups"
        )
    return torch.float64
