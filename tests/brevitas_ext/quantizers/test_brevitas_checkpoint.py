"""Checkpoints of Brevitas's own A2Q quantizers, trained until their two scales differ."""

from typing import Any

import pytest
import torch
from brevitas.quant import Int8AccumulatorAwareWeightQuant, Int8AccumulatorAwareZeroCenterWeightQuant

from brevitas_ext.quantizers import A2QPlusWeightQuant, A2QWeightQuant

PAIRS = {
    "a2q": (Int8AccumulatorAwareWeightQuant, A2QWeightQuant),
    "a2q+": (Int8AccumulatorAwareZeroCenterWeightQuant, A2QPlusWeightQuant),
}
# Brevitas has no scale per channel for transposed convolutions with groups.
KINDS = ("linear", "conv1d", "conv2d", "grouped_conv2d", "depthwise_conv2d", "conv_transpose2d")
PRE = "weight_quant.tensor_quant.pre_scaling_impl."


def trained(layer: Any, inputs: Any, steps: int) -> Any:
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05)
    with torch.no_grad():
        target = torch.randn(layer(inputs).shape, generator=torch.Generator().manual_seed(2))
    for _ in range(steps):
        optimizer.zero_grad()
        (layer(inputs) - target).square().mean().backward()
        optimizer.step()
    return layer


@pytest.mark.parametrize("steps", [0, 6])
@pytest.mark.parametrize("accumulator_bits", [11, 14, 24])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quantizer", PAIRS)
def test_integers_and_values_are_those_of_brevitas(
    quantizer: str, kind: str, accumulator_bits: int, steps: int, build_layer: Any, input_for: Any
) -> None:
    theirs, ours = PAIRS[quantizer]
    options = {"weight_bit_width": 5, "weight_accumulator_bit_width": accumulator_bits}
    inputs = input_for(kind, 4, signed=kind.startswith("conv"))
    old = trained(build_layer(kind, theirs, **options), inputs, steps)
    if steps:
        scales = [
            old.state_dict()[PRE + "scaling_impl.value"],
            old.state_dict()["weight_quant.tensor_quant.scaling_impl.value"],
        ]
        assert not torch.allclose(*scales)
    new = build_layer(kind, ours, **options)
    new.weight.data.zero_()
    new.load_state_dict(old.state_dict())
    expected, found = old.quant_weight(inputs), new.quant_weight(inputs)
    assert expected.int().any()
    assert torch.equal(found.int(), expected.int())
    assert torch.equal(found.value, expected.value)


@pytest.mark.parametrize("quantizer", PAIRS)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_brevitas(quantizer: str, kind: str, build_layer: Any, input_for: Any) -> None:
    theirs, ours = PAIRS[quantizer]
    options = {"weight_bit_width": 5, "weight_accumulator_bit_width": 15}
    inputs = input_for(kind, 4, signed=False)
    old, new = build_layer(kind, theirs, **options), build_layer(kind, ours, **options)
    new.load_state_dict(old.state_dict())
    for layer in (old, new):
        layer(inputs).square().mean().backward()
    tensor_quant = old.weight_quant.tensor_quant
    norm = tensor_quant.pre_scaling_impl.value.grad
    scale = tensor_quant.scaling_impl.value.grad + tensor_quant.pre_scaling_impl.scaling_impl.value.grad
    mine = new.weight_quant.tensor_quant
    for found, expected in (
        (new.weight.grad, old.weight.grad),
        (mine.log_norm.grad, norm),
        (mine.log_scale.grad, scale),
    ):
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def test_zero_channels_of_a_checkpoint_become_zeros(build_layer: Any, input_for: Any) -> None:
    old = build_layer("linear", Int8AccumulatorAwareWeightQuant)
    with torch.no_grad():
        old.weight[0] = 0
    old.weight_quant.init_tensor_quant()
    assert old.quant_weight(input_for("linear", 4, signed=False)).value[0].isnan().all()
    new = build_layer("linear", A2QWeightQuant)
    new.load_state_dict(old.state_dict())
    value = new.quant_weight(input_for("linear", 4, signed=False)).value
    assert not value[0].any()
    assert value[1:].any()


def test_keys_of_earlier_versions_are_read(build_layer: Any, input_for: Any) -> None:
    old = build_layer("linear", Int8AccumulatorAwareWeightQuant)
    state = {key.replace("impl.value", "impl.learned_value"): value for key, value in old.state_dict().items()}
    assert state.keys() != old.state_dict().keys()
    new = build_layer("linear", A2QWeightQuant)
    new.load_state_dict(state)
    inputs = input_for("linear", 4, signed=False)
    assert torch.equal(new.quant_weight(inputs).int(), old.quant_weight(inputs).int())


def test_the_accumulator_width_of_a_checkpoint_is_compared(build_layer: Any) -> None:
    old = build_layer("linear", Int8AccumulatorAwareWeightQuant, weight_accumulator_bit_width=14)
    new = build_layer("linear", A2QWeightQuant, weight_accumulator_bit_width=12)
    with pytest.warns(UserWarning, match="14-bit accumulator"):
        new.load_state_dict(old.state_dict())
