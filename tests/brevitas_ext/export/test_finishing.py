"""A file that every runtime reads, and nothing in it that does not belong there."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from brevitas_ext.accumulators import trace_layers
from brevitas_ext.export import verify_export
from brevitas_ext.qonnx_ops.catalogue import DOMAIN
from tests.brevitas_ext.export.models import EXPORTERS, IMAGE, contract_of, convnet, export


@pytest.fixture(scope="module", params=EXPORTERS)
def network(request, tmp_path_factory):
    example = torch.randn(IMAGE, generator=torch.Generator().manual_seed(4))
    return export(convnet(), example, tmp_path_factory.mktemp("network"), request.param)


class TestFile:
    def test_header(self, network):
        assert [item.domain for item in network.file.opset_import] == ["", DOMAIN]
        assert network.file.ir_version == 10
        onnx.checker.check_model(network.file, full_check=True)

    def test_every_foreign_operator_has_a_body(self, network):
        foreign = {(node.domain, node.op_type) for node in network.file.graph.node if node.domain}
        assert foreign == {(function.domain, function.name) for function in network.file.functions}
        assert all(function.domain != "" for function in network.file.functions)

    def test_names(self, network):
        quantizers = [node.name for node in network.file.graph.node if node.domain == DOMAIN]
        expected = ["source.act_quant", "conv1.weight_quant", "relu.act_quant", "conv2.weight_quant"]
        assert quantizers == [*expected, "tanh.act_quant", "fc.weight_quant"]
        names = {item.name for item in network.file.graph.initializer}
        assert {"conv1.weight", "conv2.weight", "fc.weight", "fc.bias", "relu.act_quant.scale"} <= names
        assert [value.name for value in network.file.graph.input] == ["image"]
        assert [value.name for value in network.file.graph.output] == ["output"]

    def test_nothing_of_the_exporter_is_left(self, network):
        graph = network.file.graph
        used = {name for node in graph.node for name in node.input}
        assert {item.name for item in graph.initializer} <= used
        assert not any(node.metadata_props or node.doc_string for node in graph.node)
        modes = [item.s for node in graph.node for item in node.attribute if item.name == "rounding_mode"]
        assert modes == [b"ROUND"] * 6
        assert b"site-packages" not in network.file.SerializeToString()
        assert not [name for name in used if "export_handler" in name and name.endswith("Constant_output_0")]

    def test_quantizers_share_no_initializers(self, network):
        inputs = [name for node in network.file.graph.node if node.domain for name in node.input[1:]]
        assert len(set(inputs)) == len(inputs)

    def test_all_shapes_are_known(self, network):
        assert ModelWrapper(str(network.path)).check_all_tensor_shapes_specified()

    def test_runs_unchanged_in_onnxruntime_and_qonnx(self, network):
        expected = network.model(network.example).detach().numpy()
        feeds = {"image": network.example.numpy()}
        session = onnxruntime.InferenceSession(network.path, providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, feeds)[0], expected, atol=1e-5)
        output = execute_onnx(ModelWrapper(str(network.path)), feeds)["output"]
        np.testing.assert_allclose(output, expected, atol=1e-5)

    def test_the_integers_agree_everywhere(self, network):
        inputs = torch.randn(16, *IMAGE[1:], generator=torch.Generator().manual_seed(5))
        verification = verify_export(network.model, network.path, inputs)
        assert verification.ok, str(verification)
        assert verification.batches == 8
        assert {item.name: item.elements for item in verification.quantizers}["relu.act_quant"] == 16 * 8 * 8 * 8

    def test_contract(self, network):
        traced = {layer.name: layer for layer in trace_layers(network.model, network.example)}
        contract = contract_of(network.file)
        assert [layer.layer for layer in contract.layers] == ["conv1", "conv2", "fc"]
        for layer in contract.layers:
            assert (layer.accumulator_bits, layer.bound, layer.overflow) == (14, "a2q", "any_order")
            assert (layer.input_low, layer.input_high) == (
                traced[layer.layer].input_low,
                traced[layer.layer].input_high,
            )
            layer.check(traced[layer.layer].weight_integers)
