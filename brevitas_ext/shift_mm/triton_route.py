"""When and how the Triton kernel of ShiftMM is launched."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from brevitas_ext.shift_mm.digits import DIGIT_BITS
from brevitas_ext.shift_mm.operands import INT8_BOUND, INT32_MAX, check_bound, check_operands, room
from brevitas_ext.shift_mm.shares import check_sum, largest_sum, share_exponents


@cache
def triton_is_usable() -> bool:
    """Whether Triton is installed (``pip install brevitas-finn-ext[triton]``); torch for CUDA brings it."""
    return find_spec("triton") is not None


def kernel_takes(exponents: Tensor, a_bound: int, b_bound: int) -> bool:
    """Whether the kernel covers these exponents: all but `DIGIT_BITS` of each has to fit into the operands."""
    rest = share_exponents(exponents, a_bound, b_bound).rest
    return rest is None or int(rest.max()) <= DIGIT_BITS


def shift_mm_triton(  # noqa: PLR0913 - as shift_mm
    a: Tensor,
    b: Tensor,
    exponents: Tensor,
    *,
    a_bound: int = INT8_BOUND,
    b_bound: int = INT8_BOUND,
    out: Tensor | None = None,
) -> Tensor:
    """Return `shift_mm` in int32 by the Triton kernel, on a GPU or, with ``TRITON_INTERPRET=1``, on a processor.

    Rows of b and columns of a are shifted in registers, between loading and multiplying.  Where int8 has no room for
    that (8 bits), b is split there into ``high * 128 + low``, both signed, and multiplied twice; memory traffic stays
    the same.

    Args:
        a: int8, shape (..., M, K), any strides.
        b: int8, shape (K, N), any strides.
        exponents: left shifts, shape (K,).
        a_bound: largest magnitude in a.
        b_bound: largest magnitude in b.
        out: int32 of the result's shape, contiguous, or None for a new tensor.

    Raises:
        TypeError: an operand is not int8, or the exponents are no integers.
        ValueError: shapes or devices do not go together, an exponent is out of range or more than the kernel has room
            for, or a bound is exceeded.
        OverflowError: a sum may exceed int32.
        RuntimeError: Triton is not installed, or the operands are where it does not run.
    """
    check_operands(a, b, exponents)
    if not triton_is_usable() or (a.device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1"):
        raise RuntimeError(
            f"shift_mm_triton: expected Triton and operands on a GPU, got operands on {a.device}, Triton "
            f"{'installed' if triton_is_usable() else 'missing'}; shift_mm takes another route by itself"
        )
    check_bound("b", b, b_bound)
    shares = share_exponents(exponents, a_bound, b_bound)
    if not kernel_takes(exponents, a_bound, b_bound):
        raise ValueError(
            f"shift_mm_triton: expected exponents up to {room(a_bound) + room(b_bound) + DIGIT_BITS} for magnitudes "
            f"up to {a_bound} and {b_bound}, got {int(exponents.max())}; shift_mm takes another route by itself"
        )
    if largest_sum(exponents, INT8_BOUND, b_bound) > INT32_MAX or shares.a is not None:
        check_bound("a", a, a_bound)
        check_sum(exponents, a_bound, b_bound)
    in_b = exponents if shares.a is None else exponents - shares.a
    shape = (*a.shape[:-1], b.shape[1])
    result = torch.empty(shape, dtype=torch.int32, device=a.device) if out is None else out
    if result.dtype != torch.int32 or (*result.shape,) != shape or not result.is_contiguous():
        raise ValueError(
            f"shift_mm_triton: expected out to be contiguous int32 of shape {shape}, got {result.dtype}, "
            f"{(*result.shape,)}"
        )
    from brevitas_ext.shift_mm.triton_kernel import launch

    launch(a.flatten(0, -2), b, shares.a, in_b, result.flatten(0, -2), two_digits=shares.rest is not None)
    return result
