"""Which foldings are legal, where FINN's layers alone do not say so."""

from dataclasses import replace

import pytest
from qonnx.core.datatype import DataType

from finn_transforms.folding.candidates import foldings
from finn_transforms.folding.divisors import divisors
from finn_transforms.hw_graph import HwLayer, MvauParams, SwgParams, VvauParams

INT4 = DataType["INT4"]
UNIT = {
    "name": "unit", "pe": 1, "simd": 1, "input_type": INT4, "weight_type": INT4, "accumulator_type": DataType["INT16"],
    "output_type": DataType["INT16"],
}  # fmt: skip
MVAU = MvauParams(mw=2304, mh=1024, **UNIT)  # type: ignore[arg-type]
WINDOW = SwgParams(
    name="window", kernel=(3, 3), channels=6, image=(8, 8), output=(6, 6), stride=(1, 1), dilation=(1, 1), simd=1,
    data_type=INT4,
)  # fmt: skip


def widths(layer: HwLayer) -> set[tuple[int, int]]:
    return {(each.pe, each.simd) for each in foldings(layer)}  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [1, 2, 12, 36, 97, 4608])
def test_divisors(number: int) -> None:
    assert divisors(number) == tuple(each for each in range(1, number + 1) if number % each == 0)


def test_a_matrix_vector_unit_has_the_whole_divisor_lattice() -> None:
    assert widths(MVAU) == {(pe, simd) for pe in divisors(1024) for simd in divisors(2304)}


def test_in_hls_streams_and_input_vector_are_limited() -> None:
    lattice = widths(MVAU)
    hls = widths(replace(MVAU, style="hls"))
    # 2,304 inputs in at most 1,024 words; outputs of 16 bits, weights of 4 bits in streams of at most 8,191 bits.
    assert hls == {(pe, simd) for pe, simd in lattice if simd >= 3 and pe * 16 <= 8191 and pe * simd * 4 <= 8191}
    external = widths(replace(MVAU, style="hls", mem_mode="external"))
    assert external == {(pe, simd) for pe, simd in lattice if simd >= 3 and pe * 16 <= 8191 and simd * 4 <= 8191}
    assert widths(replace(MVAU, style="rtl")) == lattice


def test_a_vector_vector_unit_takes_several_pixels_of_a_window_with_all_channels_only() -> None:
    layer = VvauParams(channels=6, kernel=(3, 3), image=(6, 6), **UNIT)  # type: ignore[arg-type]
    assert widths(layer) == {(1, 1), (2, 1), (3, 1), (6, 1), (6, 3), (6, 9)}


def test_whole_windows_leave_with_all_channels_or_depthwise() -> None:
    def windows(layer: SwgParams) -> set[tuple[int, bool]]:
        return {(each.simd, each.parallel_window) for each in foldings(layer)}  # type: ignore[union-attr]

    narrow = {(1, False), (2, False), (3, False), (6, False)}
    assert windows(WINDOW) == narrow | {(6, True)}
    assert windows(replace(WINDOW, depthwise=True)) == narrow | {(1, True), (2, True), (3, True), (6, True)}
    # A window of one pixel is whole anyway.
    assert windows(replace(WINDOW, kernel=(1, 1), output=(8, 8))) == narrow
