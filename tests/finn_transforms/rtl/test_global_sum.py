import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph.stream import StreamParams
from finn_transforms.rtl import GlobalSum
from finn_transforms.sim import simulate
from tests.support.rtl_checks import check_units


def global_sum(data_type: str, output: str, **changes: object) -> GlobalSum:
    chosen = {"channels": 6, "pe": 2, "pixels": 9, **changes}
    return GlobalSum(
        name="_".join(["sum", data_type, *map(str, chosen.values())]),
        input_type=DataType[data_type],
        output_type=DataType[output],
        **chosen,
    )


UNITS = [
    global_sum("UINT4", "UINT8"),
    global_sum("INT4", "INT8"),
    global_sum("UINT1", "UINT4", pe=6),
    global_sum("INT8", "INT12", pe=1),
    global_sum("UINT3", "UINT3", pixels=1),
    global_sum("INT3", "INT16", channels=40, pe=1, pixels=3),
]


def test_sums() -> None:
    check_units(UNITS)


def test_a_sum_too_narrow_wraps() -> None:
    unit = global_sum("UINT4", "UINT7", pe=6)
    largest = np.full((2, 9, 6), 15)
    assert (unit.golden(largest)[0] == 135).all()
    assert (simulate(unit, [largest]).outputs[0] == 7).all()
    # Whoever knows the values may give a sum fewer bits than the inputs' type has.
    tight = global_sum("UINT6", "UINT5", pe=6)
    assert (simulate(tight, [largest]).outputs[0] == 7).all()


def test_finns_layer_takes_as_long_and_the_sums_themselves() -> None:
    for unit in UNITS:
        layer = StreamParams(
            name="g", kind="GlobalAccPool", channels=unit.channels, parts=(unit.channels,), width=unit.pe,
            width_attribute="PE", vectors=unit.pixels + 1, input_shape=(1, unit.pixels, 1, unit.channels),
            output_shape=(1, 1, 1, unit.channels),
        )  # fmt: skip
        assert unit.cycles() + unit.folds == layer.cycles()


@pytest.mark.parametrize(
    ("data_type", "pe", "message"), [("UINT4", 4, "PE that divides 6 channels"), ("BIPOLAR", 2, "found bipolar bits")]
)
def test_refusals(data_type: str, pe: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        global_sum(data_type, "INT8", pe=pe)
