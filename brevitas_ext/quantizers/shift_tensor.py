"""ShiftQuant on torch tensors: `brevitas_ext.arith.shift_quant`, vectorised, with the same integers bit for bit."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from brevitas_ext.arith.shift_quant import checked_groups, largest_integer, normalized_axis


class ShiftQuantizedTensor(NamedTuple):
    """A quantized tensor, worth ``integers * scale * 2**-group`` along the channels' axis.

    Attributes:
        integers: of the dtype and shape of the tensor, from -Q to Q, or 0 to Q without sign.
        group_of_channel: int64, shape (C,), from 0 (the largest channels) to ``groups - 1``.
        scale: step of group 0, shape (), of the dtype that the arithmetic was done in (float32 for half precision).
    """

    integers: Tensor
    group_of_channel: Tensor
    scale: Tensor


@torch.no_grad()
def shift_quantize_tensor(  # noqa: PLR0913 - the parameters of the method
    x: Tensor,
    *,
    bits: int,
    groups: int = 4,
    axis: int,
    signed: bool = True,
    stochastic: bool = False,
    generator: torch.Generator | None = None,
) -> ShiftQuantizedTensor:
    """Quantize a tensor per group of channels; see `brevitas_ext.arith.shift_quant`.  No gradient is recorded.

    Args:
        x: floats of any shape but ().
        bits: width of the integers, 2 to 8.
        groups: number of groups, 1 to 16; 1 is plain per-tensor quantization.
        axis: the channels' dimension, any.
        signed: symmetric integers from -Q to Q, or integers from 0 to Q.
        stochastic: round at random and without bias (Eq. 23) instead of to nearest, half to even.
        generator: where random numbers come from, on the device of `x`; None is torch's own.

    Returns:
        Integers, the group of each channel, and the scale.

    Raises:
        TypeError: `x` does not hold floats.
        ValueError: a parameter is out of range, `x` holds NaN or an infinity, or is negative without `signed`.
    """
    limit = largest_integer(bits, signed=signed)
    axis = normalized_axis(x.ndim, axis)
    ranges = channel_ranges(x, axis=axis, signed=signed)
    group, scale = grouped_scale(ranges, bits=bits, groups=groups, signed=signed)
    steps = along(group_steps(scale, group), x.ndim, axis)
    levels = (x / steps).clamp_(-limit, limit)  # the clamp takes off what rounding the scale added to the limit
    integers = round_levels(levels, stochastic=stochastic, generator=generator)
    return ShiftQuantizedTensor(integers.to(x.dtype), group, scale)


def dequantize_tensor(quantized: ShiftQuantizedTensor, *, axis: int) -> Tensor:
    """Return ``integers * scale * 2**-group``, in the dtype of the scale."""
    integers, group, scale = quantized
    steps = along(group_steps(scale, group), integers.ndim, normalized_axis(integers.ndim, axis))
    return integers * steps


def channel_ranges(x: Tensor, *, axis: int, signed: bool = True) -> Tensor:
    """Return r_i = max |x| of every channel, shape (C,); float32 for half precision, 0 for channels without elements.

    Raises:
        TypeError: `x` does not hold floats.
        ValueError: NaN or an infinity, or a negative value without `signed`.
    """
    if not x.is_floating_point():
        raise TypeError(f"ShiftQuant: expected a tensor of floats, got {x.dtype}; convert it first")
    dtype = torch.promote_types(x.dtype, torch.float32)
    if not x.numel():
        return torch.zeros(x.shape[axis], dtype=dtype, device=x.device)
    others = [dim for dim in range(x.ndim) if dim != axis]
    highest = x.amax(others) if others else x
    lowest = x.amin(others) if others else x
    ranges = torch.maximum(highest, -lowest)
    if not bool(torch.isfinite(ranges).all()):
        channel = int(torch.isfinite(ranges).to(torch.uint8).argmin())
        raise ValueError(f"ShiftQuant: expected finite values, found {ranges[channel].item()} in channel {channel}")
    if not signed and bool((lowest < 0).any()):
        raise ValueError(
            f"ShiftQuant: expected values that are not negative for integers without sign, found "
            f"{lowest.amin().item():g}; set signed=True"
        )
    return ranges.to(dtype)


def grouped_scale(ranges: Tensor, *, bits: int, groups: int, signed: bool = True) -> tuple[Tensor, Tensor]:
    """Return the group of every channel, (C,), and the scale of group 0, (); 1.0 if all ranges are zero.

    Raises:
        ValueError: a parameter is out of range.
    """
    limit = largest_integer(bits, signed=signed)
    checked_groups(groups)
    r_max = ranges.amax() if ranges.numel() else ranges.new_zeros(())
    powers = torch.arange(1, groups, device=ranges.device)
    factors = torch.bitwise_left_shift(torch.ones_like(powers), powers)
    group = (ranges[:, None] * factors.to(ranges.dtype) <= r_max).sum(1)
    floor = torch.finfo(ranges.dtype).tiny * 2.0 ** (groups - 1)
    # A tensor divides exactly everywhere; a number may become a product with its reciprocal on a GPU.
    scale = (r_max / torch.full_like(r_max, limit)).clamp_min(floor)
    return group, torch.where(r_max == 0, torch.ones_like(scale), scale)


def group_steps(scale: Tensor, group: Tensor) -> Tensor:
    """Return the step ``scale * 2**-g`` of every channel, shape (C,), exact."""
    return scale / torch.bitwise_left_shift(torch.ones_like(group), group).to(scale.dtype)


def along(per_channel: Tensor, ndim: int, axis: int) -> Tensor:
    """Return a (C,) tensor in the shape that broadcasts along `axis` of `ndim` dimensions."""
    return per_channel.reshape([-1 if dim == axis else 1 for dim in range(ndim)])


def round_levels(levels: Tensor, *, stochastic: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """Return integers next to `levels`, which may be overwritten: the nearest ones, or the lower or upper at random."""
    if not stochastic:
        return levels.round_()
    below = levels.floor()
    drawn = torch.rand(levels.shape, dtype=levels.dtype, device=levels.device, generator=generator)
    return below.add_(drawn < levels.sub_(below))
