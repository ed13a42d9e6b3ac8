"""Operands of products against the golden quantizer."""

import numpy as np
import pytest
import torch

from brevitas_ext.arith.shift_quant import shift_quantize
from brevitas_ext.nn.operands import channel_extremes, shift_operand, weight_operand


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("bits", "groups", "signed"), [(4, 4, True), (2, 1, True), (8, 6, False)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_to_nearest_they_are_the_golden_integers_shifted_left(
    axis: int, bits: int, groups: int, signed: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 7, 8, dtype=dtype) * torch.rand(6, 7, 8).pow(6)
    x = x if signed else x.abs()
    golden = shift_quantize(x.numpy(), bits=bits, groups=groups, axis=axis, signed=signed)
    found = shift_operand(x, bits=bits, groups=groups, axis=axis, signed=signed)
    last = golden.group_of_channel.max()
    exponents = last - golden.group_of_channel
    expected = np.moveaxis(np.moveaxis(golden.integers, axis, -1) << exponents, -1, axis)
    assert np.array_equal(found.integers.numpy(), expected)
    assert found.scale.numpy() == golden.scale * 2.0**-last
    assert found.bounds == [(2 ** (bits - signed) - 1) << int(each) for each in exponents]


def test_noise_rounds_up_or_down_and_never_beyond_the_largest_integer() -> None:
    x = torch.tensor([[7.0, -7.0, 2.25, -2.25, 3.0, 0.0]])
    up = shift_operand(x, bits=4, groups=1, axis=0, signed=True, noise=torch.full_like(x, 1 - 2.0**-17))
    down = shift_operand(x, bits=4, groups=1, axis=0, signed=True, noise=torch.full_like(x, 2.0**-17))
    assert up.integers.tolist() == [[7, -7, 3, -2, 3, 0]]
    assert down.integers.tolist() == [[7, -7, 2, -3, 3, 0]]


def test_the_operand_leaves_its_tensor_alone() -> None:
    x = torch.tensor([[1.25, 7.0]])
    shift_operand(x, bits=4, groups=4, axis=1, signed=True)
    assert x.tolist() == [[1.25, 7.0]]


def test_weights_have_a_scale_per_channel_or_one() -> None:
    weight = torch.tensor([[7.0, -3.5], [0.0, 0.0], [0.6, 1.4]])
    rows = weight_operand(weight, bits=4, axis=0)
    assert rows.integers.tolist() == [[7, -4], [0, 0], [3, 7]]
    assert torch.equal(rows.scale, torch.tensor([1.0, 1.0, 0.2]))
    assert weight_operand(weight, bits=4, axis=1).integers.tolist() == [[7, -7], [0, 0], [1, 3]]
    whole = weight_operand(weight, bits=4, axis=None)
    assert whole.integers.tolist() == [[7, -4], [0, 0], [1, 1]]
    assert whole.scale.shape == ()


def test_shifts_are_no_larger_than_needed() -> None:
    x = torch.tensor([[7.0, 3.5, 0.0]])
    found = shift_operand(x, bits=4, groups=4, axis=1, signed=True)
    assert found.integers.tolist() == [[14, 7, 0]]
    assert found.scale == 0.5
    assert found.bounds == [14, 7, 7]


def test_zeros_alone() -> None:
    found = shift_operand(torch.zeros(2, 3), bits=4, groups=4, axis=1, signed=True)
    assert found.integers.tolist() == [[0] * 3] * 2
    assert found.bounds == [7] * 3


def test_extremes_have_the_ranges_of_the_tensor() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, 5, 6)
    for axis in (0, 1):
        whole = shift_operand(x, bits=4, groups=4, axis=axis, signed=True)
        found = shift_operand(x, bits=4, groups=4, axis=axis, signed=True, extremes=channel_extremes(x))
        assert torch.equal(found.integers, whole.integers)
        assert torch.equal(found.scale, whole.scale)
