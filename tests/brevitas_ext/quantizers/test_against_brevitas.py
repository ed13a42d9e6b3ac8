"""Overflows of Brevitas's own A2Q quantizers, and the same weights with ours.

Each test first shows that the case is hard: should one of these assertions fail, Brevitas has mended it.
"""

from typing import Any

import pytest
import torch
from brevitas.nn import QuantLinear
from brevitas.quant import Int8AccumulatorAwareWeightQuant, Int8AccumulatorAwareZeroCenterWeightQuant
from brevitas.quant_tensor import IntQuantTensor

from brevitas_ext.arith import dot_extremes, signed_bits
from brevitas_ext.quantizers import A2QPlusWeightQuant, A2QWeightQuant


def layer_of(weight_quant: Any, rows: torch.Tensor, accumulator_bits: int, log_norm: float) -> Any:
    options = {"weight_quant": weight_quant, "weight_accumulator_bit_width": accumulator_bits}
    layer = QuantLinear(rows.shape[1], rows.shape[0], bias=False, **options)
    with torch.no_grad():
        layer.weight.copy_(rows)
    layer.weight_quant.init_tensor_quant()
    tensor_quant = layer.weight_quant.tensor_quant
    norm = tensor_quant.log_norm if weight_quant in OURS else tensor_quant.pre_scaling_impl.value
    with torch.no_grad():
        norm.fill_(log_norm)
    return layer


OURS = (A2QWeightQuant, A2QPlusWeightQuant)


def quant_input(bits: int, *, signed: bool) -> IntQuantTensor:
    return IntQuantTensor(torch.zeros(1), 1.0, 0.0, float(bits), signed, False)


def needed_bits(layer: Any, bits: int, low: int, high: int, *, signed: bool) -> int:
    weight = layer.quant_weight(quant_input(bits, signed=signed))
    rows = torch.round(weight.value.detach().double() / weight.scale.detach().double()).long().numpy()
    return max(
        signed_bits(lowest, highest)
        for lowest, highest in zip(*dot_extremes(rows, low, high, partial_sums=True), strict=True)
    )


def test_binary_inputs_overflow_under_a2q_plus() -> None:
    """Inputs of -1 and 1 span 2, not 2**1 - 1: Brevitas's budget is twice too large."""
    rows = torch.randn(8, 63, generator=torch.Generator().manual_seed(0))
    theirs = layer_of(Int8AccumulatorAwareZeroCenterWeightQuant, rows, 10, 8.0)
    assert needed_bits(theirs, 1, -1, 1, signed=True) == 11
    ours = layer_of(A2QPlusWeightQuant, rows, 10, 8.0)
    assert needed_bits(ours, 1, -1, 1, signed=True) == 10


@pytest.mark.parametrize(("k", "input_bits"), [(1024, 16), (4096, 14), (65536, 10)])
def test_the_budget_in_float32_is_rounded_up(k: int, input_bits: int) -> None:
    rows = -torch.ones(1, k)
    low, high = -(2 ** (input_bits - 1)), 2 ** (input_bits - 1) - 1
    theirs = layer_of(Int8AccumulatorAwareWeightQuant, rows, 26, 24.0)
    assert needed_bits(theirs, input_bits, low, high, signed=True) == 27
    ours = layer_of(A2QWeightQuant, rows, 26, 24.0)
    assert needed_bits(ours, input_bits, low, high, signed=True) == 26


def test_the_budget_in_float16_is_infinite_from_17_bits() -> None:
    rows = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    theirs = layer_of(Int8AccumulatorAwareWeightQuant, rows, 17, 7.0).half()
    assert needed_bits(theirs, 8, 0, 255, signed=False) > 17
    ours = layer_of(A2QWeightQuant, rows, 17, 7.0).half()
    assert needed_bits(ours, 8, 0, 255, signed=False) <= 17


def test_a_zero_channel_is_not_a_number() -> None:
    rows = torch.tensor([[0.0, 0.0], [0.5, -0.25]])
    theirs = layer_of(Int8AccumulatorAwareWeightQuant, rows, 16, 0.0)
    assert theirs.quant_weight(quant_input(4, signed=False)).value[0].isnan().all()
    ours = layer_of(A2QWeightQuant, rows, 16, 0.0)
    assert ours.quant_weight(quant_input(4, signed=False)).value[0].tolist() == [0.0, 0.0]


def test_signed_inputs_use_the_whole_range_under_a2q_plus() -> None:
    """The looser budget of A2Q+ is also sound for two's complement inputs: they span no more than unsigned ones."""
    for input_bits in (2, 3, 4, 8):
        rows = torch.randn(16, 200, generator=torch.Generator().manual_seed(input_bits))
        layer = layer_of(A2QPlusWeightQuant, rows, 12, 12.0)
        low, high = -(2 ** (input_bits - 1)), 2 ** (input_bits - 1) - 1
        assert needed_bits(layer, input_bits, low, high, signed=True) <= 12
    norm = int(
        layer_of(A2QPlusWeightQuant, rows[:, :40], 12, 12.0)
        .quant_weight(quant_input(2, signed=True))
        .int()
        .long()
        .abs()
        .sum(dim=1)
        .max()
    )
    assert norm > (2**11 - 1) / 2  # more than A2Q's budget
