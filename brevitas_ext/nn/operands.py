"""Operands of integer products: what a tensor becomes before it is multiplied."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from brevitas_ext.arith.shift_quant import largest_integer
from brevitas_ext.quantizers.shift_tensor import along, channel_ranges, group_steps, grouped_scale


class Operand(NamedTuple):
    """Integers, and what they are worth.

    Attributes:
        integers: float32, shifted left by their channel's exponent.
        bounds: the largest magnitude that a channel can have, in order.
        scale: what 1 is worth: shape () or, of weights, what broadcasts along their output or input channels.
    """

    integers: Tensor
    bounds: list[int]
    scale: Tensor


def shift_operand(  # noqa: PLR0913 - the parameters of the method
    x: Tensor,
    *,
    bits: int,
    groups: int,
    axis: int,
    signed: bool,
    noise: Tensor | None = None,
    extremes: Tensor | None = None,
) -> Operand:
    """Quantize activations or gradients with ShiftQuant and shift them to one step (Eq. 46).

    That is the step of the last group that has a channel, and not always that of the last one: the smaller the shifts,
    the longer the sums that a number format holds.

    Args:
        x: floats of any shape but ().
        bits: width of the integers, 2 to 8.
        groups: groups of channels N_G.
        axis: the channels' dimension, the inner one of the product.
        signed: symmetric integers, or integers from 0.
        noise: round to ``floor(v + noise)``, of the shape of `x` and the dtype of the arithmetic; None: to nearest.
        extremes: `channel_extremes` of `x`, if it has been read before; None reads it.

    Returns:
        Integers ``q << (h - g)``, magnitudes at most ``Q << (h - g)``, and ``scale * 2**-h``, h being the largest g of
        a channel that is not zero; the same q, g and scale as `shift_quantize_tensor`, to nearest.

    Raises:
        ValueError: as `shift_quantize_tensor`.
    """
    limit = largest_integer(bits, signed=signed)
    ranges = channel_ranges(x if extremes is None else extremes, axis=axis, signed=signed)
    group, scale = grouped_scale(ranges, bits=bits, groups=groups, signed=signed)
    integers = x / along(group_steps(scale, group), x.ndim, axis)
    if noise is None:
        integers.round_()
    else:
        integers.clamp_(-limit, limit).add_(noise).floor_()
    integers = integers.to(torch.float32)
    shifts, common = _without_common(groups - 1 - group, ranges)
    if any(steps_left := shifts.tolist()):
        powers = torch.bitwise_left_shift(torch.ones_like(shifts), shifts).to(torch.float32)
        integers.mul_(along(powers, x.ndim, axis))
    return Operand(integers, [limit << shift for shift in steps_left], scale * 2.0 ** (common + 1 - groups))


def _without_common(exponents: Tensor, ranges: Tensor) -> tuple[Tensor, int]:
    """Return exponents less what all have in common, and how much that is; channels of zeros may have any."""
    if not bool((ranges > 0).any()):
        return torch.zeros_like(exponents), 0
    common = exponents.masked_fill(ranges == 0, int(exponents.amax())).amin()
    return (exponents - common).clamp_min_(0), int(common)


def channel_extremes(x: Tensor) -> Tensor:
    """Return what has the ranges of `x` along samples and along channels, so that a large tensor is read but once.

    Args:
        x: floats (N, C), returned as they are, or (N, C, H, W).

    Returns:
        The largest and the smallest element of each channel of each sample, (N, C, 2), or `x` itself.
    """
    if x.ndim == 2 or not x.numel():
        return x
    positions = tuple(range(2, x.ndim))
    return torch.stack([x.amax(positions), x.amin(positions)], -1)


def weight_operand(weight: Tensor, *, bits: int, axis: int | None) -> Operand:
    """Quantize weights symmetrically to nearest, with a scale per channel along `axis`, or with one for all.

    Args:
        weight: floats of any shape.
        bits: width of the signed integers, 2 to 8.
        axis: dimension of the channels that have a scale of their own; None for one scale.

    Returns:
        Integers, no bounds (a product reads the integers themselves), and scales of shape (C,) or ().

    Raises:
        ValueError: a weight is NaN or infinite.
    """
    limit = largest_integer(bits, signed=True)
    if axis is None:
        ranges = channel_ranges(weight.reshape(1, -1), axis=0).squeeze(0)
    else:
        ranges = channel_ranges(weight, axis=axis)
    tiny = torch.finfo(ranges.dtype).tiny
    scales = (ranges / torch.full_like(ranges, limit)).clamp_min(tiny)
    scales = torch.where(ranges == 0, torch.ones_like(scales), scales)
    steps = scales if axis is None else along(scales, weight.ndim, axis)
    return Operand((weight / steps).round_().to(torch.float32), [], scales)
