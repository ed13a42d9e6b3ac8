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
    sum, ``product`` per bit of an adder of two rows of a product, ``product_sum`` of one that adds such sums;
    ``table`` per LUT of constants.
    """
    elements, left, right = operands.elements, operands.left_bits, operands.right_bits
    is_known = operands.rows == 1
    name = "constant" if is_known else "stream"
    terms = [Term(f"handshake_{'constant' if operands.rows else 'stream'}", 1, "control"), *counter(operands.rows)]
    if operands.operation == "mul":
        bits = min(operands.out_bits, left + right)
        rows, sums = _product_adders(max(left, right), min(left, right))
        terms += [
            Term(f"product_{name}", elements * rows, "multipliers"),
            Term(f"product_sum_{name}", elements * sums, "multipliers"),
        ]
        kind = PRODUCT
    else:
        bits = min(operands.out_bits, max(left, right) + 2)
        terms.append(Term(f"{operands.operation}_bit_{name}", elements * bits, "accumulator"))
        kind = ADDITION
    if operands.rows > 1:
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


def _product_adders(wide: int, narrow: int) -> tuple[int, int]:
    """Return the bits of the adders of two rows of a product, and of those behind them (``bfx_product.sv``)."""
    if narrow <= 2:
        return wide + narrow - 1, 0
    low = 1 << ((narrow - 1).bit_length() - 1)
    (low_rows, low_sums), (high_rows, high_sums) = (_product_adders(wide, part) for part in (low, narrow - low))
    return low_rows + high_rows, low_sums + high_sums + wide + narrow - low


def pool_structure(elements: int, kernel: int, in_bits: int, sum_bits: int, *, is_maximum: bool) -> Structure:
    """Return the structure of a pool whose running result is its output register.

    Args:
        elements: channels per cycle.
        kernel: beats of a window.
        in_bits: bits of an input.
        sum_bits: bits of the running sum.
        is_maximum: a maximum, else a sum.
    """
    common = [Term("pool", 1, "control"), *counter(kernel)]
    state = {"unit": 1, "counter": bits_of(kernel)}
    if is_maximum:
        terms = [Term("compare_bit", elements * in_bits, "comparators"), Term("load", elements, "control")]
        ff = {"bit": elements * in_bits, **state}
        return Structure(
            kind=MAX_POOL, terms=(*common, *terms), ff=ff,
            delay={"unit": 1, "bit": in_bits, "readers": bits_of(elements + 1)},
        )  # fmt: skip
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
