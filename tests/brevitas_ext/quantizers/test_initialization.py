"""Starting from float weights: what survives, and how close the result is."""

from typing import Any

import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from torch import Tensor, nn

from brevitas_ext.arith import dot_extremes, signed_bits
from brevitas_ext.quantizers import (
    A2QPlusWeightQuant,
    A2QWeightQuant,
    UnknownInputFormatError,
    initialize_from_float,
)


class Net(nn.Module):
    def __init__(self, weight_quant: Any, accumulator_bits: int, weight_bits: int = 4) -> None:
        super().__init__()
        options = {
            "weight_quant": weight_quant,
            "weight_bit_width": weight_bits,
            "weight_accumulator_bit_width": accumulator_bits,
        }
        self.input = QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.conv = QuantConv2d(3, 8, 3, **options)
        self.norm = nn.BatchNorm2d(8)
        self.relu = QuantReLU(bit_width=4, return_quant_tensor=True)
        self.linear = QuantLinear(8 * 36, 10, **options)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(self.input(x))))
        return self.linear(x.flatten(1))  # type: ignore[no-any-return]


EXAMPLE = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("weight_quant", [A2QWeightQuant, A2QPlusWeightQuant])
def test_no_layer_is_dead_where_plain_scaling_kills_it(weight_quant: Any) -> None:
    torch.manual_seed(0)
    model = Net(weight_quant, 8).eval()
    model(EXAMPLE)
    float_weight = model.linear.weight.detach().clone()
    assert not model.linear.quant_weight().int().any()
    model.train()
    training = {name: module.training for name, module in model.named_modules()}
    statistics = model.norm.running_mean.clone()
    initialize_from_float(model, EXAMPLE, method="closest_integers")
    assert {name: module.training for name, module in model.named_modules()} == training
    assert torch.equal(model.norm.running_mean, statistics)
    integers = model.linear.quant_weight().int().long()
    assert integers.any(dim=1).all()
    kept = integers != 0
    assert torch.equal(integers.sign()[kept], float_weight.sign()[kept].long())
    for low, high in zip(*dot_extremes(integers.numpy(), 0, 15, partial_sums=True), strict=True):
        assert signed_bits(low, high) <= 8


def test_the_largest_weights_survive() -> None:
    options = {"weight_bit_width": 4, "weight_accumulator_bit_width": 9}
    layer = QuantLinear(
        64, 4, weight_quant=A2QWeightQuant, weight_input_bit_width=4, weight_input_signed=False, **options
    )
    before = layer.weight.detach().abs()
    initialize_from_float(layer)
    kept = layer.quant_weight().int() != 0
    for row, mask in zip(before, kept, strict=True):
        assert 0 < mask.sum() < 64
        assert row[mask].min() > row[~mask].max()


@pytest.mark.parametrize("weight_quant", [A2QWeightQuant, A2QPlusWeightQuant])
@pytest.mark.parametrize("weight_bits", [4, 8])
def test_closest_integers_are_closer_than_the_euclidean_projection(weight_quant: Any, weight_bits: int) -> None:
    errors = {}
    for method in ("closest_integers", "euclidean_projection"):
        torch.manual_seed(0)
        model = Net(weight_quant, 12, weight_bits).eval()
        target = model.linear.weight.detach().clone()
        if weight_quant is A2QPlusWeightQuant:
            target -= target.mean(dim=1, keepdim=True)
        initialize_from_float(model, EXAMPLE, method=method)
        assert model.linear.quant_weight().int().any(dim=1).all()
        errors[method] = float((model.linear.quant_weight().value.detach() - target).square().sum())
    assert errors["closest_integers"] < 0.5 * errors["euclidean_projection"]


def test_the_euclidean_projection_leaves_a_weight_within_a_generous_budget_alone() -> None:
    torch.manual_seed(0)
    model = Net(A2QWeightQuant, 24).eval()
    before = model.linear.weight.detach().clone()
    initialize_from_float(model, EXAMPLE, method="euclidean_projection")
    assert torch.allclose(model.linear.weight, before, atol=1e-7)
    weight = model.linear.quant_weight()
    assert float(((weight.value - before).abs() / weight.scale).max().detach()) < 1.001


def test_closest_integers_within_a_generous_budget_are_those_of_rounding_to_nearest() -> None:
    torch.manual_seed(0)
    model = Net(A2QWeightQuant, 24).eval()
    before = model.linear.weight.detach().clone()
    initialize_from_float(model, EXAMPLE, method="closest_integers")
    weight = model.linear.quant_weight()
    assert torch.equal(weight.int().float(), (before / weight.scale).round().clamp(-7, 7))


def test_half_precision_weights_can_start_from_float() -> None:
    model = Net(A2QWeightQuant, 10).eval().bfloat16()
    initialize_from_float(model, EXAMPLE.bfloat16())
    assert model.linear.weight.dtype == torch.bfloat16
    assert int(model.linear.quant_weight().int().long().abs().sum(dim=1).max()) <= (2**9 - 1) / 2**4


def test_zero_channels_stay_zero() -> None:
    model = Net(A2QPlusWeightQuant, 10).eval()
    with torch.no_grad():
        model.linear.weight[3] = 0
    initialize_from_float(model, EXAMPLE)
    value = model.linear.quant_weight().value
    assert not value[3].any()
    assert bool(value.isfinite().all())


def test_an_unknown_input_is_named() -> None:
    with pytest.raises(UnknownInputFormatError, match=r"conv\.weight_quant: .*pass an example"):
        initialize_from_float(Net(A2QWeightQuant, 10))


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="found 'nearest'"):
        initialize_from_float(Net(A2QWeightQuant, 10), EXAMPLE, method="nearest")  # type: ignore[arg-type]
