"""SPARQ's golden functions on integers: bSPARQ for single values, vSPARQ for pairs, and what their encodings hold.

Symbols, as in SPARQ (arXiv 2105.11010): x is an 8-bit unsigned activation, n (`bits`) the width of a window, and a
window is n consecutive bits of x, `shift` bits above the lowest one, so that it stands for ``data << shift``.

*Narrow* (bSPARQ, section 3.1): the window is the one of the lowest allowed shift that has all of x's leading bits.
The bits below are dropped (trimming) or rounded half to even.  Where rounding carries out of the window, ``saturate``
keeps the window's largest value, which is what the authors' code does, and ``carry`` goes on to ``2**(n + shift)``
in the next allowed window; if there is none, or it cannot hold that value, it saturates as well.

*Wide* (vSPARQ, section 3.2): of a pair in which exactly one value is zero before any trimming, the other one keeps
``w = min(2 * n, 8)`` bits.  For n >= 4 it is exact, for n = 3 it goes through a rounded 6-bit window with the shifts
0..2 and for n = 2 through a rounded 4-bit window with the shifts 0..4, whatever the narrow windows are; `rounding`
concerns the narrow ones alone, as in the authors' code, `overflow` both.  Two values that are not zero are narrow.

**The encoded form**, which hardware streams (`brevitas_ext.arith.sparq_code`).  An activation has an n-bit *data* field
and a *ShiftCtrl*, the index of the field's shift in `SparqFormat.shift_table`; a pair also has a 2-bit *MuxCtrl*.  Each
field is one small product, ``(data << shift_table[ShiftCtrl]) * weight``; MuxCtrl says which weight:

========  =====================  ====================================  ====================================
MuxCtrl   the pair               first field                           second field
========  =====================  ====================================  ====================================
00        both narrow            narrow window of the first, w0        narrow window of the second, w1
01        second 0, first wide   low part of the first, w0             **high part of the first, w0**
10        first 0, second wide   **high part of the second, w1**       low part of the second, w1
========  =====================  ====================================  ====================================

Bit 0 of MuxCtrl thus crosses the second field over to w0, bit 1 the first field to w1; 11 does not occur.  A wide
window of w bits at the shift s is split after its ``w - n`` low bits: the low part is ``window mod 2**(w-n)`` at the
shift s, the high part, n bits, is ``window >> (w-n)`` at the shift ``s + w - n``.  Both parts have a ShiftCtrl of their
own, so that nothing but the choice of weights tells wide from narrow; for n = 4 the shifts are 0 and 4.  Two zeros are
MuxCtrl 00 with all fields 0.  `shift_table` holds the narrow shifts and, in pairs, those of both parts; for the
window sets of the paper these are the same (5opt 0..4, 3opt 0, 2, 4, 2opt 0, 4, 6opt 0..5, 7opt 0..6).  Without pairs
there is no MuxCtrl.

Packed, lowest bit first: data, ShiftCtrl of the first activation, then of the second, then MuxCtrl, as
``mux << 2*(n+c) | (shift1 << n | data1) << (n+c) | shift0 << n | data0`` with c (`shift_bits`) bits of ShiftCtrl:
16 bits for a pair at 4b5opt, 14 at 4b3opt, 12 at 4b2opt, 14 at 3b6opt, 12 at 2b7opt.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brevitas_ext.arith.accumulator import integer_array

ACTIVATION_BITS: Final = 8
CODES: Final = 1 << ACTIVATION_BITS
"""How many values an activation has before SPARQ: 0 to 255."""

Overflow: TypeAlias = Literal["saturate", "carry"]

WINDOW_SETS: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    "7b2opt": (7, (0, 1)),
    "6b3opt": (6, (0, 1, 2)),
    "5b4opt": (5, (0, 1, 2, 3)),
    "4b5opt": (4, (0, 1, 2, 3, 4)),
    "4b3opt": (4, (0, 2, 4)),
    "4b2opt": (4, (0, 4)),
    "3b6opt": (3, (0, 1, 2, 3, 4, 5)),
    "2b7opt": (2, (0, 1, 2, 3, 4, 5, 6)),
}
"""Widths and shifts by name: those of the paper (sections 3.1 and 5.3), and all windows of 5, 6 and 7 bits."""


@dataclass(frozen=True, kw_only=True)
class SparqFormat:
    """What SPARQ makes of 8-bit activations.

    Attributes:
        bits: width n of a window, 2 to 7.
        shifts: allowed left shifts of a narrow window, ascending, from 0 to ``8 - bits``.
        rounding: round what a narrow window drops, half to even, instead of trimming it.
        overflow: what a carry out of a window does.
        pairs: vSPARQ, where the partner of a zero gets a wide window, instead of bSPARQ alone.

    Raises:
        TypeError: a shift or the width is no integer.
        ValueError: a parameter has no meaning.
    """

    bits: int
    shifts: tuple[int, ...]
    rounding: bool = True
    overflow: Overflow = "saturate"
    pairs: bool = True

    def __post_init__(self) -> None:
        """Reject what is no set of windows."""
        for name, values in (("bits", (self.bits,)), ("shifts", self.shifts)):
            if any(isinstance(value, bool) or not hasattr(type(value), "__index__") for value in values):
                raise TypeError(f"SPARQ: expected integers in {name}, got {values!r}; e.g. bits=4, shifts=(0, 2, 4)")
        object.__setattr__(self, "bits", self.bits.__index__())
        object.__setattr__(self, "shifts", tuple(shift.__index__() for shift in self.shifts))
        if not 2 <= self.bits < ACTIVATION_BITS:
            raise ValueError(
                f"SPARQ: expected bits from 2 to {ACTIVATION_BITS - 1}, got {self.bits}; 4, 3 and 2 are usual"
            )
        top = ACTIVATION_BITS - self.bits
        if list(self.shifts) != sorted({0, top, *self.shifts}) or not 0 <= self.shifts[0] <= self.shifts[-1] <= top:
            raise ValueError(
                f"SPARQ: expected ascending shifts from 0 to {top} for windows of {self.bits} bits, got {self.shifts}; "
                f"small values need 0, those above {(1 << (ACTIVATION_BITS - 1)) - 1} need {top}, e.g. (0, {top})"
            )
        if self.overflow not in get_args(Overflow):
            raise ValueError(f"SPARQ: expected overflow 'saturate' or 'carry', got {self.overflow!r}")

    @classmethod
    def named(cls, name: str, *, rounding: bool = True, overflow: Overflow = "saturate", pairs: bool = True) -> Self:
        """Return a format of `WINDOW_SETS`, e.g. ``"4b5opt"``.

        Raises:
            ValueError: the name is unknown.
        """
        if name not in WINDOW_SETS:
            raise ValueError(f"SPARQ: expected a window set out of {', '.join(WINDOW_SETS)}, got {name!r}")
        bits, shifts = WINDOW_SETS[name]
        return cls(bits=bits, shifts=shifts, rounding=rounding, overflow=overflow, pairs=pairs)

    @property
    def wide_bits(self) -> int:
        """Width w of the window that the partner of a zero gets."""
        return min(2 * self.bits, ACTIVATION_BITS)

    @property
    def low_bits(self) -> int:
        """Bits of a wide window that travel in its own field; the upper n ones are in the partner's."""
        return self.wide_bits - self.bits

    @property
    def wide_shifts(self) -> tuple[int, ...]:
        """Shifts of a wide window: all of them."""
        return tuple(range(ACTIVATION_BITS - self.wide_bits + 1))

    @property
    def shift_table(self) -> tuple[int, ...]:
        """Shifts that ShiftCtrl counts, ascending."""
        parts = [shift + part for shift in self.wide_shifts for part in (0, self.low_bits)] if self.pairs else []
        return tuple(sorted({*self.shifts, *parts}))

    @property
    def shift_bits(self) -> int:
        """Width of a ShiftCtrl."""
        return (len(self.shift_table) - 1).bit_length()

    @cached_property
    def narrow(self) -> NDArray[np.int64]:
        """(data, shift) of the narrow window of every value, shape (256, 2)."""
        return _windows(self.bits, self.shifts, rounding=self.rounding, overflow=self.overflow)

    @cached_property
    def wide(self) -> NDArray[np.int64]:
        """(data, shift) of the wide window of every value, shape (256, 2)."""
        return _windows(self.wide_bits, self.wide_shifts, rounding=True, overflow=self.overflow)

    @cached_property
    def narrow_values(self) -> NDArray[np.int64]:
        """What a value is worth in its narrow window, shape (256,)."""
        return self.narrow[:, 0] << self.narrow[:, 1]

    @cached_property
    def wide_values(self) -> NDArray[np.int64]:
        """What a value is worth beside a zero, shape (256,)."""
        return self.wide[:, 0] << self.wide[:, 1]

    @cached_property
    def reachable(self) -> NDArray[np.int64]:
        """Every value that an activation can have afterwards, ascending."""
        return np.union1d(self.narrow_values, self.wide_values) if self.pairs else np.unique(self.narrow_values)

    def __call__(self, x: ArrayLike, *, axis: int = -1) -> NDArray[np.int64]:
        """Return what activations are worth: `vsparq` along `axis` with `pairs`, else `bsparq`."""
        values = activations(x)
        if not self.pairs:
            return self.narrow_values[values]
        return np.where(_partner_is_zero(values, axis), self.wide_values[values], self.narrow_values[values])


