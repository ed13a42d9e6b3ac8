import pytest
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph.stream import StreamParams
from finn_transforms.rtl import Concat
from tests.support.rtl_checks import check_units


def concat(channels: tuple[int, ...], simd: int, types: tuple[str, ...], output: str) -> Concat:
    return Concat(
        name="_".join(["concat", *map(str, channels), output]),
        channels=channels,
        simd=simd,
        vectors=5,
        input_types=tuple(DataType[name] for name in types),
        output_type=DataType[output],
    )


UNITS = [
    concat((4, 2), 2, ("INT3", "INT3"), "INT3"),
    concat((1, 1), 1, ("BIPOLAR", "BIPOLAR"), "BIPOLAR"),
    concat((3, 9, 6), 3, ("UINT2", "INT5", "UINT4"), "INT5"),
    concat((2, 4, 2, 8, 2), 2, ("UINT8",) * 5, "UINT8"),
]


def test_streams_in_turn() -> None:
    runs = check_units(UNITS)
    assert {run.latency for run in runs.values()} == {1}


def test_cycles_are_those_of_the_hardware_graph() -> None:
    for unit in UNITS:
        layer = StreamParams(
            name="c", kind="StreamingConcat", channels=sum(unit.channels), parts=unit.channels, width=unit.simd,
            width_attribute="SIMD", vectors=unit.vectors, input_shape=(1, 1), output_shape=(1, 1),
        )  # fmt: skip
        assert unit.cycles() == layer.cycles()


@pytest.mark.parametrize(
    ("channels", "types", "output", "message"),
    [
        ((3, 2), ("INT3", "INT3"), "INT3", "SIMD that divides the channels"),
        ((2, 2), ("INT3", "UINT3"), "INT3", "a type that holds UINT3, found INT3"),
        ((2, 2), ("BIPOLAR", "INT2"), "INT2", "a type that holds BIPOLAR"),
        ((2, 2), ("INT3",), "INT3", "2 input types, one per stream, found 1"),
        ((2,), ("INT3",), "INT3", "at least 2 streams, found 1"),
        ((2, 2**17), ("INT3", "INT3"), "INT3", "1 to 65535 beats"),
    ],
)
def test_refusals(channels: tuple[int, ...], types: tuple[str, ...], output: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        concat(channels, 2, types, output)
