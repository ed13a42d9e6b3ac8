"""SPARQ's layers inside FINN's builder: shapes, folding, cycles, stream widths, execution and hardware."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnx import NodeProto, ValueInfoProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp

from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.arith.sparq_code import encode, pack
from brevitas_ext.export import export_qonnx
from finn_transforms.build_steps import estimate_only_steps, step_bfx_fold_sparq
from finn_transforms.finn_compat import prepare_finn, run_builder
from finn_transforms.hw_graph import read_hw_graph
from finn_transforms.sim.verilator import verilator_root
from tests.support.random_sparq_networks import Recipe, random_image, random_network

PART = "xczu7ev-ffvc1156-2-e"
CLOCK_NS = 5.0
FPS = 200_000
RECIPE = Recipe(
    channels=(2, 4, 4),
    size=(6, 6),
    kernels=((3, 1, 1), (3, 2, 1)),
    windows=("4b5opt", "3b6opt"),
    options={"rounding": True, "overflow": "saturate", "pairs": True},
    at_input=False,
    has_linear=False,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepare_finn()
    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType

    folder = tmp_path_factory.mktemp("sparq")
    config = DataflowBuildConfig(
        output_dir=str(folder),
        synth_clk_period_ns=CLOCK_NS,
        target_fps=FPS,
        fpga_part=PART,
        generate_outputs=[DataflowOutputType.ESTIMATE_REPORTS],
        steps=estimate_only_steps(by_cost=True),
    )
    network = random_network(RECIPE, 1)
    run_builder(export_qonnx(network, random_image(RECIPE, 1), folder / "network.onnx"), config)
    return folder


@pytest.fixture
def model(built: Path) -> ModelWrapper:
    return ModelWrapper(str(built / "intermediate_models" / "step_bfx_estimate_reports.onnx"))


def coded(model: ModelWrapper) -> list[NodeProto]:
    return [node for node in model.graph.node if node.op_type.startswith("Sparq")]


def alone(model: ModelWrapper, place: int) -> ModelWrapper:
    """Leave one of SPARQ's layers of a model, and return it."""
    node = coded(model)[place]
    for kept, name in ((model.graph.input, node.input[0]), (model.graph.output, node.output[0])):
        value = ValueInfoProto()
        value.CopyFrom(model.get_tensor_valueinfo(name))
        for listed in (model.graph.value_info, model.graph.input, model.graph.output):
            for same in [each for each in listed if each.name == name]:
                listed.remove(same)
        del kept[:]
        kept.append(value)
    only = NodeProto()
    only.CopyFrom(node)
    del model.graph.node[:]
    model.graph.node.append(only)
    return model


