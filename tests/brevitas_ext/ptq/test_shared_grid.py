"""Residual sums on one grid: what is added are integers, whatever happens to the scales."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from brevitas.nn import QuantLinear
from torch import Tensor, nn

from brevitas_ext.ptq import quantize_with_sparq, result_ranges, sparq_ptq
from tests.support.float_shortcuts import images, shortcuts

OPTIONS: dict[str, Any] = {"keep": (), "unfit": "int8", "place": "relu"}


def scale_of(layer: nn.Module) -> Tensor:
    return layer.act_quant.scale().detach()


def outputs(model: nn.Module, names: list[str], x: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.update({name: getattr(output, "value", output)})
        )
        for name in names
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return seen


class TestGrids:
    RESULT = quantize_with_sparq(shortcuts(), images(), **OPTIONS)

    def test_steps_are_the_skip_branchs_times_powers_of_two(self) -> None:
        model, sums = self.RESULT.model, self.RESULT.report.sums
        assert {name: grid.reference for name, grid in sums.items()} == {
            "same.bn2": "relu",
            "wider.bn2": "same.relu2",
            "projected.bn2": "projected.bn2",
            "projected.project": "projected.bn2",
        }
        assert self.RESULT.report.float_sums == {}
        for name in ("same.bn2", "wider.bn2"):
            grid = sums[name]
            own = scale_of(model.get_submodule(f"{name}.1"))
            assert own == scale_of(model.get_submodule(grid.reference)) * 2.0**grid.exponent
            assert (own.item(), grid.bits) == (grid.step, 9)
        assert scale_of(model.projected.project[1]) == scale_of(model.projected.bn2[1])

    def test_results_are_integers_of_so_many_bits(self) -> None:
        model = self.RESULT.model
        names = list(self.RESULT.report.sums)
        for name, value in outputs(model, names, images(1, seed=3)[0]).items():
            step = scale_of(model.get_submodule(f"{name}.1"))
            integers = (value / step).round()
            assert torch.equal(integers * step, value)
            assert integers.min() >= -256 and integers.max() <= 255
            assert integers.abs().max() > 64

    @pytest.mark.parametrize("bits", [6, 9, 12])
    def test_the_exponent_is_the_least_that_reaches_as_far_as_it_has_to(self, bits: int) -> None:
        reference = shortcuts()
        result = quantize_with_sparq(reference, images(), sum_bits=bits, **OPTIONS)
        seen = result_ranges(reference, images(), {"b": reference.same.bn2})["b"]
        model, grid = result.model, result.report.sums["same.bn2"]
        needed = max(
            min(seen.high, 256 * scale_of(model.same.relu2).item()), min(-seen.low, 256 * scale_of(model.relu).item())
        )
        assert grid.step * 2 ** (bits - 2) < needed <= grid.step * 2 ** (bits - 1)
        assert grid.exponent == math.log2(grid.step / scale_of(model.relu).item())

    def test_the_grid_follows_a_scale_that_is_trained_and_a_copy_of_the_model(self) -> None:
        model = copy.deepcopy(self.RESULT.model)
        with torch.no_grad():
            model.relu.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value.mul_(1.25)
        exponent = self.RESULT.report.sums["same.bn2"].exponent
        assert scale_of(model.same.bn2[1]) == scale_of(model.relu) * 2.0**exponent
        assert scale_of(model.relu) != scale_of(self.RESULT.model.relu)
        assert not any("_reference" in name for name in model.state_dict())

    def test_more_bits_are_closer_to_sums_in_float(self) -> None:
        reference, x = shortcuts(), images(1, seed=8)[0]
        with torch.no_grad():
            expected = sparq_ptq(reference, images(), sum_bits=None, **OPTIONS)(x)
            errors = [
                (sparq_ptq(reference, images(), sum_bits=bits, **OPTIONS)(x) - expected).norm() for bits in (5, 7, 14)
            ]
        assert errors[0] > errors[1] > errors[2]
        assert errors[2] < 0.05 * expected.norm()


def test_sums_stay_in_float_where_convolutions_quantize_their_inputs_or_it_is_asked_for() -> None:
    for options in ({"place": "inputs"}, {"sum_bits": None}):
        result = quantize_with_sparq(shortcuts(), images(), **{**OPTIONS, **options})
        assert result.report.sums == {} and isinstance(result.model.same.bn2, nn.BatchNorm2d)


def test_branches_of_zeros_are_on_every_grid() -> None:
    reference = shortcuts()
    with torch.no_grad():
        for layer in (reference.same.bn2, reference.projected.bn2, reference.projected.project):
            for parameter in layer.parameters():
                parameter.zero_()
    result = quantize_with_sparq(reference, images(), **OPTIONS)
    assert result.report.sums["same.bn2"].exponent == 0
    x = images(1, seed=4)[0]
    with torch.no_grad():
        assert torch.equal(outputs(result.model, ["same.bn2"], x)["same.bn2"], torch.zeros(16, 2, 8, 8))
        assert torch.isfinite(result.model(x)).all()


class TwoActivations(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.last(self.relu1(y) + self.relu2(-y))


def test_a_sum_without_a_common_grid_is_reported() -> None:
    report = quantize_with_sparq(TwoActivations(), images(), **OPTIONS).report
    assert "relu1 and relu2" in report.float_sums["add"]


def test_linear_layers_of_8_uniform_bits() -> None:
    result = quantize_with_sparq(shortcuts(), images(), linear_bits=8, **OPTIONS)
    layer = result.model.classify
    assert isinstance(layer, QuantLinear) and list(result.report.linear) == ["classify"]
    assert layer.input_quant.bit_width() == layer.quant_weight().bit_width == 8
    assert layer.input_quant.scale().item() == pytest.approx(result.report.linear["classify"].high / 255)
    with pytest.raises(ValueError, match="found linear=True and linear_bits=8"):
        sparq_ptq(shortcuts(), images(), linear=True, linear_bits=8)
