from typing import Any

import numpy as np
import pytest
import torch
from brevitas.nn import (
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantLSTM,
    QuantReLU,
)
from brevitas.quant import (
    Fp8e4m3WeightPerTensorFloat,
    Int8AccumulatorAwareWeightQuant,
    Int8AccumulatorAwareZeroCenterWeightQuant,
    Int8ActPerTensorFloatMinMaxInit,
    Int8Bias,
    Int8WeightPerChannelFloat,
    ShiftedUint8WeightPerTensorFloat,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFloatMaxInit,
)
from torch import Tensor, nn

from brevitas_ext.accumulators import trace_layers
from brevitas_ext.quantizers import A2QPlusWeightQuant, A2QWeightQuant

EXAMPLE = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Layers are called in another order than they are registered in."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        relu: dict[str, Any] = {"act_quant": Uint8ActPerTensorFloatMaxInit, "max_val": 3.0, "return_quant_tensor": True}
        self.head = QuantLinear(
            5 * 64, 7, weight_quant=A2QPlusWeightQuant, weight_accumulator_bit_width=13, bias_quant=Int8Bias
        )
        self.quant = QuantIdentity(
            act_quant=Int8ActPerTensorFloatMinMaxInit, min_val=-3.0, max_val=3.0, narrow_range=True,
            return_quant_tensor=True,
        )  # fmt: skip
        self.first = QuantConv2d(3, 4, 3, padding=1, weight_quant=Int8WeightPerChannelFloat)
        self.relu = QuantReLU(bit_width=4, **relu)
        self.depthwise = QuantConv2d(
            4, 4, 3, padding=1, groups=4, bias=False, weight_quant=A2QWeightQuant, weight_bit_width=5,
            weight_accumulator_bit_width=11,
        )  # fmt: skip
        self.relu2 = QuantReLU(bit_width=3, **relu)
        self.up = QuantConvTranspose2d(
            4, 5, 3, weight_quant=A2QWeightQuant, weight_bit_width=4, weight_accumulator_bit_width=12
        )
        self.relu3 = QuantReLU(bit_width=8, **relu)
        self.unused = QuantLinear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(self.quant(x)))
        x = self.relu3(self.up(self.relu2(self.depthwise(x))))
        return self.head(x.flatten(1))  # type: ignore[no-any-return]


def test_layers_come_in_call_order_with_widths_and_targets() -> None:
    traced = trace_layers(Net(), EXAMPLE)
    facts = [
        (
            t.name,
            t.kind,
            t.weight_integers.shape,
            t.weight_bits,
            t.input_bits,
            t.input_signed,
            t.input_low,
            t.input_high,
        )
        for t in traced
    ]
    assert facts == [
        ("first", "conv2d", (4, 27), 8, 8, True, -127, 127),
        ("depthwise", "conv2d", (4, 9), 5, 4, False, 0, 15),
        ("up", "conv_transpose2d", (5, 36), 4, 3, False, 0, 7),
        ("head", "linear", (7, 320), 8, 8, False, 0, 255),
    ]
    assert [(t.accumulator_bits, t.bound) for t in traced] == [(None, None), (11, "a2q"), (12, "a2q"), (13, "a2q+")]
    assert [t.bias is None for t in traced] == [False, True, False, False]


def test_integers_are_those_of_the_layers() -> None:
    model = Net()
    traced = {layer.name: layer for layer in trace_layers(model, EXAMPLE)}
    for name in ("first", "depthwise", "head"):
        expected = getattr(model, name).quant_weight().int().flatten(1).long().numpy()
        assert traced[name].weight_integers.dtype == np.int64
        assert np.array_equal(traced[name].weight_integers, expected)
    transposed = model.up.quant_weight().int().transpose(0, 1).flatten(1).long().numpy()
    assert np.array_equal(traced["up"].weight_integers, transposed)


def test_integers_scales_and_bias_make_up_the_output() -> None:
    """An integer dot product of the traced rows, scaled, plus bias, is what the layer computes."""
    model = Net().eval()
    trace_layers(model, EXAMPLE)
    captured: dict[str, Any] = {}
    model.head.register_forward_hook(lambda _, args, output: captured.update(x=args[0], y=output))
    (head,) = [layer for layer in trace_layers(model, EXAMPLE) if layer.name == "head"]
    inputs = torch.round(captured["x"].value.double() / head.input_scale).numpy()
    accumulated = inputs @ head.weight_integers.T
    output = accumulated * head.input_scale * head.weight_scale + head.bias
    assert np.allclose(output, captured["y"].detach().numpy(), atol=1e-4)


def test_the_model_is_left_as_it_was() -> None:
    model = Net()
    model.first.eval()
    model(EXAMPLE)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    random_state = torch.get_rng_state()
    trace_layers(model, EXAMPLE)
    assert [module.training for module in model.modules()] == modes
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert torch.equal(torch.get_rng_state(), random_state)
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())


