import pytest
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph.stream import StreamParams
from finn_transforms.rtl import Upsample
from tests.support.rtl_checks import check_units


def upsample(image: tuple[int, int], factors: tuple[int, int], channels: int = 4, **changes: object) -> Upsample:
    chosen = {"simd": 2, "data_type": DataType["INT3"], **changes}
    return Upsample(
        name="_".join(map(str, ("upsample", *image, *factors, channels, chosen["simd"]))),
        image=image,
        factors=factors,
        channels=channels,
        **chosen,
    )


UNITS = [
    upsample((3, 4), (2, 2)),
    upsample((3, 3), (2, 2), channels=2),
    upsample((2, 3), (3, 1), simd=1),
    upsample((2, 3), (1, 3), simd=1),
    upsample((2, 3), (1, 2), simd=4),
    upsample((4, 1), (2, 2), channels=2),
    upsample((2, 5), (4, 3), channels=6, data_type=DataType["BIPOLAR"]),
    upsample((2, 40), (2, 2), channels=8, data_type=DataType["UINT8"], ram_style="block"),
]


def test_pixels_in_blocks() -> None:
    check_units(UNITS)


def test_cycles_are_those_of_the_hardware_graph() -> None:
    for unit in UNITS:
        (height, width), (down, across) = unit.image, unit.factors
        layer = StreamParams(
            name="u", kind="UpsampleNearestNeighbour", channels=unit.channels, parts=(unit.channels,), width=unit.simd,
            width_attribute="SIMD", vectors=height * width * down * across, input_shape=(1, 1), output_shape=(1, 1),
        )  # fmt: skip
        assert unit.cycles() == layer.cycles()


@pytest.mark.parametrize(
    ("factors", "changes", "message"),
    [((2, 2), {"simd": 3}, "SIMD that divides 4 channels, found 3"), ((1, 1), {}, "one of them above 1")],
)
def test_refusals(factors: tuple[int, int], changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        upsample((3, 3), factors, **changes)
