"""The normalization of quantized values by their own quantized statistics, with its exact backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from brevitas_ext.nn._norm_statistics import statistics
from brevitas_ext.nn._per_tensor import quantize_per_tensor
from brevitas_ext.nn.norm_options import NormOptions


class Normalized(NamedTuple):
    """The normalized input, and the statistics before they were quantized, without gradients."""

    output: Tensor
    mean: Tensor
    deviation: Tensor


def normalize(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, dims: tuple[int, ...], options: NormOptions
) -> Normalized:
    """Normalize as Eq. 35, 36, 41, 42 of ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training).

    Args:
        x: the input, not empty.
        weight: gamma, of the shape of the statistics: that of `x` with 1 in `dims`; None for ones.
        bias: beta, of the same shape; None for zeros.
        dims: which dimensions each mean is over.
        options: order, floor, widths.

    Returns:
        ``output`` like `x`.  Its gradient is that of the quantized function with the quantizers taken for the identity:
        the quantized values stand wherever the derivative has values.
    """
    apply: Callable[..., tuple[Tensor, Tensor, Tensor]] = _Normalize.apply
    return Normalized(*apply(x, weight, bias, dims, options))


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0913 - what backward gives gradients for, and two constants
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, dims: tuple[int, ...], options: NormOptions
    ) -> tuple[Tensor, Tensor, Tensor]:
        bits = options.bits
        quantized = quantize_per_tensor(x, bits.input)
        found = statistics(quantized, dims, options)
        mean = quantize_per_tensor(found.mean, bits.statistics).values
        deviation = quantize_per_tensor(found.deviation, bits.statistics, signed=False, least=1).values
        gamma = torch.ones_like(mean) if weight is None else quantize_per_tensor(weight, bits.affine).values
        beta = torch.zeros_like(mean) if bias is None else quantize_per_tensor(bias, bits.affine).values
        multiplier = gamma / deviation
        addend = beta - mean * multiplier
        ctx.dims, ctx.options = dims, options
        # Where the distances are measured from is off the quantized mean.
        shift = found.centre * quantized.scale - mean
        ctx.save_for_backward(
            quantized.integers, quantized.scale, multiplier, deviation, shift, *found[1:], weight, bias
        )
        ctx.mark_non_differentiable(found.mean, found.deviation)
        output = (quantized.integers * (multiplier * quantized.scale)).add_(addend)
        return output, found.mean, found.deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        """With a = gamma / sigma, n values in a mean, and Q for the quantized ones.

        d/dbeta = sum g, d/dgamma = sum g x^, and d/dx = a (g - mean g - n dsigma/dx mean(g x^)) with
        n dsigma_1/dx = sign(x - mu) - mean sign(x - mu), or 0 on the floor, and n dsigma_2/dx = (x - mu) / sigma.
        """
        values, scale, multiplier, quantized, shift, deviation, centre, offset, signs, floored, weight, bias = (
            ctx.saved_tensors
        )
        dims, options = ctx.dims, ctx.options
        if options.bits.gradient is not None:
            gradient = quantize_per_tensor(gradient, options.bits.gradient, stochastic=True).values
        apart = values - centre
        mean = gradient.mean(dims, keepdim=True)
        product = gradient * apart
        along = (scale * product.mean(dims, keepdim=True) + shift * mean) / quantized
        count = gradient.numel() // mean.numel()
        found: Tensor | None = None
        if ctx.needs_input_grad[0]:
            if options.order == 1:
                slope, pulled = multiplier * along * (1 - floored), apart.sign_()
                constant = slope * signs - multiplier * mean
            else:
                slope, pulled = multiplier * along * scale / deviation, apart
                constant = slope * offset - multiplier * mean
            found = torch.mul(gradient, multiplier, out=product).sub_(pulled.mul_(slope)).add_(constant)
        return found, None if weight is None else count * along, None if bias is None else count * mean, None, None
