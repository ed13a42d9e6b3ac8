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
    *(fifo(depth) for depth in (2, 3, 4, 5, 9, 34, 70, 101)),
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


def test_block_memory_where_it_pays() -> None:
    styles = {unit.depth: "".join(unit.sources().values()).count('"block"') for unit in UNITS}
    assert styles[140] == 1
    assert styles[600] == styles[101] == 0
    assert (
        '"distributed"'
        in fifo(140, 5, data_type=DataType["UINT8"], ram_style="distributed").sources()["fifo_140_5_UINT8.sv"]
    )


def test_a_single_register_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 for a beat per cycle, found 1"):
        fifo(1)
