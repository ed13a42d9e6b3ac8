"""Symmetric per-tensor quantization in torch, bit for bit that of `brevitas_ext.arith.quantized_norm`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from brevitas.quant_tensor import QuantTensor
from torch import Tensor

from brevitas_ext.arith.quantized_norm import largest_integer
from brevitas_ext.quantizers._ste import replace


class PerTensor(NamedTuple):
    """Integers, in the dtype of what was quantized, and the size of their step, without dimensions."""

    integers: Tensor
    scale: Tensor

    @property
    def values(self) -> Tensor:
        """What the integers are worth."""
        return self.integers * self.scale


def quantize_per_tensor(
    x: Tensor, bits: int | None, *, signed: bool = True, least: int = 0, stochastic: bool = False
) -> PerTensor:
    """Quantize with one scale, see `brevitas_ext.arith.quantized_norm.quantize_per_tensor`; without gradients.

    Args:
        x: any shape, not empty.
        bits: width; None keeps the values, with a scale of 1.
        signed: whether the format has negative integers.
        least: the smallest integer given.
        stochastic: round up with the fraction's probability, drawn from torch's default generator, instead of to the
            nearest.
    """
    x = x.detach()
    if bits is None:
        return PerTensor(x, x.new_ones(()))
    limit = largest_integer(bits, signed=signed)
    # Two reductions: magnitudes would be a tensor of their own. `aminmax` and `amax` have no counterpart in ONNX here.
    scale = torch.maximum(x.max(), -x.min()) / limit
    scale = torch.where(scale >= torch.finfo(x.dtype).tiny, scale, torch.ones_like(scale))
    steps = x / scale
    # A float just above the limit, as the quotient may be, must not be rounded up.
    integers = steps.add_(torch.rand_like(steps)).floor_().clamp_(-limit, limit) if stochastic else steps.round_()
    return PerTensor(integers.clamp_(min=least) if least else integers, scale)


def plain(x: Tensor) -> Tensor:
    """Return a tensor, or what the integers of a Brevitas one are worth."""
    return x.value if isinstance(x, QuantTensor) else x  # type: ignore[attr-defined]


def rounded_per_tensor(x: Tensor, bits: int | None, *, signed: bool = True, least: int = 0) -> Tensor:
    """Return the quantized values; the gradient passes unchanged (straight through)."""
    return x if bits is None else replace(x, quantize_per_tensor(x, bits, signed=signed, least=least).values)
