"""Where the exponents of a ShiftMM go: into the operands as far as int8 has room, the rest behind the product."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from brevitas_ext.shift_mm.operands import INT32_MAX, room


class ExponentShares(NamedTuple):
    """Exponents (K,) int64 that add up to those of the product; None where all are zero.

    Attributes:
        a: shifted into the left operand.
        b: shifted into the right operand.
        rest: what neither holds, to be applied to sums of products.
    """

    a: Tensor | None
    b: Tensor | None
    rest: Tensor | None


def share_exponents(exponents: Tensor, a_bound: int, b_bound: int) -> ExponentShares:
    """Split exponents over both operands, b first: weights are packed once, activations come anew each time.

    Args:
        exponents: shape (K,), not negative.
        a_bound: largest magnitude in the left operand.
        b_bound: largest magnitude in the right operand.
    """
    shares: list[Tensor | None] = []
    top = int(exponents.max()) if exponents.numel() else 0
    for bound in (b_bound, a_bound):
        most = room(bound)
        if not top or not most:
            shares.append(None)
        elif top <= most:
            shares.append(exponents)
            top = 0
        else:
            share = exponents.clamp(max=most)
            shares.append(share)
            exponents, top = exponents - share, top - most
    return ExponentShares(a=shares[1], b=shares[0], rest=exponents if top else None)


def largest_sum(exponents: Tensor, a_bound: int, b_bound: int) -> int:
    """Return the largest magnitude that ``sum_k (a[m, k] * b[k, n]) << e[k]`` can have, an exact integer."""
    return a_bound * b_bound * int(powers_of_two(exponents).sum())


def check_sum(exponents: Tensor, a_bound: int, b_bound: int) -> None:
    """Reject a product of which a sum may exceed int32.

    Raises:
        OverflowError: it may.
    """
    total = largest_sum(exponents, a_bound, b_bound)
    if total > INT32_MAX:
        raise OverflowError(
            f"shift_mm: expected sums of up to {INT32_MAX}, what int32 holds, but {exponents.numel()} products of up "
            f"to {a_bound} * {b_bound} with exponents up to {int(exponents.max())} can reach {total}; declare tighter "
            "a_bound and b_bound, or ask for dtype=torch.int64, which adds runs of the inner dimension"
        )


def safe_runs(exponents: Tensor, a_bound: int, b_bound: int) -> list[slice]:
    """Return consecutive runs of inner indices, as long as possible, whose sums are proven to fit int32."""
    runs, start, total = [], 0, 0
    for index, exponent in enumerate(exponents.tolist()):
        most = (a_bound * b_bound) << exponent
        if total + most > INT32_MAX:
            runs.append(slice(start, index))
            start, total = index, 0
        total += most
    return [*runs, slice(start, exponents.numel())]


def powers_of_two(exponents: Tensor, dtype: torch.dtype = torch.int64) -> Tensor:
    """Return ``2**exponents`` in an integer dtype that holds it."""
    return torch.bitwise_left_shift(torch.ones_like(exponents, dtype=dtype), exponents.to(dtype))
