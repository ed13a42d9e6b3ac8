"""Fully quantized layer normalization by the mean absolute deviation (L1) or the standard deviation (L2).

Source: ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), section 4 and Fig. 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from brevitas_ext.nn._norm_function import normalize
from brevitas_ext.nn._per_tensor import plain, rounded_per_tensor
from brevitas_ext.nn.norm_options import NormBits, NormOptions, Order


class QuantizedLayerNorm(nn.Module):
    """Layer normalization whose input, statistics and affine parameters are quantized per tensor.

    The statistics are of each input, in training and in evaluation: no threshold can stand for the layer in hardware.

    Args:
        shape: the trailing dimensions that are normalized over.
        eps: the deviation is at least ``sqrt(eps)``, see `NormOptions`.
        affine: whether there are weight and bias.
        bits: one width for input, statistics and parameters, None for float, or a `NormBits`.

    Raises:
        ValueError: an empty shape, or widths or epsilon out of range.
    """

    order: ClassVar[Order]
    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        eps: float = 1e-5,
        affine: bool = True,
        bits: NormBits | int | None = 8,
    ) -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"{type(self).__name__}: expected at least one dimension of at least 1, found {shape}")
        self.eps = eps
        self.options = NormOptions(order=self.order, epsilon=eps, bits=NormBits.of(bits))
        self.register_parameter("weight", nn.Parameter(torch.ones(self.shape)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(self.shape)) if affine else None)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (..., *shape); under autocast in the dtype of the layer, returned in that of the input.

        Raises:
            ValueError: another shape, or an empty input.
        """
        if tuple(x.shape[-len(self.shape) :]) != self.shape or x.numel() == 0:
            expected = ", ".join(map(str, self.shape))
            raise ValueError(f"{type(self).__name__}: expected (..., {expected}), not empty, found {tuple(x.shape)}")
        values = plain(x)
        dims = tuple(range(x.ndim - len(self.shape), x.ndim))
        dtype = values.dtype if self.weight is None else self.weight.dtype
        output = normalize(values.to(dtype), None, None, dims, self.options).output
        if self.weight is not None and self.bias is not None:
            bits = self.options.bits.affine
            output = output * rounded_per_tensor(self.weight, bits) + rounded_per_tensor(self.bias, bits)
        return output.to(values.dtype)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.shape}, eps={self.eps}, bits={self.options.bits}"


class L1LayerNorm(QuantizedLayerNorm):
    """`QuantizedLayerNorm` by the mean absolute deviation."""

    order = 1


class L2LayerNorm(QuantizedLayerNorm):
    """`QuantizedLayerNorm` by the standard deviation, for comparison."""

    order = 2
