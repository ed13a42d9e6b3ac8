"""The interim estimate: what can be counted by hand, what was measured, and how it grows."""

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.core.datatype import BaseDataType, DataType

from finn_transforms.cost import MODEL, Breakdown, estimate, lut_only
from finn_transforms.hw_graph import (
    HwLayer,
    MvauParams,
    PaddingParams,
    PoolParams,
    SwgParams,
    ThresholdingParams,
)


def signed(bits: int) -> BaseDataType:
    return DataType[f"INT{bits}"]


def unsigned(bits: int) -> BaseDataType:
    return DataType[f"UINT{bits}"]


def mvau(accumulator_bits: int = 12, **changes: Any) -> MvauParams:
    defaults: dict[str, Any] = {
        "name": "MVAU_0", "mw": 64, "mh": 4, "simd": 16, "pe": 1, "input_type": unsigned(4), "weight_type": signed(4),
        "accumulator_type": signed(accumulator_bits), "output_type": signed(accumulator_bits), "mem_mode": "external",
    }  # fmt: skip
    return MvauParams(**defaults | changes)


def thresholding(bits: int = 12, **changes: Any) -> ThresholdingParams:
    defaults: dict[str, Any] = {
        "name": "Thresholding_0", "channels": 16, "pe": 4, "steps": 15, "input_type": signed(bits),
        "threshold_type": signed(bits), "output_type": unsigned(4),
    }  # fmt: skip
    return ThresholdingParams(**defaults | changes)


def swg(**changes: Any) -> SwgParams:
    defaults: dict[str, Any] = {
        "name": "ConvolutionInputGenerator_0", "kernel": (3, 3), "channels": 8, "image": (10, 12), "output": (8, 10),
        "stride": (1, 1), "dilation": (1, 1), "simd": 4, "data_type": unsigned(4),
    }  # fmt: skip
    return SwgParams(**defaults | changes)


PADDING = PaddingParams(
    name="FMPadding_0", image=(8, 8), padding=(1, 1, 1, 1), channels=8, simd=2, data_type=unsigned(4)
)
POOL = PoolParams(
    name="Pool_0", channels=8, pe=2, kernel=(2, 2), function="MaxPool", output=(4, 4), input_type=unsigned(4),
    output_type=unsigned(4),
)  # fmt: skip
ALL_KINDS: list[HwLayer] = [
    mvau(mem_mode="internal_decoupled"),
    mvau(style="rtl", dsp=True),
    mvau(threshold_steps=15, output_type=unsigned(4)),
    thresholding(),
    thresholding(style="hls", bias=-8),
    swg(),
    swg(ram_style="block"),
    PADDING,
    POOL,
    replace(POOL, function="AccPool", output_type=unsigned(6)),
]


@pytest.mark.parametrize("layer", ALL_KINDS)
def test_the_breakdown_sums_to_the_total_and_nothing_is_free(layer: HwLayer) -> None:
    result = estimate(layer)
    parts = vars(result.breakdown)
    assert result.lut == sum(parts.values()) > 0
    assert all(isinstance(part, int) and part >= 0 for part in parts.values())
    assert result.ff > 0
    assert (result.name, result.cycles, result.model) == (layer.name, layer.cycles(), MODEL)


def test_the_parts_of_an_mvau_that_can_be_counted() -> None:
    # 16 products of 8 bits: 8 sums of 9 bits, 4 of 10, 2 of 11, 1 of 12; P bits of accumulator; no weights inside.
    parts = estimate(mvau()).breakdown
    assert parts.adder_tree == 8 * 9 + 4 * 10 + 2 * 11 + 1 * 12
    assert parts.accumulator == 12
    # One input vector of 64 / 16 words of 16 * 4 bits waits while the 4 outputs are computed one after the other: in
    # eleven RAM32M of 6 bits, 4 LUTs each.
    assert parts.buffer == 11 * 4
    # Counters over 4 folds of the input and 4 of the output.
    assert parts.control == 2 + 2
    assert estimate(mvau(mh=1)).breakdown.buffer == 0
    # SIMD = MW: the tree's result is the sum, there is nothing to accumulate.
    assert estimate(mvau(mw=16)).breakdown.accumulator == 0
    # 5 addends: 2 sums, 1 passes; 1 sum, 1 passes; 1 sum.
    assert estimate(mvau(mw=10, simd=5)).breakdown.adder_tree == 2 * 9 + 10 + 11
    # Sums modulo 2^P never need more than P bits.
    assert estimate(mvau(10)).breakdown.adder_tree == 8 * 9 + 4 * 10 + 2 * 10 + 1 * 10


