"""Matrix-vector units that shift products: a unit without shifts, and what the shifts add to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from finn_transforms.cost.dot_product import DotShape, combining_adders
from finn_transforms.cost.library import counter, mux_luts
from finn_transforms.cost.matrix_vector import MVAU, MatrixVector, matrix_vector_structure
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Term
from finn_transforms.cost.timing import Family
from finn_transforms.rtl.shift_classes import ShiftClass, ShiftSchedule

SHIFT_MVAU: Final = "shift_mvau"

_KEPT: Final = ("weights", "control", "buffer")
_LUT_ROWS: Final = 64
"""Rows of a table that a LUT per column holds."""


def shift_mvau_structures(
    unit: MatrixVector, schedule: ShiftSchedule, family: Family = "xcup", *, at_inputs: bool
) -> tuple[Structure, Structure]:
    """Return the structures of what the shifts add, of kind `SHIFT_MVAU`, and of the rest, a plain unit.

    Constants: ``input`` per LUT that chooses a bit of a shifted input; ``last`` per bit of the last adder of a class,
    ``step`` per bit that a step chooses without one, ``near`` per LUT that chooses a bit of a near shift, ``near_free``
    per bit where the accumulator does, ``class`` per bit of the adders of classes, ``accumulate`` or
    ``once_<operands>`` per bit of the accumulator; ``table`` per LUT of the table; ``shift_unit`` per
    unit, and those of a counter.

    Args:
        unit: folding, inputs, weights and accumulator, as without shifts.
        schedule: which lanes are shifted together.
        family: part family.
        at_inputs: whether inputs are shifted, not products.
    """
    if at_inputs:
        return _inputs_structure(unit, schedule), _with_wider_inputs(unit, schedule, family)
    return _products_structure(unit, schedule), _with_classes(unit, schedule, family)


@dataclass(frozen=True, kw_only=True)
class _ClassSum:
    """The sum of a class of lanes for one output, as ``bfx_shift_dot`` makes it."""

    dot: DotShape
    adds: int
    sum_bits: int
    moved_bits: int
    lanes: ShiftClass

    @classmethod
    def of(cls, unit: MatrixVector, lanes: ShiftClass) -> _ClassSum:
        room = unit.accumulator_bits - lanes.base
        part = replace(unit, simd=len(lanes.lanes), accumulator_bits=room)
        most = _largest_product(unit) * len(lanes.lanes) - part.offset
        sum_bits = min(room, most.bit_length() + lanes.step)
        dot = replace(part.dot, accumulator_bits=sum_bits)
        _, rest = combining_adders(dot.operands, sum_bits)
        adds = max(0, sum_bits - rest[1][1]) if len(rest) > 1 else 0
        return cls(dot=dot, adds=adds, sum_bits=sum_bits, moved_bits=min(room, sum_bits + lanes.nearest), lanes=lanes)


def _largest_product(unit: MatrixVector) -> int:
    """Return the largest product of an input and a weight."""
    inputs, weights = unit.inputs, unit.weights
    if inputs.is_signed and weights.is_signed:
        return 1 << (inputs.bits + weights.bits - 2)
    return ((1 << (inputs.bits - inputs.is_signed)) - 1) * ((1 << (weights.bits - weights.is_signed)) - 1)


def _inputs_structure(unit: MatrixVector, schedule: ShiftSchedule) -> Structure:
    most = max(max(each.exponents) for each in schedule.classes)
    width = unit.inputs.bits + most
    chosen = sum(len(each.lanes) * mux_luts(len(set(each.exponents))) for each in schedule.classes)
    columns = sum(most.bit_length() for each in schedule.classes if each.step)
    terms = [Term("input", chosen * width, "multipliers"), *_table(len(schedule.lane_table), columns)]
    return _shift_structure(terms, {"table": columns}, unit)


def _with_wider_inputs(unit: MatrixVector, schedule: ShiftSchedule, family: Family) -> Structure:
    most = max(max(each.exponents) for each in schedule.classes)
    return matrix_vector_structure(replace(unit, inputs=replace(unit.inputs, bits=unit.inputs.bits + most)), family)


def _products_structure(unit: MatrixVector, schedule: ShiftSchedule) -> Structure:
    sums = [_ClassSum.of(unit, each) for each in schedule.classes]
    p = unit.accumulator_bits
    between, rest = combining_adders([(each.moved_bits, each.lanes.base) for each in sums], p)
    near = "near" if schedule.is_held else "near_free"
    columns = sum((each.lanes.step > 0) + each.lanes.nearest.bit_length() for each in sums)
    amounts = {
        "last": sum(each.adds for each in sums),
        "step": sum(each.sum_bits for each in sums if each.lanes.step and not each.adds),
        near: sum(each.moved_bits * mux_luts(len(set(each.lanes.near))) for each in sums),
        "class": sum(between.bits.values()),
        f"once_{len(rest)}" if unit.synapse_fold == 1 else "accumulate": p,
    }
    terms = [
        *(Term(name, unit.pe * amount, "accumulator") for name, amount in amounts.items() if amount),
        *_table(len(schedule.table), columns),
    ]
    registers = {
        "sum": unit.pe * (sum(each.sum_bits for each in sums) + between.registers),
        "near": unit.pe * sum(each.moved_bits for each in sums) * schedule.is_held,
        "table": columns,
    }
    return _shift_structure(terms, registers, unit)


def _with_classes(unit: MatrixVector, schedule: ShiftSchedule, family: Family) -> Structure:
    """Return a plain unit whose dot products are cut into classes, without their last adders."""
    plain = matrix_vector_structure(unit, family)
    parts = []
    registers = 0.0
    for lanes in schedule.classes:
        total = _ClassSum.of(unit, lanes)
        part = matrix_vector_structure(
            replace(unit, simd=len(lanes.lanes), accumulator_bits=total.sum_bits, content=None), family
        )
        parts += [term for term in part.terms if term.part in ("multipliers", "adder_tree")]
        registers += part.ff["sum"]
    kept = [term for term in plain.terms if term.part in _KEPT]
    return replace(plain, kind=MVAU, terms=(*parts, *kept), ff={**plain.ff, "sum": registers})


def _table(rows: int, columns: int) -> list[Term]:
    if rows == 1:
        return []
    return [Term("table", columns * -(-rows // _LUT_ROWS), "control"), *counter(rows)]


def _shift_structure(terms: list[Term], registers: Mapping[str, float], unit: MatrixVector) -> Structure:
    return Structure(
        kind=SHIFT_MVAU,
        terms=(*(term for term in terms if term.amount), Term("shift_unit", 1, "control")),
        ff={**registers, "unit": 1},
        delay={"unit": 1, "carry": unit.accumulator_bits},
    )
