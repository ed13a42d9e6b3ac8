"""FINN's reports: key for key, and number for number where FINN counts everything."""

from dataclasses import replace

import pytest
from qonnx.core.datatype import DataType

from finn_transforms.cost import MODEL, estimate
from finn_transforms.hw_graph import HwGraph, MvauParams, PaddingParams, ThresholdingParams
from finn_transforms.report import (
    layer_breakdown,
    layer_cycles,
    layer_resources,
    network_performance,
    operations_and_parameters,
)

MVAU = MvauParams(
    name="MVAU_0", mw=27, mh=8, simd=3, pe=2, input_type=DataType["UINT8"], weight_type=DataType["INT4"],
    accumulator_type=DataType["INT15"], output_type=DataType["INT15"], num_vectors=(1, 6, 6), ram_style="block",
)  # fmt: skip
THRESHOLDING = ThresholdingParams(
    name="Thresholding_0", channels=8, pe=1, steps=15, input_type=DataType["INT15"],
    threshold_type=DataType["INT14"], output_type=DataType["UINT4"], num_vectors=(1, 6, 6),
)  # fmt: skip
PADDING = PaddingParams(
    name="FMPadding_0", image=(6, 6), padding=(1, 1, 1, 1), channels=8, simd=1, data_type=DataType["UINT4"]
)
GRAPH = HwGraph(
    layers=(MVAU, THRESHOLDING, PADDING),
    feeders={"MVAU_0": (), "Thresholding_0": ("MVAU_0",), "FMPadding_0": ("Thresholding_0",)},
)


def test_resources() -> None:
    estimates = [estimate(layer) for layer in GRAPH.layers]
    document = layer_resources(estimates)
    assert list(document) == ["MVAU_0", "Thresholding_0", "FMPadding_0", "total"]
    unit = document["MVAU_0"]
    assert list(unit) == ["BRAM_18K", "BRAM_efficiency", "LUT", "URAM", "URAM_efficiency", "DSP"]
    # 36 words of 24 bits in one RAMB18 of 512 x 36.
    assert (unit["BRAM_18K"], unit["BRAM_efficiency"]) == (1, 36 * 24 / (512 * 36))
    assert unit["URAM_efficiency"] == 1
    total = document["total"]
    assert list(total) == ["BRAM_18K", "LUT", "URAM", "DSP"]
    assert total["LUT"] == sum(each.lut for each in estimates)


def test_uram_efficiency() -> None:
    large = replace(MVAU, mw=1024, mh=1024, simd=1, pe=1, ram_style="ultra")
    document = layer_resources([estimate(large)])["MVAU_0"]
    assert (document["URAM"], document["BRAM_18K"]) == (256, 0)
    assert document["URAM_efficiency"] == 4 * 1024 * 1024 / (256 * 4096 * 72)


def test_cycles_and_performance() -> None:
    assert layer_cycles(GRAPH) == {"MVAU_0": 9 * 4 * 36, "Thresholding_0": 8 * 36, "FMPadding_0": 8 * 64}
    assert network_performance(GRAPH, 5.0) == {
        "critical_path_cycles": 1296 + 288 + 512,
        "max_cycles": 1296,
        "max_cycles_node_name": "MVAU_0",
        "estimated_throughput_fps": 200e6 / 1296,
        "estimated_latency_ns": 2096 * 5.0,
    }


def test_latency_is_that_of_the_longest_branch() -> None:
    branches = HwGraph(
        layers=GRAPH.layers,
        feeders={"MVAU_0": (), "Thresholding_0": (), "FMPadding_0": ("MVAU_0", "Thresholding_0")},
    )
    assert network_performance(branches, 1.0)["critical_path_cycles"] == 1296 + 512


def test_operations_and_parameters() -> None:
    assert operations_and_parameters(GRAPH) == {
        "MVAU_0": {"op_mac_4bx8b": 27 * 8 * 36, "param_weight_4b": 216},
        "Thresholding_0": {"param_threshold_14b": 8 * 15},
        "FMPadding_0": {},
        "total": {"op_mac_4bx8b": 7776.0, "param_weight_4b": 216.0, "param_threshold_14b": 120.0},
    }
    inside = HwGraph(layers=(replace(MVAU, threshold_steps=15),))
    assert operations_and_parameters(inside)["MVAU_0"]["param_threshold_15b"] == 8 * 15
    shared = HwGraph(layers=(replace(THRESHOLDING, shared=True),))
    assert operations_and_parameters(shared)["Thresholding_0"] == {"param_threshold_14b": 15}


def test_the_breakdown_says_which_model_it_is() -> None:
    estimates = [estimate(layer) for layer in GRAPH.layers]
    document = layer_breakdown(GRAPH, estimates)
    assert document["model"] == MODEL
    assert set(document["source"]) >= {"tool", "families", "date", "command"}
    for each in estimates:
        layer = document["layers"][each.name]
        low, high = layer["LUT_interval"]
        assert low <= layer["LUT"] == sum(layer["parts"].values()) == sum(layer["used_as"].values()) == each.lut <= high
        assert (layer["FF"], layer["fmax_class_MHz"]) == (each.ff, each.fmax_class)


def test_nothing_is_no_performance() -> None:
    with pytest.raises(ValueError, match="empty"):
        network_performance(HwGraph(layers=()), 5.0)
