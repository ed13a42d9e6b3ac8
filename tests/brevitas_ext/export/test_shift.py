"""ShiftQuant through both exporters: stock `Quant` nodes with a scale per channel, equal to the model bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity
from brevitas.quant import Int8WeightPerTensorFloat, Int32Bias
from onnx import numpy_helper

from brevitas_ext.export import export_qonnx, verify_export
from brevitas_ext.qonnx_ops.catalogue import DOMAIN
from brevitas_ext.quantizers import ShiftActQuantProxy, ShiftQuantAct, UncalibratedRangesError
from tests.support.shift_models import shift_images, shift_network

EXPORTERS = ["torchscript", "dynamo"]


@pytest.mark.parametrize(
    ("exporter", "options"),
    [("torchscript", {}), ("torchscript", {"groups": 2, "stochastic": True}), ("dynamo", {})],
    ids=str,
)
def test_every_place_is_exported_exactly(exporter: str, options: dict[str, object], tmp_path: Path) -> None:
    model, x = shift_network(**options), shift_images(1)
    path = export_qonnx(model, x, tmp_path / "shift.onnx", exporter=exporter)
    verified = verify_export(model, path, shift_images(2, 6))
    verified.check()
    proxies = {name: module for name, module in model.named_modules() if isinstance(module, ShiftActQuantProxy)}
    assert set(proxies) <= {item.name for item in verified.quantizers} and len(proxies) == 4
    file = onnx.load(path)
    assert {opset.domain for opset in file.opset_import} == {"", DOMAIN}
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in file.graph.initializer}
    for name, proxy in proxies.items():
        group, scale = proxy.tensor.static()
        steps = arrays[f"{name}.scale"]
        assert steps.shape == (1, group.numel(), 1, 1)
        np.testing.assert_array_equal(steps.ravel(), scale.numpy() * np.exp2(-group.numpy()))
        assert arrays[f"{name}.bit_width"] == proxy.tensor.bits
        assert np.unique(steps).size > 1
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"x": x.numpy()})[0], model(x).detach().numpy())


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_channels_that_come_last_and_biases_in_units(exporter: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    conv = QuantConv2d(3, 2, 3, input_quant=ShiftQuantAct, weight_quant=Int8WeightPerTensorFloat, bias_quant=Int32Bias)
    last = QuantIdentity(act_quant=ShiftQuantAct.let(axis=-1))
    model = torch.nn.Sequential(conv, last).train()
    model(shift_images(0, 4) * torch.linspace(0.1, 1, 8))
    path = export_qonnx(model.eval(), shift_images(1), tmp_path / "shift.onnx", exporter=exporter)
    verify_export(model, path, shift_images(2, 4)).check()
    shapes = {tensor.name: tuple(tensor.dims) for tensor in onnx.load(path).graph.initializer}
    assert shapes["0.input_quant.scale"] == (1, 3, 1, 1)
    assert shapes["1.act_quant.scale"] == (6,)


def test_other_groups_in_the_file_are_noticed(tmp_path: Path) -> None:
    model = shift_network()
    path = export_qonnx(model, shift_images(1), tmp_path / "shift.onnx")
    file = onnx.load(path)
    scale = next(tensor for tensor in file.graph.initializer if tensor.name == "relu.act_quant.scale")
    steps = numpy_helper.to_array(scale).copy()
    steps[0, int(steps.argmin())] *= 2
    scale.CopyFrom(numpy_helper.from_array(steps, scale.name))
    onnx.save(file, path)
    assert not verify_export(model, path, shift_images(2)).ok


def test_uncalibrated_ranges_are_refused(tmp_path: Path) -> None:
    layer = QuantIdentity(act_quant=ShiftQuantAct)
    with pytest.raises(UncalibratedRangesError, match="before evaluation and export"):
        export_qonnx(layer, torch.zeros(1, 2), tmp_path / "shift.onnx")


def test_the_model_is_as_it_was(tmp_path: Path) -> None:
    model, x = shift_network(stochastic=True), shift_images(1)
    before, state = model(x), model.state_dict()
    export_qonnx(model.train(), x, tmp_path / "shift.onnx")
    assert all(module.training for module in model.modules())
    assert torch.equal(model.eval()(x), before)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
