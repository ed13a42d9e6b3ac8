"""An export leaves the model as it was, whether it succeeds or fails."""

from __future__ import annotations

import copy

import brevitas.nn as qnn
import pytest
import torch
from brevitas.export import QONNXManager
from torch import nn

from brevitas_ext.export import UnsupportedModuleError, export_qonnx, verify_export
from brevitas_ext.export.session import restored
from tests.brevitas_ext.export.models import EXPORTERS, IMAGE, Wired, convnet, export, quantized_input


class FailsWhileTraced(nn.Module):
    """Works in eager mode only, as data-dependent Python code does."""

    def forward(self, x):
        if torch.onnx.is_in_onnx_export():
            raise ArithmeticError("not while traced")
        return x


def snapshot(model):
    """Everything that an export could change: attributes of every module, and the values of its tensors."""
    modes = [(name, module.training) for name, module in model.named_modules()]
    attributes = [(name, sorted(vars(module))) for name, module in model.named_modules()]
    plain = [
        (name, key, value)
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, bool | int | float | str | None)
    ]
    return modes, attributes, plain, {key: value.clone() for key, value in model.state_dict().items()}


def assert_unchanged(model, before):
    *structure, tensors = snapshot(model)
    assert structure == list(before[:-1])
    assert tensors.keys() == before[-1].keys()
    assert all(torch.equal(value, before[-1][key]) for key, value in tensors.items())


def mixed_modes():
    """A model in training, with a frozen batch norm and a layer that returns quantized tensors."""
    model = convnet().train()
    model.norm1.eval()
    # Learns the format of its inputs, as any run would.
    copied_format = model.eval()
    copied_format(torch.randn(IMAGE))
    model.train()
    model.norm1.eval()
    return model


def test_success_leaves_the_model_as_it_was(tmp_path):
    model = mixed_modes()
    before = snapshot(model)
    exported = export(model, torch.randn(IMAGE), tmp_path)
    assert_unchanged(model, before)
    assert verify_export(model, exported.path, exported.example).ok
    assert_unchanged(model, before)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_failure_leaves_the_model_as_it_was_and_no_file(exporter, tmp_path):
    model = mixed_modes()
    model.pool = nn.Sequential(model.pool, FailsWhileTraced())
    before = snapshot(model)
    target = tmp_path / "model.onnx"
    target.write_text("of yesterday")
    with pytest.raises(Exception, match="not while traced") as caught:
        export_qonnx(model, torch.randn(IMAGE), target, exporter=exporter)
    assert any(f"could not be traced with the {exporter} exporter" in note for note in caught.value.__notes__)
    assert_unchanged(model, before)
    assert target.read_text() == "of yesterday"
    assert list(tmp_path.iterdir()) == [target]

    # Usable: it trains, and exports once the obstacle is gone.
    model(torch.randn(IMAGE)).sum().backward()
    assert model.conv1.weight.grad.abs().sum() > 0
    model.pool = model.pool[0]
    assert verify_export(model, export_qonnx(model, torch.randn(IMAGE), target), torch.randn(IMAGE)).ok


def stock(*parts):
    layer = qnn.QuantLinear(5, 4, bias=False, weight_bit_width=4)
    return nn.Sequential(quantized_input(), layer, quantized_input(signed=False), *parts, nn.Identity()).eval()


def test_brevitas_alone_leaves_it_in_export_mode():
    """That the tests above can fail."""
    model = stock(FailsWhileTraced())
    with pytest.raises(ArithmeticError):
        QONNXManager.export(model, args=torch.randn(2, 5), dynamo=False)
    assert model[0].act_quant.export_mode


def test_restored_gives_back_what_was_replaced():
    model = convnet()
    weight, handler = model.conv1.weight, model.relu
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(KeyError), restored(model):
        model.relu = nn.Identity()
        model.conv1._parameters["weight"] = nn.Parameter(torch.zeros(1))
        model.norm1.new_attribute = 1
        model.register_forward_hook(print)
        del model.fc
        raise KeyError
    assert model.conv1.weight is weight
    assert model.relu is handler
    assert not vars(model.norm1).get("new_attribute")
    assert not model._forward_hooks
    assert model.state_dict().keys() == before.keys()


def test_an_earlier_handler_of_brevitas_is_not_used(tmp_path):
    model = Wired(lambda parts, x: parts["model"](x).value, model=stock()).eval()
    model.apply(QONNXManager.set_export_handler)
    exported = export(model, torch.randn(2, 5), tmp_path)
    assert verify_export(model, exported.path, exported.example).ok


def test_a_disabled_quantizer_is_left_out(tmp_path):
    model = Wired(lambda parts, x: parts["off"](parts["on"](x)), on=quantized_input(), off=quantized_input(3)).eval()
    model.parts["off"].act_quant.disable_quant = True
    # What stays of the quantized tensor is its value.
    model.wiring = lambda parts, x: parts["off"](parts["on"](x)).value * 2
    exported = export(model, torch.randn(2, 5), tmp_path)
    assert [node.name for node in exported.file.graph.node if node.domain] == ["parts.on.act_quant"]
    model.parts["on"].act_quant.disable_quant = True
    model.wiring = lambda parts, x: parts["on"](x)
    with pytest.raises(UnsupportedModuleError, match="found none enabled"):
        export(model, torch.randn(2, 5), tmp_path)
