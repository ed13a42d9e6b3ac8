"""A short training run from a float start: nothing turns into NaN, everything learns, the bound holds throughout."""

from typing import Any

import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import Int8ActPerTensorFloatMinMaxInit, Uint8ActPerTensorFloatMaxInit
from torch import nn

from brevitas_ext.arith import dot_extremes, signed_bits
from brevitas_ext.quantizers import A2QPlusWeightQuant, A2QWeightQuant, accumulator_penalty, initialize_from_float


def make_net(weight_quant: Any) -> nn.Sequential:
    relu = {"act_quant": Uint8ActPerTensorFloatMaxInit, "max_val": 3.0, "bit_width": 4, "return_quant_tensor": True}
    weight = {"weight_quant": weight_quant, "weight_bit_width": 4, "weight_accumulator_bit_width": 12}
    return nn.Sequential(
        QuantIdentity(act_quant=Int8ActPerTensorFloatMinMaxInit, min_val=-3.0, max_val=3.0, bit_width=4,
                      return_quant_tensor=True),
        QuantConv2d(2, 8, 3, padding=1, **weight),
        nn.BatchNorm2d(8),
        QuantReLU(**relu),
        QuantConv2d(8, 8, 3, padding=1, groups=8, **weight),
        nn.BatchNorm2d(8),
        QuantReLU(**relu),
        nn.Flatten(),
        QuantLinear(8 * 36, 2, **weight),
    )  # fmt: skip


@pytest.mark.parametrize("weight_quant", [A2QWeightQuant, A2QPlusWeightQuant])
def test_a_short_training_run(weight_quant: Any) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(64, 2, 6, 6)
    targets = (inputs[:, 0].mean(dim=(1, 2)) > inputs[:, 1].mean(dim=(1, 2))).long()
    model = make_net(weight_quant)
    initialize_from_float(model, inputs)
    with torch.no_grad():
        model[8].weight[0] = 0  # a channel that dies on the way
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        (loss + 1e-3 * accumulator_penalty(model)).backward()
        gradients = [parameter.grad for parameter in model.parameters()]
        assert all(gradient is not None and bool(gradient.isfinite().all()) for gradient in gradients)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    for index, low, high in ((1, -8, 7), (4, 0, 15), (8, 0, 15)):
        rows = model[index].quant_weight().int().long().flatten(1)
        assert rows.any()
        for extremes in zip(*dot_extremes(rows.numpy(), low, high, partial_sums=True), strict=True):
            assert signed_bits(*extremes) <= 12