def test_weights_go_to_luts_or_to_block_memory() -> None:
    # 64 * 4 / 16 = 16 words of 16 * 4 bits.
    small = mvau(mem_mode="internal_decoupled")
    assert (estimate(small).breakdown.weights, estimate(small).bram18) == (64, 0)
    # 1024 words of 64 bits: four RAMB18 of 1024 x 18.
    large = mvau(mem_mode="internal_decoupled", mw=4096)
    assert (estimate(large).breakdown.weights, estimate(large).bram18) == (0, 4)
    assert estimate(large).stored_bits == 4096 * 4 * 4
    assert (estimate(lut_only(large)).breakdown.weights, estimate(lut_only(large)).bram18) == (64 * 1024 // 64, 0)
    assert estimate(replace(large, ram_style="ultra")).uram == 1
    # Fully unfolded, the weights are constants.
    assert estimate(mvau(mem_mode="internal_decoupled", simd=64, pe=4)).breakdown.weights == 0


def test_the_matrix_vector_core_is_near_its_synthesis() -> None:
    for bits, accumulator, simd, measured in (
        (4, 12, 16, (560, 560)),
        (4, 32, 16, (580, 580)),
        (8, 24, 16, (1793, 2566)),
    ):
        types = {"input_type": unsigned(bits), "weight_type": signed(bits)}
        found = estimate(mvau(accumulator, mh=1, mw=4 * simd, simd=simd, **types)).lut
        assert 0.97 * measured[0] <= found <= 1.03 * measured[1], (bits, accumulator, found)


# Channels, SIMD, bits, size of the image, kernel, stride, depthwise, parallel window, LUTs of the synthesis.  Of those
# without a parallel window, the first eight were fitted to.
WINDOW_GENERATORS = [
    (8, 1, 4, 10, 3, 1, 0, 0, 206), (8, 8, 4, 10, 3, 1, 0, 0, 154), (32, 8, 4, 18, 3, 1, 0, 0, 366),
    (8, 1, 4, 8, 2, 2, 1, 0, 180), (32, 8, 4, 16, 2, 2, 1, 0, 282), (3, 1, 8, 34, 3, 1, 0, 0, 253),
    (64, 16, 4, 10, 3, 1, 0, 0, 353), (16, 4, 4, 34, 5, 1, 0, 0, 477), (8, 8, 4, 10, 3, 1, 0, 1, 131),
    (16, 16, 4, 10, 3, 1, 0, 1, 172), (4, 4, 8, 18, 3, 1, 0, 1, 142), (32, 32, 2, 8, 3, 1, 0, 1, 162),
    (16, 2, 4, 30, 3, 1, 0, 0, 333), (64, 32, 4, 14, 3, 1, 0, 0, 328), (24, 3, 8, 12, 2, 2, 1, 0, 302),
    (16, 16, 2, 32, 3, 2, 0, 0, 267), (12, 4, 6, 9, 4, 1, 0, 0, 227), (128, 4, 4, 8, 3, 1, 0, 0, 509),
    (1, 1, 8, 28, 5, 1, 0, 0, 206), (64, 16, 4, 8, 2, 2, 1, 0, 234),
]  # fmt: skip


@pytest.mark.parametrize("configuration", WINDOW_GENERATORS)
def test_the_window_generator_is_near_its_synthesis(configuration: tuple[int, ...]) -> None:
    channels, simd, bits, size, kernel, stride, depthwise, parallel, measured = configuration
    positions = (size - kernel) // stride + 1
    layer = swg(
        kernel=(kernel, kernel), channels=channels, image=(size, size), output=(positions, positions), simd=simd,
        stride=(stride, stride), data_type=unsigned(bits), depthwise=bool(depthwise), parallel_window=bool(parallel),
    )  # fmt: skip
    assert estimate(layer).lut == pytest.approx(measured, rel=0.071)


@pytest.mark.parametrize(
    ("channels", "simd", "bits", "size", "pad", "measured"),
    [
        (8, 1, 4, 8, 1, 56), (8, 8, 4, 32, 1, 89), (64, 16, 4, 14, 1, 116), (3, 1, 8, 32, 2, 64),
        (32, 4, 8, 56, 3, 89), (16, 16, 2, 7, 1, 82),
    ],
)  # fmt: skip
def test_padding_is_near_its_synthesis(channels: int, simd: int, bits: int, size: int, pad: int, measured: int) -> None:
    layer = replace(
        PADDING, image=(size, size), padding=(pad,) * 4, channels=channels, simd=simd, data_type=unsigned(bits)
    )
    assert estimate(layer).lut == pytest.approx(measured, rel=0.055)


@pytest.mark.parametrize(("bits", "measured"), [(8, 214), (12, 294), (16, 403), (24, 556)])
def test_thresholding_is_near_its_synthesis(bits: int, measured: int) -> None:
    assert estimate(thresholding(bits)).lut == pytest.approx(measured, rel=0.04)


def test_the_parts_of_a_thresholding_that_can_be_counted() -> None:
    # Binary search: 4 channels at once, 4 stages of a 12-bit comparison, two bits per LUT.
    assert estimate(thresholding()).breakdown.comparators == 4 * 4 * 12 // 2
    # In parallel: 15 comparisons each.
    assert estimate(thresholding(style="hls")).breakdown.comparators == 4 * 15 * 12 // 2
    # A row shared by all channels: 1, 2, 4 and 8 words, the first a constant.
    assert estimate(thresholding(shared=True)).breakdown.threshold_memory == 3 * 41
    # Wider thresholds than inputs widen the comparison.
    assert estimate(thresholding(threshold_type=signed(14))).breakdown.comparators == 4 * 4 * 14 // 2
    # Folds of 256 channels and 255 steps: the stages beyond 128 words move to block memory.
    big = estimate(thresholding(channels=1024, steps=255, output_type=unsigned(8)))
    assert (big.breakdown.threshold_memory, big.bram18) == (0, 4 * sum((1, 1, 1, 2, 3, 6, 12, 24)))


def test_the_parts_of_the_stream_layers_that_can_be_counted() -> None:
    # (3 - 1) lines of 12 pixels and 3 more, 8 / 4 words each, of 4 * 4 bits: 54 words in six RAM64M of 3 bits.
    assert estimate(swg()).breakdown.buffer == 6 * 4
    assert estimate(swg(ram_style="block")).bram18 == 1
    # The window in registers: two lines of 12 - 3 pixels wait in memories.
    window = swg(simd=8, parallel_window=True)
    assert (estimate(window).breakdown.buffer, estimate(window).ff) == (2 * 6 * 4, 9 * 32)
    # 2 channels of 4 bits: comparison at two bits per LUT, choice at one.
    assert estimate(POOL).breakdown.comparators == 2 * (2 + 4)
    # Sum of 4 values of 4 bits.
    assert estimate(replace(POOL, function="AccPool")).breakdown.accumulator == 2 * 6
    # Two counters up to 10 take 4 bits each: increment and three limits at half a LUT per bit; 4 channel folds; the
    # measured rest is 26.
    assert estimate(PADDING).breakdown == Breakdown(control=8 * 5 // 2 + 2 + 26, buffer=8)


def test_dsp_slices_take_the_products_but_not_the_sums() -> None:
    # Four 4x4-bit products share a DSP48E2, two 8x8-bit ones.
    assert estimate(mvau(pe=4, style="rtl", dsp=True)).dsp == 16
    eight = {"input_type": unsigned(8), "weight_type": signed(8)}
    assert estimate(mvau(20, pe=4, style="rtl", dsp=True, **eight)).dsp == 32
    assert estimate(mvau(20, pe=4, style="rtl", dsp=True, **eight), dsp="DSP58").dsp == 4 * 6
    assert estimate(mvau(pe=4, style="hls", dsp=True)).dsp == 64
    assert estimate(mvau(pe=4, style="hls", dsp=True)).breakdown.multipliers == 0
    # Behind the slices, 15 sums of P bits for each output.
    assert estimate(mvau(14, pe=4, style="rtl", dsp=True)).breakdown.adder_tree == 4 * 15 * 14


MVAU_CHANGES = st.fixed_dictionaries(
    {
        "pe": st.sampled_from([1, 2, 4]),
        "simd": st.sampled_from([1, 2, 8, 16, 64]),
        "weight_type": st.integers(1, 8).map(signed),
        "input_type": st.integers(1, 8).map(unsigned),
        "threshold_steps": st.sampled_from([0, 1, 15]),
        "dsp": st.booleans(),
        "style": st.sampled_from(["", "hls", "rtl"]),
    }
)


@given(bits=st.integers(2, 40), changes=MVAU_CHANGES)
def test_an_mvau_never_shrinks_when_its_accumulator_grows(bits: int, changes: dict[str, Any]) -> None:
    narrow, wide = (estimate(mvau(width, **changes)) for width in (bits, bits + 1))
    for part, luts in vars(narrow.breakdown).items():
        assert luts <= getattr(wide.breakdown, part), part
    accumulates_in_luts = changes["simd"] < 64 and not (changes["dsp"] and changes["style"] == "rtl")
    assert wide.lut - narrow.lut >= (changes["pe"] if accumulates_in_luts else 0)


@given(bits=st.integers(2, 40), style=st.sampled_from(["hls", "rtl"]), steps=st.sampled_from([1, 3, 15, 255]))
def test_a_thresholding_grows_with_the_accumulator_it_reads(bits: int, style: Any, steps: int) -> None:
    narrow, wide = (estimate(thresholding(width, style=style, steps=steps)) for width in (bits, bits + 1))
    assert narrow.breakdown.comparators < wide.breakdown.comparators
    assert narrow.breakdown.threshold_memory <= wide.breakdown.threshold_memory


def test_every_constant_says_where_it_comes_from() -> None:
    document = json.loads(files("finn_transforms.cost").joinpath("coefficients.json").read_text(encoding="utf-8"))
    assert document["model"] == MODEL
    for name, entry in document["coefficients"].items():
        assert entry["value"] > 0, name
        assert entry["unit"], name
        assert entry["source"], name
