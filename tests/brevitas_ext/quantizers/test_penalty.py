import math
from typing import Any

import pytest
import torch
from brevitas.nn import QuantIdentity, QuantLinear
from torch import nn

from brevitas_ext.quantizers import (
    A2QPlusWeightQuant,
    A2QWeightQuant,
    UnknownInputFormatError,
    accumulator_penalty,
)


def layer_with(norms: list[float], **options: Any) -> QuantLinear:
    layer = QuantLinear(8, len(norms), weight_input_bit_width=4, weight_input_signed=False, **options)
    tensor_quant = layer.weight_quant.tensor_quant
    with torch.no_grad():
        tensor_quant.log_norm.copy_(torch.tensor(norms).view(-1, 1))
        tensor_quant.log_scale.fill_(-3.0)
    return layer


@pytest.mark.parametrize("quantizer", [A2QWeightQuant, A2QPlusWeightQuant])
def test_penalty_is_what_the_norms_exceed_their_bounds_by(quantizer: Any) -> None:
    layer = layer_with([2.0, 6.0, 9.5], weight_quant=quantizer, weight_accumulator_bit_width=12)
    # T = 1_signed + log2(2**(P-1) - 1) + d - N (Eq. 23); for A2Q+ the logarithm of (2**P - 2) / (2**N - 1), plus d.
    budget = (2**11 - 1) / 2**4 if quantizer is A2QWeightQuant else (2**12 - 2) / (2**4 - 1)
    bound = math.log2(budget) - 3
    assert 2 < bound < 6
    penalty = accumulator_penalty(layer)
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx((6 - bound) + (9.5 - bound), rel=1e-6)


def test_gradients_pull_norms_down_and_scales_up_where_the_bound_is_exceeded() -> None:
    layer = layer_with([2.0, 6.0, 9.5], weight_quant=A2QWeightQuant, weight_accumulator_bit_width=12)
    accumulator_penalty(layer).backward()
    tensor_quant = layer.weight_quant.tensor_quant
    assert tensor_quant.log_norm.grad.flatten().tolist() == [0, 1, 1]
    assert tensor_quant.log_scale.grad.flatten().tolist() == [0, -1, -1]
    assert layer.weight.grad is None


def test_layers_add_up_and_others_do_not_count() -> None:
    options = {"weight_quant": A2QWeightQuant, "weight_accumulator_bit_width": 12}
    first, second = layer_with([9.0] * 8, **options), layer_with([11.0], **options)
    total = accumulator_penalty(nn.Sequential(first, nn.ReLU(), QuantLinear(8, 8), second)).item()
    assert total == pytest.approx(accumulator_penalty(first).item() + accumulator_penalty(second).item())
    assert accumulator_penalty(nn.Sequential(nn.Linear(2, 2), QuantLinear(2, 2))).item() == 0


def test_usable_right_after_a_training_forward_pass() -> None:
    options = {"weight_quant": A2QWeightQuant, "weight_accumulator_bit_width": 8}
    model = nn.Sequential(QuantIdentity(return_quant_tensor=True, bit_width=4), QuantLinear(8, 4, **options)).train()
    with pytest.raises(UnknownInputFormatError):
        accumulator_penalty(model)
    loss = model(torch.randn(3, 8)).square().mean()
    penalty = accumulator_penalty(model)
    assert penalty.item() > 0
    (loss + 1e-3 * penalty).backward()


def test_half_precision_models_have_a_float32_penalty() -> None:
    layer = layer_with([2.0, 6.0, 9.5], weight_quant=A2QWeightQuant, weight_accumulator_bit_width=20)
    penalty = accumulator_penalty(layer.half())
    assert penalty.dtype == torch.float32
    assert penalty.item() == 0  # T is 12 here; in float16 it would be infinite
