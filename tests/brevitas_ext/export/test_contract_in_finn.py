"""The contract finds its layers again behind QONNX's clean-up and FINN's conversion; the bodies disturb neither."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from finn.transformation.fpgadataflow.convert_to_hw.quantized_matrix_vector_activation import (
    InferQuantizedMatrixVectorActivation,
)
from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
from finn.transformation.streamline import Streamline
from finn.transformation.streamline.absorb import AbsorbConsecutiveTransposes, AbsorbTransposeIntoMultiThreshold
from finn.transformation.streamline.reorder import MakeMaxPoolNHWC
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.lower_convs_to_matmul import LowerConvsToMatMul
from qonnx.util.cleanup import cleanup_model

from brevitas_ext.qonnx_ops.accumulator_contract import ContractViolationError
from tests.brevitas_ext.export.models import EXPORTERS, contract_of, convnet, export

IMAGE = (1, 3, 8, 8)


@pytest.fixture(scope="module", params=EXPORTERS)
def converted(request, tmp_path_factory):
    """The graph after each stage."""
    exported = export(convnet(), torch.randn(IMAGE), tmp_path_factory.mktemp("finn"), request.param)
    with warnings.catch_warnings():
        # QONNX and FINN say at every step what they assume; whether it holds is what the tests are about.
        warnings.simplefilter("ignore")
        return SimpleNamespace(exported=exported, stages=through_finn(exported.path))


def through_finn(path):
    stages = {"file": ModelWrapper(str(path))}
    stages["clean"] = cleanup_model(stages["file"])
    stages["converted"] = stages["clean"].transform(ConvertQONNXtoFINN())
    model = stages["converted"].transform(Streamline()).transform(LowerConvsToMatMul())
    for step in (MakeMaxPoolNHWC, AbsorbTransposeIntoMultiThreshold, MakeMaxPoolNHWC, AbsorbConsecutiveTransposes):
        model = model.transform(step())
    stages["streamlined"] = model.transform(Streamline()).transform(InferDataTypes())
    stages["hardware"] = stages["streamlined"].transform(InferQuantizedMatrixVectorActivation())
    return stages


def test_the_contract_survives_every_stage(converted):
    expected = contract_of(converted.exported.file)
    assert [layer.layer for layer in expected.layers] == ["conv1", "conv2", "fc"]
    for model in converted.stages.values():
        assert contract_of(model.model) == expected


# QONNX rounds integers that went through floats, and says so.
@pytest.mark.filterwarnings("ignore:The values of tensor .* can't be represented:UserWarning")
@pytest.mark.parametrize("stage", ["file", "clean", "converted"])
def test_the_stages_compute_the_model(converted, stage):
    model = converted.stages[stage]
    exported = converted.exported
    output = execute_onnx(model, {model.graph.input[0].name: exported.example.numpy()})
    expected = exported.model(exported.example).detach().numpy()
    np.testing.assert_allclose(next(iter(output.values())), expected, atol=1e-5)


def test_qonnx_infers_shapes_and_datatypes_with_the_bodies_present(converted):
    model = converted.stages["file"].transform(InferShapes()).transform(InferDataTypes(allow_scaledint_dtypes=True))
    assert len(model.model.functions) == 1
    datatypes = {node.name: str(model.get_tensor_datatype(node.output[0])) for node in model.graph.node if node.domain}
    assert datatypes["conv1.weight_quant"] == "SCALEDINT<4>"


def matrices(model):
    """Weights by output channel of every matrix product; a depthwise convolution is a sparse one."""
    products = [node for node in model.graph.node if node.op_type in ("MatMul", "MVAU", "VVAU")]
    weights = [model.get_initializer(node.input[1]) for node in products]
    return [weight.T if weight.ndim == 2 else weight.reshape(weight.shape[0], -1) for weight in weights]


@pytest.mark.parametrize("stage", ["streamlined", "hardware"])
def test_layers_are_found_again_by_their_integers(converted, stage):
    contract = contract_of(converted.stages[stage].model)
    weights = matrices(converted.stages[stage])
    found = [contract.match(matrix) for matrix in weights]
    assert [layer.layer for layer in found] == ["conv1", "conv2", "fc"]
    for layer, matrix in zip(found, weights, strict=True):
        layer.check(matrix)


def test_a_weight_changed_on_the_way_is_caught(converted):
    contract = contract_of(converted.stages["hardware"].model)
    for layer, matrix in zip(("conv1", "conv2", "fc"), matrices(converted.stages["hardware"]), strict=True):
        tampered = matrix.copy()
        tampered[5, np.flatnonzero(tampered[5])[0] if tampered[5].any() else 0] += 20
        assert contract.match(tampered) is None
        nearest, channels = contract.nearest(tampered)
        assert (nearest.layer, channels) == (layer, [5])
        tampered[5] = 2**12
        with pytest.raises(ContractViolationError, match=f"Layer '{layer}', channel 5"):
            nearest.check(tampered)
