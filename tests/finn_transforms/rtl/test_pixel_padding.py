import pytest
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph.stream import StreamParams
from finn_transforms.rtl import PixelPadding
from tests.support.rtl_checks import check_units


def padding(image: tuple[int, int], stride: tuple[int, int], **changes: object) -> PixelPadding:
    chosen = {"channels": 4, "simd": 2, "data_type": DataType["INT3"], **changes}
    name = "_".join(map(str, ("padding", *image, *stride, chosen["channels"])))
    return PixelPadding(name=name, image=image, stride=stride, **chosen)


UNITS = [
    padding((3, 4), (2, 2)),
    padding((3, 3), (1, 2), channels=2),
    padding((2, 3), (3, 1)),
    padding((1, 1), (2, 2)),
    padding((4, 5), (4, 3), channels=6, data_type=DataType["UINT8"]),
]


def test_zeros_between_pixels() -> None:
    runs = check_units(UNITS)
    assert {run.latency for run in runs.values()} == {1}


def test_cycles_are_those_of_the_hardware_graph() -> None:
    for unit in UNITS:
        rows, columns = ((size - 1) * step + 1 for size, step in zip(unit.image, unit.stride, strict=True))
        layer = StreamParams(
            name="p", kind="FMPadding_Pixel", channels=unit.channels, parts=(unit.channels,), width=unit.simd,
            width_attribute="SIMD", vectors=rows * columns, input_shape=(1, 1), output_shape=(1, 1),
        )  # fmt: skip
        assert unit.cycles() == layer.cycles()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simd": 3}, "SIMD that divides 4 channels, found 3"),
        ({"stride": (0, 2)}, "strides of at least 1"),
        ({"data_type": DataType["BIPOLAR"]}, "a type that holds 0, found BIPOLAR"),
    ],
)
def test_refusals(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        padding((3, 3), **{"stride": (2, 2), **changes})
