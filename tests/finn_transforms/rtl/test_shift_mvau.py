"""The matrix-vector unit that shifts products: exact sums in simulation and as gates, and which lanes share a shift."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from brevitas_ext.arith import dot_extremes
from finn_transforms.cost.gate_level import check_gates
from finn_transforms.rtl import MvauLut, ShiftMvau
from finn_transforms.rtl.shift_classes import ShiftSchedule
from finn_transforms.sim import Bench, Stalls
from tests.support.mvau_units import random_weights
from tests.support.rtl_checks import check_units, inputs_of
from tests.support.shift_units import any_exponents, shared_by_words, shift_unit

THRESHOLDS = np.sort(random_weights(DataType["INT8"], (4, 7), 1), axis=1)
ANY = any_exponents(48, 3)

# Types, (MW, MH), (PE, SIMD), exponents, source and other fields.
UNITS = [
    shift_unit(f"unit{index}", types, size, folding, exponents, source, **fields)
    for index, (types, size, folding, exponents, source, fields) in enumerate(
        [
            # One shift behind the adder tree: of four, of two, of wires.
            ("UINT4 INT4 INT20", (16, 4), (2, 4), shared_by_words([0, 1, 3, 2], 4), "memory", {"num_vectors": (3,)}),
            ("INT4 INT4 INT18", (16, 4), (2, 4), shared_by_words([3, 1, 1, 3], 4), "memory", {}),
            ("INT4 UINT3 INT20", (8, 4), (4, 2), shared_by_words([5, 0, 1, 2], 2), "stream", {}),
            ("INT8 TERNARY INT24", (6, 2), (1, 3), [2], "memory", {}),
            # Shifts of inputs, or behind each multiplier, and wires.
            ("INT4 INT4 INT20", (16, 4), (2, 4), ANY, "memory", {"num_vectors": (2,)}),
            ("UINT4 INT8 INT22", (12, 2), (1, 3), ANY, "stream", {"num_vectors": (2,)}),
            ("UINT2 INT6 INT20", (12, 4), (2, 3), ANY, "stream", {}),
            ("INT6 INT4 INT24", (16, 4), (2, 16), ANY, "memory", {"num_vectors": (2,)}),
            ("INT4 INT6 INT24", (9, 3), (3, 9), ANY, "stream", {"num_vectors": (3,)}),
            ("UINT1 INT4 INT16", (18, 2), (2, 9), [0, 0, 2, 2, 2, 1, 0, 3, 0], "memory", {"ram_style": "block"}),
            # Lanes of different kinds: shifted by wires, two of them alike, alone.
            ("UINT8 UINT8 UINT24", (10, 2), (2, 5), [3, 1, 0, 0, 2, 3, 2, 1, 1, 0], "memory", {}),
            # One lane, one cycle.
            ("UINT4 INT4 INT16", (6, 2), (1, 1), ANY, "memory", {}),
            ("UINT4 INT4 INT16", (8, 4), (4, 8), ANY, "constant", {"num_vectors": (2,)}),
            ("INT4 INT4 INT16", (8, 2), (1, 8), ANY, "memory", {"output_type": DataType["INT20"]}),
            (
                "UINT4 INT4 INT14",
                (8, 4),
                (2, 4),
                ANY,
                "memory",
                {"thresholds": THRESHOLDS, "output_type": DataType["INT4"], "bias": -4},
            ),
        ]
    )
]  # fmt: skip


# Both places of a shift.
UNITS += [replace(unit, name=f"{unit.name}_products", place="products") for unit in UNITS if unit.shifts_inputs]
UNITS += [replace(unit, name=f"{unit.name}_inputs", place="inputs") for unit in UNITS[:3]]


def folded(unit: ShiftMvau) -> MvauLut:
    """Return the unit whose weights have the shifts in them."""
    fields = {name: getattr(unit, name) for name in MvauLut.__dataclass_fields__}
    wide = DataType[f"INT{int(unit.weight_type.bitwidth()) + int(unit.shifts.max()) + 1}"]
    weights = unit.weights * 2 ** unit.shifts[:, None]
    return MvauLut(**fields | {"weights": weights, "weight_type": wide})


def test_golden_is_that_of_weights_with_the_shifts_in_them() -> None:
    for unit in UNITS:
        if unit.weights is not None:
            inputs = inputs_of(unit)
            np.testing.assert_array_equal(unit.golden(*inputs)[0], folded(unit).golden(*inputs)[0], unit.name)


def test_every_kind_of_shift_and_folding() -> None:
    runs = check_units(UNITS)
    assert max(run.latency for run in runs.values()) < 30


def test_extremes_fit_the_narrowest_accumulator_and_no_narrower_one() -> None:
    units, inputs = [], []
    for kind, exponents in (("UINT4", shared_by_words([0, 3, 1, 2, 0, 3], 4)), ("INT5", ANY[:24])):
        low, high = int(DataType[kind].min()), int(DataType[kind].max())
        matrix = random_weights(DataType["INT4"], (24, 2), 4)
        powers = matrix * 2 ** np.array(exponents)[:, None]
        lowest, highest = dot_extremes(powers.T, low, high)
        most = max(-int(lowest.min()) - 1, int(highest.max()))
        column = powers[:, np.argmax(np.maximum(-lowest - 1, highest))]
        witnesses = np.stack([np.where(column > 0, high, low), np.where(column > 0, low, high)])
        for bits in (most.bit_length() + 1, most.bit_length()):
            name = f"{kind.lower()}_{'narrow' if bits == most.bit_length() else 'enough'}"
            unit = shift_unit(name, f"{kind} INT4 INT{bits}", (24, 2), (2, 4), exponents, weights=matrix)
            units += [unit, replace(unit, name=f"products_{name}", place="products")]
            inputs += [witnesses.reshape(2, -1, 4)] * 2
    bench = Bench(units)
    for unit, values in zip(units, inputs, strict=True):
        bits, exact = unit.accumulator_bits, unit.golden(values)[0]
        found = bench.run(unit, [values]).outputs[0]
        half = 1 << (bits - 1)
        np.testing.assert_array_equal(found, (exact + half) % (2 * half) - half, unit.name)
        assert np.array_equal(found, exact) == unit.name.endswith("enough"), unit.name


def test_sums_of_a_few_bits_wrap() -> None:
    units = [
        replace(shift_unit(f"wrapped{p}_{simd}_{place}", f"INT4 INT4 INT{p}", (16, 2), (1, simd), ks), place=place)
        for p, simd, ks in ((4, 4, ANY), (4, 16, ANY), (5, 4, shared_by_words([0, 3, 1, 2], 4)), (9, 8, ANY))
        for place in ("products", "inputs")
    ]
    bench = Bench(units)
    for unit in units:
        inputs, half = inputs_of(unit), 1 << (unit.accumulator_bits - 1)
        wanted = (unit.golden(*inputs)[0] + half) % (2 * half) - half
        np.testing.assert_array_equal(bench.run(unit, inputs).outputs[0], wanted, unit.name)


def test_gates_compute_the_same() -> None:
    pytest.importorskip("pyosys")
    units = [
        shift_unit("gates_tree", "UINT3 INT3 INT12", (8, 1), (1, 2), shared_by_words([0, 3, 1, 2], 2)),
        shift_unit("gates_inputs", "INT2 INT3 INT12", (6, 2), (1, 3), ANY, "stream"),
    ]
    assert check_gates([(unit, inputs_of(unit)) for unit in units], stalls=Stalls(), seed=3) == []


def test_lanes_that_are_alike_share_a_shift() -> None:
    shared = ShiftSchedule.of(shared_by_words([0, 3, 0, 3, 0, 3], 4), 4)
    (every,) = shared.classes
    assert (every.lanes, every.base, every.step, every.nearest) == ((0, 1, 2, 3), 0, 3, 0)
    # The table repeats.
    assert (shared.table, shared.is_held, shared.is_scattered) == (((0,), (2,)), False, False)
    (four,) = ShiftSchedule.of([0, 1, 2, 3], 1).classes
    assert (four.step, four.near, four.far) == (2, (0, 1, 0, 1), (False, False, True, True))
    mixed = ShiftSchedule.of([1, 0, 1, 3, 2, 0, 2, 3], 4)
    assert [(each.lanes, each.base, each.step, each.far) for each in mixed.classes] == [
        ((1,), 0, 0, (False, False)), ((0, 2), 1, 1, (False, True)), ((3,), 3, 0, (False, False))
    ]  # fmt: skip
    assert (mixed.lanes, mixed.lane_table) == ((1, 0, 2, 3), ((1, 0, 1, 3), (2, 0, 2, 3)))
    wires = ShiftSchedule.of([2, 2, 0], 3)
    assert (wires.table, wires.is_held, wires.is_scattered) == (((0, 0),), False, False)


def test_near_shifts_of_several_classes_have_a_register() -> None:
    def held(*rows: list[int]) -> bool:
        return ShiftSchedule.of(np.concatenate(rows).tolist(), len(rows[0])).is_held

    assert not held([0, 0], [2, 2], [3, 3], [1, 1])
    assert held([0, 0], [1, 1], [2, 2], [5, 5], [7, 7])
    assert not held([0, 1], [3, 1])
    assert held([0, 1], [3, 1], [2, 1])


def test_inputs_are_shifted_where_lanes_have_shifts_of_their_own() -> None:
    assert [unit.shifts_inputs for unit in UNITS[:5]] == [False, False, False, False, True]
    assert not shift_unit("u", "UINT4 INT4 INT16", (6, 2), (1, 1), ANY).shifts_inputs
    # Two lanes each.
    assert not ShiftSchedule.of([0, 0, 1, 1, 2, 2, 0, 0], 4).is_scattered
    assert ShiftSchedule.of([0, 0, 1, 1, 2, 2, 0, 2], 4).is_scattered


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shifts": np.zeros(7, dtype=int)}, r"expected MW = 8 integer shifts, found \(7,\)"),
        ({"shifts": np.full(8, 0.5)}, "expected MW = 8 integer shifts"),
        ({"shifts": np.arange(8) - 1}, "expected shifts from 0 to P - 1 = 11, found -1 to 6"),
        ({"shifts": np.arange(8) + 5}, "found 5 to 12; widen the accumulator"),
        ({"weight_type": DataType["BIPOLAR"], "weights": np.ones((8, 4))}, "expected integer inputs and weights"),
        ({"pe": 3}, "expected PE to divide 4, found 3"),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    unit = shift_unit("u", "UINT4 INT4 INT12", (8, 4), (2, 4), [1])
    with pytest.raises(ValueError, match=message):
        replace(unit, **change)
