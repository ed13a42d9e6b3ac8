from typing import Any

import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from brevitas_ext.arith import dot_extremes, signed_bits
from brevitas_ext.quantizers import (
    A2QPlusWeightQuant,
    A2QWeightQuant,
    UnknownInputFormatError,
    initialize_from_float,
    project_on_l1_ball,
)


@given(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=12), st.floats(0.01, 30, width=32))
def test_projection_is_the_closest_point_of_the_ball(values: list[float], radius: float) -> None:
    """A point p of a convex set is the one closest to x exactly when <x - p, y - p> <= 0 for every y in the set.

    For the l1 ball the vertices +-radius * e_i are enough.
    """
    x = torch.tensor([values], dtype=torch.float64)
    p = project_on_l1_ball(x, torch.tensor([[radius]], dtype=torch.float64))
    assert float(p.abs().sum()) <= radius * (1 + 1e-12)
    vertices = torch.cat([torch.eye(len(values)), -torch.eye(len(values))]).double() * radius
    assert float(((x - p) * (vertices - p)).sum(dim=1).max()) <= 1e-9 * (1 + float(x.abs().sum()) * (radius + 1))


def test_projection_of_points_inside_is_themselves_and_rows_are_independent() -> None:
    rows = torch.tensor([[0.5, -0.25, 0.0], [3.0, -1.0, 0.5], [0.0, 0.0, 0.0]])
    projected = project_on_l1_ball(rows, torch.tensor([[1.0], [2.0], [1.0]]))
    assert projected.tolist() == [[0.5, -0.25, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_projection_against_a_grid_search() -> None:
    x, radius = torch.tensor([[0.9, -0.7]]), 1.0
    found = project_on_l1_ball(x, torch.tensor([[radius]]))
    axis = torch.linspace(-1, 1, 401)
    grid = torch.cartesian_prod(axis, axis)
    inside = grid[grid.abs().sum(dim=1) <= radius + 1e-6]
    best = inside[(inside - x).square().sum(dim=1).argmin()]
    assert torch.allclose(found[0], best, atol=6e-3)


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
    initialize_from_float(model, EXAMPLE)
    assert {name: module.training for name, module in model.named_modules()} == training
    assert torch.equal(model.norm.running_mean, statistics)
    integers = model.linear.quant_weight().int().long()
    assert integers.any(dim=1).all()
    kept = integers != 0
    assert torch.equal(integers.sign()[kept], float_weight.sign()[kept].long())
    for low, high in zip(*dot_extremes(integers.numpy(), 0, 15, partial_sums=True), strict=True):
        assert signed_bits(low, high) <= 8


def test_the_largest_weights_survive() -> None:
    layer = QuantLinear(
        64, 4, weight_quant=A2QWeightQuant, weight_accumulator_bit_width=11, weight_input_bit_width=4,
        weight_input_signed=False, weight_bit_width=4,
    )  # fmt: skip
    before = layer.weight.detach().abs()
    initialize_from_float(layer)
    kept = layer.quant_weight().int() != 0
    for row, mask in zip(before, kept, strict=True):
        assert 0 < mask.sum() < 64
        assert row[mask].min() > row[~mask].max()


@pytest.mark.parametrize("weight_quant", [A2QWeightQuant, A2QPlusWeightQuant])
@pytest.mark.parametrize("weight_bits", [4, 8])
def test_a_searched_scale_is_at_least_as_close(weight_quant: Any, weight_bits: int) -> None:
    errors = {}
    for search_scale in (False, True):
        torch.manual_seed(0)
        model = Net(weight_quant, 12, weight_bits).eval()
        target = model.linear.weight.detach().clone()
        if weight_quant is A2QPlusWeightQuant:
            target -= target.mean(dim=1, keepdim=True)
        initialize_from_float(model, EXAMPLE, search_scale=search_scale)
        errors[search_scale] = float((model.linear.quant_weight().value.detach() - target).square().sum())
    assert errors[True] < (0.95 if weight_bits == 4 else 0.8) * errors[False]


def test_within_a_generous_budget_only_rounding_is_left() -> None:
    torch.manual_seed(0)
    model = Net(A2QWeightQuant, 24).eval()
    before = model.linear.weight.detach().clone()
    initialize_from_float(model, EXAMPLE, search_scale=False)
    assert torch.allclose(model.linear.weight, before, atol=1e-7)
    weight = model.linear.quant_weight()
    assert float(((weight.value - before).abs() / weight.scale).max().detach()) < 1.001


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
