"""Quantized batch normalization is exported as a multiplication and an addition, layer normalization is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity
from torch import nn

from brevitas_ext.export import UnsupportedModuleError, export_qonnx, verify_export
from brevitas_ext.nn import L1BatchNorm2d, L1LayerNorm
from finn_transforms.emulate import emulate
from finn_transforms.loading import load_model
from finn_transforms.passes import lower_to_hardware
from tests.support.graphs import op_types


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        QuantIdentity(bit_width=8, return_quant_tensor=True),
        QuantConv2d(3, 4, 3, bias=False, weight_bit_width=4),
        L1BatchNorm2d(4),
        QuantIdentity(bit_width=4),
    )
    nn.init.normal_(model[2].weight)
    nn.init.normal_(model[2].bias)
    for _ in range(3):
        model(torch.randn(8, 3, 6, 6))
    return model.eval()


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
def test_the_file_multiplies_and_adds_what_the_layer_does(exporter: str, tmp_path: Path) -> None:
    model, x = network(), torch.randn(2, 3, 6, 6)
    path = export_qonnx(model, x, tmp_path / "norm.onnx", exporter=exporter)
    file = onnx.load(path)
    nodes = [node.op_type for node in file.graph.node if not node.op_type.startswith("Quant")]
    assert nodes == ["Conv", "Mul", "Add"]
    stored = {array.name: onnx.numpy_helper.to_array(array) for array in file.graph.initializer}
    made = model[2].affine()
    for node, expected in zip(file.graph.node[-3:-1], made, strict=True):
        constant = next(stored[name] for name in node.input if name in stored)
        assert np.array_equal(constant.ravel(), expected.detach().numpy().ravel())
    verify_export(model, path, torch.randn(4, 3, 6, 6)).check()
    assert model[2].multiplier is None


@pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning")
def test_the_layer_alone_is_the_same_bit_for_bit_in_onnxruntime(tmp_path: Path) -> None:
    layer = network()[2]
    layer.freeze()
    x = torch.randn(2, 4, 5, 5)
    torch.onnx.export(layer, (x,), str(tmp_path / "layer.onnx"), dynamo=True, verbose=False, input_names=["x"])
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx", providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(None, {"x": x.numpy()})[0], layer(x).detach().numpy())


def test_the_compiler_absorbs_it_into_thresholds(tmp_path: Path) -> None:
    network_ = network()
    x = torch.randn(4, 3, 6, 6)
    model = load_model(export_qonnx(network_, x[:1], tmp_path / "norm.onnx"))
    lower_to_hardware(model)
    kinds = op_types(model)
    # On the host there is the scale of what comes in, and of what goes out.
    assert [kind for kind in kinds if kind in {"Div", "Mul", "Add", "BatchNormalization"}] == ["Div", "Mul"]
    assert {"MVAU", "Thresholding"} <= set(kinds)
    found = emulate(model, {str(model.graph.inputs[0].name): x.numpy()}, keep="outputs")
    np.testing.assert_array_equal(found[str(model.graph.outputs[0].name)], network_(x).detach().numpy())


def test_layer_normalization_is_refused_with_the_reason(tmp_path: Path) -> None:
    model = nn.Sequential(QuantIdentity(bit_width=8), L1LayerNorm(4))
    model(torch.randn(2, 4))
    with pytest.raises(UnsupportedModuleError, match=r"Layer '1'.*run time"):
        export_qonnx(model.eval(), torch.randn(2, 4), tmp_path / "layer.onnx")
