"""The right operand of a ShiftMM with its shifts prepared once, as the weights of a layer are.

Three kinds of work remain for a product, by how much room the operands have in int8:

* the exponents fit into b (4 bits and less, up to four groups and more): one plain int8 product;
* they fit into b and a together (6 bits, exponents up to 4): a pass over a, and one product;
* a rest is left (8 bits) and b has few columns, or this is a GPU: b becomes ``high * 128 + low``, both signed digits,
  side by side in one product of twice the columns, which is less than twice the work where reading a takes the time;
* a rest is left and b has many columns: inner indices ordered by it, one product per value of the rest, added in
  Horner's manner, ``((p3 << 1) + p2 << 1) + ...``, each shift fused with an addition.  The multiplications are those of
  one product; the columns of a have to be put in order, which is the grouped product of ShiftQuant's Fig. 3b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from brevitas_ext.shift_mm.digits import DIGIT_BITS, two_digits
from brevitas_ext.shift_mm.int8_product import int8_product
from brevitas_ext.shift_mm.operands import INT8_BOUND, INT32_MAX, check_bound, check_left, check_right
from brevitas_ext.shift_mm.shares import check_sum, largest_sum, powers_of_two, share_exponents

FEW_COLUMNS: Final = 256
"""Up to here a product of twice the columns takes less time than ordered groups do (measured on AVX512-VNNI)."""


@dataclass(frozen=True, eq=False)
class PackedShift:
    """What `pack_shift` returns; call it with the left operand.

    Attributes:
        b: int8, shape (K, N): shifted as far as it has room, its rows in `order`; (K, 2 * N) with two digits.
        columns: N.
        a_factors: int8, shape (K,): what the columns of a are multiplied with, 2**share; None for ones.
        order: int64, shape (K,): inner indices, largest rest first; None for the natural order.
        segments: (stop, rest) of each run of the ordered inner indices; none with two digits.
        a_bound: magnitude of a that the proof needs, checked at each call; 128 where int8 itself is enough.
    """

    b: Tensor
    columns: int
    a_factors: Tensor | None
    order: Tensor | None
    segments: tuple[tuple[int, int], ...]
    a_bound: int

    def __call__(self, a: Tensor, *, out: Tensor | None = None, a_is_prepared: bool = False) -> Tensor:
        """Return ``sum_k (a[m, k] * b[k, n]) << exponents[k]``.

        Args:
            a: int8, shape (..., M, K).
            out: int32 of the result's shape, contiguous, or None for a new tensor.
            a_is_prepared: a is what `prepare_left` returns; the quantizer that makes it may do that work at no cost.
                Magnitudes are not checked again.

        Returns:
            int32, shape (..., M, N).

        Raises:
            TypeError: `a` is not int8.
            ValueError: shape or device of `a` or `out` do not fit, or a magnitude exceeds the declared bound.
        """
        check_left(a, self.b.shape[0], self.b.device)
        prepared = a if a_is_prepared else self.prepare_left(a)
        shape = (*a.shape[:-1], self.columns)
        if out is not None:
            _check_out(out, shape, a.device)
        if a.ndim == 2:
            return self._product(prepared, out)
        return self._product(prepared.flatten(0, -2), None if out is None else out.flatten(0, -2)).view(shape)

    def prepare_left(self, a: Tensor) -> Tensor:
        """Return `a`, int8 (..., K), with its share of the exponents shifted in and its columns in `order`.

        That is `a` itself where neither is needed.

        Raises:
            ValueError: a magnitude exceeds the declared bound.
        """
        check_bound("a", a, self.a_bound)
        shifted = a if self.a_factors is None else a * self.a_factors
        if self.order is None:
            return shifted
        # Rows gather many times faster than columns, and torch's product takes a transposed operand as it is.
        rows = shifted.flatten(0, -2).t().contiguous().index_select(0, self.order)
        return rows.t() if a.ndim == 2 else rows.t().unflatten(0, a.shape[:-1])

    def _product(self, a: Tensor, out: Tensor | None) -> Tensor:
        if not self.segments:
            both = int8_product(a, self.b)
            return torch.add(both[:, : self.columns], both[:, self.columns :], alpha=1 << DIGIT_BITS, out=out)
        (start, before), *others = self.segments
        total = int8_product(a[:, :start], self.b[:start], out) if others else int8_product(a, self.b, out)
        part = torch.empty_like(total) if others else total
        for stop, rest in others:
            int8_product(a[:, start:stop], self.b[start:stop], part)
            torch.add(part, total, alpha=1 << (before - rest), out=total)
            start, before = stop, rest
        return total.bitwise_left_shift_(before) if before else total


def pack_shift(b: Tensor, exponents: Tensor, *, a_bound: int = INT8_BOUND, b_bound: int | None = None) -> PackedShift:
    """Prepare the right operand of a ShiftMM: `pack_shift(b, e)(a)` is `shift_mm(a, b, e)`.

    Args:
        b: int8, shape (K, N).
        exponents: left shifts from 0 to 16, shape (K,).
        a_bound: largest magnitude of every left operand to come; a tight one leaves room for shifts.
        b_bound: largest magnitude in b; None reads it off.

    Raises:
        TypeError: b is not int8, or the exponents are no integers.
        ValueError: shapes do not go together, an exponent is out of range, or b exceeds its bound.
        OverflowError: a sum may exceed int32.
    """
    check_right(b, exponents)
    b_bound = _magnitude(b) if b_bound is None else b_bound
    check_bound("b", b, b_bound)
    check_bound("a", b[:0], a_bound)
    shares = share_exponents(exponents, a_bound, b_bound)
    if largest_sum(exponents, INT8_BOUND, b_bound) > INT32_MAX:
        check_sum(exponents, a_bound, b_bound)
    elif shares.a is None:
        a_bound = INT8_BOUND  # every int8 will do: nothing of a need be checked
    packed = b if shares.b is None else b * powers_of_two(shares.b, torch.int8)[:, None]
    a_factors = None if shares.a is None else powers_of_two(shares.a, torch.int8)
    if shares.rest is None:
        return PackedShift(packed, b.shape[1], a_factors, None, ((b.shape[0], 0),), a_bound)
    if (b.shape[1] <= FEW_COLUMNS or b.device.type == "cuda") and int(shares.rest.max()) <= DIGIT_BITS:
        return PackedShift(_digits(packed, shares.rest), b.shape[1], a_factors, None, (), a_bound)
    order, segments = _segments(shares.rest)
    if order is not None:
        packed = packed.index_select(0, order)
    return PackedShift(packed, b.shape[1], a_factors, order, segments, a_bound)


def _digits(b: Tensor, rest: Tensor) -> Tensor:
    """Return low and high digits of int8 rows shifted by up to `DIGIT_BITS`, side by side."""
    return torch.cat(two_digits(b.to(torch.int16) << rest.to(torch.int16)[:, None]), dim=1)


def _segments(rest: Tensor) -> tuple[Tensor | None, tuple[tuple[int, int], ...]]:
    """Return the order of inner indices by falling rest, and the (stop, rest) of each run of equal ones."""
    ordered, order = rest.sort(descending=True, stable=True)
    values, counts = ordered.unique_consecutive(return_counts=True)
    stops = counts.cumsum(0).tolist()
    return order if len(stops) > 1 else None, tuple(zip(stops, values.tolist(), strict=True))


def _magnitude(b: Tensor) -> int:
    low, high = (int(each) for each in b.aminmax()) if b.numel() else (0, 0)
    return max(-low, high, 1)


def _check_out(out: Tensor, shape: tuple[int, ...], device: torch.device) -> None:
    if out.dtype != torch.int32 or out.shape != shape or out.device != device or not out.is_contiguous():
        raise ValueError(
            f"shift_mm: expected out to be contiguous int32 of shape {shape} on {device}, got {out.dtype} of shape "
            f"{(*out.shape,)} on {out.device}"
        )
