"""What a ShiftMM takes: int8 matrices, their bounds, and an exponent for each inner index."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

INT8_BOUND: Final = 128
"""Largest magnitude of an int8 element, that of -128."""
INT8_MAX: Final = 127
INT32_MAX: Final = (1 << 31) - 1
EXPONENT_LIMIT: Final = 16
"""Largest exponent: every single product, up to ``128 * 128 << 16 = 2**30``, fits int32."""


def check_operands(a: Tensor, b: Tensor, exponents: Tensor) -> None:
    """Reject what is no pair of matrices with one exponent for each inner index.

    Args:
        a: int8, shape (..., M, K).
        b: int8, shape (K, N).
        exponents: integers from 0 to `EXPONENT_LIMIT`, shape (K,).

    Raises:
        TypeError: an operand is not int8, or the exponents are no integers.
        ValueError: shapes or devices do not go together, or an exponent is out of range.
    """
    check_left(a, b.shape[0] if b.ndim == 2 else -1, b.device)
    check_right(b, exponents)


def check_left(a: Tensor, inner: int, device: torch.device) -> None:
    """Reject a left operand that is not int8, (..., M, `inner`), on `device`.

    Raises:
        TypeError: it is not int8.
        ValueError: its shape or device is another.
    """
    if a.dtype != torch.int8:
        raise TypeError(f"shift_mm: expected int8 elements in a, got {a.dtype}; convert integers with a.to(torch.int8)")
    if a.ndim < 2 or a.shape[-1] != inner:
        raise ValueError(
            f"shift_mm: expected a of shape (..., M, {inner}) for b of shape ({inner}, N), got {(*a.shape,)}"
        )
    if a.device != device:
        raise ValueError(f"shift_mm: expected both operands on one device, got a on {a.device} and b on {device}")


def check_right(b: Tensor, exponents: Tensor) -> None:
    """Reject a right operand that is not int8, (K, N), or exponents that are not its inner indices'.

    Raises:
        TypeError: the operand is not int8, or the exponents are no integers.
        ValueError: a shape or device does not fit, or an exponent is out of range.
    """
    if b.dtype != torch.int8:
        raise TypeError(f"shift_mm: expected int8 elements in b, got {b.dtype}; convert integers with b.to(torch.int8)")
    if b.ndim != 2:
        raise ValueError(f"shift_mm: expected b of shape (K, N), got {(*b.shape,)}; multiply a stack one by one")
    if exponents.dtype not in (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64):
        raise TypeError(f"shift_mm: expected integer exponents, got {exponents.dtype}")
    if exponents.shape != b.shape[:1]:
        raise ValueError(
            f"shift_mm: expected {b.shape[0]} exponents, one per row of b, got shape {(*exponents.shape,)}"
        )
    if exponents.device != b.device:
        raise ValueError(f"shift_mm: expected the exponents on {b.device} as b, got them on {exponents.device}")
    if exponents.numel():
        low, high = (int(each) for each in exponents.aminmax())
        if low < 0 or high > EXPONENT_LIMIT:
            found = low if low < 0 else high
            index = int((exponents == found).nonzero()[0])
            raise ValueError(
                f"shift_mm: expected exponents from 0 to {EXPONENT_LIMIT}, got {found} at inner index {index}; "
                "subtract the smallest exponent from all and shift the result, or scale it"
            )


def check_bound(name: str, values: Tensor, bound: int) -> None:
    """Reject a bound that is none of int8, or that the values exceed.

    Raises:
        ValueError: the bound is not from 1 to 128, or a value is larger in magnitude.
    """
    if not 1 <= bound <= INT8_BOUND:
        raise ValueError(f"shift_mm: expected {name}_bound from 1 to {INT8_BOUND}, got {bound}")
    if bound == INT8_BOUND or not values.numel():
        return
    low, high = (int(each) for each in values.aminmax())
    if max(-low, high) > bound:
        found = low if -low > high else high
        raise ValueError(
            f"shift_mm: expected magnitudes up to {name}_bound = {bound} in {name}, got {found}; declare the bound "
            f"that the quantizer guarantees, 2**(bits - 1) - 1 if it is symmetric"
        )


def room(bound: int) -> int:
    """Return how far left integers of a magnitude up to `bound` can go within int8."""
    return (INT8_MAX // bound).bit_length() - 1 if bound <= INT8_MAX else 0
