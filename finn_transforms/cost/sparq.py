"""SPARQ's encoder and its matrix-vector unit: windows; products with chosen weights, shifts, and adders of pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from brevitas_ext.arith.sparq import SparqFormat
from finn_transforms.cost.dot_product import Adders, tree_adders
from finn_transforms.cost.library import mux_luts
from finn_transforms.cost.matrix_vector import MatrixVector, matrix_vector_structure
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Term
from finn_transforms.cost.timing import Family

ENCODER: Final = "sparq_encoder"
SPARQ_MVAU: Final = "sparq_mvau"

_FEW_SHIFTS: Final = 4
"""Shifts that one LUT per bit chooses from."""
_KEPT: Final = ("weights", "control", "buffer")


def field_bits(sparq: SparqFormat) -> int:
    """Return the bits of an activation in the stream, its half of MuxCtrl with it."""
    return sparq.bits + sparq.shift_bits + (1 if sparq.pairs else 0)


def encoder_structure(sparq: SparqFormat, simd: int) -> Structure:
    """Return the structure of an encoder.

    Constants: ``window`` per LUT of the choice of a bit, ``shift`` per bit of ShiftCtrl, ``round`` per window that
    rounds, ``rise`` per bit of the incrementer, ``carry`` per bit that a carry replaces; the same with ``single_``
    without pairs, and with ``wide_`` for the wide windows that are narrower than an activation, ``whole`` per bit of
    those that are not; ``join`` per bit in which the wide window replaces the narrow ones; per unit
    ``handshake_stream``.

    Args:
        sparq: the code.
        simd: activations per beat.
    """
    pairs = simd // 2 if sparq.pairs else 0
    terms = [Term("handshake_stream", 1, "control"), *_windows(sparq, simd, "" if sparq.pairs else "single_")]
    if pairs:
        terms.append(Term("join", pairs * (sparq.wide_bits + 2 * sparq.shift_bits), "multipliers"))
        whole = len(sparq.wide_shifts) == 1
        terms += [Term("whole", pairs * 8, "multipliers")] if whole else _windows(sparq, pairs, "wide_")
    return Structure(
        kind=ENCODER,
        terms=tuple(terms),
        ff={"bit": simd * field_bits(sparq), "unit": 1},
        delay={"unit": 1, "rise": sparq.bits * sparq.rounding, "window": len(sparq.shifts), "pairs": int(sparq.pairs)},
    )


def _windows(sparq: SparqFormat, count: int, prefix: str) -> list[Term]:
    """Return the terms of some windows; wide ones are always rounded."""
    wide = prefix == "wide_"
    bits = sparq.wide_bits if wide else sparq.bits
    shifts = len(sparq.wide_shifts if wide else sparq.shifts)
    terms = [
        Term(f"{prefix}window", count * bits * mux_luts(shifts), "multipliers"),
        Term(f"{prefix}shift", count * sparq.shift_bits, "multipliers"),
    ]
    if wide or sparq.rounding:
        terms += [
            Term(f"{prefix}round", count * (shifts - 1), "multipliers"),
            Term(f"{prefix}rise", count * bits, "multipliers"),
        ]
        if sparq.overflow == "carry":
            terms.append(Term(f"{prefix}carry", count * bits, "multipliers"))
    return terms


@dataclass(frozen=True, kw_only=True)
class Shifts:
    """How ``bfx_sparq_pair`` cuts shifts in two: a near one, and a far one of so many bits or none.

    Attributes:
        table: All shifts.
    """

    table: tuple[int, ...]

    @property
    def near(self) -> tuple[int, ...]:
        """Near shifts, ascending, of the far shift that leaves the fewest."""
        cuts = [tuple(sorted({shift - far if shift >= far else shift for shift in self.table})) for far in range(1, 8)]
        return min(cuts, key=len)

    @property
    def whole(self) -> bool:
        """Whether the first product is shifted at once."""
        return len(self.table) <= _FEW_SHIFTS


def sparq_mvau_structure(unit: MatrixVector, sparq: SparqFormat, family: Family = "xcup") -> Structure:
    """Return the structure of a SPARQ matrix-vector unit.

    Constants, per bit: ``choice`` of a weight's choice, ``row`` of two bits of a field, ``last_row`` of one,
    ``product`` of the adders of rows, ``near_<shifts>`` and ``far`` of shifts, ``pair`` of the adder of both; ``three``
    and ``two`` of the tree, ``accumulate`` or ``once``; ``place`` per activation.  Feed, counters and weights are those
    of a matrix-vector unit.

    Args:
        unit: folding, weights and accumulator; inputs as wide as `field_bits`.
        sparq: the code.
        family: part family.
    """
    plain = matrix_vector_structure(unit, family)
    fields, weight_bits, p = sparq.bits, unit.weights.bits, unit.accumulator_bits
    pairs = -(-unit.simd // 2)
    shifts, multiplied = Shifts(table=sparq.shift_table), unit.pe * unit.simd
    full, odd = divmod(fields, 2)
    product_bits, near = weight_bits + fields, shifts.near
    first = len(shifts.table) if shifts.whole else len(near)
    reach = max(shifts.table) if shifts.whole else near[-1]
    tree = Adders()
    tree_adders(tree, pairs, (1 << (weight_bits + 9)) - 1, p)
    terms = [
        Term("row", multiplied * full * (weight_bits + 2), "multipliers"),
        Term("last_row", multiplied * odd * weight_bits, "multipliers"),
        Term("product", multiplied * (full + odd - 1) * (weight_bits + 2), "multipliers"),
        Term(f"near_{first}", unit.pe * pairs * (product_bits + reach), "multipliers"),
        Term(f"near_{len(near)}", unit.pe * pairs * (product_bits + near[-1]) * (len(near) > 1), "multipliers"),
        Term("far", unit.pe * pairs * (weight_bits + 8) * (not shifts.whole), "multipliers"),
        Term("pair", unit.pe * pairs * min(p, weight_bits + 9), "adder_tree"),
        Term("place", unit.simd, "control"),
        Term("once" if unit.synapse_fold == 1 else "accumulate", unit.pe * p, "accumulator"),
        *(Term(name, unit.pe * bits, "adder_tree") for name, bits in tree.bits.items()),
        *(term for term in plain.terms if term.part in _KEPT and term.constant != "plane"),
    ]
    if sparq.pairs:
        terms.append(Term("choice", multiplied * weight_bits, "multipliers"))
    registers = multiplied * (full + odd) * (weight_bits + 2) + unit.pe * (tree.registers + pairs * (weight_bits + 9))
    return Structure(
        kind=SPARQ_MVAU,
        terms=tuple(term for term in terms if term.amount),
        ff={**plain.ff, "sum": registers, "shift": multiplied * (weight_bits + 8), "mark": tree.levels + 6},
        delay={"unit": 1, "carry": p},
        bram18=plain.bram18,
        uram=plain.uram,
        stored_bits=plain.stored_bits,
    )
