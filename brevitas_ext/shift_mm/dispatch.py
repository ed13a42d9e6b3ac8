"""ShiftMM by the best route for a device."""

from __future__ import annotations

import torch
from torch import Tensor

from brevitas_ext.shift_mm.operands import INT8_BOUND, check_bound, check_operands
from brevitas_ext.shift_mm.packed import pack_shift
from brevitas_ext.shift_mm.shares import safe_runs
from brevitas_ext.shift_mm.triton_route import kernel_takes, shift_mm_triton, triton_is_usable


def shift_mm(  # noqa: PLR0913 - two operands with their bounds, the shifts, and the form of the result
    a: Tensor,
    b: Tensor,
    exponents: Tensor,
    *,
    a_bound: int = INT8_BOUND,
    b_bound: int = INT8_BOUND,
    dtype: torch.dtype = torch.int32,
    out: Tensor | None = None,
) -> Tensor:
    """Return ``sum_k (a[m, k] * b[k, n]) << exponents[k]``, exactly.

    ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), section 3.2 and Fig. 3c: inner indices of
    several groups in one product, without rearranging memory.  No sum wraps: that follows from the bounds, which are
    checked wherever the proof or the room for a shift rests on them.

    On a GPU with Triton the shifts happen inside of the kernel; elsewhere `pack_shift` prepares b, and a layer whose
    weights stay should call that once by itself.

    Args:
        a: int8, shape (..., M, K).
        b: int8, shape (K, N).
        exponents: left shifts from 0 to 16, shape (K,), on the device of b.
        a_bound: largest magnitude in a, ``2**(bits - 1) - 1`` from a symmetric quantizer.
        b_bound: largest magnitude in b.
        dtype: int32, or int64 for sums that int32 does not hold: products of runs of inner indices are added.
        out: int32, contiguous, of the result's shape, or None for a new tensor.

    Returns:
        Shape (..., M, N), of `dtype`.

    Raises:
        TypeError: an operand is not int8, the exponents are no integers, or `dtype` is another.
        ValueError: shapes or devices do not go together, an exponent is out of range, or a bound is exceeded.
        OverflowError: a sum may exceed int32 and `dtype` is int32.

    Example:
        >>> a, b = torch.tensor([[3, -2]], dtype=torch.int8), torch.tensor([[5], [7]], dtype=torch.int8)
        >>> shift_mm(a, b, torch.tensor([3, 0]))  # 3 * 5 * 8 - 2 * 7
        tensor([[106]], dtype=torch.int32)
    """
    if dtype == torch.int64 and out is None:
        return _in_runs(a, b, exponents, a_bound, b_bound)
    if dtype != torch.int32:
        raise TypeError(f"shift_mm: expected dtype torch.int32, or torch.int64 without out, got {dtype}")
    if a.device.type == "cuda" and triton_is_usable() and kernel_takes(exponents, a_bound, b_bound):
        return shift_mm_triton(a, b, exponents, a_bound=a_bound, b_bound=b_bound, out=out)
    return pack_shift(b, exponents, a_bound=a_bound, b_bound=b_bound)(a, out=out)


def _in_runs(a: Tensor, b: Tensor, exponents: Tensor, a_bound: int, b_bound: int) -> Tensor:
    """Add int32 products of the longest safe runs of inner indices in int64."""
    check_operands(a, b, exponents)
    check_bound("a", a, a_bound)
    check_bound("b", b, b_bound)
    total = torch.zeros((*a.shape[:-1], b.shape[1]), dtype=torch.int64, device=a.device)
    for run in safe_runs(exponents, a_bound, b_bound):
        total += shift_mm(a[..., run], b[run], exponents[run], a_bound=a_bound, b_bound=b_bound)
    return total
