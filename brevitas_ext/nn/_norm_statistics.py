"""Mean and deviation of quantized values, from sums that are exact integers whatever order they are added in."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from brevitas_ext.arith.quantized_norm import largest_integer
from brevitas_ext.nn._per_tensor import PerTensor
from brevitas_ext.nn.norm_options import NormOptions

_EXACT_IN_FLOAT32 = 2**24


class Statistics(NamedTuple):
    """Statistics with the reduced dimensions kept as 1, and what the backward pass needs of them.

    Attributes:
        mean: in the dtype of the input.
        deviation: in the dtype of the input.
        centre: what the distances are measured from, in steps: the mean, or, for integers, the integer or the half next
            to it from which every integer lies on the same side as from the mean.
        offset: mean minus centre, in steps.
        signs: mean of the signs of the distances, order 1 only.
        floored: where the deviation is its floor, order 1 only.
    """

    mean: Tensor
    deviation: Tensor
    centre: Tensor
    offset: Tensor
    signs: Tensor
    floored: Tensor


def statistics(x: PerTensor, dims: tuple[int, ...], options: NormOptions) -> Statistics:
    """Return the statistics of `brevitas_ext.arith.quantized_norm.statistics`, bit for bit if `x` holds integers."""
    values, bits = x.integers, options.bits.input
    count = math.prod(values.shape[dim] for dim in dims)
    limit = None if bits is None else largest_integer(bits)
    total = _sum(values, dims, limit)
    mean = total / count
    centre = mean if bits is None else (mean.floor() + mean.ceil()) / 2
    held = centre.to(values.dtype)
    apart = values - held
    missed = count * held.double() - total
    scale = x.scale.double()
    none = torch.zeros_like(mean)
    if options.order == 1:
        signs = _sum(apart.sign(), dims, 1)
        distances = count * _sum(apart.abs_(), dims, limit and 4 * limit) + missed * signs
        found, floor = scale * (distances / count / count), math.sqrt(options.epsilon)
        deviation, signs, floored = found.clamp(min=floor), signs / count, (found < floor).double()
    else:
        squares = count * _sum(apart.square_(), dims, limit and 16 * limit * limit) - missed.square()
        deviation = (scale * scale * (squares / count / count).clamp(min=0) + options.epsilon).sqrt()
        signs, floored = none, none
    told = (scale * mean, deviation, held, mean - held.double(), signs, floored)
    return Statistics(*(value.to(values.dtype) for value in told))


def _sum(values: Tensor, dims: tuple[int, ...], limit: int | None) -> Tensor:
    """Return sums in float64; halves and quarters of integers count as four times as large in `limit`.

    Float32 holds every partial sum over all but the first dimension if their number times `limit` is below 2^24, and
    adding in it is several times faster.
    """
    inner = dims[1:] or dims
    terms = math.prod(values.shape[dim] for dim in inner)
    if limit is not None and values.dtype == torch.float32 and terms * limit < _EXACT_IN_FLOAT32:
        return values.sum(inner, keepdim=True).sum(dims, keepdim=True, dtype=torch.float64)
    return values.sum(dims, keepdim=True, dtype=torch.float64)
