"""Tables of a thresholding unit: which unsigned number each comparison reads at each address, and in how many bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from finn_transforms.rtl.streams import Integers

LITERAL_BITS = 1 << 14
"""Bits of the parts of a long constant."""

LUT_INPUTS, CARRY_INPUTS = 6, 5
"""Inputs of a LUT with one output and of one with two, as a carry bit takes it."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of an unsigned value with the threshold at an address.

    Attributes:
        entries: Thresholds by address, each in `bits` bits.
        drop: Lowest bits of the value that it need not see: the thresholds have zeros there.
        bits: Bits it compares.
        strict: Whether it asks for a value greater than the entry.
        group: Bits of the value per step of the carry chain; 0 for no chain.
        address_bits: Bits of the address that the entries depend on.
    """

    entries: tuple[int, ...]
    drop: int
    bits: int
    strict: bool
    group: int
    address_bits: int


def comparison(thresholds: Integers, value_bits: int, *, block: bool = False) -> Comparison:
    """Return how to compare values of some bits with thresholds 0 (always reached) to 2 ** value_bits (never reached).

    The last needs one bit more than a value has, unless no threshold is 0: then a value is greater than the threshold
    less 1. A table of up to 5 address bits goes into the LUTs of the carry chain itself, with so many bits of the value
    per step that 5 inputs are enough.

    Args:
        thresholds: integers by address, (addresses,).
        value_bits: Bits of a value.
        block: Whether the entries come from block RAM and not from a table.
    """
    numbers = [int(threshold) for threshold in thresholds]
    never = max(numbers) == 1 << value_bits
    strict = min(numbers) > 0
    total = value_bits + (never and not strict)
    together = int(np.bitwise_or.reduce(np.array(numbers, dtype=object)))
    zeros = (together & -together).bit_length() - 1 if together else total
    drop = min(zeros, total - 1)
    entries = tuple((number - strict) >> drop for number in numbers)
    address_bits = _bits_that_matter(entries)
    bits = total - drop
    return Comparison(
        entries=entries,
        drop=drop,
        bits=bits,
        strict=strict,
        group=_group(bits, address_bits, block=block),
        address_bits=address_bits,
    )


def _group(bits: int, address_bits: int, *, block: bool) -> int:
    if block:
        return 2
    if bits + address_bits <= LUT_INPUTS:
        return 0
    if address_bits >= LUT_INPUTS:
        return 2
    return max(CARRY_INPUTS - address_bits, 1)


def _bits_that_matter(entries: Sequence[int]) -> int:
    """Return how many bits of the address change an entry, at least where both addresses exist."""
    count = len(entries)
    return sum(
        any(entries[low] != entries[low | bit] for low in range(count) if not low & bit and low | bit < count)
        for bit in (1 << index for index in range((count - 1).bit_length()))
    )


def search_order(code_bits: int) -> list[list[int]]:
    """Return, for each stage of a binary search, the threshold it asks for at each prefix of the code."""
    return [
        [prefix * (2 << below) + (1 << below) - 1 for prefix in range(1 << (code_bits - 1 - below))]
        for below in reversed(range(code_bits))
    ]


def table(node: Comparison, entry_bits: int, *, block: bool = False) -> Integers:
    """Return a comparison's table as ``bfx_threshold_node.sv`` reads it: bit by bit, each bit by address.

    Addresses without an entry repeat the last. Multiplexer `level` of bit i selects by address bit i + level or i -
    level, modulo the address bits, so that place p of its table is the address with bit `level` of p there.

    Args:
        node: The comparison.
        entry_bits: Bits per entry, zeros above those compared.
        block: Whether the table is for a block RAM: word by word, in plain order.

    Returns:
        Zeros and ones, (entry_bits * places,), places the number of entries filled up to a power of two.
    """
    width = (len(node.entries) - 1).bit_length()
    places = np.arange(1 << width)
    entries = np.array(node.entries, dtype=object)[np.minimum(places, len(node.entries) - 1)]
    bits = np.zeros((entry_bits, len(places)), dtype=np.int64)
    for index in range(node.bits):
        column = ((entries >> index) & 1).astype(np.int64)
        if width and not block:
            step = 1 if index // width % 2 == 0 else width - 1
            turned = sum(((places >> level) & 1) << ((index + level * step) % width) for level in range(width))
            column = column[turned]
        bits[index] = column
    return (bits.T if block else bits).reshape(-1)


def literal(values: Iterable[int], bits: int) -> str:
    """Return a SystemVerilog constant with the first value in the lowest bits.

    A long one is a concatenation: Verilator takes numbers of at most 65,536 bits.
    """
    digits = "".join(reversed([format(int(value), f"0{bits}b") for value in values]))
    chunks = [digits[start : start + LITERAL_BITS] for start in range(0, len(digits), LITERAL_BITS)]
    parts = [f"{len(chunk)}'h{int(chunk, 2):x}" for chunk in chunks]
    return parts[0] if len(parts) == 1 else "{" + ", ".join(parts) + "}"
