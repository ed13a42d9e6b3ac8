"""Matrix products of integers, exact whatever their length, in the fastest format that is proven to hold them."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from brevitas_ext.nn.carriers import (
    FLOAT32_LIMIT,
    FLOAT64_LIMIT,
    INT8_LIMIT,
    INT32_LIMIT,
    INT64_LIMIT,
)
from brevitas_ext.nn.exact_arithmetic import exact_arithmetic
from brevitas_ext.shift_mm import digit_product, fits_digits, has_vnni
from brevitas_ext.shift_mm.int8_product import int8_product

DIGITS_PAY: Final = 1 << 20
"""Multiplications from which int8 digits of wider operands take less time than floats (AVX512-VNNI, torch 2.13)."""


def exact_matmul(  # noqa: PLR0913 - two operands, each with its bound and its exponents
    a: Tensor,
    b: Tensor,
    *,
    a_bound: int,
    b_bound: int,
    a_exponents: Tensor | None = None,
    b_exponents: Tensor | None = None,
) -> Tensor:
    """Return ``sum_k (a[m, k] * b[k, n]) << (a_exponents[k] + b_exponents[k])``, exactly.

    Args:
        a: integers in any dtype, shape (M, K).
        b: integers in any dtype, shape (K, N), on the device of `a`.
        a_bound: the largest magnitude in `a`, before the shift; not checked, for the elements are not read.
        b_bound: that of `b`.
        a_exponents: left shift of each inner index, int64 (K,), not negative; None for none.
        b_exponents: as `a_exponents`; the two add.

    Returns:
        Shape (M, N): integers in the dtype of the carrier (int32, float32, float64 or int64). Operands a little wider
        than int8, which 5 bits and more are when they are shifted, go by two int8 digits where that is faster.

    Raises:
        OverflowError: a sum may exceed int64.
    """
    a, a_bound = shifted(a, a_bound, a_exponents, dim=1)
    b, b_bound = shifted(b, b_bound, b_exponents, dim=0)
    inner = a.shape[1]
    carrier = carrier_of(inner, a_bound, b_bound, a.device)
    if carrier is not torch.int8 and _digits_pay(a, b, a_bound, b_bound):
        return digit_product(a, b, a_bound=a_bound, b_bound=b_bound)
    if carrier is torch.int8:
        return int8_product(a.to(carrier), b.to(carrier))
    with exact_arithmetic(a.device):
        if carrier is not torch.int64:
            return a.to(carrier) @ b.to(carrier)
        return _in_runs(a, b, FLOAT64_LIMIT // (a_bound * b_bound))


def carrier_of(inner: int, a_bound: int, b_bound: int, device: torch.device) -> torch.dtype:
    """Return the format `exact_matmul` multiplies in: int8 (summed in int32), float32, float64, or int64 for runs.

    Args:
        inner: length K of the inner dimension.
        a_bound: largest magnitude of one operand, shifted.
        b_bound: that of the other.
        device: where the operands are.

    Raises:
        OverflowError: a sum may exceed int64, or a single product float64.
    """
    product = a_bound * b_bound
    total = inner * product
    if max(a_bound, b_bound) <= INT8_LIMIT and total <= INT32_LIMIT and _int8_is_exact(device):
        return torch.int8
    if total <= FLOAT32_LIMIT:
        return torch.float32
    if total <= FLOAT64_LIMIT:
        return torch.float64
    if total > INT64_LIMIT or product > FLOAT64_LIMIT:
        raise OverflowError(
            f"expected sums of integer products below 2**63, found {inner} products of up to {a_bound} * {b_bound}: "
            "use fewer bits, fewer groups or a shorter inner dimension"
        )
    return torch.int64


def shifted(integers: Tensor, bound: int, exponents: Tensor | None, *, dim: int) -> tuple[Tensor, int]:
    """Return integers with every index of `dim` shifted left by its exponent, and their largest magnitude.

    The result is float64 where the shifted bound exceeds what the dtype holds for sure.
    """
    if exponents is None or not exponents.numel():
        return integers, bound
    bound <<= int(exponents.max())
    dtype = torch.float32 if bound <= FLOAT32_LIMIT else torch.float64
    shape = [-1 if each == dim % integers.ndim else 1 for each in range(integers.ndim)]
    powers = torch.bitwise_left_shift(torch.ones_like(exponents), exponents).to(dtype)
    return integers.to(dtype) * powers.view(shape), bound


def _in_runs(a: Tensor, b: Tensor, length: int) -> Tensor:
    """Add the products of runs of at most `length` inner indices in int64."""
    total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.int64, device=a.device)
    for rows, columns in zip(a.split(length, dim=1), b.split(length, dim=0), strict=True):
        total += (rows.double() @ columns.double()).to(torch.int64)
    return total


def _digits_pay(a: Tensor, b: Tensor, a_bound: int, b_bound: int) -> bool:
    """Whether two int8 digits of the operands above int8 are exact here and beat a product of floats."""
    work = a.shape[0] * a.shape[1] * b.shape[1]
    return work >= DIGITS_PAY and _int8_is_exact(a.device) and fits_digits(a.shape[1], a_bound, b_bound)


def _int8_is_exact(device: torch.device) -> bool:
    """Whether torch multiplies int8 matrices exactly and fast here.

    x86 processors with VNNI add int8 products in int32; older ones add pairs of them in int16, where the largest would
    saturate. A GPU has conditions on sizes that are not worth the search: left to the float formats.
    """
    return device.type == "cpu" and has_vnni()
