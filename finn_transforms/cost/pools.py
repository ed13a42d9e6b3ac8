"""Pools: running maxima and sums."""

from __future__ import annotations

from typing import Final

from finn_transforms.cost.library import bits_of, counter, memory_terms
from finn_transforms.cost.memory import ram
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Term
from finn_transforms.cost.timing import Family

MAX_POOL: Final = "max_pool"
SUM_POOL: Final = "sum_pool"
GLOBAL_SUM: Final = "global_sum"

_BITS_IN_LUTS: Final = 4


def maximum_structure(elements: int, kernel: int, bits: int, *, is_signed: bool) -> Structure:
    """Return the structure of a pool whose running maximum is its output register.

    Up to four bits are compared in LUTs, more in a carry chain.

    Args:
        elements: channels per cycle.
        kernel: beats of a window.
        bits: bits of an input.
        is_signed: whether inputs are two's complement.
    """
    if bits <= _BITS_IN_LUTS:
        comparison = Term(f"compare_{bits}{'s' if is_signed else ''}", elements, "comparators")
    else:
        comparison = Term("compare_bit", elements * bits, "comparators")
    return Structure(
        kind=MAX_POOL,
        terms=(Term("pool", 1, "control"), *counter(kernel), comparison, Term("load", elements, "control")),
        ff={"bit": elements * bits, "unit": 1, "counter": bits_of(kernel)},
        delay={"unit": 1, "bit": bits, "readers": bits_of(elements + 1)},
    )  # fmt: skip


def pool_structure(elements: int, kernel: int, sum_bits: int) -> Structure:
    """Return the structure of a pool whose running sum is its output register.

    Args:
        elements: channels per cycle.
        kernel: beats of a window.
        sum_bits: bits of the running sum.
    """
    common = [Term("pool", 1, "control"), *counter(kernel)]
    state = {"unit": 1, "counter": bits_of(kernel)}
    sums = Term("sum_bit", elements * sum_bits, "accumulator")
    return Structure(
        kind=SUM_POOL, terms=(*common, sums), ff={"bit": elements * sum_bits, **state},
        delay={"unit": 1, "bit": sum_bits, "readers": bits_of(elements + 1)},
    )  # fmt: skip


def global_sum_structure(elements: int, folds: int, pixels: int, sum_bits: int, family: Family) -> Structure:
    """Return the structure of sums over all pixels, held in LUT RAM.

    Args:
        elements: channels per cycle.
        folds: beats of a pixel.
        pixels: pixels of a frame.
        sum_bits: bits of a sum.
        family: part family.
    """
    width = elements * sum_bits
    memory = ram(folds if folds > 1 else 0, width, family=family)
    terms = [
        Term("sum_bit", width, "accumulator"),
        Term("global_sum", 1, "control"),
        *counter(folds),
        *counter(pixels),
        *memory_terms(memory, width, "accumulator"),
    ]
    return Structure(
        kind=GLOBAL_SUM, terms=tuple(terms),
        ff={"bit": width, "unit": 1, "counter": bits_of(folds) + bits_of(pixels)},
        delay={"unit": 1, "bit": sum_bits, "readers": bits_of(elements + 1), "bank": bits_of(memory.banks)},
    )  # fmt: skip
