"""Outputs and gradients of ShiftQuant layers against the golden quantizer and rational arithmetic."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brevitas_ext.arith.shift_quant import channel_ranges, grouped_scale, shift_quantize
from brevitas_ext.nn import ShiftQuantConv1d, ShiftQuantConv2d, ShiftQuantLinear
from brevitas_ext.nn.rounding_stream import RoundingStream

Rationals = NDArray[Any]

OPTIONS: list[dict[str, Any]] = [
    {},
    {"weight_bits": 3, "activation_bits": 2, "gradient_bits": 8, "shift_groups": 6},
    {"weight_bits": 8, "activation_bits": 8, "gradient_bits": 8, "shift_groups": 1, "weight_scales": "tensor"},
    {"activation_signed": True, "gradient_bits": 5},
]
LAYERS = {
    "linear": lambda **options: (ShiftQuantLinear(6, 5, **options), (7, 6)),
    "conv": lambda **options: (ShiftQuantConv2d(6, 4, (3, 2), 2, 1, bias=False, **options), (3, 6, 5, 6)),
    "grouped": lambda **options: (ShiftQuantConv2d(6, 4, 3, 1, 1, groups=2, dilation=2, **options), (3, 6, 5, 5)),
    "conv1d": lambda **options: (ShiftQuantConv1d(4, 6, 3, 2, 1, groups=2, **options), (3, 4, 9)),
}


def rational(values: Any) -> Rationals:
    return np.vectorize(Fraction, otypes=[object])(np.asarray(values, dtype=np.float64))


def worth(integers: NDArray[Any], group: NDArray[Any], scale: Any, axis: int) -> Rationals:
    shape = [-1 if dim == axis else 1 for dim in range(integers.ndim)]
    powers = np.array([Fraction(1, 2 ** int(g)) for g in group], dtype=object).reshape(shape)
    values: Rationals = rational(integers) * Fraction(float(scale)) * powers
    return values


def activations(x: Tensor, layer: Any, axis: int) -> Rationals:
    options = layer.quantization
    signed = bool((x < 0).any()) if options.activation_signed is None else options.activation_signed
    found = shift_quantize(
        x.numpy(), bits=options.activation_bits, groups=options.shift_groups, axis=axis, signed=signed
    )
    return worth(found.integers, found.group_of_channel, found.scale, axis)


def gradients(gradient: Tensor, layer: Any, axis: int, noise: Tensor) -> Rationals:
    options = layer.quantization
    values = gradient.numpy()
    group, scale = grouped_scale(
        channel_ranges(values, axis=axis), bits=options.gradient_bits, groups=options.shift_groups
    )
    shape = [-1 if dim == axis else 1 for dim in range(values.ndim)]
    limit = 2 ** (options.gradient_bits - 1) - 1
    levels = np.clip(values / np.ldexp(scale, -group).reshape(shape), -limit, limit)
    return worth(np.floor(levels + noise.numpy()), group, scale, axis)


def weights(weight: NDArray[Any], layer: Any, *, per_input: bool) -> Rationals:
    """Return weights (groups, O / groups, C / groups, kernel) with scales per output or per input channel."""
    limit = np.float32(2 ** (layer.quantization.weight_bits - 1) - 1)
    axes = (0, 1, 2, 3) if layer.quantization.weight_scales == "tensor" else ((1, 3) if per_input else (2, 3))
    scale = np.abs(weight).max(axis=axes, keepdims=True) / limit
    return rational(np.rint(weight / scale)) * rational(scale)


def windows(layer: Any, shape: torch.Size, output: torch.Size) -> list[tuple[int, ...]]:
    """Return (y, z, i, j, row, column): which input each output position meets at which kernel position."""
    if isinstance(layer, nn.Linear):
        return [(0, 0, 0, 0, 0, 0)]
    (down, right), (up, left), (apart, aside) = geometry(layer)
    kernel, out = layer.weight.shape[2:], output[2:]
    size = shape[2:]
    if len(size) == 1:
        kernel, out, size = (1, *kernel), (1, *out), (1, *size)
    found = []
    for y, z, i, j in product(*(range(each) for each in (*out, *kernel))):
        row, column = y * down + i * apart - up, z * right + j * aside - left
        if 0 <= row < size[0] and 0 <= column < size[1]:
            found.append((y, z, i, j, row, column))
    return found


def geometry(layer: Any) -> list[tuple[int, int]]:
    pairs = [layer.stride, layer.padding, layer.dilation]
    return [pair if len(pair) == 2 else (above, pair[0]) for pair, above in zip(pairs, (1, 0, 1), strict=True)]


def as_image(values: Any) -> Any:
    """Return (N, C), (N, C, L) or (N, C, H, W) as the latter."""
    return values.reshape(*values.shape[:2], *([1] * (4 - values.ndim)), *values.shape[2:])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_product_is_the_rational_dot_product_of_what_the_integers_are_worth(
    kind: str, options: dict[str, Any], dtype: torch.dtype
) -> None:
    torch.manual_seed(3)
    layer, shape = LAYERS[kind](**options, dtype=dtype, seed=11)
    x = torch.randn(shape, dtype=dtype) * torch.logspace(-2, 1, shape[1], dtype=dtype).view(-1, *[1] * (len(shape) - 2))
    if options.get("gradient_bits") == 8:
        x = x.relu()
    x.requires_grad_()
    y = layer(x)
    gradient = torch.randn_like(y) * torch.logspace(-3, 0, len(y), dtype=dtype).view(-1, *[1] * (len(shape) - 1))
    y.backward(gradient)
    noise = RoundingStream(11).noise_like(as_image(gradient))

    groups = getattr(layer, "groups", 1)
    kernel = layer.weight.detach().numpy()
    kernel = kernel.reshape(*kernel.shape[:2], *([1] * (4 - kernel.ndim)), *kernel.shape[2:])
    split = kernel.reshape(groups, -1, *kernel.shape[1:])
    flat = split.reshape(*split.shape[:3], -1)
    per_output, per_input = (weights(flat, layer, per_input=each).reshape(split.shape) for each in (False, True))
    image, upstream = as_image(x.detach()), as_image(gradient)
    a, b = activations(image, layer, 1), activations(image, layer, 0)
    g, h = gradients(upstream, layer, 1, noise), gradients(upstream, layer, 0, noise)
    a, b, g, h = (each.reshape(len(each), groups, -1, *each.shape[2:]) for each in (a, b, g, h))

    output, of_x, of_weight = (np.full(each.shape, Fraction(0), dtype=object) for each in (g, a, split))
    for py, pz, i, j, row, column in windows(layer, x.shape, y.shape):
        output[..., py, pz] += np.einsum("ngc,goc->ngo", a[..., row, column], per_output[..., i, j])
        of_x[..., row, column] += np.einsum("ngo,goc->ngc", g[..., py, pz], per_input[..., i, j])
        of_weight[..., i, j] += np.einsum("ngc,ngo->goc", b[..., row, column], h[..., py, pz])
    if layer.bias is not None:
        output = output + rational(layer.bias.detach()).reshape(1, groups, -1, 1, 1)

    for found, expected in ((y, output), (x.grad, of_x), (layer.weight.grad, of_weight)):
        assert found is not None and found.dtype == dtype
        close(found.detach().numpy(), expected, dtype)


def close(found: NDArray[Any], expected: Rationals, dtype: torch.dtype) -> None:
    """Equal up to the roundings of the scales, the scaling and the bias: a few units in the last place."""
    size = max(abs(each) for each in expected.flat)
    error = max(abs(each - exact) for each, exact in zip(rational(found).flat, expected.flat, strict=True))
    assert size > 0
    assert error <= 6 * Fraction(torch.finfo(dtype).eps) * size


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_are_unbiased(kind: str) -> None:
    """Means of 400 within 4.5 standard errors: for all elements together a false alarm is less likely than 0.2 %."""
    torch.manual_seed(4)
    layer, shape = LAYERS[kind](weight_bits=8, seed=5, gradient_bits=2)
    x = torch.randn(shape, requires_grad=True)
    y = layer(x)
    gradient = torch.randn_like(y)
    drawn = [torch.autograd.grad(y, (x, layer.weight), gradient, retain_graph=True) for _ in range(400)]
    layer.quantization = type(layer.quantization)(weight_bits=8, gradient_bits=8)
    y = layer(x)
    fine = [torch.autograd.grad(y, (x, layer.weight), gradient, retain_graph=True) for _ in range(400)]
    for coarse, exact in zip(zip(*drawn, strict=True), zip(*fine, strict=True), strict=True):
        first, second = torch.stack(coarse), torch.stack(exact)
        error = (first.var(0) / 400 + second.var(0) / 400).sqrt()
        assert bool(((first.mean(0) - second.mean(0)).abs() <= 4.5 * error + 1e-6).all())


def test_without_need_no_gradient_and_no_noise() -> None:
    layer = ShiftQuantLinear(4, 3, seed=1)
    layer.weight.requires_grad_(False)
    layer(torch.randn(2, 4)).sum().backward()
    assert layer.rounding.draws == 0
    assert layer.weight.grad is None
    x = torch.randn(2, 4, requires_grad=True)
    layer(x).sum().backward()
    assert layer.rounding.draws == 1


@pytest.mark.parametrize("role", ["input", "weight", "output gradient"])
def test_what_is_not_finite_is_refused_by_name(role: str) -> None:
    layer = ShiftQuantLinear(4, 3)
    x, gradient = torch.ones(2, 4), torch.ones(2, 3)
    spoiled = {"input": x, "weight": layer.weight.data, "output gradient": gradient}[role]
    spoiled[1, 1] = torch.nan
    with pytest.raises(ValueError, match=rf"{role} of ShiftQuantLinear\(3, 4\): .*finite.*nan"):
        layer(x).backward(gradient)


def test_a_negative_input_of_a_layer_without_signed_activations_is_refused() -> None:
    layer = ShiftQuantLinear(4, 3, activation_signed=False)
    with pytest.raises(ValueError, match=r"input of ShiftQuantLinear.*not negative"):
        layer(-torch.ones(2, 4))


def test_gradients_of_gradients_are_refused() -> None:
    layer = ShiftQuantLinear(4, 3)
    x = torch.ones(2, 4, requires_grad=True)
    (first,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        first.sum().backward()
