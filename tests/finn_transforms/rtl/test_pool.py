import itertools

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph import PoolParams
from finn_transforms.rtl import Pool
from finn_transforms.sim import Bench
from tests.support.rtl_checks import check_units

SUM_TYPES = {"INT3": "INT7", "UINT4": "UINT8", "UINT1": "UINT4", "INT8": "INT12", "TERNARY": "INT5"}


def pool(function: str, data_type: str, output: str = "", **changes: object) -> Pool:
    output = output or (data_type if function == "MaxPool" else SUM_TYPES[data_type])
    chosen = {"channels": 6, "pe": 2, "kernel": (3, 3), "windows": 2, **changes}
    return Pool(
        name="_".join([function, data_type, output, *map(str, (chosen["pe"], *chosen["kernel"]))]),
        function=function,
        input_type=DataType[data_type],
        output_type=DataType[output],
        **chosen,
    )


UNITS = [
    *(pool("MaxPool", name) for name in ("INT3", "UINT4", "BIPOLAR", "TERNARY", "INT16")),
    *(pool("AccPool", name) for name in SUM_TYPES),
    pool("MaxPool", "INT8", pe=6, kernel=(2, 1)),
    pool("MaxPool", "UINT2", pe=1, kernel=(1, 1)),
    pool("AccPool", "INT3", "INT8", pe=3, kernel=(2, 2)),
    pool("QuantAvgPool", "UINT4", "UINT4"),
    pool("QuantAvgPool", "INT3", "INT3", kernel=(2, 2)),
    pool("QuantAvgPool", "INT3", "INT8", kernel=(2, 2)),
]
SMALL = [
    pool(function, "INT2", output, channels=1, pe=1, kernel=(3, 1), windows=64)
    for function, output in (("MaxPool", "INT2"), ("AccPool", "INT4"))
]
NARROW = pool("AccPool", "UINT4", "UINT7")
# Whoever knows the values may give a sum fewer bits than the inputs' type has.
TIGHT = pool("AccPool", "UINT6", "UINT5", accumulator_bits=5)


def test_all_functions() -> None:
    check_units(UNITS)


def test_small_windows_in_every_combination_and_sums_too_narrow() -> None:
    bench = Bench([*SMALL, NARROW, TIGHT])
    windows = np.array(list(itertools.product(range(-2, 2), repeat=3)))
    for unit, reduce in zip(SMALL, (np.max, np.sum), strict=True):
        run = bench.run(unit, [windows.reshape(1, -1, 1)])
        np.testing.assert_array_equal(run.outputs[0].ravel(), reduce(windows, axis=1))
    largest = np.full((1, NARROW.inputs[0].beats, 2), 15)
    assert (NARROW.golden(largest)[0] == 135).all()
    assert (bench.run(NARROW, [largest]).outputs[0] == 135 - 128).all()
    ones = np.ones((1, TIGHT.inputs[0].beats, 2), dtype=np.int64)
    assert (bench.run(TIGHT, [ones]).outputs[0] == 9).all()


def test_windows_come_as_a_depthwise_generator_sends_them() -> None:
    """Channels 0 and 1 of all pixels, then 2 and 3: FINN's (windows, C / PE, KH * KW, PE)."""
    unit = pool("AccPool", "UINT4", channels=4, kernel=(2, 1), windows=1)
    pixels = np.array([[1, 2, 3, 4], [10, 10, 10, 10]])
    streamed = np.array([[[1, 2], [10, 10], [3, 4], [10, 10]]])
    np.testing.assert_array_equal(unit.golden(streamed)[0].ravel(), pixels.sum(axis=0))


def test_cycles_are_those_of_the_hardware_graph() -> None:
    for unit in UNITS:
        layer = PoolParams(
            name="p", channels=unit.channels, pe=unit.pe, kernel=unit.kernel, function=unit.function,
            output=(unit.windows, 1), input_type=unit.input_type, output_type=unit.output_type,
        )  # fmt: skip
        assert unit.cycles() == layer.cycles()


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        (("MaxPool", "INT3"), {"pe": 4}, "PE that divides 6 channels, found 4"),
        (("AvgPool", "INT3", "INT3"), {}, "found AvgPool; lower an average"),
        (("MaxPool", "INT3", "INT4"), {}, "the input's type INT3 for a maximum, found INT4"),
        (("AccPool", "BIPOLAR", "INT5"), {}, "found bipolar bits"),
    ],
)
def test_refusals(arguments: tuple[str, ...], changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pool(*arguments, **changes)
