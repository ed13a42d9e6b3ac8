"""Products of integers a little wider than int8, by signed digits of seven bits in one int8 product."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from brevitas_ext.shift_mm.int8_product import int8_product
from brevitas_ext.shift_mm.operands import INT8_MAX, INT32_MAX

DIGIT_BITS: Final = 7
"""Bits of the low digit, which is from -64 to 63."""
TWO_DIGITS: Final = (INT8_MAX << DIGIT_BITS) + (1 << (DIGIT_BITS - 1)) - 1
"""Largest magnitude of two digits that both fit int8."""


def two_digits(wide: Tensor) -> tuple[Tensor, Tensor]:
    """Return int8 (low, high) with ``low + high * 128 == wide``, for integers in any dtype up to `TWO_DIGITS`.

    Neither digit is larger in magnitude than the number: a proof for sums of numbers holds for sums of digits.
    """
    numbers = wide.to(torch.int16)
    high = (numbers + (1 << (DIGIT_BITS - 1))) >> DIGIT_BITS
    return (numbers - (high << DIGIT_BITS)).to(torch.int8), high.to(torch.int8)


def fits_digits(inner: int, a_bound: int, b_bound: int) -> bool:
    """Whether `digit_product` takes `inner` products of magnitudes up to `a_bound` and `b_bound`."""
    digits = min(a_bound, INT8_MAX + 1) * min(b_bound, INT8_MAX + 1)
    return max(a_bound, b_bound) <= TWO_DIGITS and inner * digits <= INT32_MAX


def digit_product(a: Tensor, b: Tensor, *, a_bound: int, b_bound: int) -> Tensor:
    """Return ``a @ b``, exactly; the digits of an operand above int8 lie side by side in one int8 product.

    Args:
        a: integers in any dtype, shape (M, K).
        b: integers in any dtype, shape (K, N).
        a_bound: largest magnitude in a; not checked, as `b_bound`.
        b_bound: largest magnitude in b; the two and K as `fits_digits` wants them.

    Returns:
        Shape (M, N), int32 if that is proven to hold the sums, else int64.
    """
    dtype = torch.int32 if a.shape[1] * a_bound * b_bound <= INT32_MAX else torch.int64
    left = torch.cat(two_digits(a), dim=0) if a_bound > INT8_MAX else a.to(torch.int8)
    right = torch.cat(two_digits(b), dim=1) if b_bound > INT8_MAX else b.to(torch.int8)
    product = int8_product(left, right).to(dtype)
    for dim, is_split in ((1, b_bound > INT8_MAX), (0, a_bound > INT8_MAX)):
        if is_split:
            half = product.shape[dim] // 2
            low, high = product.narrow(dim, 0, half), product.narrow(dim, half, half)
            product = torch.add(low, high, alpha=1 << DIGIT_BITS)
    return product
