"""Units that compute element by element: sums, products, maxima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from finn_transforms.cost.library import bits_of, counter, memory_terms
from finn_transforms.cost.memory import ram
from finn_transforms.cost.rom import random_rom_luts, rom_luts
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Term
from finn_transforms.cost.timing import Family

ADDITION: Final = "elementwise_add"
PRODUCT: Final = "elementwise_mul"
MAX_POOL: Final = "max_pool"
SUM_POOL: Final = "sum_pool"
GLOBAL_SUM: Final = "global_sum"

_BITS_IN_LUTS: Final = 4

# Rows of constants that the LUTs of an adder take in, with two bits of address.
_ROWS_IN_ADDER: Final = 4


@dataclass(frozen=True, kw_only=True)
class Operands:
    """Operands of an element-wise unit.

    Attributes:
        operation: ``add``, ``sub`` or ``mul``.
        elements: Elements per beat.
        left_bits: Bits of the left operand.
        right_bits: Bits of the right one.
        out_bits: Bits of the result.
        rows: Rows of constants where one operand is no stream, else 0.
        content: Their bits, (rows, bits of a beat); None where they are not known.
        constant_bits: Bits of a constant.
    """

    operation: Literal["add", "sub", "mul"]
    elements: int
    left_bits: int
    right_bits: int
    out_bits: int
    rows: int = 0
    content: NDArray[np.bool_] | None = None
    constant_bits: int = 0


def elementwise_structure(operands: Operands) -> Structure:
    """Return the structure of an element-wise unit: an adder or a multiplier per element, constants in a table.

    Constants, ``*_constant`` where one operand is a single known number: ``add_bit`` and ``sub_bit`` per bit of a
    sum, ``add_element`` and ``sub_element`` per element, ``product_*`` per bit of an adder of two rows of a product,
    ``product_sum_*`` of one that adds such sums, ``table`` per LUT of constants.
    """
    elements, left, right = operands.elements, operands.left_bits, operands.right_bits
    is_known = operands.rows == 1
    name = "constant" if is_known else "stream"
    terms = [Term(f"handshake_{'constant' if operands.rows else 'stream'}", 1, "control"), *counter(operands.rows)]
    if operands.operation == "mul":
        bits = min(operands.out_bits, left + right)
        terms += _products(operands, bits)
        kind = PRODUCT
    else:
        bits = min(operands.out_bits, max(left, right) + 2)
        terms += [
            Term(f"{operands.operation}_bit_{name}", elements * bits, "accumulator"),
            Term(f"{operands.operation}_element", elements, "accumulator"),
        ]
        kind = ADDITION
    if operands.rows > _ROWS_IN_ADDER:
        width = elements * operands.constant_bits
        content = operands.content
        table = random_rom_luts(operands.rows, width) if content is None else rom_luts(content)
        terms.append(Term("table", table, "weights"))
    return Structure(
        kind=kind,
        terms=tuple(terms),
        ff={"bit": elements * bits, "unit": 1, "counter": bits_of(max(1, operands.rows))},
        delay={
            "unit": 1,
            "bit": bits,
            "rows": min(left, right) if operands.operation == "mul" else 0,
            "table": bits_of(max(1, operands.rows)),
        },
    )


def _products(operands: Operands, bits: int) -> list[Term]:
    wide, narrow = max(operands.left_bits, operands.right_bits), min(operands.left_bits, operands.right_bits)
    if operands.rows == 1:
        # One addend per bit of a constant that is set, the first of which takes nothing.
        if operands.content is None:
            additions = operands.elements * (operands.constant_bits / 2 - 1)
        else:
            per_element = operands.content.reshape(operands.elements, -1).sum(axis=1)
            additions = float(np.maximum(per_element - 1, 0).sum())
        return [Term("product_constant", max(0.0, additions) * (bits - operands.constant_bits), "multipliers")]
    rows, sums = _product_adders(wide, narrow)
    suffix = "table" if operands.rows else "stream"
    return [
        Term(f"product_{suffix}", operands.elements * rows, "multipliers"),
        Term(f"product_sum_{suffix}", operands.elements * sums, "multipliers"),
    ]


def _product_adders(wide: int, narrow: int) -> tuple[int, int]:
    """Return the bits of the adders of two rows of a product, and of those behind them (``bfx_product.sv``)."""
    if narrow <= 2:
        return wide + narrow - 1, 0
    low = 1 << ((narrow - 1).bit_length() - 1)
    (low_rows, low_sums), (high_rows, high_sums) = (_product_adders(wide, part) for part in (low, narrow - low))
    return low_rows + high_rows, low_sums + high_sums + wide + narrow - low


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