def test_hooks_and_modes_are_restored_after_a_failure() -> None:
    model = Net()
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    with pytest.raises(RuntimeError):
        trace_layers(model, torch.zeros(1, 5, 6, 6))
    assert model.training
    assert [module.training for module in model.modules()] == modes
    assert [len(module._forward_hooks) for module in model.modules()] == hooks


def test_unquantized_inputs_leave_the_input_open() -> None:
    (layer,) = trace_layers(QuantLinear(4, 2), torch.zeros(1, 4))
    assert layer.name == "QuantLinear"
    assert {layer.input_bits, layer.input_signed, layer.input_low, layer.input_high, layer.input_scale} == {None}


def test_a_layer_called_twice_has_one_record_for_both_inputs() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            unsigned: dict[str, Any] = {"act_quant": Uint8ActPerTensorFloatMaxInit, "max_val": 1.0}
            signed: dict[str, Any] = {"act_quant": Int8ActPerTensorFloatMinMaxInit, "min_val": -1.0, "max_val": 1.0}
            self.unsigned = QuantIdentity(bit_width=6, return_quant_tensor=True, **unsigned)
            self.signed = QuantIdentity(bit_width=4, return_quant_tensor=True, **signed)
            self.layer = QuantLinear(4, 2)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.layer(self.unsigned(x)) + self.layer(input=self.signed(y))  # type: ignore[no-any-return]

    (layer,) = trace_layers(Twice(), (torch.zeros(1, 4), torch.zeros(1, 4)))
    assert (layer.input_bits, layer.input_signed, layer.input_low, layer.input_high) == (6, True, -8, 63)
    assert layer.input_scale is None


@pytest.mark.parametrize(
    ("weight_quant", "bound"),
    [(Int8AccumulatorAwareWeightQuant, "a2q"), (Int8AccumulatorAwareZeroCenterWeightQuant, "a2q+")],
)
def test_targets_of_brevitas_own_quantizers_are_read(weight_quant: Any, bound: str) -> None:
    layer = QuantLinear(
        4, 2, weight_quant=weight_quant, weight_accumulator_bit_width=15, input_quant=Uint8ActPerTensorFloatMaxInit,
        input_max_val=1.0,
    )  # fmt: skip
    (traced,) = trace_layers(layer, torch.zeros(1, 4))
    assert (traced.accumulator_bits, traced.bound) == (15, bound)


def test_binary_weights_of_one_sign_are_integers() -> None:
    layer = QuantLinear(3, 2, weight_quant=SignedBinaryWeightPerTensorConst)
    with torch.no_grad():
        layer.weight.fill_(0.5)
    (traced,) = trace_layers(layer, torch.zeros(1, 3))
    assert traced.weight_integers.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert traced.weight_bits == 1


def test_weights_with_a_zero_point_are_multiples_of_their_scale() -> None:
    layer = QuantLinear(6, 3, bias=False, weight_quant=ShiftedUint8WeightPerTensorFloat)
    (traced,) = trace_layers(layer, torch.zeros(1, 6))
    weight = layer.quant_weight()
    assert int(weight.zero_point) != 0
    assert np.array_equal(traced.weight_integers, weight.int().long().numpy() - int(weight.zero_point))


def test_half_precision_integers_are_read_exactly() -> None:
    torch.manual_seed(0)
    layer = QuantLinear(
        200, 4, weight_quant=A2QWeightQuant, weight_accumulator_bit_width=24, input_max_val=1.0,
        input_quant=Uint8ActPerTensorFloatMaxInit,
    ).bfloat16()  # fmt: skip
    (traced,) = trace_layers(layer, torch.zeros(1, 200, dtype=torch.bfloat16))
    assert abs(traced.weight_integers).max() > 120
    assert np.array_equal(traced.weight_integers, layer.quant_weight().int().numpy())


def test_weights_that_are_not_integers_are_refused_with_the_layers_name() -> None:
    model = nn.Sequential(QuantLinear(4, 2), QuantLinear(2, 2, weight_quant=Fp8e4m3WeightPerTensorFloat))
    with pytest.raises(TypeError, match="layer 1: expected a weight quantized to integers"):
        trace_layers(model, torch.zeros(1, 4))
    broken = nn.Sequential(QuantLinear(4, 2))
    with torch.no_grad():
        broken[0].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="layer 0: expected weights that are multiples of their scale"):
        trace_layers(broken, torch.zeros(1, 4))


def test_recurrent_layers_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="found GateWeight with quantized weights"):
        trace_layers(QuantLSTM(2, 3), torch.zeros(1, 4, 2))


def test_layers_without_quantized_weights_do_not_appear() -> None:
    model = nn.Sequential(nn.Linear(3, 3), QuantLinear(3, 3, weight_quant=None), QuantLinear(3, 2))
    assert [layer.name for layer in trace_layers(model, torch.zeros(1, 3))] == ["2"]
