import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.rtl import Fifo
from finn_transforms.sim import Bench, Stalls
from tests.support.rtl_checks import check_units, inputs_of


def fifo(depth: int, elements: int = 3, **changes: object) -> Fifo:
    settings = {"data_type": DataType["INT3"], "elements": elements, "beats": 40, "depth": depth, **changes}
    return Fifo(name=f"fifo_{depth}_{elements}_{settings['data_type'].name}", **settings)


UNITS = [
    *(fifo(depth) for depth in (2, 5, 34, 101)),
    *(fifo(depth, 2, ram_style="distributed") for depth in (3, 34, 101)),
    fifo(20, 20),
    fifo(140, 5, data_type=DataType["UINT8"]),
    fifo(600, 1, data_type=DataType["BIPOLAR"]),
    fifo(3, 1, data_type=DataType["INT32"]),
]


@pytest.fixture(scope="module")
def bench() -> Bench:
    check_units(UNITS)
    return Bench(UNITS)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_it_holds_what_it_promises(bench: Bench, unit: Fifo) -> None:
    """A reader that starts late finds the buffer full: so many beats were accepted before the first one left."""
    inputs = inputs_of(unit, 24)
    run = bench.run(unit, inputs, stalls=Stalls(valid_probability=1, ready_probability=0.002), seed=3)
    first = run.produced[0].flat[0]
    assert (run.accepted[0] <= first).sum() <= unit.capacity + 1
    fills = [(run.accepted[0] < cycle).sum() - index for index, cycle in enumerate(run.produced[0].flat)]
    assert max(fills) == unit.capacity
    np.testing.assert_array_equal(run.outputs[0], inputs[0])


def test_capacity_is_at_least_the_depth_and_no_more_than_memory_gives_away() -> None:
    for depth in range(2, 1000):
        unit = fifo(depth)
        assert depth <= unit.capacity <= max(2 * depth - 2, 2)


def test_memory_that_takes_the_fewest_luts() -> None:
    chosen = {(unit.depth, unit.elements): unit.memory for unit in UNITS}
    assert chosen[2, 3] == "registers"
    assert {chosen[depth, 3] for depth in (5, 34)} == {"shift"}
    assert {chosen[key] for key in ((20, 20), (34, 2))} == {"distributed"}
    assert chosen[140, 5] == "block"
    assert '"block"' in UNITS[-3].sources()[f"{UNITS[-3].name}.sv"]


def test_a_single_register_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 for a beat per cycle, found 1"):
        fifo(1)
