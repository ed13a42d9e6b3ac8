from math import lcm

import pytest
from qonnx.core.datatype import DataType

from finn_transforms.rtl import WidthConverter
from finn_transforms.sim import Bench, Stalls
from tests.support.rtl_checks import check_units, inputs_of, latency_behind_needs


def converter(elements_in: int, elements_out: int, data_type: str = "INT3", repeats: int = 2) -> WidthConverter:
    return WidthConverter(
        name=f"from_{elements_in}_to_{elements_out}_{data_type}",
        data_type=DataType[data_type],
        elements_in=elements_in,
        elements_out=elements_out,
        elements=lcm(elements_in, elements_out) * repeats,
    )


UP = [converter(1, 2, "BIPOLAR"), converter(3, 9), converter(2, 10), converter(1, 7, "INT32")]
DOWN = [
    converter(2, 1, "BIPOLAR"),
    converter(9, 3),
    converter(10, 2),
    converter(16, 1),
    converter(48, 1, "UINT1"),
    converter(7, 1, "INT32"),
]
OTHER = [
    converter(2, 3),
    converter(3, 2),
    converter(4, 6),
    converter(9, 6),
    converter(12, 20, "UINT5"),
    converter(16, 3),
]


def test_every_ratio() -> None:
    runs = check_units([*UP, *DOWN, *OTHER])
    assert {runs[unit.name].latency for unit in UP} <= {unit.elements_out // unit.elements_in for unit in UP}


def test_outputs_come_as_soon_as_their_inputs() -> None:
    units = [*UP, *DOWN, *OTHER]
    bench = Bench(units)
    for unit in units:
        slow = bench.run(unit, inputs_of(unit), stalls=Stalls(valid_probability=0.03, ready_probability=1), seed=1)
        # An output behind others of the same beat waits for those as well.
        assert latency_behind_needs(unit, slow) <= max(1, unit.common // unit.elements_out) + 4, unit.name


@pytest.mark.parametrize(("widths", "message"), [((4, 4), "two different widths"), ((4, 5), "divide the 16 elements")])
def test_refusals(widths: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WidthConverter(name="w", data_type=DataType["INT4"], elements_in=widths[0], elements_out=widths[1], elements=16)
