"""The quantized normalizations written with torch's differentiable operators, to compare gradients with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from brevitas_ext.nn.norm_options import NormBits
from brevitas_ext.quantizers._ste import replace


def steps(x: Tensor, bits: int | None, *, signed: bool = True, least: int = 0) -> tuple[Tensor, Tensor]:
    if bits is None:
        return x, x.new_ones(())
    limit = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    scale = x.detach().abs().max() / limit
    scale = scale if scale > 0 else torch.ones_like(scale)
    return replace(x / scale, (x / scale).detach().round().clamp(min=least or -limit)), scale


def straight_through(x: Tensor, bits: int | None, *, signed: bool = True, least: int = 0) -> Tensor:
    integers, scale = steps(x, bits, signed=signed, least=least)
    return integers * scale


def composite(
    x: Tensor, dims: tuple[int, ...], *, order: int, epsilon: float = 1e-5, bits: NormBits | None = None
) -> Tensor:
    """Without affine parameters. Distances are of integers: an integer mean then is at a distance of exactly zero."""
    bits = bits or NormBits()
    x, scale = steps(x, bits.input)
    mean = x.mean(dims, keepdim=True)
    if order == 1:
        deviation = (scale * (x - mean).abs().mean(dims, keepdim=True)).clamp(min=math.sqrt(epsilon))
    else:
        deviation = ((scale * (x - mean)).square().mean(dims, keepdim=True) + epsilon).sqrt()
    deviation = straight_through(deviation, bits.statistics, signed=False, least=1)
    return (x * scale - straight_through(mean * scale, bits.statistics)) / deviation
