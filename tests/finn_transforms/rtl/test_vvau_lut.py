from math import prod

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph import VvauParams
from finn_transforms.rtl import VvauLut
from finn_transforms.sim import simulate
from tests.support.rtl_checks import check_units


def vvau(input_type: str, weight_type: str, accumulator: str, **changes: object) -> VvauLut:
    chosen = {"channels": 6, "pe": 2, "simd": 1, "kernel": (3, 3), "windows": 2, **changes}
    kind = DataType[weight_type]
    shape = (chosen["channels"], 1, *chosen["kernel"])
    generator = np.random.default_rng(prod(shape))
    weights = generator.integers(int(kind.min()), int(kind.max()), shape, endpoint=True)
    weights.flat[0], weights.flat[-1] = kind.min(), kind.max()
    if weight_type == "BIPOLAR":
        weights = np.where(weights < 0, -1, 1)
    return VvauLut(
        name="_".join(
            map(str, ("vvau", input_type, weight_type, accumulator, chosen["pe"], chosen["simd"], *chosen["kernel"]))
        ),
        input_type=DataType[input_type],
        weight_type=kind,
        accumulator_type=DataType[accumulator],
        **{"weights": weights, **chosen},
    )


UNITS = [
    vvau("UINT4", "INT4", "INT12"),
    vvau("INT8", "INT3", "INT14", simd=3),
    vvau("UINT2", "INT8", "INT14", simd=9),
    vvau("INT4", "INT4", "INT12", simd=9, pe=6),
    vvau("UINT4", "INT4", "INT12", pe=6, simd=1, kernel=(2, 1)),
    vvau("INT4", "BIPOLAR", "INT8", simd=9, pe=6),
    vvau("BIPOLAR", "INT3", "INT8", simd=9, pe=6),
    vvau("BIPOLAR", "BIPOLAR", "UINT4", simd=9, pe=6),
    vvau("BIPOLAR", "BIPOLAR", "UINT4", simd=3),
    vvau("INT4", "BIPOLAR", "INT8", simd=3),
    vvau("BIPOLAR", "INT4", "INT8", simd=3, pe=1),
    vvau("INT4", "TERNARY", "INT8", simd=2, kernel=(2, 2)),
    vvau("UINT4", "UINT1", "UINT8", simd=1, pe=3),
    vvau("UINT4", "INT4", "INT12", pe=1, kernel=(1, 1), channels=1),
]


def test_kernels_on_windows() -> None:
    assert sum(unit.unrolled is not None for unit in UNITS) == 4
    check_units(UNITS)


def test_an_accumulator_too_narrow_wraps() -> None:
    unit = vvau("UINT4", "INT4", "INT9", pe=6, weights=np.full((6, 1, 3, 3), 7))
    largest = np.full((1, unit.inputs[0].beats, 6), 15)
    assert (unit.golden(largest)[0] == 945).all()
    assert (simulate(unit, [largest]).outputs[0] == 945 - 1024).all()


def test_windows_come_as_a_depthwise_generator_sends_them() -> None:
    """Channels 0 and 1 of all pixels, then 2 and 3; in a beat, all channels of a pixel, then those of the next."""
    kernels = np.array([[1, 10], [2, 20], [3, 30], [4, 40]]).reshape(4, 1, 2, 1)
    unit = vvau("UINT4", "INT8", "INT16", channels=4, kernel=(2, 1), simd=2, windows=1, weights=kernels)
    pixels = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    streamed = np.array([[[1, 2, 5, 6], [3, 4, 7, 8]]])
    np.testing.assert_array_equal(unit.golden(streamed)[0].ravel(), (pixels * kernels.reshape(4, 2).T).sum(axis=0))


def test_cycles_are_those_of_the_hardware_graph() -> None:
    for unit in UNITS:
        layer = VvauParams(
            name="v", channels=unit.channels, kernel=unit.kernel, image=(unit.windows, 1), pe=unit.pe, simd=unit.simd,
            input_type=unit.input_type, weight_type=unit.weight_type, accumulator_type=unit.accumulator_type,
            output_type=unit.accumulator_type,
        )  # fmt: skip
        assert unit.cycles() == layer.cycles()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pe": 4}, "PE to divide 6, found 4"),
        ({"simd": 2}, "SIMD to divide 9, found 2"),
        ({"weights": np.zeros((6, 3, 3))}, r"shape \(6, 1, 3, 3\), found \(6, 3, 3\)"),
        ({"weights": np.full((6, 1, 3, 3), 8)}, "values of INT4, found 8"),
    ],
)
def test_refusals(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vvau("UINT4", "INT4", "INT12", **changes)
