"""The three products of a convolution on integers: forward, input gradient and weight gradient, exact.

Measured on a Zen 5 core (torch 2.13, `benchmarks/shiftquant/step_time.py`'s layers): oneDNN's direct convolution in
float32 is exact and 5 to 25 times as fast as unfolding and multiplying; cutting the inner dimension into runs that
float32 holds costs little, float64 20 times as much.  So the inner dimension is cut, and float64 is for what float32
cannot hold at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import grad

from brevitas_ext.nn.carriers import FLOAT32_LIMIT, Part, parts_of, sum_dtype
from brevitas_ext.nn.exact_arithmetic import exact_arithmetic

Pair = tuple[int, int]

_MANY_PARTS: Final = 32
"""So many runs cost as much time as reading the gradients to prove that fewer are enough."""


@dataclass(frozen=True, kw_only=True)
class ExactConvolution:
    """A two-dimensional convolution's arithmetic on integers that float32 tensors hold.

    Attributes:
        stride: rows, columns.
        padding: zeros on both sides: rows, columns.
        dilation: rows, columns.
        groups: groups of channels, as `torch.nn.Conv2d` defines them.
    """

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def forward(self, x: Tensor, weight: Tensor, x_bounds: list[int]) -> Tensor:
        """Return the convolution.

        Args:
            x: integers (N, C, H, W).
            weight: integers (O, C / groups, kh, kw).
            x_bounds: largest magnitude in each channel of `x`.

        Returns:
            Integers (N, O, OH, OW), float32, float64 or int64.

        Raises:
            OverflowError: a sum may exceed int64.
        """
        per_group = weight.shape[1]
        # (groups, O / groups, C / groups): what a unit in each channel adds at most to each output
        reach = weight.abs().sum((2, 3), dtype=torch.float64).view(self.groups, -1, per_group)
        bounds = _bounds_of(reach, x_bounds)

        def product(part: Part) -> Tensor:
            chosen = _channels(x, self.groups, part)
            rows = weight[:, part.start : part.stop].to(chosen.dtype)
            return F.conv2d(chosen, rows, None, *self._geometry, self.groups)

        return _summed(bounds, x.device, product)

    def input_gradient(self, gradient: Tensor, weight: Tensor, g_bounds: list[int], shape: torch.Size) -> Tensor:
        """Return the gradient of the convolution's input.

        Args:
            gradient: integers (N, O, OH, OW).
            weight: integers (O, C / groups, kh, kw).
            g_bounds: largest magnitude in each channel of `gradient`.
            shape: of the input, (N, C, H, W).

        Returns:
            Integers (N, C, H, W), float32, float64 or int64.

        Raises:
            OverflowError: a sum may exceed int64.
        """
        reach = weight.abs().sum((2, 3), dtype=torch.float64).view(self.groups, -1, weight.shape[1])
        bounds = _bounds_of(reach.transpose(1, 2), g_bounds)

        def product(part: Part) -> Tensor:
            chosen = _channels(gradient, self.groups, part)
            rows = weight.unflatten(0, (self.groups, -1))[:, part.start : part.stop].flatten(0, 1).to(chosen.dtype)
            result: Tensor = grad.conv2d_input(shape, rows, chosen, *self._geometry, self.groups)
            return result

        return _summed(bounds, gradient.device, product)

    def weight_gradient(
        self, x: Tensor, gradient: Tensor, x_bounds: list[int], g_bounds: list[int], shape: torch.Size
    ) -> Tensor:
        """Return the gradient of the weights.

        Args:
            x: integers (N, C, H, W).
            gradient: integers (N, O, OH, OW).
            x_bounds: largest magnitude in each sample of `x`.
            g_bounds: largest magnitude in each sample of `gradient`.
            shape: of the weights, (O, C / groups, kh, kw).

        Returns:
            Integers (O, C / groups, kh, kw), float32, float64 or int64.

        Raises:
            OverflowError: a sum may exceed int64.
        """
        if not gradient.numel():
            return torch.zeros(shape, device=x.device)
        positions = gradient.shape[2] * gradient.shape[3]
        bounds = [a * b * positions for a, b in zip(x_bounds, g_bounds, strict=True)]
        if len(parts_of(bounds)) > _MANY_PARTS:
            # What is there reaches less far than what could be.
            exact = torch.float32 if max(g_bounds) * positions <= FLOAT32_LIMIT else torch.float64
            reach = gradient.abs().sum((2, 3), dtype=exact).amax(1).to(torch.int64).tolist()
            bounds = [a * b for a, b in zip(x_bounds, reach, strict=True)]

        def product(part: Part) -> Tensor:
            samples = slice(part.start, part.stop)
            inputs, outputs = x[samples].to(part.dtype), gradient[samples].to(part.dtype)
            result: Tensor = grad.conv2d_weight(inputs, shape, outputs, *self._geometry, self.groups)
            return result

        return _summed(bounds, x.device, product)

    @property
    def _geometry(self) -> tuple[Pair, Pair, Pair]:
        return self.stride, self.padding, self.dilation


def _bounds_of(reach: Tensor, magnitudes: list[int]) -> list[int]:
    """Return, for each inner channel of a group, the largest sum of magnitudes that it adds to any element.

    Args:
        reach: (groups, results, inner), sums of the weights' magnitudes over the kernel.
        magnitudes: of the inner channels, (groups * inner).
    """
    groups, _, inner = reach.shape
    largest = torch.tensor(magnitudes, dtype=torch.float64).view(groups, 1, inner)
    adds = reach.cpu() * largest
    if not adds.numel():
        return [0] * inner
    if (total := int(adds.sum(-1).max())) <= FLOAT32_LIMIT:
        return [total] + [0] * (inner - 1)
    return [int(bound) for bound in adds.amax((0, 1)).tolist()]


def _channels(tensor: Tensor, groups: int, part: Part) -> Tensor:
    """Return the part's channels of every group, in the part's dtype."""
    if groups == 1:
        return tensor[:, part.start : part.stop].to(part.dtype)
    if (part.stop - part.start) * groups == tensor.shape[1]:
        return tensor.to(part.dtype)
    by_group: Tensor = tensor.unflatten(1, (groups, -1))
    return by_group[:, :, part.start : part.stop].flatten(1, 2).to(part.dtype)


def _summed(bounds: list[int], device: torch.device, product: Callable[[Part], Tensor]) -> Tensor:
    """Add the products of the runs in a format that holds the sum."""
    parts = parts_of(bounds)
    with exact_arithmetic(device):
        first, *others = parts
        total = product(first)
        if not others:
            return total
        total = total.to(sum_dtype(sum(bounds)))
        for part in others:
            total += product(part).to(total.dtype)
    return total
