"""Our units inside FINN's builder, and in the workers that FINN starts."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.build_steps import estimate_only_steps
from finn_transforms.finn_compat import prepare_finn, run_builder
from finn_transforms.hw import register
from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers
from finn_transforms.sim import Stalls, simulate
from finn_transforms.sim.verilator import verilator_root
from tests.support.small_network import save_small_network
from tests.support.workers import ReadOperators

PART = "xczu7ev-ffvc1156-2-e"
CLOCK_NS = 5.0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepare_finn()
    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType

    folder = tmp_path_factory.mktemp("luts")
    config = DataflowBuildConfig(
        output_dir=str(folder),
        synth_clk_period_ns=CLOCK_NS,
        target_fps=200_000,
        fpga_part=PART,
        generate_outputs=[DataflowOutputType.ESTIMATE_REPORTS],
        steps=estimate_only_steps(mvau_in_luts=True),
    )
    run_builder(save_small_network(folder / "net.onnx"), config)
    return folder


@pytest.fixture
def model(built: Path) -> ModelWrapper:
    return ModelWrapper(str(built / "intermediate_models" / "step_bfx_estimate_reports.onnx"))


def mvaus(model: ModelWrapper) -> list[NodeProto]:
    return [node for node in model.graph.node if node.op_type.startswith("MVAU")]


def generated(model: ModelWrapper) -> list[Any]:
    """Return the operators of the units, their hardware written as FINN's ``PrepareIP`` does."""
    from finn.transformation.fpgadataflow.prepare_ip import _codegen_single_node

    for node in mvaus(model):
        _codegen_single_node(node, model, PART, CLOCK_NS)
    return [getCustomOp(node) for node in mvaus(model)]


def only_last(model: ModelWrapper) -> ModelWrapper:
    """Leave the last unit of a model, and return it."""
    unit = mvaus(model)[-1]
    start = model.get_tensor_valueinfo(unit.input[0])
    model.graph.value_info.remove(start)
    for kept, value in ((model.graph.node, unit), (model.graph.input, start)):
        del kept[:]
        kept.append(value)
    return model


def constants(model: ModelWrapper, node: NodeProto) -> dict[str, np.ndarray]:
    return {name: model.get_initializer(name) for name in node.input[1:]}


def test_specialize_layers_chooses_it_and_finns_folding_knows_it(model: ModelWrapper) -> None:
    found = [(node.op_type, node.domain, getCustomOp(node).get_nodeattr("resType")) for node in mvaus(model)]
    assert found == [("MVAU_rtl", "finn.custom_op.fpgadataflow.rtl", "lut")] * 3
    target = 1e9 / CLOCK_NS / 200_000
    for node in mvaus(model):
        operator = getCustomOp(node)
        assert operator.get_nodeattr("SIMD") * operator.get_nodeattr("PE") > 1
        assert operator.get_exp_cycles() <= target


def test_finns_analyses_count_it(model: ModelWrapper, built: Path) -> None:
    from finn.analysis.fpgadataflow.exp_cycles_per_layer import exp_cycles_per_layer
    from finn.analysis.fpgadataflow.op_and_param_counts import op_and_param_counts

    assert model.analysis(op_and_param_counts)["MVAU_rtl_2"] == {"op_mac_4bx4b": 1280, "param_weight_4b": 1280}
    cycles = model.analysis(exp_cycles_per_layer)
    for node in mvaus(model):
        weights = getCustomOp(node)
        folded = (
            weights.get_nodeattr("MW") * weights.get_nodeattr("MH") * np.prod(weights.get_nodeattr("numInputVectors"))
        )
        assert cycles[node.name] == folded // (weights.get_nodeattr("PE") * weights.get_nodeattr("SIMD"))
    resources = json.loads((built / "report" / "estimate_layer_resources.json").read_text())
    assert all(resources[f"MVAU_rtl_{index}"]["LUT"] > 0 for index in range(3))
    assert resources["total"]["DSP"] == 0


@pytest.fixture
def spawned() -> Iterator[None]:
    """Let workers be fresh processes, as FINN's command line does."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.usefixtures("spawned")
def test_workers_of_finn_know_it(model: ModelWrapper) -> None:
    only_last(model)
    (node,) = model.transform(ReadOperators(num_workers=2)).graph.node
    process, operator = node.doc_string.split()
    assert int(process) != os.getpid()
    assert operator == "LutMvau"


def test_a_unit_on_dsp_slices_is_finns_and_costs_something(model: ModelWrapper) -> None:
    from finn.custom_op.fpgadataflow.rtl.matrixvectoractivation_rtl import MVAU_rtl

    node = mvaus(model)[1]
    getCustomOp(node).set_nodeattr("resType", "dsp")
    operator = getCustomOp(node)
    assert isinstance(operator, MVAU_rtl)
    assert operator.lut_estimation(PART) > 0 == MVAU_rtl.lut_estimation(operator, PART)
    assert operator.dsp_estimation(PART) == MVAU_rtl.dsp_estimation(operator, PART) > 0


@dataclass(frozen=True, kw_only=True)
class Generated(RtlUnit):
    """The files that an operator wrote, run through its top module's own ports."""

    name: str
    files: Mapping[str, str]
    streams: tuple[Stream, Stream]
    compute: Callable[[Integers], Integers]

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return self.streams[:1]

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return self.streams[1:]

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        return (self.compute(*inputs),)

    def cycles(self) -> int:
        return 1000

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002
        return (np.ones(self.outputs[0].beats, dtype=np.int64),)

    def sources(self) -> Mapping[str, str]:
        top = next(name for name in self.files if name.endswith(".v")).removesuffix(".v")
        (inner,), (outer,) = self.inputs, self.outputs
        ports = [(stream, part) for stream in (inner, outer) for part in ("tdata", "tvalid", "tready")]
        declared = []
        for stream, part in ports:
            is_input = (stream is inner) != (part == "tready")
            width = f"[{stream.tdata_bits - 1}:0] " if part == "tdata" else ""
            declared.append(f"{'input' if is_input else 'output'} wire {width}{stream.name}_{part}")
        pins = ", ".join(f".{stream.name}_{part.upper()}({stream.name}_{part})" for stream, part in ports)
        text = (
            f"module {self.name} (input wire ap_clk, input wire ap_rst_n, {', '.join(declared)});\n"
            f"    {top} finn (.ap_clk(ap_clk), .ap_rst_n(ap_rst_n), {pins});\nendmodule\n"
        )
        return {**self.files, f"{self.name}.sv": text}


