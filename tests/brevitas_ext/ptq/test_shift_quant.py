"""ShiftQuant layers as Brevitas's: the same integers, and graphs that can be exported."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from brevitas_ext.arith.shift_quant import largest_integer
from brevitas_ext.export import export_qonnx, verify_export
from brevitas_ext.nn import ShiftQuantConv1d, ShiftQuantConv2d, ShiftQuantization, ShiftQuantLinear
from brevitas_ext.nn.operands import shift_operand, weight_operand
from brevitas_ext.ptq import shiftquant_to_brevitas


def network(**options: Any) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        ShiftQuantConv2d(3, 8, 3, padding="same", bias=False, **{**options, "activation_signed": None}),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        ShiftQuantConv2d(8, 8, 3, 2, 1, groups=2, bias=False, **options),
        nn.ReLU(),
        nn.Flatten(),
        ShiftQuantLinear(128, 5, **options),
    ).eval()


def images(seed: int = 1) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(4, 3, 8, 8) * torch.tensor([0.1, 1.0, 0.6]).view(-1, 1, 1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_bits": 3, "activation_bits": 6, "shift_groups": 2},
        {"weight_scales": "tensor", "shift_groups": 1, "activation_bits": 8, "weight_bits": 8},
        {"activation_signed": True},
    ],
    ids=str,
)
def test_with_the_ranges_of_a_batch_its_integers_are_the_same(options: dict[str, Any]) -> None:
    ours = network(**options)
    theirs = shiftquant_to_brevitas(ours, [images()])
    x = images()
    for index, (layer, made) in enumerate(zip(ours, theirs, strict=True)):
        if isinstance(layer, ShiftQuantConv2d | ShiftQuantLinear):
            quantization: ShiftQuantization = layer.quantization
            signed = quantization.activation_signed or index == 0
            expected = shift_operand(
                x, bits=quantization.activation_bits, groups=quantization.shift_groups, axis=1, signed=signed
            )
            found = made.input_quant(x)
            assert torch.equal(found.int() * found.scale, expected.integers * expected.scale)
            weights = weight_operand(
                layer.weight.detach(),
                bits=quantization.weight_bits,
                axis=0 if quantization.weight_scales == "channel" else None,
            )
            assert torch.equal(made.quant_weight().int().float(), weights.integers)
            assert torch.equal(made.quant_weight().scale.flatten(), weights.scale.flatten())
        y = layer(x)
        assert torch.allclose(made(x), y, rtol=1e-5, atol=1e-5)
        x = y


def test_ranges_are_the_mean_of_the_batches_or_their_maximum() -> None:
    model = nn.Sequential(ShiftQuantLinear(2, 2))
    batches = [torch.tensor([[1.0, -4.0]]), torch.tensor([[3.0, 2.0]])]
    mean, most = (shiftquant_to_brevitas(model, batches, statistics=each) for each in ("mean", "max"))
    assert mean[0].input_quant.tensor.ranges.tolist() == [2, 3]
    assert most[0].input_quant.tensor.ranges.tolist() == [3, 4]
    assert mean[0].input_quant.tensor.signed


def test_the_model_stays_as_it_is_and_shared_layers_stay_shared() -> None:
    shared = ShiftQuantConv1d(4, 4, 3, padding=1)
    model = nn.Sequential(shared, nn.ReLU(), shared).train()
    found: Any = shiftquant_to_brevitas(model, [torch.randn(2, 4, 9)])
    assert found[0] is found[2]
    assert not found.training
    assert model[0] is shared
    assert model.training
    assert shared.rounding.draws == 0


def test_a_model_that_is_a_layer() -> None:
    found: Any = shiftquant_to_brevitas(ShiftQuantLinear(3, 2), [torch.ones(1, 3)])
    assert found.input_quant.tensor.limit == largest_integer(4, signed=False)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(3, 2)), "ShiftQuant layers, found none"),
        (nn.Sequential(ShiftQuantConv1d(3, 2, 3, padding=1, padding_mode="circular")), "0: .*'circular'"),
        (nn.Sequential(ShiftQuantConv1d(3, 2, 2, padding="same")), r"both sides.*even kernel \(2,\)"),
    ],
)
def test_what_cannot_be_a_layer_of_brevitas_is_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shiftquant_to_brevitas(model, [torch.ones(1, 3, 8)])


def test_a_layer_that_is_never_called_is_refused() -> None:
    model = nn.Sequential(ShiftQuantLinear(3, 3))
    model.add_module("idle", nn.Identity())
    model.idle.layer = ShiftQuantLinear(3, 3)
    with pytest.raises(ValueError, match=r"'idle\.layer' to be called"):
        shiftquant_to_brevitas(model, [torch.ones(1, 3)])


def test_unknown_statistics_are_refused() -> None:
    with pytest.raises(ValueError, match="found 'median'"):
        shiftquant_to_brevitas(network(), [images()], statistics="median")  # type: ignore[arg-type]


def test_a_trained_network_is_exported_exactly(tmp_path: Path) -> None:
    model = network().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        model(images(step)).square().mean().backward()
        optimizer.step()
    made = shiftquant_to_brevitas(model, [images(5)])
    path = export_qonnx(made, images(6)[:1], tmp_path / "model.onnx")
    verify_export(made, path, images(7)[:1]).check()
    graph = onnx.load(path).graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    scales = [constants[node.input[1]] for node in graph.node if node.op_type == "Quant"]
    shifted = [scale for scale in scales if scale.shape[1:] == (8, 1, 1) or scale.shape == (128,)]
    assert len(shifted) == 2
    for scale in shifted:
        assert all(float(each).is_integer() for each in np.log2(scale.max() / scale).flat)
