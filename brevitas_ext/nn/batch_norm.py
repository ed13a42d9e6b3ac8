"""Fully quantized batch normalization by the mean absolute deviation (L1) or the standard deviation (L2).

Source: ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), section 4 and Fig. 5.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from brevitas_ext.nn._norm_function import normalize
from brevitas_ext.nn._per_tensor import plain, rounded_per_tensor
from brevitas_ext.nn.norm_options import NormBits, NormOptions, Order


class Affine(NamedTuple):
    """What the layer is in evaluation: ``x * multiplier + addend``, both of the shape (1, C, 1, ...)."""

    multiplier: Tensor
    addend: Tensor


class QuantizedBatchNorm(nn.Module):
    """Batch normalization whose input, statistics and affine parameters are quantized per tensor.

    In training every batch is quantized with its own range, and normalized by its own quantized statistics; the running
    statistics are plain averages, as torch's are.  In evaluation the layer is one affine function per channel, out of
    the quantized running statistics and the quantized parameters: ``gamma_q / sigma_q`` and
    ``beta_q - mu_q * gamma_q / sigma_q``, in float32.  Its input is then taken as it is: behind a layer of integers it
    is an integer sum already, and a range found at run time could not become a constant.

    One scale for all channels (Fig. 5) leaves channels of small deviation few steps; each keeps at least one.

    Args:
        channels: C.
        eps: the deviation is at least ``sqrt(eps)``, see `NormOptions`.
        momentum: weight of a batch in the running statistics; None for the average over all batches.
        affine: whether there are weight and bias.
        bits: one width for input, statistics and parameters, None for float, or a `NormBits`.

    Raises:
        ValueError: no channel, or widths or epsilon out of range.
    """

    order: ClassVar[Order]
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_deviation: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        channels: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        bits: NormBits | int | None = 8,
    ) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"{type(self).__name__}: expected at least one channel, found {channels}")
        self.channels, self.eps, self.momentum = channels, eps, momentum
        self.options = NormOptions(order=self.order, epsilon=eps, bits=NormBits.of(bits))
        self.register_parameter("weight", nn.Parameter(torch.ones(channels)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_deviation", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        # What `freeze` sets; an exporter sees them as the layer's only constants.
        self.register_buffer("multiplier", None, persistent=False)
        self.register_buffer("addend", None, persistent=False)

    @staticmethod
    @abstractmethod
    def ranks() -> tuple[int, ...]:
        """Return how many dimensions the input may have."""

    def reset_running_stats(self) -> None:
        """Forget the batches seen."""
        self.running_mean.zero_()
        self.running_deviation.fill_(1)
        self.num_batches_tracked.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (N, C, ...); under autocast in the dtype of the layer, returned in that of the input.

        Raises:
            ValueError: another shape, or, in training, a single value per channel.
        """
        self._check(x)
        values = plain(x)
        dtype = values.dtype
        if dtype != self.running_mean.dtype:  # a conversion to the same type would be exported as well
            return self._normalized(values.to(self.running_mean.dtype)).to(dtype)
        return self._normalized(values)

    def _normalized(self, x: Tensor) -> Tensor:
        if not self.training:
            made = self.affine(x.ndim)
            return x * made.multiplier + made.addend
        dims = (0, *range(2, x.ndim))
        weight, bias = (None if value is None else _shaped(value, x.ndim) for value in (self.weight, self.bias))
        found = normalize(x, weight, bias, dims, self.options)
        self._track(found.mean.flatten(), found.deviation.flatten())
        return found.output

    def affine(self, rank: int = 4) -> Affine:
        """Return what the layer is in evaluation, for inputs of that many dimensions."""
        if self.multiplier is not None and self.addend is not None:
            return Affine(_shaped(self.multiplier, rank), _shaped(self.addend, rank))
        bits = self.options.bits
        mean = rounded_per_tensor(self.running_mean, bits.statistics)
        floored = self.running_deviation.clamp(min=self.eps**0.5)
        deviation = rounded_per_tensor(floored, bits.statistics, signed=False, least=1)
        weight = torch.ones_like(mean) if self.weight is None else rounded_per_tensor(self.weight, bits.affine)
        multiplier = weight / deviation
        addend = -mean * multiplier
        if self.bias is not None:
            addend = rounded_per_tensor(self.bias, bits.affine) - mean * multiplier
        return Affine(_shaped(multiplier, rank), _shaped(addend, rank))

    @torch.no_grad()
    def freeze(self) -> None:
        """Keep multiplier and addend as constants from now on: for a copy that is exported, never trained again."""
        self.multiplier, self.addend = None, None
        made = self.affine()
        self.multiplier, self.addend = made.multiplier.flatten(), made.addend.flatten()

    @torch.no_grad()
    def _track(self, mean: Tensor, deviation: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        share: Tensor | float = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        for running, new in ((self.running_mean, mean), (self.running_deviation, deviation)):
            running.lerp_(new, share)

    def _check(self, x: Tensor) -> None:
        if x.ndim not in self.ranks() or x.shape[1] != self.channels:
            raise ValueError(
                f"{type(self).__name__}: expected {' or '.join(map(str, self.ranks()))} dimensions with "
                f"{self.channels} channels in the second, found {tuple(x.shape)}"
            )
        if self.training and x.numel() <= self.channels:
            raise ValueError(
                f"{type(self).__name__}: expected more than one value per channel in training, found {tuple(x.shape)}; "
                "give a larger batch, or evaluate with .eval()"
            )

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.channels}, eps={self.eps}, momentum={self.momentum}, bits={self.options.bits}"


def _shaped(value: Tensor, rank: int) -> Tensor:
    return value.view(1, -1, *(1,) * (rank - 2))


class _OneDimensional(QuantizedBatchNorm):
    @staticmethod
    def ranks() -> tuple[int, ...]:
        """Return 2 for (N, C) and 3 for (N, C, L)."""
        return 2, 3


class _TwoDimensional(QuantizedBatchNorm):
    @staticmethod
    def ranks() -> tuple[int, ...]:
        """Return 4 for (N, C, H, W)."""
        return (4,)


class L1BatchNorm1d(_OneDimensional):
    """`QuantizedBatchNorm` of (N, C) or (N, C, L) by the mean absolute deviation."""

    order = 1


class L1BatchNorm2d(_TwoDimensional):
    """`QuantizedBatchNorm` of (N, C, H, W) by the mean absolute deviation."""

    order = 1


class L2BatchNorm1d(_OneDimensional):
    """`QuantizedBatchNorm` of (N, C) or (N, C, L) by the standard deviation, for comparison."""

    order = 2


class L2BatchNorm2d(_TwoDimensional):
    """`QuantizedBatchNorm` of (N, C, H, W) by the standard deviation, for comparison."""

    order = 2
