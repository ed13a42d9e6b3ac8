"""The autograd function of a ShiftQuant layer: three products on integers, floats in and floats out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from brevitas_ext.nn.operands import Operand, channel_extremes, shift_operand, weight_operand
from brevitas_ext.nn.quantization import ShiftQuantization
from brevitas_ext.nn.rounding_stream import RoundingStream

_SAMPLES, _CHANNELS = 0, 1


class Arithmetic(Protocol):
    """Exact integer products of one kind of layer; samples are dimension 0, channels dimension 1."""

    def forward(self, x: Tensor, weight: Tensor, x_bounds: list[int]) -> Tensor:
        """Return the layer's product."""

    def input_gradient(self, gradient: Tensor, weight: Tensor, g_bounds: list[int], shape: torch.Size) -> Tensor:
        """Return the gradient of the input."""

    def weight_gradient(
        self, x: Tensor, gradient: Tensor, x_bounds: list[int], g_bounds: list[int], shape: torch.Size
    ) -> Tensor:
        """Return the gradient of the weights."""


class IntegerLayer(NamedTuple):
    """What the products of one layer need beside tensors.

    Attributes:
        name: for messages.
        arithmetic: the products.
        quantization: bit widths and granularity.
        stream: where the noise of the gradients' rounding comes from.
        groups: groups of channels of a convolution.
    """

    name: str
    arithmetic: Arithmetic
    quantization: ShiftQuantization
    stream: RoundingStream
    groups: int = 1

    def activations(self, x: Tensor, extremes: Tensor, axis: int, signed: bool) -> Operand:
        """Return activations with their `channel_extremes`, nearest, grouped along `axis`."""
        options = self.quantization
        with self._named("input"):
            return shift_operand(
                x,
                bits=options.activation_bits,
                groups=options.shift_groups,
                axis=axis,
                signed=signed,
                extremes=extremes,
            )

    def gradients(self, gradient: Tensor, extremes: Tensor, axis: int, noise: Tensor) -> Operand:
        """Return output gradients with their `channel_extremes`, stochastic (Eq. 23), grouped along `axis`."""
        options = self.quantization
        with self._named("output gradient"):
            return shift_operand(
                gradient,
                bits=options.gradient_bits,
                groups=options.shift_groups,
                axis=axis,
                signed=True,
                noise=noise,
                extremes=extremes,
            )

    def weights_forward(self, weight: Tensor) -> Operand:
        """Return weights (O, C / groups, ...) with a scale per output channel."""
        per_channel = self.quantization.weight_scales == "channel"
        with self._named("weight"):
            return weight_operand(weight, bits=self.quantization.weight_bits, axis=0 if per_channel else None)

    def weights_backward(self, weight: Tensor) -> Operand:
        """Return weights (O, C / groups, ...) with a scale per input channel, shape (C,)."""
        if self.quantization.weight_scales == "tensor":
            return self.weights_forward(weight)
        bits = self.quantization.weight_bits
        with self._named("weight"):
            if self.groups == 1:
                return weight_operand(weight, bits=bits, axis=1)
            by_group = weight.unflatten(0, (self.groups, -1)).transpose(1, 2)
            rows = weight_operand(by_group.flatten(0, 1), bits=bits, axis=0)
            integers = rows.integers.unflatten(0, (self.groups, -1)).transpose(1, 2).flatten(0, 1)
            return rows._replace(integers=integers)

    @contextmanager
    def _named(self, role: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{role} of {self.name}: {error}") from error


def integer_products(x: Tensor, weight: Tensor, bias: Tensor | None, layer: IntegerLayer, dtype: torch.dtype) -> Tensor:
    """Return a layer's output; gradients of `x` and `weight` are integer products, too.

    Args:
        x: floats, (R, C) or (N, C, H, W).
        weight: floats, (O, C) or (O, C / groups, kh, kw).
        bias: floats (O,), added to the scaled sum; its gradient is the float sum of the output gradient.
        layer: the products.
        dtype: of the output.

    Raises:
        ValueError: an operand is not finite, or negative where unsigned integers were asked for.
        OverflowError: a sum may exceed int64.
    """
    output: Tensor = _IntegerProducts.apply(x, weight, bias, layer, dtype)  # type: ignore[no-untyped-call]
    return output


class _IntegerProducts(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0913 - a function's inputs
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, layer: IntegerLayer, dtype: torch.dtype
    ) -> Tensor:
        ctx.layer, ctx.bias_dtype = layer, None if bias is None else bias.dtype
        floats = _floats(x)
        extremes = channel_extremes(floats)
        ctx.save_for_backward(x, weight, x if extremes is floats else extremes)
        signed = layer.quantization.activation_signed
        ctx.signed = _has_negative(extremes) if signed is None else signed
        activations = layer.activations(floats, extremes, _CHANNELS, ctx.signed)
        weights = layer.weights_forward(_floats(weight))
        sums = layer.arithmetic.forward(activations.integers, weights.integers, activations.bounds)
        return _scaled(sums, activations.scale * weights.scale, bias).to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        x, weight, x_extremes = ctx.saved_tensors
        layer: IntegerLayer = ctx.layer
        arithmetic, floats = layer.arithmetic, _floats(gradient)
        of_x = of_weight = of_bias = None
        needs_x, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        if needs_x or needs_weight:
            # Each product's rounding is unbiased by itself; that both see the same noise correlates their errors only.
            noise, extremes = layer.stream.noise_like(floats), channel_extremes(floats)
        if needs_x:
            gradients = layer.gradients(floats, extremes, _CHANNELS, noise)
            weights = layer.weights_backward(_floats(weight))
            sums = arithmetic.input_gradient(gradients.integers, weights.integers, gradients.bounds, x.shape)
            of_x = _scaled(sums, gradients.scale * weights.scale).to(x.dtype)
        if needs_weight:
            gradients = layer.gradients(floats, extremes, _SAMPLES, noise)
            inputs = layer.activations(_floats(x), x_extremes, _SAMPLES, ctx.signed)
            sums = arithmetic.weight_gradient(
                inputs.integers, gradients.integers, inputs.bounds, gradients.bounds, weight.shape
            )
            of_weight = _scaled(sums, inputs.scale * gradients.scale).to(weight.dtype)
        if needs_bias:
            of_bias = floats.sum([dim for dim in range(floats.ndim) if dim != _CHANNELS]).to(ctx.bias_dtype)
        return of_x, of_weight, of_bias, None, None


def _floats(tensor: Tensor) -> Tensor:
    """Return the tensor in the dtype of the arithmetic: float64 as it is, everything else in float32."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _scaled(sums: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return what integer sums are worth, in the dtype of the scale; each is rounded once, and once with the bias."""
    shape = [-1 if dim == _CHANNELS else 1 for dim in range(sums.ndim)]
    factors = scale.view(shape) if scale.ndim else scale
    values = sums.to(scale.dtype)
    if bias is not None:
        return torch.addcmul(bias.to(scale.dtype).view(shape), values, factors)
    return values.mul_(factors)


def _has_negative(tensor: Tensor) -> bool:
    # Much faster than (tensor < 0).any().
    return bool(tensor.numel() and tensor.amin() < 0)
