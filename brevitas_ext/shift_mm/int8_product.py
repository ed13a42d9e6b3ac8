"""Plain int8 matrix products summed in int32, by the fastest library routine that is exact on a device."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def int8_product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``a @ b`` in int32, into which every partial sum has to fit: GPUs saturate.

    On a processor with AVX512-VNNI and on a GPU this is torch's int8 product (oneDNN's, cuBLAS's); elsewhere torch has
    a plain loop for it, and float64 is faster.

    Args:
        a: int8, shape (M, K), in any memory order.
        b: int8, shape (K, N).
        out: int32, shape (M, N), or None for a new tensor.
    """
    m, k = a.shape
    if _is_fast(a.device, m, k, b.shape[1]):
        left, right = _with_row_stride(a), _with_row_stride(b)
        if out is None:
            product: Tensor = torch._int_mm(left, right)
            return product
        torch._int_mm(left, right, out=_with_row_stride(out))
        return out
    wide = (a.double() @ b.double()).to(torch.int32)
    return wide if out is None else out.copy_(wide)


def _with_row_stride(matrix: Tensor) -> Tensor:
    """Return a single row with the stride of a matrix of such rows, other matrices as they are.

    A transposed column has one element as the stride of its only row, and oneDNN behind torch 2.13's int8 product then
    reads and writes elsewhere.
    """
    return matrix.flatten()[None] if matrix.shape[0] == 1 else matrix


def _is_fast(device: torch.device, m: int, k: int, n: int) -> bool:
    """Whether torch has a fast int8 product for these sizes: on CUDA it wants M > 16, K and N in multiples of 8."""
    if device.type == "cuda":
        return m > 16 and k > 0 and k % 8 == 0 and n > 0 and n % 8 == 0
    return device.type == "cpu" and has_vnni()


@cache
def has_vnni() -> bool:
    """Whether this processor adds four int8 products in int32 at a time, and torch makes use of it."""
    return torch.backends.mkldnn.is_available() and torch.cpu._is_vnni_supported()
