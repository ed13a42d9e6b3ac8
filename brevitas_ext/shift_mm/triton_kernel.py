"""ShiftMM on a GPU: a tiled int8 product that shifts the operands in registers. Importing this needs Triton.

Written for any GPU with int8 tensor cores; so far it has run in Triton's interpreter and compiled for compute
capabilities 8.0 and 9.0, where its products become int8 tensor core instructions, but has not run on a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _shift_mm_kernel(  # noqa: PLR0913 - pointers, sizes, strides and the form of a tile, as kernels take them
    a_pointer,
    b_pointer,
    a_exponents,
    b_exponents,
    out_pointer,
    rows,
    columns,
    inner,
    a_row_stride,
    a_inner_stride,
    b_inner_stride,
    b_column_stride,
    shift_a: tl.constexpr,
    two_digits: tl.constexpr,
    block_rows: tl.constexpr,
    block_columns: tl.constexpr,
    block_inner: tl.constexpr,
    band: tl.constexpr,
):
    """Compute one tile of the result.

    Programs walk bands of `band` tile rows column by column, so that tiles computed together share operands in cache.
    Indices past an edge load zeros, which add nothing whatever the shift.  Tensor cores saturate in int32: both digits
    are signed, and neither is larger in magnitude than what it is a digit of, so that the proof for the whole sum holds
    for theirs.
    """
    program = tl.program_id(0)
    tile_rows = tl.cdiv(rows, block_rows)
    tiles_of_band = band * tl.cdiv(columns, block_columns)
    first = program // tiles_of_band * band
    height = min(tile_rows - first, band)
    tile_row = first + program % tiles_of_band % height
    tile_column = program % tiles_of_band // height

    m = tile_row * block_rows + tl.arange(0, block_rows)
    n = tile_column * block_columns + tl.arange(0, block_columns)
    low_sum = tl.zeros((block_rows, block_columns), dtype=tl.int32)
    high_sum = tl.zeros((block_rows, block_columns), dtype=tl.int32)
    a_rows = a_pointer + m[:, None].to(tl.int64) * a_row_stride
    b_columns = b_pointer + n[None, :].to(tl.int64) * b_column_stride
    for start in range(0, inner, block_inner):
        k = start + tl.arange(0, block_inner)
        inside = k < inner
        a = tl.load(a_rows + k[None, :].to(tl.int64) * a_inner_stride, (m[:, None] < rows) & inside[None, :], other=0)
        b = tl.load(
            b_columns + k[:, None].to(tl.int64) * b_inner_stride, inside[:, None] & (n[None, :] < columns), other=0
        )
        if shift_a:
            a = (a.to(tl.int32) << tl.load(a_exponents + k, inside, other=0)[None, :]).to(tl.int8)
        wide = b.to(tl.int32) << tl.load(b_exponents + k, inside, other=0)[:, None]
        if two_digits:
            high = (wide + 64) >> 7
            low_sum = tl.dot(a, (wide - (high << 7)).to(tl.int8), low_sum, out_dtype=tl.int32)
            high_sum = tl.dot(a, high.to(tl.int8), high_sum, out_dtype=tl.int32)
        else:
            low_sum = tl.dot(a, wide.to(tl.int8), low_sum, out_dtype=tl.int32)
    if two_digits:
        low_sum += high_sum << 7
    out = out_pointer + m[:, None].to(tl.int64) * columns + n[None, :]
    tl.store(out, low_sum, (m[:, None] < rows) & (n[None, :] < columns))


def launch(  # noqa: PLR0913 - operands with their shifts, and the result
    a: Tensor, b: Tensor, in_a: Tensor | None, in_b: Tensor, out: Tensor, *, two_digits: bool
) -> None:
    """Run the kernel.

    Args:
        a: int8, shape (M, K), any strides.
        b: int8, shape (K, N), any strides.
        in_a: exponents shifted into a, shape (K,), or None.
        in_b: exponents shifted into b, shape (K,).
        out: int32, shape (M, N), contiguous; overwritten.
        two_digits: b with its shifts exceeds int8 and is multiplied in two parts.
    """
    rows, columns = out.shape
    if not out.numel():
        return
    # Large tiles reuse more; small products need as many tiles as there are processors.
    edge = 128 if min(rows, columns) >= 1024 and not two_digits else 64
    in_b = in_b.to(torch.int32).contiguous()
    in_a = in_b if in_a is None else in_a.to(torch.int32).contiguous()
    grid = (triton.cdiv(rows, edge) * triton.cdiv(columns, edge),)
    with torch.cuda.device_of(a):
        _shift_mm_kernel[grid](
            a,
            b,
            in_a,
            in_b,
            out,
            rows,
            columns,
            a.shape[1],
            *a.stride(),
            *b.stride(),
            shift_a=in_a is not in_b,
            two_digits=two_digits,
            block_rows=edge,
            block_columns=edge,
            block_inner=64,
            band=8,
            num_warps=8 if edge == 128 else 4,
            num_stages=3,
        )
