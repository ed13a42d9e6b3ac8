"""Quantized normalization: bit for bit the golden function, its gradient that of the same composite."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from brevitas_ext.arith import quantized_norm as golden
from brevitas_ext.nn._norm_function import normalize
from brevitas_ext.nn.norm_options import NormBits, NormOptions, Order
from tests.support.norms import composite, straight_through

CHANNEL, ROW = (0, 2, 3), (3,)
WIDTHS = [NormBits(), NormBits.of(None), NormBits(input=4, statistics=3, affine=2), NormBits(input=None, affine=6)]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def of(order: Order, bits: NormBits | None = None) -> NormOptions:
    return NormOptions(order=order, epsilon=1e-5, bits=bits or NormBits())


def activations(shape: tuple[int, ...] = (4, 5, 6, 7), dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread, offset = (torch.randn(1, shape[1], 1, 1, generator=generator, dtype=dtype) for _ in range(2))
    return torch.randn(shape, generator=generator, dtype=dtype) * spread + offset


@given(st.integers(0, 2**32), st.sampled_from([1, 2]), st.sampled_from([2, 5, 8]), st.integers(2, 9))
def test_training_is_the_golden_function_bit_for_bit(seed: int, order: Order, bits: int, side: int) -> None:
    x = activations((3, 4, side, side), torch.float32, seed)
    weight, bias = torch.randn(2, 1, 4, 1, 1, generator=torch.Generator().manual_seed(seed))
    found = normalize(x, weight, bias, CHANNEL, of(order, NormBits.of(bits)))
    quantized = golden.quantize_per_tensor(x.numpy(), bits)
    expected = golden.statistics(quantized, axes=CHANNEL, order=order, epsilon=1e-5)
    made = golden.affine(expected, weight.numpy(), bias.numpy(), statistics_bits=bits, affine_bits=bits)
    assert np.array_equal(found.mean, expected.mean)
    assert np.array_equal(found.deviation, expected.deviation)
    assert np.array_equal(found.output, golden.normalize(quantized, made))


@pytest.mark.parametrize("order", [1, 2])
def test_sums_beyond_float32_stay_exact(order: Order) -> None:
    x = torch.randint(-127, 128, (1, 1, 1001, 501), generator=torch.Generator().manual_seed(1)).float()
    x[x > 40] = 127  # sums of 25 bits, of distances of 26, of squares of 32
    found = normalize(x, None, None, CHANNEL, of(order))
    expected = golden.statistics(golden.quantize_per_tensor(x.numpy(), 8), axes=CHANNEL, order=order, epsilon=1e-5)
    assert np.array_equal(found.mean, expected.mean)
    assert np.array_equal(found.deviation, expected.deviation)


@pytest.mark.parametrize("bits", WIDTHS, ids=str)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dims", [CHANNEL, ROW])
def test_the_gradient_is_that_of_the_composite(dims: tuple[int, ...], order: Order, bits: NormBits) -> None:
    x = activations().requires_grad_()
    shape = [1 if dim in dims else size for dim, size in enumerate(x.shape)]
    generator = torch.Generator().manual_seed(1)
    weight, bias = (torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2))
    found = normalize(x, weight, bias, dims, of(order, bits)).output
    expected = composite(x, dims, order=order, bits=bits)
    expected = expected * straight_through(weight, bits.affine) + straight_through(bias, bits.affine)
    upstream = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for mine, theirs in zip(
        torch.autograd.grad(found, (x, weight, bias), upstream),
        torch.autograd.grad(expected, (x, weight, bias), upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("order", [1, 2])
def test_the_gradient_of_the_float_function_is_its_slope(order: Order) -> None:
    x = activations((2, 3, 2, 2)).requires_grad_()
    weight, bias = (torch.randn(1, 3, 1, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    options = of(order, NormBits.of(None))
    assert torch.autograd.gradcheck(lambda *a: normalize(*a, CHANNEL, options).output, (x, weight, bias))


@pytest.mark.parametrize("order", [1, 2])
def test_equal_values_give_the_bias_and_no_gradient_through_the_deviation(order: Order) -> None:
    x = torch.full((4, 2, 3, 3), 3.0, dtype=torch.float64)
    x[:, 1] = 0
    x.requires_grad_()
    bias = torch.tensor([0.5, -1.0], dtype=torch.float64).view(1, 2, 1, 1)
    found = normalize(x, torch.ones_like(bias), bias, CHANNEL, of(order, NormBits.of(None)))
    assert torch.equal(found.output, bias.expand_as(x))
    torch.testing.assert_close(found.deviation, torch.full_like(bias, 1e-5**0.5))
    upstream = torch.randn_like(x)
    (gradient,) = torch.autograd.grad(found.output, x, upstream)
    expected = (upstream - upstream.mean(CHANNEL, keepdim=True)) / 1e-5**0.5
    torch.testing.assert_close(gradient, expected)


def test_on_the_floor_the_deviation_passes_no_gradient() -> None:
    x = (3 + 1e-4 * torch.randn(2, 1, 4, 4, dtype=torch.float64)).requires_grad_()
    upstream = torch.randn_like(x)
    output = normalize(x, None, None, CHANNEL, of(1, NormBits.of(None))).output
    (gradient,) = torch.autograd.grad(output, x, upstream)
    torch.testing.assert_close(gradient, (upstream - upstream.mean()) / 1e-5**0.5)


def test_a_constant_channel_beside_others_keeps_a_step_of_the_deviation() -> None:
    x = activations(dtype=torch.float32)
    x[:, 2] = 0
    output = normalize(x, None, None, CHANNEL, of(1)).output
    assert torch.isfinite(output).all()
    assert not output[:, 2].std()


@pytest.mark.parametrize("order", [1, 2])
def test_a_quantized_gradient_is_right_on_average(order: Order) -> None:
    x, upstream = activations(), activations(seed=7)
    inexact, exact = of(order, NormBits(gradient=3)), of(order)

    def gradient(options: NormOptions) -> Tensor:
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(normalize(leaf, None, None, CHANNEL, options).output, leaf, upstream)[0]

    torch.manual_seed(0)
    runs = torch.stack([gradient(inexact) for _ in range(400)])
    assert (runs.std(0) > 0).any()
    # A rounded value is off by a step's Bernoulli variable, whose deviation is half a step at most; the means over a
    # channel, which also vary, are of 168.  Beyond five standard errors of 840 means: below 0.1 %.
    step = upstream.abs().max() / 3 / normalize(x, None, None, CHANNEL, exact).deviation.min()
    assert (runs.mean(0) - gradient(exact)).abs().max() <= 1.1 * 5 * step / 2 / 400**0.5
    torch.manual_seed(0)
    assert torch.equal(runs[0], gradient(inexact))


def test_options_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="order 1 or 2"):
        NormOptions(order=3, epsilon=1e-5, bits=NormBits())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive epsilon"):
        of_zero = {"order": 1, "epsilon": 0.0, "bits": NormBits()}
        NormOptions(**of_zero)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 to 16 bits"):
        NormBits(gradient=1)
