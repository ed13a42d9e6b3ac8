"""The estimate: sums, intervals, how it grows, and that every kind of layer has one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.core.datatype import BaseDataType, DataType

from finn_transforms.cost import MODEL, NoCostError, estimate, estimate_all, load_model, lut_only
from finn_transforms.hw_graph import (
    HwLayer,
    MvauParams,
    PaddingParams,
    PoolParams,
    StreamParams,
    SwgParams,
    ThresholdingParams,
    VvauParams,
)
from finn_transforms.rtl import MvauLut, Thresholding


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


def stream(kind: str, **changes: Any) -> StreamParams:
    defaults: dict[str, Any] = {
        "name": "Stream_0", "kind": kind, "channels": 8, "parts": (8,), "width": 2, "width_attribute": "PE",
        "vectors": 16, "input_shape": (1, 4, 4, 8), "output_shape": (1, 8, 8, 8), "types": (unsigned(4), unsigned(3)),
        "output_type": unsigned(5),
    }  # fmt: skip
    return StreamParams(**defaults | changes)


SWG = SwgParams(
    name="ConvolutionInputGenerator_0", kernel=(3, 3), channels=8, image=(10, 12), output=(8, 10), stride=(1, 1),
    dilation=(1, 1), simd=4, data_type=unsigned(4),
)  # fmt: skip
PADDING = PaddingParams(
    name="FMPadding_0", image=(8, 8), padding=(1, 1, 1, 1), channels=8, simd=2, data_type=unsigned(4)
)
POOL = PoolParams(
    name="Pool_0", channels=8, pe=2, kernel=(2, 2), function="MaxPool", output=(4, 4), input_type=unsigned(4),
    output_type=unsigned(4),
)  # fmt: skip
VVAU = VvauParams(
    name="VVAU_0", channels=8, kernel=(3, 3), image=(4, 4), pe=2, simd=3, input_type=unsigned(4),
    weight_type=signed(4), accumulator_type=signed(12), output_type=signed(12), ram_style="distributed",
)  # fmt: skip
STORED = mvau(mem_mode="internal_decoupled", ram_style="distributed")
ALL_KINDS: list[HwLayer] = [
    STORED,
    mvau(),
    mvau(style="rtl", dsp=True),
    mvau(style="hls", dsp=True),
    mvau(threshold_steps=15, output_type=unsigned(4)),
    mvau(mem_mode="internal_decoupled", simd=64, pe=4),
    mvau(input_type=DataType["BIPOLAR"], weight_type=DataType["BIPOLAR"]),
    mvau(weight_type=DataType["BIPOLAR"]),
    mvau(input_type=DataType["BIPOLAR"]),
    VVAU,
    thresholding(),
    thresholding(style="hls", bias=-8),
    thresholding(steps=255, output_type=unsigned(8)),
    SWG,
    replace(SWG, ram_style="block"),
    replace(SWG, parallel_window=True, simd=8),
    PADDING,
    POOL,
    replace(POOL, function="AccPool", output_type=unsigned(6)),
    stream("DuplicateStreams"),
    stream("ElementwiseAdd"),
    stream("ElementwiseSub", constants=8),
    stream("ElementwiseMul"),
    stream("GlobalAccPool", output_shape=(1, 1, 1, 8)),
    stream("FMPadding_Pixel", output_shape=(1, 7, 7, 8)),
    stream("StreamingConcat", parts=(4, 4)),
    stream("StreamingSplit", parts=(4, 4)),
    stream("UpsampleNearestNeighbour"),
]


@pytest.mark.parametrize("family", ["xc7", "xcup"])
@pytest.mark.parametrize("layer", ALL_KINDS, ids=lambda layer: type(layer).__name__)
def test_every_kind_adds_up_and_nothing_is_free(layer: HwLayer, family: Any) -> None:
    result = estimate(layer, family=family)
    parts = vars(result.breakdown)
    assert result.lut == sum(parts.values()) == result.lut_logic + result.lut_memory + result.lut_srl > 0
    assert all(isinstance(part, int) and part >= 0 for part in parts.values())
    low, high = result.lut_interval
    assert 0 <= low <= result.lut <= high
    assert result.ff > 0
    assert result.fmax_class % 50 == 0
    assert (result.name, result.cycles, result.model) == (layer.name, layer.cycles(), MODEL)


def test_all_of_them_at_once() -> None:
    assert [each.lut for each in estimate_all(ALL_KINDS)] == [estimate(layer).lut for layer in ALL_KINDS]


def test_a_unit_of_another_kind_is_refused() -> None:
    class Other(Thresholding):
        """A unit that nothing is known of."""

    unit = Other(
        name="other", channels=1, pe=1, thresholds=np.array([[1]]), input_type=unsigned(2), output_type=unsigned(1)
    )
    with pytest.raises(NoCostError, match="synthesise it instead"):
        estimate(unit)


def test_weights_go_to_luts_or_to_blocks() -> None:
    assert (estimate(STORED).breakdown.weights > 0, estimate(STORED).bram18) == (True, 0)
    # 1024 words of 64 bits: four RAMB18 of 1024 x 18.
    large = replace(STORED, mw=4096, ram_style="auto")
    assert estimate(large).breakdown.weights == 0
    assert estimate(large).stored_bits == 4096 * 4 * 4
    assert (estimate(lut_only(large)).bram18, estimate(lut_only(large)).breakdown.weights > 1000) == (0, True)
    assert estimate(replace(large, ram_style="ultra")).uram == 1
    assert estimate(mvau()).breakdown.weights == 0


def test_dsp_slices_take_the_products() -> None:
    # Four 4x4-bit products share a DSP48E2, two 8x8-bit ones.
    assert estimate(mvau(pe=4, style="rtl", dsp=True)).dsp == 16
    eight = {"input_type": unsigned(8), "weight_type": signed(8)}
    assert estimate(mvau(20, pe=4, style="rtl", dsp=True, **eight)).dsp == 32
    assert estimate(mvau(20, pe=4, style="rtl", dsp=True, **eight), dsp="DSP58").dsp == 4 * 6
    assert estimate(mvau(pe=4, style="hls", dsp=True)).dsp == 64
    assert estimate(mvau(pe=4)).dsp == 0


def unrolled(weights: np.ndarray) -> MvauLut:
    mw, mh = weights.shape
    return MvauLut(
        name="unit", mw=mw, mh=mh, pe=mh, simd=mw, input_type=unsigned(4), weight_type=signed(4),
        accumulator_type=signed(12), weights=weights, weight_source="constant",
    )  # fmt: skip


def test_constant_weights_cost_what_their_digits_do() -> None:
    random = np.random.default_rng(1).integers(-7, 8, (16, 4))
    full = estimate(unrolled(random)).lut
    # Zeros, powers of two, and less digits per weight take less each time.
    assert estimate(unrolled(np.where(np.arange(64).reshape(16, 4) % 2, 0, random))).lut < 0.7 * full
    assert estimate(unrolled(np.full((16, 4), 4))).lut < estimate(unrolled(np.full((16, 4), 5))).lut
    assert estimate(unrolled(np.zeros((16, 4), dtype=np.int64))).lut < 0.1 * full


def test_thresholds_that_are_multiples_of_powers_of_two_cost_less() -> None:
    def unit(step: int) -> Thresholding:
        rows = np.arange(1, 16) * step + np.arange(8).reshape(8, 1) * (step if step % 2 == 0 else 1)
        return Thresholding(
            name="unit", channels=8, pe=2, thresholds=rows, input_type=unsigned(12), output_type=unsigned(4)
        )

    assert estimate(unit(64)).lut < estimate(unit(65)).lut


MVAU_CHANGES = st.fixed_dictionaries(
    {
        "pe": st.sampled_from([1, 2, 4]),
        "simd": st.sampled_from([1, 2, 8, 16, 32]),
        "weight_type": st.integers(1, 8).map(signed),
        "input_type": st.integers(1, 8).map(unsigned),
        "threshold_steps": st.sampled_from([0, 1, 15]),
        "mem_mode": st.sampled_from(["external", "internal_decoupled"]),
    }
)


@given(bits=st.integers(10, 32), changes=MVAU_CHANGES)
def test_an_mvau_grows_with_its_accumulator(bits: int, changes: dict[str, Any]) -> None:
    narrow, wide = (estimate(mvau(width, **changes)) for width in (bits, bits + 8))
    assert narrow.lut < wide.lut
    assert narrow.breakdown.accumulator < wide.breakdown.accumulator


@given(bits=st.integers(2, 5), changes=MVAU_CHANGES)
def test_an_mvau_grows_with_its_weights_and_inputs(bits: int, changes: dict[str, Any]) -> None:
    for name, make in (("weight_type", signed), ("input_type", unsigned)):
        # The narrower factor is cut into planes: its bits are multiplied with the other's. How many operands are left
        # for the accumulator goes up and down with the planes, and synthesis with it: not every single bit takes more.
        other = {"input_type": unsigned(8)} if name == "weight_type" else {"weight_type": signed(8)}
        narrow, wide = (estimate(mvau(24, **changes | other | {name: make(width)})) for width in (bits, bits + 3))
        assert narrow.lut < wide.lut


@given(bits=st.integers(9, 40), steps=st.sampled_from([1, 3, 15, 255]))
def test_a_thresholding_grows_with_the_accumulator_it_reads(bits: int, steps: int) -> None:
    narrow, wide = (estimate(thresholding(width, steps=steps)) for width in (bits, bits + 1))
    assert narrow.lut <= wide.lut
    assert estimate(thresholding(bits + 8, steps=steps)).lut > narrow.lut


def test_the_data_file_says_where_its_constants_come_from() -> None:
    model = load_model()
    assert model.name == MODEL
    assert set(model.source) >= {"tool", "families", "date", "command", "counting"}
    for kind, entry in model.kinds.items():
        assert entry.spread.relative > 0, kind
        assert min(entry.luts.values()) >= 0, kind
