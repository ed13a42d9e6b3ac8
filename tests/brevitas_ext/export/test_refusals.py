"""What cannot be exported is refused by name, before anything is written."""

from __future__ import annotations

import brevitas.nn as qnn
import pytest
import torch
from brevitas.inject.enum import FloatToIntImplType
from brevitas.proxy.runtime_quant import DynamicActQuantProxyFromInjector
from brevitas.quant import (
    Fp8e4m3WeightPerTensorFloat,
    Int8AccumulatorAwareWeightQuant,
    Int8ActPerTensorFloat,
    MXInt8Weight,
)
from torch import nn

from brevitas_ext.export import UnsupportedModuleError, export_qonnx, verify_export
from brevitas_ext.quantizers import A2QWeightQuant
from tests.brevitas_ext.export.models import Side, Wired, quantized_input


class DynamicAct(Int8ActPerTensorFloat):
    proxy_class = DynamicActQuantProxyFromInjector


def weight(**options):
    return Side(quantized_input(), {"layer": qnn.QuantLinear(32, 8, bias=False, **options)})


def activation(**options):
    return Wired(lambda parts, x: parts["act"](x), act=qnn.QuantIdentity(**options))


def ternary(threshold):
    return activation(quant_type="ternary", scaling_impl_type="const", scaling_init=1.0, threshold=threshold)


UNSUPPORTED = {
    "minifloat weight": (
        lambda: weight(weight_quant=Fp8e4m3WeightPerTensorFloat),
        r"'layers.layer.weight_quant': .* found FloatQuantTensor",
    ),
    "scale per group": (lambda: weight(weight_quant=MXInt8Weight), r"found GroupwiseIntQuantTensor"),
    "one signed bit": (
        lambda: weight(weight_bit_width=1, weight_narrow_range=False),
        r"'layers.layer.weight_quant'.*signed integer of 1 bit",
    ),
    "dpu rounding": (
        lambda: activation(float_to_int_impl_type=FloatToIntImplType.DPU),
        r"'parts.act.act_quant'.*found the rounding DPU",
    ),
    "ternary threshold": (lambda: ternary(0.3), r"ternary threshold of 0.3. Set threshold to 0.5"),
    "dynamic scale": (lambda: activation(act_quant=DynamicAct), r"found a scale that depends on the input"),
    "recurrent": (lambda: qnn.QuantLSTM(32, 8), r"found _QuantLSTMLayer"),
    "not quantized": (lambda: nn.Linear(32, 8), r"found none enabled in Linear"),
    "float64": (lambda: weight().double(), r"Parameter 'source.*': expected float32, .* found torch.float64"),
}


@pytest.mark.filterwarnings("ignore:Keyword arguments are being passed but they not being used:UserWarning")
@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported(name, tmp_path):
    build, message = UNSUPPORTED[name]
    with pytest.raises(UnsupportedModuleError, match=message):
        export_qonnx(build(), torch.randn(4, 3, 32) if name == "recurrent" else torch.randn(4, 32), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_ternary_activation_with_the_usual_threshold_is_supported(tmp_path):
    model = ternary(0.5)
    path = export_qonnx(model, torch.randn(4, 32), tmp_path / "m.onnx")
    halves = torch.tensor([-2, -0.5, -0.25, 0.0, 0.5, 0.75, 1.5, 9.0]).repeat(4, 4)
    assert verify_export(model, path, halves).ok


def test_brevitas_a2q_of_a_zero_channel(tmp_path):
    model = weight(weight_quant=Int8AccumulatorAwareWeightQuant)
    with torch.no_grad():
        model.layers["layer"].weight[3] = 0
    with pytest.raises(UnsupportedModuleError, match=r"found nan at \[3, 0\]"):
        export_qonnx(model, torch.randn(4, 32), tmp_path / "m.onnx")


def test_a_promise_needs_a_quantized_input(tmp_path):
    layer = qnn.QuantLinear(
        32, 8, bias=False, weight_quant=A2QWeightQuant, weight_input_bit_width=8, weight_input_signed=True
    )
    with pytest.raises(ValueError, match=r"'QuantLinear': expected a quantized input, .* 32-bit accumulator"):
        export_qonnx(layer, torch.randn(4, 32), tmp_path / "m.onnx")


def test_where_to_write(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected the folder .*missing to exist.*mkdir"):
        export_qonnx(weight(), torch.randn(4, 32), tmp_path / "missing" / "m.onnx")
    with pytest.raises(IsADirectoryError, match="Append a file name"):
        export_qonnx(weight(), torch.randn(4, 32), tmp_path)


def test_exporter_and_inputs(tmp_path, monkeypatch):
    target = tmp_path / "m.onnx"
    with pytest.raises(ValueError, match="found 'onnxscript'"):
        export_qonnx(weight(), torch.randn(4, 32), target, exporter="onnxscript")
    with pytest.raises(TypeError, match="found list"):
        export_qonnx(weight(), [torch.randn(4, 32)], target)
    with pytest.raises(TypeError, match="found IntQuantTensor"):
        export_qonnx(weight(), quantized_input().eval()(torch.randn(4, 32)), target)
    monkeypatch.setattr("brevitas_ext.export.checks.find_spec", lambda _name: None)
    with pytest.raises(ImportError, match="onnxscript for the dynamo exporter"):
        export_qonnx(weight(), torch.randn(4, 32), target, exporter="dynamo")


def test_outputs(tmp_path):
    def wired(wiring):
        return Wired(wiring, source=quantized_input())

    with pytest.raises(TypeError, match="found a QuantTensor"):
        export_qonnx(wired(lambda parts, x: parts["source"](x)), torch.randn(4, 32), tmp_path / "m.onnx")
    with pytest.raises(TypeError, match="found dict"):
        export_qonnx(wired(lambda parts, x: {"y": parts["source"](x).value}), torch.randn(4, 32), tmp_path / "m.onnx")


def test_unused_layers_are_refused_not_dropped(tmp_path):
    def wiring(parts, x):
        x = parts["source"](x)
        parts["unused"](x)
        return parts["used"](x)

    layers = {"used": qnn.QuantLinear(32, 8, bias=False), "unused": qnn.QuantLinear(32, 8, bias=False)}
    model = Wired(wiring, source=quantized_input(), **layers)
    with pytest.raises(ValueError, match=r"a quantizer node for 'parts.unused.weight_quant' in the file, found none"):
        export_qonnx(model, torch.randn(4, 32), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
