import itertools
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qonnx.core.datatype import DataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.datatypes import smallest_datatype
from finn_transforms.hw_graph.stream import StreamParams
from finn_transforms.rtl import Elementwise
from finn_transforms.rtl.elementwise import constant_beats
from finn_transforms.sim import Bench, Stalls
from tests.support.rtl_checks import check_units

OPERATORS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
TYPES = ("UINT1", "INT2", "TERNARY", "UINT3", "INT3", "INT9")


def result_type(operation: str, left: str, right: str) -> str:
    ends = [(int(DataType[name].min()), int(DataType[name].max())) for name in (left, right)]
    corners = [OPERATORS[operation](a, b) for a, b in itertools.product(*ends)]
    return smallest_datatype(IntRange(min(0, *corners), max(1, *corners))).name


def elementwise(operation: str, left: str, right: str, output: str = "", **changes: object) -> Elementwise:
    output = output or result_type(operation, left, right)
    settings_ = {"elements": 2, "beats": 12, **changes}
    side = "" if settings_.get("constants") is None else f"_{settings_.get('constant_side', 'right')}"
    rows = 0 if settings_.get("constants") is None else len(settings_["constants"])
    return Elementwise(
        name=f"{operation}_{left}_{right}_{output}{side}{rows or ''}",
        operation=operation,
        left_type=DataType[left],
        right_type=DataType[right],
        output_type=DataType[output],
        **settings_,
    )


NARROW = elementwise("add", "INT4", "INT4", "INT4")
DRAWN: list[Elementwise] = []


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(st.data())
def draw(data: st.DataObject) -> None:
    operation, left, right = (data.draw(st.sampled_from(each)) for each in (sorted(OPERATORS), TYPES, TYPES))
    elements, folds = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    changes: dict[str, object] = {"elements": elements, "beats": folds * 4}
    if data.draw(st.booleans()):
        side = data.draw(st.sampled_from(["left", "right"]))
        chosen = DataType[left if side == "left" else right]
        shape = data.draw(
            st.sampled_from([(1,), (1, 1, 1, folds * elements), (1, 2, 2, folds * elements), (1, 2, 2, 1)])
        )
        generator = np.random.default_rng(data.draw(st.integers(0, 99)))
        numbers = generator.integers(int(chosen.min()), int(chosen.max()), shape, endpoint=True)
        changes |= {"constants": constant_beats(numbers, folds * elements, elements), "constant_side": side}
    unit = elementwise(operation, left, right, **changes)
    if unit.name not in {each.name for each in DRAWN}:
        DRAWN.append(unit)


draw()
EXHAUSTIVE = [
    elementwise(operation, left, right, elements=1, beats=64)
    for operation, (left, right) in itertools.product(
        OPERATORS, [("INT3", "UINT3"), ("UINT3", "UINT3"), ("INT3", "INT3")]
    )
]


ROWS = [
    elementwise("mul", "INT7", "INT4", beats=2 * rows, constants=np.arange(2 * rows).reshape(rows, 2) % 13 - 6)
    for rows in (1, 2, 4, 5, 8)
]


TABLES = [
    elementwise("mul", "INT4", "INT8", constants=np.arange(-4, 4).reshape(4, 2) * 15),
    elementwise("sub", "UINT6", "INT4", constants=np.array([[-8, 7]])),
    elementwise("sub", "INT8", "INT3", "INT8", constants=np.arange(6).reshape(3, 2) - 100, constant_side="left"),
    elementwise("add", "UINT1", "INT4", constants=np.arange(24).reshape(12, 2) % 16 - 8),
]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench([*EXHAUSTIVE, NARROW])


def test_drawn_configurations() -> None:
    runs = check_units(DRAWN)
    assert {run.latency for run in runs.values()} == {1}


@pytest.mark.parametrize("unit", EXHAUSTIVE, ids=lambda unit: unit.name)
def test_every_pair_of_small_numbers(bench: Bench, unit: Elementwise) -> None:
    ranges = [np.arange(int(kind.min()), int(kind.max()) + 1) for kind in (unit.left_type, unit.right_type)]
    left, right = (each.reshape(1, 64, 1) for each in np.meshgrid(*ranges))
    run = bench.run(unit, [left, right], stalls=Stalls())
    np.testing.assert_array_equal(run.outputs[0], OPERATORS[unit.operation](left, right))


def test_rows_of_factors_as_logic_and_as_a_memory() -> None:
    assert [unit.keeps_constants for unit in ROWS] == [False, True, True, True, True]
    check_units(ROWS)


def test_small_functions_are_tables() -> None:
    assert all(unit.is_table for unit in TABLES)
    check_units(TABLES)


def test_a_type_too_narrow_wraps(bench: Bench) -> None:
    left = np.full((1, 12, 2), 7)
    run = bench.run(NARROW, [left, left])
    assert (NARROW.golden(left, left)[0] == 14).all()
    assert (run.outputs[0] == 14 - 16).all()


def test_cycles_are_those_of_the_hardware_graph() -> None:
    shape = (1, 3, 4, 6)
    layer = StreamParams(
        name="e", kind="ElementwiseAdd", channels=6, parts=(6,), width=2, width_attribute="PE", vectors=12,
        input_shape=shape, output_shape=shape,
    )  # fmt: skip
    assert elementwise("add", "INT4", "INT4", elements=2, beats=36).cycles() == layer.cycles()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"constants": np.ones((1, 3))}, r"\(rows, 2\) with rows that divide 12, found \(1, 3\)"),
        ({"constants": np.ones((5, 2))}, r"rows that divide 12, found \(5, 2\)"),
        ({"constants": np.full((1, 2), 8)}, "values of INT4, found 8"),
        ({"left": "BIPOLAR", "output": "INT4"}, "found bipolar bits; annotate INT2"),
    ],
)
def test_refusals(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        elementwise(**{"operation": "add", "left": "INT4", "right": "INT4", **changes})
