"""FINN's builder, estimates only, once from an exported file to its reports; and what FINN thinks of our numbers."""

import importlib
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.build import lower
from finn_transforms.build_steps import default_steps, estimate_only_steps, step_bfx_fold_by_cost
from finn_transforms.certify import certify
from finn_transforms.emulate import emulate
from finn_transforms.finn_compat import (
    FinnBuildError,
    FinnMissingError,
    finn_accumulator_widths,
    prepare_finn,
    run_builder,
)
from finn_transforms.folding import CostModel, FoldingOptions, fold, priced
from finn_transforms.hw_graph import HwGraph, HwLayer, read_hw_graph
from finn_transforms.report import accumulator_rows, network_performance
from tests.support.graphs import wrapper
from tests.support.shift_networks import images, shift_network
from tests.support.small_network import IMAGE, save_small_network, small_network

PART = "xczu7ev-ffvc1156-2-e"
FPS = 20_000


def lowered() -> ir.Model:
    return lower(ir.serde.deserialize_model(small_network())).model


def config(output: Path, **changes: Any) -> Any:
    prepare_finn()
    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType

    options = {
        "output_dir": str(output),
        "synth_clk_period_ns": 5.0,
        "target_fps": FPS,
        "fpga_part": PART,
        "generate_outputs": [DataflowOutputType.ESTIMATE_REPORTS],
        "steps": estimate_only_steps(),
    }
    return DataflowBuildConfig(**options | changes)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one build by FINN."""
    folder = tmp_path_factory.mktemp("finn")
    exported = save_small_network(folder / "net.onnx")
    assert "XILINX_VIVADO" not in os.environ
    assert run_builder(exported, config(folder / "out")) == folder / "out" / "report"
    return folder / "out"


def step_model(built: Path, step: str) -> ModelWrapper:
    return ModelWrapper(str(built / "intermediate_models" / f"{step}.onnx"))


def report(built: Path, name: str) -> Any:
    return json.loads((built / "report" / f"{name}.json").read_text())


def graph_of(model: ModelWrapper) -> HwGraph:
    return read_hw_graph(ir.serde.deserialize_model(model.model))


def test_finns_reports_and_ours_are_there(built: Path) -> None:
    units = {layer.name for layer in graph_of(step_model(built, "step_generate_estimate_reports")).layers}
    assert len(units) == 11
    assert set(report(built, "estimate_layer_resources")) == units | {"total"}
    assert set(report(built, "finn_estimate_layer_resources")) == units | {"total"}
    assert report(built, "metadata_builder") == {"status": "ok", "tool_version": "none"}
    assert {row["name"] for row in report(built, "accumulators")} <= units
    assert report(built, "refusals")[0]["op_type"] == "Quant"


def test_the_accumulators_of_the_final_graph_are_ours(built: Path) -> None:
    ours = [row.width for row in accumulator_rows(lowered())]
    final = step_model(built, "step_generate_estimate_reports")
    units = [node for node in final.graph.node if node.op_type.startswith("MVAU")]
    assert [getCustomOp(node).get_accumulator_datatype().bitwidth() for node in units] == ours
    for node in units:
        (reader,) = final.find_direct_successors(node) or [None]
        if reader is not None:
            assert getCustomOp(reader).get_nodeattr("inputDataType") == getCustomOp(node).get_nodeattr("accDataType")
    assert [(row["width"], row["contract_bits"]) for row in report(built, "accumulators")] == [
        (ours[0], None), (ours[1], 13), (ours[2], None),
    ]  # fmt: skip


def test_the_accumulators_of_the_final_graph_are_certified(built: Path) -> None:
    final = built / "intermediate_models" / "step_bfx_estimate_reports.onnx"
    verdicts = certify(final, built / "report" / "certificates.json")
    assert [(each.name, each.detail) for each in verdicts if not each.ok] == []
    assert {row["name"] for row in report(built, "accumulators")} <= {each.name for each in verdicts}
    assert "contract" in {each.kind for each in verdicts}


def test_cycles_and_performance_are_finns(built: Path) -> None:
    graph = graph_of(step_model(built, "step_generate_estimate_reports"))
    assert {layer.name: layer.cycles() for layer in graph.layers} == report(built, "estimate_layer_cycles")
    assert network_performance(graph, 5.0) == report(built, "estimate_network_performance")
    assert report(built, "estimate_network_performance")["estimated_throughput_fps"] >= FPS


def test_our_estimate_has_finns_schema_and_counts_what_finn_leaves_out(built: Path) -> None:
    theirs, ours = report(built, "finn_estimate_layer_resources"), report(built, "estimate_layer_resources")
    assert list(ours) == list(theirs)
    for name, resources in theirs.items():
        assert list(ours[name]) == list(resources), name
    for name in (name for name in theirs if name.startswith("MVAU_rtl")):
        assert theirs[name]["LUT"] == 0 < ours[name]["LUT"]


def test_finn_executes_the_partition_to_the_same_integers(built: Path) -> None:
    whole, part = wrapper(lowered()), step_model(built, "step_create_dataflow_partition")
    (start,), (end,) = ([value.name for value in values] for values in (part.graph.input, part.graph.output))
    last = step_model(built, "step_bfx_minimize_accumulators")
    for seed in range(3):
        image = np.random.default_rng(seed).random(IMAGE).astype(np.float32)
        values = execute_onnx(whole, {"x": image}, return_full_exec_context=True)
        found = execute_onnx(part, {start: values[start]})[end]
        np.testing.assert_array_equal(found, values[end])
    # And no threshold, weight or data type of the final graph has lost a bit on the way.
    assert [node.op_type.split("_")[0] for node in last.graph.node] == [node.op_type for node in part.graph.node]
    for before, after in zip(part.graph.node, last.graph.node, strict=True):
        for name_before, name_after in zip(before.input[1:], after.input[1:], strict=True):
            np.testing.assert_array_equal(part.get_initializer(name_before), last.get_initializer(name_after))


def test_what_finn_would_give_each_accumulator(built: Path) -> None:
    model = lowered()
    before = ir.serde.serialize_model(model)
    widths = finn_accumulator_widths(model)
    assert ir.serde.serialize_model(model) == before
    names = [row.name for row in accumulator_rows(model)]
    assert list(widths) == names
    # FINN's own step, in the middle of the build, gave the same.
    middle = step_model(built, "step_minimize_bit_width")
    units = [node for node in middle.graph.node if node.op_type.startswith("MVAU")]
    assert list(widths.values()) == [getCustomOp(node).get_nodeattr("accDataType") for node in units]


@pytest.mark.parametrize("target", [1, 7, 40, 64, 100, 300, 333, 512, 1000, 4608, 10_000, 100_000])
def test_folding_is_finns(built: Path, target: int) -> None:
    from finn.transformation.fpgadataflow.set_folding import SetFolding

    specialized = step_model(built, "step_specialize_layers")
    ours = fold(graph_of(specialized), FoldingOptions(target_cycles=target))
    theirs = graph_of(specialized.transform(SetFolding(target_cycles_per_frame=target)))

    def widths(layer: HwLayer) -> tuple[str, ...]:
        return tuple(str(getattr(layer, field, "-")) for field in ("pe", "simd", "parallel_window"))

    assert [widths(layer) for layer in ours.layers] == [widths(layer) for layer in theirs.layers]


def test_a_complete_build_goes_on_with_finns_own_steps() -> None:
    from finn.builder.build_dataflow import resolve_build_steps
    from finn.builder.build_dataflow_config import default_build_dataflow_steps

    steps = default_steps(compute_in_luts=True)
    ours = estimate_only_steps(compute_in_luts=True)
    assert steps[: len(ours)] == ours
    assert steps[-1] == default_build_dataflow_steps[-1]
    assert "step_generate_hardware" in steps
    # FINN knows every one of them by name.
    resolved = resolve_build_steps(config(Path("unused"), steps=steps))
    assert len(resolved) == len(steps)


def test_a_build_in_luts_that_is_folded_by_cost(tmp_path: Path) -> None:
    exported = save_small_network(tmp_path / "net.onnx")
    steps = estimate_only_steps(compute_in_luts=True, by_cost=True)
    run_builder(exported, config(tmp_path / "out", steps=steps))
    resources = report(tmp_path / "out", "estimate_layer_resources")
    assert [name for name in resources if name.startswith("MVAU")] == [f"MVAU_hls_{index}" for index in range(3)]
    assert resources["total"]["DSP"] == resources["total"]["BRAM_18K"] == 0
    folded = graph_of(step_model(tmp_path / "out", "step_bfx_fold_by_cost"))
    folding = report(tmp_path / "out", "folding")
    assert max(layer.cycles() for layer in folded.layers) == folding["max_cycles"] <= 1e9 / 5 / FPS
    finns = fold(folded, FoldingOptions(target_cycles=folding["max_cycles"]))
    assert folding["proven_optimal"]
    assert folding["LUT"] < priced(finns, CostModel(in_luts=False)).lut
    assert report(tmp_path / "out", "estimate_network_performance")["estimated_throughput_fps"] >= FPS


def test_without_a_target_nothing_is_folded(built: Path, tmp_path: Path) -> None:
    specialized = step_model(built, "step_specialize_layers")
    assert step_bfx_fold_by_cost(specialized, config(tmp_path, target_fps=None)) is specialized


def test_a_tampered_weight_stops_the_builder_and_gives_the_process_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = save_small_network(tmp_path / "net.onnx", tamper=True)
    # FINN re-raises under pytest; users get its exit code instead.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    streams, handlers = (sys.stdout, sys.stderr), logging.getLogger().handlers[:]
    show = warnings.showwarning
    with pytest.raises(FinnBuildError, match=r"build_dataflow\.log"):
        run_builder(exported, config(tmp_path / "out"))
    assert (sys.stdout, sys.stderr) == streams
    assert logging.getLogger().handlers == handlers
    assert warnings.showwarning is show
    log = (tmp_path / "out" / "build_dataflow.log").read_text()
    assert "'conv2'" in log
    assert "channel 5" in log


def test_simulation_without_vivado_says_what_is_missing() -> None:
    prepare_finn()
    from finn.xsi import SimEngine

    with pytest.raises(FinnBuildError, match="expected Vivado"):
        SimEngine("design")


def test_a_real_vivado_is_left_to_finn(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_finn()
    import finn.xsi

    monkeypatch.delitem(vars(finn.xsi), "SimEngine")
    monkeypatch.setenv("XILINX_VIVADO", "/opt/Xilinx/Vivado/2024.2")
    prepare_finn()
    assert "SimEngine" not in vars(finn.xsi)
    monkeypatch.delenv("XILINX_VIVADO")
    prepare_finn()
    assert "SimEngine" in vars(finn.xsi)


@pytest.fixture
def without_finn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no import of FINN succeed, as where it is not installed."""
    for name in [name for name in sys.modules if name == "finn" or name.startswith("finn.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("finn_transforms.finn_compat.find_spec", lambda _: None)
    monkeypatch.delitem(sys.modules, "finn_transforms.build_steps")
    yield


@pytest.mark.usefixtures("without_finn")
def test_without_finn_the_extra_is_named() -> None:
    with pytest.raises(FinnMissingError, match=r'pip install "brevitas-finn-ext\[finn\]"'):
        importlib.import_module("finn_transforms.build_steps")
    with pytest.raises(FinnMissingError):
        finn_accumulator_widths(lowered())


def test_a_fresh_process_needs_no_settings_and_makes_none(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FINN_", "XILINX"))}
    code = (
        "from finn_transforms.finn_compat import prepare_finn; prepare_finn(); "
        "from finn.util.settings import get_settings; get_settings(); print(get_settings().finn_build_dir)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "finn_build_" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_units_shift_products_in_finns_builder(tmp_path: Path) -> None:
    """Only where the folding is ours; they stay exact, and certified, through FINN's own steps."""
    ir.save(shift_network(), tmp_path / "net.onnx")
    run_builder(tmp_path / "net.onnx", config(tmp_path / "out", steps=estimate_only_steps(by_cost=True)))
    final = step_model(tmp_path / "out", "step_bfx_estimate_reports")
    kinds = [node.op_type for node in final.graph.node]
    assert "ShiftMVAU_rtl" in kinds
    verdicts = certify(
        tmp_path / "out" / "intermediate_models" / "step_bfx_estimate_reports.onnx",
        tmp_path / "out" / "report" / "certificates.json",
    )
    assert [(each.name, each.detail) for each in verdicts if not each.ok] == []
    folding = report(tmp_path / "out", "folding")
    assert folding["proven_optimal"]
    assert folding["max_cycles"] <= 1e9 / 5 / FPS
    part = step_model(tmp_path / "out", "step_create_dataflow_partition")
    whole, last = lower(shift_network()).model, ir.serde.deserialize_model(final.model)
    (start,), (end,) = ([value.name for value in values] for values in (final.graph.input, final.graph.output))
    for image in images(2):
        ours = emulate(whole, {"x": image[None]})
        np.testing.assert_array_equal(emulate(last, {start: ours[start]})[end], ours[end])
        np.testing.assert_array_equal(execute_onnx(part, {start: ours[start].astype(np.float32)})[end], ours[end])