def test_the_files_it_writes_compute_the_node(model: ModelWrapper) -> None:
    operator = generated(model)[2]
    paths = [Path(name) for name in operator.get_rtl_file_list(abspath=True)]
    assert [path.name for path in paths] == operator.get_rtl_file_list()
    assert paths[-1].name == f"{operator.get_nodeattr('gen_top_module')}.v"
    unit = operator._unit(constants(model, operator.onnx_node), "MVAU_rtl_2")
    seen = Generated(
        name="seen_by_finn",
        files={path.name: path.read_text() for path in paths},
        streams=(*unit.inputs, *unit.outputs),
        compute=lambda values: unit.golden(values)[0],
    )
    values = np.random.default_rng(0).integers(0, 16, (3, unit.inputs[0].beats, unit.inputs[0].elements))
    for stalls in (None, Stalls()):
        np.testing.assert_array_equal(simulate(seen, [values], stalls=stalls).outputs[0], unit.golden(values)[0])
    # And the ports are those that FINN connects.
    names = operator.get_verilog_top_module_intf_names()
    assert names["s_axis"] == [("in0_V", unit.inputs[0].tdata_bits)]
    assert names["m_axis"] == [("out0_V", unit.outputs[0].tdata_bits)]
    top = paths[-1].read_text()
    assert "ASSOCIATED_BUSIF in0_V:out0_V" in top
    assert f"[{unit.outputs[0].tdata_bits - 1}:0] out0_V_TDATA" in top


@pytest.mark.parametrize("mode", ["", "cppsim", "rtlsim"])
def test_it_executes_to_finns_integers_in_python_and_in_hardware(model: ModelWrapper, built: Path, mode: str) -> None:
    generic = ModelWrapper(str(built / "intermediate_models" / "step_create_dataflow_partition.onnx"))
    generic, specialized = only_last(generic), only_last(model)
    shape = specialized.get_tensor_shape(specialized.graph.input[0].name)
    values = np.random.default_rng(1).integers(0, 16, shape).astype(np.float32)
    found = []
    for each in (generic, specialized):
        if each is specialized:
            getCustomOp(each.graph.node[0]).set_nodeattr("exec_mode", mode)
        (result,) = execute_onnx(each, {each.graph.input[0].name: values}).values()
        found.append(result)
    np.testing.assert_array_equal(found[1], found[0])
    assert found[1].shape == found[0].shape


def test_stitching_takes_it_as_far_as_vivado(model: ModelWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    from finn.transformation.fpgadataflow.create_stitched_ip import CreateStitchedIP

    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    two = list(model.graph.node)[-2:]
    start = model.get_tensor_valueinfo(two[0].input[0])
    for kept, values in ((model.graph.node, two), (model.graph.input, [start])):
        del kept[:]
        kept.extend(values)
    generated(model)
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    model = model.transform(PrepareIP(PART, CLOCK_NS))
    with pytest.raises(FileNotFoundError, match="vivado"):
        model.transform(CreateStitchedIP(PART, CLOCK_NS))
    scripts = Path(os.environ["FINN_BUILD_DIR"]).glob("vivado_stitch_proj*/make_project.tcl")
    script = max(scripts, key=lambda path: path.stat().st_mtime).read_text()
    unit = two[1].name
    assert f"create_bd_cell -type module -reference {unit} {unit}" in script
    assert f"[get_bd_intf_pins {two[0].name}/out0_V] [get_bd_intf_pins {unit}/in0_V]" in script


def test_registering_twice_is_registering_once() -> None:
    from finn.transformation.fpgadataflow import specialize_layers

    register()
    first = specialize_layers._mvu_rtl_possible
    register()
    assert specialize_layers._mvu_rtl_possible is first


def test_verilator_takes_the_top_module_without_warnings(model: ModelWrapper) -> None:
    root = verilator_root()
    for operator in generated(model)[:1]:
        command = [str(root / "bin" / "verilator"), "--lint-only", "-Wall", "--top-module", operator.onnx_node.name]
        done = subprocess.run(
            [*command, *operator.get_rtl_file_list(abspath=True)],
            env={**os.environ, "VERILATOR_ROOT": str(root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
