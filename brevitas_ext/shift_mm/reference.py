"""The definition of ShiftMM, in int64 throughout."""

from __future__ import annotations

import torch
from torch import Tensor

from brevitas_ext.shift_mm.operands import check_operands


def shift_mm_reference(a: Tensor, b: Tensor, exponents: Tensor) -> Tensor:
    """Return ``sum_k (a[m, k] * b[k, n]) << exponents[k]``, each product shifted by itself.

    ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), Fig. 3c, with Eq. 46's left shifts.

    Args:
        a: int8, shape (..., M, K).
        b: int8, shape (K, N).
        exponents: left shifts from 0 to 16, shape (K,).

    Returns:
        int64, shape (..., M, N).

    Raises:
        TypeError: an operand is not int8, or the exponents are no integers.
        ValueError: shapes or devices do not go together, or an exponent is out of range.
    """
    check_operands(a, b, exponents)
    total = torch.zeros((*a.shape[:-1], b.shape[1]), dtype=torch.int64, device=a.device)
    for k, exponent in enumerate(exponents.tolist()):
        total += (a[..., k, None].to(torch.int64) * b[k].to(torch.int64)) << exponent
    return total
