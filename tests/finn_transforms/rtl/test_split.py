import pytest
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph.stream import StreamParams
from finn_transforms.rtl import Split
from tests.support.rtl_checks import check_units


def split(channels: tuple[int, ...], simd: int, data_type: str = "INT3") -> Split:
    return Split(
        name="_".join(["split", *map(str, channels)]),
        channels=channels,
        simd=simd,
        vectors=5,
        data_type=DataType[data_type],
    )


UNITS = [split((4, 2), 2), split((1, 1), 1, "BIPOLAR"), split((3, 9, 6), 3, "UINT4"), split((2, 4, 2, 8, 2), 2)]


def test_streams_in_turn() -> None:
    runs = check_units(UNITS)
    assert {run.latency for run in runs.values()} == {1}


def test_cycles_are_those_of_the_hardware_graph() -> None:
    for unit in UNITS:
        layer = StreamParams(
            name="s", kind="StreamingSplit", channels=sum(unit.channels), parts=unit.channels, width=unit.simd,
            width_attribute="SIMD", vectors=unit.vectors, input_shape=(1, 1), output_shape=(1, 1),
        )  # fmt: skip
        assert unit.cycles() == layer.cycles()


@pytest.mark.parametrize(
    ("channels", "message"), [((3, 2), "SIMD that divides the channels"), ((2,), "at least 2 streams, found 1")]
)
def test_refusals(channels: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(channels, 2)