def words(model: ModelWrapper, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return inputs of the one layer left: activations, or the code of some."""
    (node,) = model.graph.node
    *leading, channels = getCustomOp(node).get_normal_input_shape()
    is_coded = node.op_type.startswith("SparqMVAU")
    shape = (*leading, channels * (1 + is_coded))
    x = rng.integers(0, 256, shape) * rng.integers(0, 2, shape)
    sparq = SparqFormat.named(RECIPE.windows[0])
    return (pack(encode(x, sparq), sparq) if is_coded else x).astype(np.float32)


def test_finn_specializes_folds_and_reports_it(model: ModelWrapper, built: Path) -> None:
    kinds = [(node.op_type, node.domain) for node in coded(model)]
    domain = "finn.custom_op.fpgadataflow.rtl"
    assert kinds == [("SparqEncoder_rtl", domain), ("SparqMVAU_rtl", domain)] * 2
    cycles = json.loads((built / "report" / "estimate_layer_cycles.json").read_text())
    resources = json.loads((built / "report" / "estimate_layer_resources.json").read_text())
    counts = json.loads((built / "report" / "op_and_param_counts.json").read_text())
    for node in coded(model):
        operator = getCustomOp(node)
        assert cycles[node.name] == operator.get_exp_cycles() <= 1e9 / CLOCK_NS / FPS
        # FINN is told what the layer costs with any weights.
        assert 0.9 < resources[node.name]["LUT"] / operator.lut_estimation(PART) < 1.1
        assert operator.get_nodeattr("SIMD") % 2 == 0
        assert operator.dsp_estimation(PART) == 0
    assert counts["SparqMVAU_rtl_0"] == {"op_mac_8bx8b": 36 * 18 * 4, "param_weight_8b": 18 * 4}


def test_finns_own_folding_meets_the_target_once_ours_are_folded_by_its_rules(built: Path) -> None:
    from finn.transformation.fpgadataflow.set_folding import SetFolding

    target = int(1e9 / CLOCK_NS / FPS)
    specialized = ModelWrapper(str(built / "intermediate_models" / "step_specialize_layers.onnx"))
    options = SimpleNamespace(target_fps=FPS, synth_clk_period_ns=CLOCK_NS, mvau_wwidth_max=36)
    assert any(getCustomOp(node).get_exp_cycles() > target for node in coded(specialized))
    unchanged = step_bfx_fold_sparq(specialized, SimpleNamespace(target_fps=None))
    assert unchanged is specialized
    folded = step_bfx_fold_sparq(specialized, options).transform(SetFolding(target))
    layers = read_hw_graph(ir.serde.deserialize_model(folded.model)).layers
    assert len(layers) == len(folded.graph.node)
    assert max(layer.cycles() for layer in layers) <= target
    ours = [getCustomOp(node) for node in coded(folded)]
    assert any(each.get_nodeattr("SIMD") > 2 for each in ours)
    steps = [step if isinstance(step, str) else step.__name__ for step in estimate_only_steps()]
    assert steps.index("step_bfx_fold_sparq") + 1 == steps.index("step_target_fps_parallelization")


def test_streams_are_words_and_converters_fit_them(model: ModelWrapper) -> None:
    from finn.transformation.fpgadataflow.insert_dwc import InsertDWC

    encoder, unit = (getCustomOp(node) for node in coded(model)[:2])
    simd = encoder.get_nodeattr("SIMD")
    assert encoder.get_instream_width() == 8 * simd
    assert encoder.get_outstream_width() == 16 * simd // 2
    assert unit.get_instream_width() == 16 * unit.get_nodeattr("SIMD") // 2
    assert unit.get_instream_width(1) == 0
    assert list(unit.get_normal_input_shape()) == [1, 6, 6, 9]
    assert list(unit.get_normal_input_shape(1)) == [18, 4]
    assert np.prod(unit.get_folded_input_shape()) == 6 * 6 * 9
    converted = model.transform(InsertDWC())
    for node in coded(converted):
        before = converted.find_producer(node.input[0])
        if before is not None:
            assert getCustomOp(before).get_outstream_width() == getCustomOp(node).get_instream_width()


@pytest.mark.parametrize("mode", ["", "rtlsim"])
@pytest.mark.parametrize("place", [0, 1])
def test_it_executes_before_and_behind_specialization(model: ModelWrapper, built: Path, place: int, mode: str) -> None:
    generic = ModelWrapper(str(built / "intermediate_models" / "step_create_dataflow_partition.onnx"))
    found = []
    for each in (alone(generic, place), alone(model, place)):
        values = words(each, np.random.default_rng(1))
        if each is model:
            getCustomOp(each.graph.node[0]).set_nodeattr("exec_mode", mode)
        (result,) = execute_onnx(each, {each.graph.input[0].name: values}).values()
        found.append(result)
    np.testing.assert_array_equal(found[1], found[0])
    assert np.unique(found[0]).size > 4


def test_verilator_takes_what_it_writes(model: ModelWrapper) -> None:
    from finn.transformation.fpgadataflow.prepare_ip import _codegen_single_node

    root = verilator_root()
    for node in coded(model)[:2]:
        _codegen_single_node(node, model, PART, CLOCK_NS)
        operator = getCustomOp(node)
        names = operator.get_verilog_top_module_intf_names()
        padded = [-(-width // 8) * 8 for width in (operator.get_instream_width(), operator.get_outstream_width())]
        assert [names["s_axis"], names["m_axis"]] == [[("in0_V", padded[0])], [("out0_V", padded[1])]]
        command = [str(root / "bin" / "verilator"), "--lint-only", "-Wall", "--top-module", node.name]
        done = subprocess.run(
            [*command, *operator.get_rtl_file_list(abspath=True)],
            env={**os.environ, "VERILATOR_ROOT": str(root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_other_inputs_are_refused(model: ModelWrapper) -> None:
    from qonnx.core.datatype import DataType

    for node in coded(model)[:2]:
        model.set_tensor_datatype(node.input[0], DataType["INT9"])
        with pytest.raises(ValueError, match="found INT9; lower the model again"):
            getCustomOp(node).infer_node_datatype(model)
