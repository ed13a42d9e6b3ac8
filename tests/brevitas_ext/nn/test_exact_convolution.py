"""Convolutions of integers against a sum over windows in int64."""

import itertools

import pytest
import torch
from torch import Tensor

from brevitas_ext.nn import exact_convolution
from brevitas_ext.nn.carriers import FLOAT32_LIMIT
from brevitas_ext.nn.exact_convolution import ExactConvolution

GEOMETRIES = [
    ExactConvolution(),
    ExactConvolution(padding=(1, 1)),
    ExactConvolution(stride=(2, 2), padding=(1, 1)),
    ExactConvolution(stride=(3, 1), padding=(0, 2), dilation=(1, 2)),
    ExactConvolution(padding=(1, 1), groups=2),
    ExactConvolution(stride=(2, 1), padding=(2, 1), dilation=(2, 1), groups=4),
]


def reference(shape: ExactConvolution, x: Tensor, weight: Tensor) -> Tensor:
    """Return the convolution of int64 tensors, written out."""
    (down, right), (rows, columns), (apart, aside) = shape.stride, shape.padding, shape.dilation
    padded = torch.nn.functional.pad(x, (columns, columns, rows, rows))
    high, wide = weight.shape[2:]
    y = (padded.shape[2] - apart * (high - 1) - 1) // down + 1
    z = (padded.shape[3] - aside * (wide - 1) - 1) // right + 1
    total = torch.zeros(x.shape[0], weight.shape[0], y, z, dtype=torch.int64)
    grouped = weight.unflatten(0, (shape.groups, -1))
    for i, j in itertools.product(range(high), range(wide)):
        seen = padded[:, :, i * apart :: down, j * aside :: right][:, :, :y, :z].unflatten(1, (shape.groups, -1))
        total += torch.einsum("ngcyx,goc->ngoyx", seen, grouped[..., i, j]).flatten(1, 2)
    return total


def gradients(shape: ExactConvolution, x: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the exact gradients of int64 tensors: the reference is linear, so each is a sum of its columns."""
    x_, weight_ = (each.double().requires_grad_() for each in (x, weight))
    (high, wide), (down, right), (apart, aside) = weight.shape[2:], shape.stride, shape.dilation
    padded = torch.nn.functional.pad(x_, (shape.padding[1],) * 2 + (shape.padding[0],) * 2)
    y, z = gradient.shape[2:]
    total = torch.zeros((), dtype=torch.float64)
    grouped, g = weight_.unflatten(0, (shape.groups, -1)), gradient.double().unflatten(1, (shape.groups, -1))
    for i, j in itertools.product(range(high), range(wide)):
        seen = padded[:, :, i * apart :: down, j * aside :: right][:, :, :y, :z].unflatten(1, (shape.groups, -1))
        total = total + (torch.einsum("ngcyx,goc->ngoyx", seen, grouped[..., i, j]) * g).sum()
    of_x, of_weight = torch.autograd.grad(total, (x_, weight_))
    return of_x.to(torch.int64), of_weight.to(torch.int64)


def drawn(shape: ExactConvolution, *, bound: int = 100, weight_bound: int = 100, samples: int = 3) -> list[Tensor]:
    torch.manual_seed(1)
    x = torch.randint(-bound, bound + 1, (samples, 8, 9, 11))
    weight = torch.randint(-weight_bound, weight_bound + 1, (12, 8 // shape.groups, 3, 2))
    gradient = torch.randint(-bound, bound + 1, reference(shape, x, weight).shape)
    return [x, weight, gradient]


@pytest.mark.parametrize("shape", GEOMETRIES, ids=str)
@pytest.mark.parametrize("limit", [FLOAT32_LIMIT, 3_000_000, 1000], ids=["whole", "runs", "float64"])
def test_all_three_products(shape: ExactConvolution, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brevitas_ext.nn.carriers.FLOAT32_LIMIT", limit)
    monkeypatch.setattr(exact_convolution, "FLOAT32_LIMIT", limit)
    x, weight, gradient = drawn(shape)
    x32, weight32, gradient32 = x.float(), weight.float(), gradient.float()
    of_x, of_weight = gradients(shape, x, weight, gradient)
    assert torch.equal(shape.forward(x32, weight32, [100] * 8).to(torch.int64), reference(shape, x, weight))
    found = shape.input_gradient(gradient32, weight32, [100] * 12, x.shape)
    assert torch.equal(found.to(torch.int64), of_x)
    found = shape.weight_gradient(x32, gradient32, [100] * 3, [100] * 3, weight.shape)
    assert torch.equal(found.to(torch.int64), of_weight)


@pytest.mark.parametrize(("channels", "dtype"), [(64, torch.float32), (65, torch.float64)])
def test_the_largest_magnitudes_at_the_limit_of_float32_and_one_beyond(channels: int, dtype: torch.dtype) -> None:
    shape, bound, weight = ExactConvolution(), 2**9, 2**9 // 2
    x = torch.full((1, channels, 2, 4), bound)
    weights = torch.full((1, channels, 2, 1), weight)
    x[0, 0, 0, 0] -= 1
    found = shape.forward(x.float(), weights.float(), [bound] * channels)
    assert found.dtype == dtype
    top = channels * bound * weight * 2
    assert (top <= FLOAT32_LIMIT) == (dtype == torch.float32)
    assert found.flatten().tolist() == [top - weight, top, top, top]


def test_a_weight_gradient_beyond_float32_is_added_from_runs_of_samples() -> None:
    shape = ExactConvolution(padding=(1, 1))
    x = torch.full((5, 2, 32, 32), 120.0)
    gradient = torch.full((5, 3, 32, 32), 56.0)
    gradient[0, 0, 4, 4] = 55
    found = shape.weight_gradient(x, gradient, [120] * 5, [56] * 5, torch.Size((3, 2, 3, 3)))
    assert found.dtype == torch.float64
    assert found[:, 0, 1, 1].tolist() == [5 * 1024 * 120 * 56 - 120, 5 * 1024 * 120 * 56, 5 * 1024 * 120 * 56]


def test_small_gradients_need_no_runs() -> None:
    shape = ExactConvolution()
    x, gradient = torch.ones(64, 2, 8, 8), torch.ones(64, 3, 8, 8)
    found = shape.weight_gradient(x, gradient, [2040] * 64, [1016] * 64, torch.Size((3, 2, 1, 1)))
    assert found.dtype == torch.float32
    assert found.flatten().tolist() == [64 * 64] * 6


@pytest.mark.parametrize("samples", [0, 1])
def test_no_sample_or_a_single_one(samples: int) -> None:
    shape = ExactConvolution(padding=(1, 1))
    x, weight, gradient = (each.float() for each in drawn(shape, samples=samples))
    assert shape.forward(x, weight, [100] * 8).shape == gradient.shape
    assert shape.input_gradient(gradient, weight, [100] * 12, x.shape).shape == x.shape
    found = shape.weight_gradient(x, gradient, [100] * samples, [100] * samples, weight.shape)
    assert found.shape == weight.shape