def bsparq(
    x: ArrayLike, *, bits: int, shifts: tuple[int, ...], rounding: bool = True, overflow: Overflow = "saturate"
) -> NDArray[np.int64]:
    """Return what single activations are worth in their window of `bits` bits, SPARQ section 3.1.

    Args:
        x: integers from 0 to 255 of any shape.
        bits: see `SparqFormat`, as `shifts`, `rounding` and `overflow`.
        shifts: allowed shifts.
        rounding: round instead of trimming.
        overflow: what a carry out of a window does.

    Returns:
        Integers of the shape of `x`.

    Raises:
        TypeError: `x` does not hold integers, or a parameter is none.
        ValueError: a value is negative or above 255, or a parameter has no meaning.

    Example:
        >>> bsparq([27, 33], bits=4, shifts=(0, 1, 2, 3, 4), rounding=False)
        array([26, 32])
    """
    return SparqFormat(bits=bits, shifts=tuple(shifts), rounding=rounding, overflow=overflow, pairs=False)(x)


def vsparq(  # noqa: PLR0913 - the parameters of the format, and where the pairs lie
    x: ArrayLike,
    *,
    bits: int,
    shifts: tuple[int, ...],
    rounding: bool = True,
    overflow: Overflow = "saturate",
    axis: int = -1,
) -> NDArray[np.int64]:
    """Return what activations are worth in pairs, SPARQ Eq. 2: the elements 2i and 2i + 1 along `axis`.

    The last element of an odd number of them is paired with zero.

    Args:
        x: integers from 0 to 255 of any shape but ().
        bits: see `SparqFormat`, as `shifts`, `rounding` and `overflow`.
        shifts: allowed shifts of the narrow window.
        rounding: round instead of trimming, in the narrow window.
        overflow: what a carry out of a window does.
        axis: the dimension along which products are summed.

    Returns:
        Integers of the shape of `x`.

    Raises:
        TypeError: `x` does not hold integers, or a parameter is none.
        ValueError: a value is negative or above 255, `axis` does not exist, or a parameter has no meaning.

    Example:
        >>> vsparq([27, 0, 27, 33], bits=4, shifts=(0, 1, 2, 3, 4), rounding=False)
        array([27,  0, 26, 32])
    """
    chosen = SparqFormat(bits=bits, shifts=tuple(shifts), rounding=rounding, overflow=overflow, pairs=True)
    return chosen(x, axis=axis)


