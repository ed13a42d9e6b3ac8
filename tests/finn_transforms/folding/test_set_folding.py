"""Folding: the target is met with the smallest widths, and what FINN's verification asks for holds."""

from dataclasses import replace

import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.core.datatype import DataType

from finn_transforms.build import lower
from finn_transforms.folding import FoldingOptions, fold
from finn_transforms.hw_graph import (
    HwGraph,
    HwLayer,
    MvauParams,
    PoolParams,
    SwgParams,
    ThresholdingParams,
    read_hw_graph,
)
from tests.support.small_network import small_network

TARGETS = st.integers(1, 30_000)


def lowered() -> ir.Model:
    return lower(ir.serde.deserialize_model(small_network())).model


GRAPH = read_hw_graph(lowered())


def mvau(mw: int, mh: int, weights: str = "INT4", **changes: object) -> MvauParams:
    layer = MvauParams(
        name="MVAU_0", mw=mw, mh=mh, simd=1, pe=1, input_type=DataType["UINT4"], weight_type=DataType[weights],
        accumulator_type=DataType["INT16"], output_type=DataType["INT16"],
    )  # fmt: skip
    return replace(layer, **changes)  # type: ignore[arg-type]


def thresholding(channels: int) -> ThresholdingParams:
    return ThresholdingParams(
        name="Thresholding_0", channels=channels, pe=1, steps=15, input_type=DataType["INT16"],
        threshold_type=DataType["INT16"], output_type=DataType["UINT4"],
    )  # fmt: skip


def folded(layer: HwLayer, target: int, **options: bool | int) -> HwLayer:
    return fold(HwGraph(layers=(layer,)), FoldingOptions(target_cycles=target, **options)).layers[0]  # type: ignore[arg-type]


def narrower(layer: HwLayer) -> list[HwLayer]:
    """Return the layer with SIMD, and with PE, replaced by the next smaller divisor; without a whole window first."""
    if isinstance(layer, SwgParams) and layer.parallel_window:
        return [replace(layer, parallel_window=False)]
    found = []
    for field, total in (("simd", "mw"), ("pe", "mh")):
        if not hasattr(layer, field):
            continue
        size = getattr(layer, total) if isinstance(layer, MvauParams) else layer.channels
        smaller = [width for width in range(1, getattr(layer, field)) if size % width == 0]
        found += [replace(layer, **{field: width}) for width in smaller[-1:]]  # type: ignore[arg-type]
    return found


@given(TARGETS)
def test_the_target_is_met_where_it_can_be_and_by_no_more_than_needed(target: int) -> None:
    for layer in fold(GRAPH, FoldingOptions(target_cycles=target, relax=False)).layers:
        if isinstance(layer, PoolParams | SwgParams) and shares_its_width(layer):
            continue
        if layer.cycles() > target:
            assert is_fully_unfolded(layer), layer
        else:
            assert all(smaller.cycles() > target for smaller in narrower(layer)[-1:]), layer


def shares_its_width(layer: PoolParams | SwgParams) -> bool:
    return isinstance(layer, PoolParams) or layer.depthwise


def is_fully_unfolded(layer: HwLayer) -> bool:
    if isinstance(layer, MvauParams):
        # SIMD may stop at the width of the weight stream; then PE has to do.
        return layer.pe == layer.mh
    if isinstance(layer, SwgParams):
        return layer.simd == layer.channels and layer.parallel_window
    return layer.channels in {getattr(layer, "pe", 0), getattr(layer, "simd", 0)}


@given(TARGETS)
def test_a_pool_and_the_window_generator_in_front_share_their_width(target: int) -> None:
    result = fold(GRAPH, FoldingOptions(target_cycles=target))
    pools = [layer for layer in result.layers if isinstance(layer, PoolParams)]
    assert pools
    for pool in pools:
        (window,) = (result.layer(name) for name in result.feeders[pool.name])
        assert isinstance(window, SwgParams)
        assert window.simd == pool.pe
        assert window.depthwise


@given(TARGETS)
def test_relaxing_never_slows_the_network_and_never_makes_it_larger(target: int) -> None:
    strict, relaxed = (fold(GRAPH, FoldingOptions(target_cycles=target, relax=relax)) for relax in (False, True))
    slowest = max(layer.cycles() for layer in strict.layers)
    assert max(layer.cycles() for layer in relaxed.layers) <= max(slowest, target)
    for before, after in zip(strict.layers, relaxed.layers, strict=True):
        assert after.cycles() >= before.cycles()


def test_a_matrix_vector_unit_grows_inputs_first() -> None:
    layer = folded(mvau(16, 8), 16)
    assert (layer.simd, layer.pe) == (8, 1)  # type: ignore[union-attr]
    # 8 weights of 4 bits are 32 bits wide, 16 would be 64 > 36: from there on PE grows.
    layer = folded(mvau(16, 8), 4)
    assert (layer.simd, layer.pe) == (8, 4)  # type: ignore[union-attr]
    layer = folded(mvau(16, 8), 4, weight_stream_bits=64)
    assert (layer.simd, layer.pe) == (16, 2)  # type: ignore[union-attr]


def test_an_hls_weight_stream_stays_within_the_widest_integer() -> None:
    large = mvau(1024, 1024, "INT8")
    layer = folded(large, 1, weight_stream_bits=8192, relax=False)
    assert (layer.simd, layer.pe) == (1024, 1)  # type: ignore[union-attr]
    wide = folded(replace(large, style="rtl"), 1, weight_stream_bits=8192, relax=False)
    assert (wide.simd, wide.pe) == (1024, 1024)  # type: ignore[union-attr]
    assert folded(replace(large, mem_mode="external"), 1, weight_stream_bits=8192, relax=False).cycles() == 1


def test_an_unreachable_target_relaxes_the_others() -> None:
    graph = HwGraph(layers=(mvau(16, 8, num_vectors=(10,)), thresholding(8)))
    strict, relaxed = (fold(graph, FoldingOptions(target_cycles=1, relax=relax)) for relax in (False, True))
    assert [layer.cycles() for layer in strict.layers] == [20, 1]
    assert [layer.cycles() for layer in relaxed.layers] == [20, 8]


def test_an_empty_graph_folds_to_itself() -> None:
    assert fold(HwGraph(layers=()), FoldingOptions(target_cycles=1)) == HwGraph(layers=())


def test_impossible_options_are_refused() -> None:
    for options in ({"target_cycles": 0}, {"target_cycles": 1, "weight_stream_bits": 0}):
        with pytest.raises(ValueError, match="expected a positive number"):
            FoldingOptions(**options)
