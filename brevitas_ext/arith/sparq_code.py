"""The encoded form of SPARQ activations: data fields, ShiftCtrl and MuxCtrl, and their packing into words.

The form is defined in `brevitas_ext.arith.sparq`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brevitas_ext.arith.accumulator import integer_array
from brevitas_ext.arith.sparq import SparqFormat, activations

BOTH_NARROW, FIRST_WIDE, SECOND_WIDE = 0b00, 0b01, 0b10
"""The values of MuxCtrl."""
MUX_BITS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class SparqCode:
    """Encoded activations.

    Attributes:
        data: data fields, shape (..., P, 2) for P pairs, (..., L) without pairs.
        shift: ShiftCtrl of each field, of the shape of `data`.
        mux: MuxCtrl of each pair, shape (..., P); None without pairs.
    """

    data: NDArray[np.int64]
    shift: NDArray[np.int64]
    mux: NDArray[np.int64] | None


def encode(x: ArrayLike, sparq: SparqFormat) -> SparqCode:
    """Encode activations along their last axis.

    Args:
        x: integers from 0 to 255, shape (..., L); in pairs, an odd tail is paired with zero.
        sparq: the format.

    Returns:
        The code, of L activations or ``ceil(L / 2)`` pairs.

    Raises:
        TypeError: `x` does not hold integers.
        ValueError: a value is negative or above 255, or `x` is a scalar and the format has pairs.
    """
    values = activations(x)
    if not sparq.pairs:
        data, shift = np.moveaxis(sparq.narrow[values], -1, 0)
        return SparqCode(data=data, shift=_indices(shift, sparq), mux=None)
    if values.ndim == 0:
        raise ValueError("SPARQ: expected activations of shape (..., L) to pair, got a scalar; encode without pairs")
    if values.shape[-1] % 2:
        values = np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)
    pairs = values.reshape(*values.shape[:-1], -1, 2)
    first_wide = (pairs[..., 1] == 0) & (pairs[..., 0] != 0)
    second_wide = (pairs[..., 0] == 0) & (pairs[..., 1] != 0)
    wide = (first_wide | second_wide)[..., None]
    narrow_data, narrow_shift = np.moveaxis(sparq.narrow[pairs], -1, 0)
    window, window_shift = np.moveaxis(sparq.wide[pairs.max(axis=-1)], -1, 0)
    low, high = window & ((1 << sparq.low_bits) - 1), window >> sparq.low_bits
    is_own = np.stack([first_wide, second_wide], axis=-1)
    data = np.where(wide, np.where(is_own, low[..., None], high[..., None]), narrow_data)
    shift = np.where(wide, window_shift[..., None] + np.where(is_own, 0, sparq.low_bits), narrow_shift)
    return SparqCode(data=data, shift=_indices(shift, sparq), mux=FIRST_WIDE * first_wide + SECOND_WIDE * second_wide)


def decode(code: SparqCode, sparq: SparqFormat, *, length: int | None = None) -> NDArray[np.int64]:
    """Return what encoded activations are worth, as `bsparq` or `vsparq` does.

    Args:
        code: the code.
        sparq: its format.
        length: how many activations there were along the last axis; all of the code's fields by default.

    Raises:
        ValueError: a field is out of range, the code has pairs and the format none or the other way round, or the
            length does not go with the code.
    """
    _check(code, sparq)
    products = code.data << np.asarray(sparq.shift_table, dtype=np.int64)[code.shift]
    if code.mux is None:
        values = products
    else:
        crossed_to_first, crossed_to_second = code.mux & FIRST_WIDE, code.mux >> 1
        first = products[..., 0] * (1 - crossed_to_second) + products[..., 1] * crossed_to_first
        second = products[..., 1] * (1 - crossed_to_first) + products[..., 0] * crossed_to_second
        values = np.stack([first, second], axis=-1).reshape(*code.mux.shape[:-1], -1)
    if length is None:
        return values
    if not values.shape[-1] - (code.mux is not None) <= length <= values.shape[-1]:
        raise ValueError(f"SPARQ: expected a length that goes with {values.shape[-1]} fields, got {length}")
    return values[..., :length]


def word_bits(sparq: SparqFormat) -> int:
    """Return the width of a packed word: of a pair, or of an activation without pairs."""
    field = sparq.bits + sparq.shift_bits
    return 2 * field + MUX_BITS if sparq.pairs else field


def pack(code: SparqCode, sparq: SparqFormat) -> NDArray[np.int64]:
    """Return the words of a code, one a pair (or activation), of `word_bits` bits each.

    Raises:
        ValueError: see `decode`.
    """
    _check(code, sparq)
    fields = code.data | (code.shift << sparq.bits)
    if code.mux is None:
        return fields
    width = sparq.bits + sparq.shift_bits
    return np.asarray(fields[..., 0] | (fields[..., 1] << width) | (code.mux << (2 * width)))


def unpack(words: ArrayLike, sparq: SparqFormat) -> SparqCode:
    """Return the code of packed words; the inverse of `pack`.

    Raises:
        TypeError: the words are no integers.
        ValueError: a word is wider than `word_bits`, or a field of it is out of range.
    """
    packed = integer_array("words", words)
    if packed.size and (packed.min() < 0 or packed.max() >> word_bits(sparq)):
        raise ValueError(
            f"SPARQ: expected words of {word_bits(sparq)} bits, got {packed.max()}; unpack in the format of the code"
        )
    packed = np.asarray(packed.astype(np.int64))
    width = sparq.bits + sparq.shift_bits
    fields = np.stack([packed, packed >> width], axis=-1) & ((1 << width) - 1) if sparq.pairs else packed
    mux = packed >> (2 * width) if sparq.pairs else None
    code = SparqCode(data=fields & ((1 << sparq.bits) - 1), shift=fields >> sparq.bits, mux=mux)
    _check(code, sparq)
    return code


def to_bits(words: ArrayLike, sparq: SparqFormat) -> NDArray[np.uint8]:
    """Return the bits of packed words, lowest first, shape (..., `word_bits`)."""
    packed = integer_array("words", words)
    return np.asarray((packed[..., None] >> np.arange(word_bits(sparq))) & 1).astype(np.uint8)


def from_bits(bits: ArrayLike, sparq: SparqFormat) -> NDArray[np.int64]:
    """Return the words of bits, shape (..., `word_bits`) with the lowest first; the inverse of `to_bits`.

    Raises:
        ValueError: the last axis is not one word wide.
    """
    array = np.asarray(integer_array("bits", bits).astype(np.int64))
    if array.ndim == 0 or array.shape[-1] != word_bits(sparq):
        raise ValueError(f"SPARQ: expected words of {word_bits(sparq)} bits along the last axis, got {array.shape}")
    return np.asarray((array << np.arange(word_bits(sparq))).sum(axis=-1))


def _indices(shifts: NDArray[np.int64], sparq: SparqFormat) -> NDArray[np.int64]:
    return np.searchsorted(np.asarray(sparq.shift_table), shifts)


def _check(code: SparqCode, sparq: SparqFormat) -> None:
    if (code.mux is not None) != sparq.pairs:
        raise ValueError(
            f"SPARQ: expected a code {'with' if sparq.pairs else 'without'} MuxCtrl for pairs={sparq.pairs}, got the "
            "other one; use the format that it was encoded in"
        )
    expected = code.data.shape if code.mux is None else (*code.mux.shape, 2)
    if not code.data.shape == code.shift.shape == expected:
        raise ValueError(
            f"SPARQ: expected data and ShiftCtrl of one shape, (..., P, 2) in pairs, and a MuxCtrl a pair, got shapes "
            f"{code.data.shape}, {code.shift.shape} and {None if code.mux is None else code.mux.shape}"
        )
    limits = [("data", code.data, 1 << sparq.bits), ("ShiftCtrl", code.shift, len(sparq.shift_table))]
    if code.mux is not None:
        limits.append(("MuxCtrl", code.mux, SECOND_WIDE + 1))
    for name, values, limit in limits:
        if values.size and (values.min() < 0 or values.max() >= limit):
            raise ValueError(f"SPARQ: expected {name} from 0 to {limit - 1}, got {values.min()} to {values.max()}")