def activations(x: ArrayLike) -> NDArray[np.int64]:
    """Return `x` as int64, or raise unless it holds 8-bit unsigned integers.

    Raises:
        TypeError: it does not hold integers.
        ValueError: a value is negative or above 255.
    """
    values = integer_array("x", x)
    if values.size and (values.min() < 0 or values.max() >= CODES):
        found = values.min() if values.min() < 0 else values.max()
        raise ValueError(
            f"SPARQ: expected 8-bit unsigned activations, 0 to {CODES - 1}, got {found}; quantize to 8 bits without "
            "sign first (after a ReLU), SPARQ does not define signed ones"
        )
    return np.asarray(values.astype(np.int64))


def partners(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return every element's partner along `axis`, shape of `values`; that of an odd tail is 0.

    Raises:
        ValueError: the axis does not exist.
    """
    if not -values.ndim <= axis < values.ndim:
        raise ValueError(f"SPARQ: expected an axis of an array of shape {values.shape}, got {axis}")
    rows = np.moveaxis(values, axis, -1)
    swapped = np.zeros_like(rows)
    even = rows.shape[-1] // 2 * 2
    swapped[..., 0:even:2], swapped[..., 1:even:2] = rows[..., 1:even:2], rows[..., 0:even:2]
    return np.moveaxis(swapped, -1, axis)


def _partner_is_zero(values: NDArray[np.int64], axis: int) -> NDArray[np.bool_]:
    return np.asarray(partners(values, axis) == 0)


@cache
def _windows(bits: int, shifts: tuple[int, ...], *, rounding: bool, overflow: Overflow) -> NDArray[np.int64]:
    """Return (data, shift) of the window of every value, shape (256, 2), read-only."""
    table = np.array(
        [_window(x, bits, shifts, rounding=rounding, carries=overflow == "carry") for x in range(CODES)], dtype=np.int64
    )
    table.flags.writeable = False
    return table


def _window(x: int, bits: int, shifts: tuple[int, ...], *, rounding: bool, carries: bool) -> tuple[int, int]:
    index, shift = next((i, shift) for i, shift in enumerate(shifts) if x >> (bits + shift) == 0)
    data, dropped = x >> shift, x & ((1 << shift) - 1)
    if rounding:
        twice, one = 2 * dropped, 1 << shift
        data += twice > one or (twice == one and data & 1)
    if data >> bits == 0:
        return data, shift
    if carries and index + 1 < len(shifts) and shifts[index + 1] <= bits + shift:
        following = shifts[index + 1]
        return 1 << (bits + shift - following), following
    return (1 << bits) - 1, shift
