"""Sums, differences and products element by element, of two streams or of a stream and constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from finn_transforms.cost.library import bits_of, counter
from finn_transforms.cost.products import product_luts
from finn_transforms.cost.rom import rom_luts
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import COUNTED, Part, Term

ADDITION: Final = "elementwise_add"
PRODUCT: Final = "elementwise_mul"

Integers = NDArray[np.int64]

# Rows of constants that the LUTs of an adder take in, with two bits of address.
_ROWS_IN_ADDER: Final = 4
_FEW_ROWS: Final = 4
_MULTIPLIERS: Final[Part] = "multipliers"
_ACCUMULATOR: Final[Part] = "accumulator"


@dataclass(frozen=True, kw_only=True)
class Operands:
    """Operands of an element-wise unit.

    Attributes:
        operation: ``add``, ``sub`` (left minus right) or ``mul``.
        elements: Elements per beat.
        left: Type of the left operand.
        right: Type of the right one.
        out_bits: Bits of the result.
        constants: The operand that is no stream, (rows, elements); none by default.
        constant_side: Which one that is.
    """

    operation: Literal["add", "sub", "mul"]
    elements: int
    left: BaseDataType
    right: BaseDataType
    out_bits: int
    constants: Integers = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    constant_side: Literal["left", "right"] = "right"

    @property
    def rows(self) -> int:
        """Rows of constants; 0 of two streams."""
        return len(self.constants)

    @property
    def bits(self) -> int:
        """Bits of the result that are not copies of its sign: those of the range of the exact one."""
        corners = [self.apply(*pair) for pair in product(*map(_corners, (self.left, self.right)))]
        low, high = min(corners), max(corners)
        exact = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + (low < 0)
        return min(self.out_bits, exact)

    @property
    def adder_bits(self) -> int:
        """Bits of a sum that take a LUT: the carry out of unsigned numbers takes none."""
        widest = max(int(self.left.bitwidth()), int(self.right.bitwidth()))
        is_unsigned = self.operation == "add" and not (self.left.signed() or self.right.signed())
        return min(self.bits, widest) if is_unsigned else self.bits

    @property
    def variable(self) -> BaseDataType:
        """Type of the stream, where the other operand is constant."""
        return self.right if self.constant_side == "left" else self.left

    def apply(self, left: int, right: int) -> int:
        """Return the exact result of two numbers."""
        if self.operation == "mul":
            return left * right
        return left + right if self.operation == "add" else left - right


def table_structure(table: Integers, operation: str, out_bits: int) -> Structure:
    """Return the structure of an element-wise unit whose results are a table.

    Args:
        table: results as unsigned numbers, (elements, rows, values).
        operation: ``add``, ``sub`` or ``mul``.
        out_bits: bits of a result.
    """
    elements, rows, _ = table.shape
    kind, part = (PRODUCT, _MULTIPLIERS) if operation == "mul" else (ADDITION, _ACCUMULATOR)
    return Structure(
        kind=kind,
        terms=(
            Term("handshake_table", 1, "control"),
            *counter(rows),
            Term(COUNTED, _function_luts(table, out_bits), part),
        ),
        ff={"bit": elements * out_bits, "unit": 1, "counter": bits_of(rows)},
        delay={"unit": 1},
    )


def elementwise_structure(operands: Operands) -> Structure:
    """Return the structure of an element-wise unit: an adder or a multiplier per element, constants in a table.

    A product of two streams takes what was measured (`product_luts`).  Constants: ``<operation>_bit`` per bit of a sum,
    ``sub_signed`` per element of a difference of a signed number; ``known_*`` and ``rows_*`` of those where one operand
    is a known number or some of them; ``product_<bits of the row>`` per LUT of a product with few rows of constants,
    ``known_product`` per bit of the adders with one; ``table`` per LUT of constants.
    """
    elements, bits, rows = operands.elements, operands.bits, operands.rows
    terms = [Term(f"handshake_{'constant' if rows else 'stream'}", 1, "control"), *counter(rows)]
    if operands.operation == "mul":
        terms += _products(operands)
    else:
        prefix = "" if rows == 0 else ("known_" if rows == 1 else "rows_")
        terms.append(Term(f"{prefix}{operands.operation}_bit", elements * operands.adder_bits, "accumulator"))
        if operands.operation == "sub" and operands.left.signed():
            terms.append(Term(f"{prefix}sub_signed", elements, "accumulator"))
        if rows > _ROWS_IN_ADDER:
            terms.append(Term("table", _table(operands), "weights"))
    narrow = min(int(each.bitwidth()) for each in (operands.left, operands.right))
    return Structure(
        kind=PRODUCT if operands.operation == "mul" else ADDITION,
        terms=tuple(terms),
        ff={
            "bit": elements * bits,
            "unit": 1,
            "counter": bits_of(max(1, rows)),
            "constants": _table_bits(operands) if operands.operation == "mul" and rows > 1 else 0,
        },
        delay={
            "unit": 1,
            "bit": bits,
            "rows": narrow if operands.operation == "mul" else 0,
            "table": bits_of(max(1, rows)),
        },
    )


def _corners(data_type: BaseDataType) -> tuple[int, int]:
    return int(data_type.min()), int(data_type.max())


def _constant_type(operands: Operands) -> BaseDataType:
    return operands.left if operands.constant_side == "left" else operands.right


def _table_bits(operands: Operands) -> int:
    return operands.elements * int(_constant_type(operands).bitwidth())


def _table(operands: Operands) -> int:
    """Return the LUTs of the table of constants."""
    places = np.arange(int(_constant_type(operands).bitwidth()))
    return rom_luts((operands.constants[:, :, None] >> places & 1).reshape(operands.rows, -1).astype(bool))


def _function_luts(table: Integers, out_bits: int) -> int:
    """Return the LUTs of the distinct functions of each element.

    Args:
        table: results as unsigned numbers, (elements, rows, values).
        out_bits: bits of a result.
    """
    elements, rows, values = table.shape
    inputs = bits_of(rows) + bits_of(values)
    address = np.arange(rows * values)
    free = {(address >> bit & 1).astype(bool).tobytes() for bit in range(inputs)}
    free |= {np.zeros(len(address), dtype=bool).tobytes(), np.ones(len(address), dtype=bool).tobytes()}
    columns = (table.reshape(elements, -1)[:, :, None] >> np.arange(out_bits) & 1).astype(bool)
    return sum(len({column.tobytes() for column in element.T} - free) for element in columns)


def _products(operands: Operands) -> list[Term]:
    factors = [(int(each.bitwidth()), bool(each.signed())) for each in (operands.left, operands.right)]
    (wide, wide_signed), (narrow, narrow_signed) = sorted(factors, key=lambda each: -each[0])
    rows = operands.rows
    if rows == 1:
        constant = _constant_type(operands)
        bits, width = int(constant.bitwidth()), int(operands.variable.bitwidth())
        adders = sum(_known_adders(int(each), bits, bool(constant.signed()), width) for each in operands.constants[0])
        return [Term("known_product", adders, "multipliers")]
    luts = operands.elements * product_luts(wide, wide_signed, narrow, narrow_signed, operands.out_bits)
    if rows == 0:
        return [Term(COUNTED, luts, "multipliers")]
    # Of a few rows, many bits are constant, or equal to others.
    name = f"product_{bits_of(rows)}" if rows <= _FEW_ROWS else COUNTED
    return [Term(name, luts, "multipliers"), Term(COUNTED, _table(operands), "weights")]


def _known_adders(constant: int, bits: int, is_signed: bool, width: int) -> int:
    """Return the bits of the adders that ``bfx_product.sv`` keeps for a known factor: pairs of bits, a tree of them.

    Args:
        constant: the factor.
        bits: its bits.
        is_signed: whether the highest of them is negative.
        width: bits of the other factor.
    """
    if constant == 0:
        return 0
    if bits <= 2:
        return width + 2 if constant == 3 or constant < 0 else 0
    low = 1 << ((bits - 1).bit_length() - 1)
    lower, upper = constant & ((1 << low) - 1), constant >> low
    both = width + bits - low if lower and upper else 0
    return _known_adders(lower, low, False, width) + _known_adders(upper, bits - low, is_signed, width) + both
