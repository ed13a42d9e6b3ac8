"""Pairs that form after 2:4 selection: the layer against the golden dot product, pruning, errors."""

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d
from torch import nn

from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat
from brevitas_ext.arith.sparq_two_of_four import sparq_dot_two_of_four
from brevitas_ext.ptq import quantize_with_sparq
from brevitas_ext.ptq.two_of_four import (
    SelectedPairsConv2d,
    emulate_two_of_four,
    partner_offsets,
    two_of_four_mask,
)


def network(*, stride: int = 1, bias: bool = False) -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 6, 3, stride, 1, bias=bias)).eval()
    with torch.no_grad():
        made[2].weight *= two_of_four_mask(made[2].weight)
    return made


def quantized(network: nn.Module) -> tuple[nn.Module, torch.Tensor]:
    images = torch.randn(2, 3, 6, 6)
    return quantize_with_sparq(network, [images], windows=None).model, images


@pytest.mark.parametrize("windows", [*WINDOW_SETS])
@pytest.mark.parametrize("stride", [1, 2])
def test_layer_is_the_golden_dot_product(windows: str, stride: int) -> None:
    model, images = quantized(network(stride=stride))
    sparq = SparqFormat.named(windows)
    found = emulate_two_of_four(model, sparq)(images)

    layer = model[2]
    read = layer.input_quant(model[:2](images))
    integers = (read.value / read.scale).round().detach()
    integers[integers < 60] = 0  # more pairs with one zero than a network with random weights has
    patches = nn.functional.unfold(integers, 3, padding=1, stride=stride)  # (N, I * 9, L), channels slowest
    patches = patches.unflatten(1, (8, 9)).permute(0, 3, 2, 1).flatten(2)  # (N, L, 9 * I), channels fastest
    weights = layer.quant_weight()
    rows = (weights.value / weights.scale).round().detach().permute(0, 2, 3, 1).flatten(1).to(torch.int64).numpy()
    golden = sparq_dot_two_of_four(patches.to(torch.int64).numpy(), rows, sparq)  # (N, L, O)

    emulation = emulate_two_of_four(model, sparq)[2]
    sums = nn.functional.conv2d(emulation.expanded(integers), emulation.weight, stride=stride, padding=1)
    assert np.array_equal(sums.flatten(2).transpose(1, 2).to(torch.int64).numpy(), golden)
    assert found.shape == model(images).shape
    exact = emulate_two_of_four(model, SparqFormat.named("7b2opt"))(images)
    assert torch.allclose(exact, model(images), atol=0.05 * float(exact.detach().abs().max()))


def test_without_pairs_selection_changes_nothing() -> None:
    float_network = network(bias=True)
    model, images = quantized(float_network)
    sparq = SparqFormat.named("4b3opt", pairs=False)
    expected = quantize_with_sparq(float_network, [images], windows=sparq, bias_quant=None).model(images)
    assert torch.allclose(emulate_two_of_four(model, sparq)(images), expected, atol=1e-5)


def test_magnitude_pruning_keeps_the_two_largest_of_four() -> None:
    weights = torch.tensor([[1.0, -3.0, 2.0, 0.5, 1.0, 1.0, 1.0, 1.0]])[:, :, None, None]
    assert two_of_four_mask(weights).flatten().tolist() == [False, True, True, False, True, True, False, False]
    assert partner_offsets((weights * two_of_four_mask(weights)).long().numpy()).flatten().tolist() == [
        *(0, 1, 3, 0),
        *(1, 3, 0, 0),
    ]


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"multiple of 4, got weights of shape \(2, 6, 1, 1\)"):
        two_of_four_mask(torch.zeros(2, 6, 1, 1))
    dense, _ = quantized(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1)))
    with pytest.raises(ValueError, match="prune the weights first"):
        emulate_two_of_four(dense, SparqFormat.named("4b5opt"))
    with pytest.raises(ValueError, match="found none"):
        emulate_two_of_four(dense, SparqFormat.named("4b5opt"), keep=["2"])
    with pytest.raises(ValueError, match="without groups, found 2"):
        SelectedPairsConv2d(QuantConv2d(8, 8, 1, groups=2), SparqFormat.named("4b5opt"))
