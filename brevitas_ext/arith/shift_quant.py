"""ShiftQuant's golden function: channels in groups whose steps are powers of two apart.

Source: ShiftQuant ("Towards Accurate and Efficient Sub-8-Bit Integer Training"), section 3.1.  Symbols: channel i is a
slice of the tensor along `axis`, the inner dimension of a product; r_i is its range, max |x|; r_max is the largest of
them; N_G (`groups`) is the number of groups; Q is the largest integer, ``2**(bits-1) - 1`` signed, ``2**bits - 1``
unsigned.

*Grouping.*  The thresholds are ``r_max * 2**-g`` for g = 0..N_G-1 and channel i is in the largest group g with
``r_i <= r_max * 2**-g``.  (Eq. 3 is printed with ``2**g``, which contradicts ``tau_0 = r_max`` being the largest
threshold in Eq. 1.)  A channel of zeros is in the last group.

*Quantization.*  Group g has the step ``scale * 2**-g`` with ``scale = r_max / Q``; an element x becomes the integer
``round(x / step)``, to the nearest one, half to even, or, with a generator, down or up at random so that the
expectation is x / step (Eq. 23).  No element exceeds its group's threshold, so nothing is clipped but what the rounding
of the scale itself adds to Q, less than one part in 2**22.

*Products.*  Only the left-shift form is exact in integers (Eq. 46): with the exponent ``k_i = N_G - 1 - g_i``,
``sum_i (a_i * w_i) << k_i`` has the scale ``scale * 2**-(N_G-1)``.

Arithmetic is IEEE in the dtype of x; half precision and integers are computed in float32 and float64.  A scale is at
least ``tiny * 2**(N_G-1)``, tiny being the smallest normal number, so that every step is normal and exact; below it
integers are smaller than Q.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_BITS: Final = 2
MAX_BITS: Final = 8
MAX_GROUPS: Final = 16
"""More groups than 16 would shift products by more bits than a 32-bit sum has beside them."""

Real: TypeAlias = np.floating[Any]


class ShiftQuantized(NamedTuple):
    """A quantized tensor; `dequantize` gives what it stands for.

    Attributes:
        integers: int64, shape of the tensor, from -Q to Q, or 0 to Q without sign.
        group_of_channel: int64, shape (C,), from 0 (the largest channels) to ``groups - 1``.
        scale: step of group 0, of the dtype that the arithmetic was done in.
    """

    integers: NDArray[np.int64]
    group_of_channel: NDArray[np.int64]
    scale: Real


def shift_quantize(  # noqa: PLR0913 - the parameters of the method
    x: ArrayLike,
    *,
    bits: int,
    groups: int = 4,
    axis: int,
    signed: bool = True,
    generator: np.random.Generator | None = None,
) -> ShiftQuantized:
    """Quantize a tensor per group of channels along `axis`, with the steps ``scale * 2**-group``.

    Args:
        x: real numbers of any shape but ().
        bits: width of the integers, 2 to 8.
        groups: number of groups N_G, 1 to 16; 1 is plain per-tensor quantization.
        axis: the channels' dimension, any.
        signed: symmetric integers from -Q to Q, or integers from 0 to Q.
        generator: round at random and without bias, with one uniform number per element; None rounds to nearest.

    Returns:
        Integers, the group of each channel, and the scale; the values are ``integers * scale * 2**-group``.

    Raises:
        TypeError: `x` does not hold real numbers, or `generator` is none of numpy's.
        ValueError: a parameter is out of range, `x` holds NaN or an infinity, or is negative without `signed`.

    Example:
        >>> shift_quantize([[7.0, 1.0], [-3.0, 0.5]], bits=4, groups=3, axis=1).integers
        array([[ 7,  4],
               [-3,  2]])
    """
    values = _floats(x)
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise TypeError(
            f"ShiftQuant: expected a numpy.random.Generator, got {type(generator).__name__}; None is nearest"
        )
    axis = normalized_axis(values.ndim, axis)
    ranges = channel_ranges(values, axis=axis, signed=signed)
    group, scale = grouped_scale(ranges, bits=bits, groups=groups, signed=signed)
    with np.errstate(under="ignore"):
        levels = values / along(group_steps(scale, group), values.ndim, axis)
    limit = largest_integer(bits, signed=signed)
    levels = np.clip(levels, -limit, limit)
    if generator is None:
        return ShiftQuantized(np.rint(levels).astype(np.int64), group, scale)
    below = np.floor(levels)
    drawn = generator.random(levels.shape, dtype=levels.dtype)
    return ShiftQuantized((below + (drawn < levels - below)).astype(np.int64), group, scale)


def dequantize(quantized: ShiftQuantized, *, axis: int) -> NDArray[Real]:
    """Return ``integers * scale * 2**-group``, in the dtype of the scale.

    Raises:
        ValueError: `axis` does not exist or is not as long as there are groups.
    """
    integers, group, scale = quantized
    axis = normalized_axis(integers.ndim, axis)
    if integers.shape[axis] != group.size:
        raise ValueError(
            f"ShiftQuant: expected {integers.shape[axis]} groups for axis {axis} of shape {integers.shape}, got "
            f"{group.size}; give the axis of shift_quantize"
        )
    steps = along(group_steps(scale, group), integers.ndim, axis)
    return np.asarray(integers.astype(steps.dtype) * steps)


def largest_integer(bits: int, *, signed: bool) -> int:
    """Return Q: ``2**(bits-1) - 1`` with a sign, ``2**bits - 1`` without.

    Raises:
        TypeError: `signed` is no truth value.
        ValueError: the width is not 2 to 8.
    """
    if isinstance(bits, bool) or not hasattr(type(bits), "__index__") or not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"ShiftQuant: expected bits from {MIN_BITS} to {MAX_BITS}, got {bits!r}; e.g. bits=4")
    if not isinstance(signed, bool | np.bool_):
        raise TypeError(f"ShiftQuant: expected signed True or False, got {signed!r}")
    return (1 << (bits.__index__() - int(signed))) - 1


def checked_groups(groups: int) -> int:
    """Return the number of groups.

    Raises:
        ValueError: it is not 1 to 16.
    """
    if isinstance(groups, bool) or not hasattr(type(groups), "__index__") or not 1 <= groups <= MAX_GROUPS:
        raise ValueError(f"ShiftQuant: expected 1 to {MAX_GROUPS} groups, got {groups!r}; the paper uses 4")
    return groups.__index__()


def normalized_axis(ndim: int, axis: int) -> int:
    """Return `axis` counted from the front.

    Raises:
        ValueError: a tensor of `ndim` dimensions has no such axis.
    """
    if isinstance(axis, bool) or not hasattr(type(axis), "__index__") or not -ndim <= axis < ndim:
        raise ValueError(f"ShiftQuant: expected the channels' axis of a tensor of {ndim} dimensions, got {axis!r}")
    return axis.__index__() % ndim


def channel_ranges(x: NDArray[Real], *, axis: int, signed: bool = True) -> NDArray[Real]:
    """Return r_i = max |x| of every channel, shape (C,); 0 where a channel has no element.

    Raises:
        ValueError: NaN or an infinity, or a negative value without `signed`.
    """
    rows = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) if x.size else np.zeros((x.shape[axis], 1), x.dtype)
    ranges: NDArray[Real] = np.abs(rows).max(axis=1)
    if not np.isfinite(ranges).all():
        channel = int(np.argmin(np.isfinite(ranges)))
        raise ValueError(f"ShiftQuant: expected finite values, found {ranges[channel]} in channel {channel}")
    if not signed and x.size and x.min() < 0:
        raise ValueError(
            f"ShiftQuant: expected values that are not negative for integers without sign, found {x.min():g}; "
            "set signed=True"
        )
    return ranges


def power_of_two_groups(ranges: NDArray[Real], groups: int) -> NDArray[np.int64]:
    """Return the group of every channel: the largest g < `groups` with ``r_i <= r_max * 2**-g``.

    Compared as ``r_i * 2**g <= r_max``, which no underflow touches.

    Args:
        ranges: r_i, finite and not negative, shape (C,).
        groups: number of groups N_G.

    Raises:
        ValueError: the number of groups is out of range.
    """
    exponents = np.arange(1, checked_groups(groups))
    with np.errstate(over="ignore"):
        scaled = np.ldexp(ranges[:, None], exponents)
    return np.asarray((scaled <= ranges.max(initial=0)).sum(axis=1, dtype=np.int64))


def grouped_scale(
    ranges: NDArray[Real], *, bits: int, groups: int, signed: bool = True
) -> tuple[NDArray[np.int64], Real]:
    """Return the group of every channel and the scale of group 0; 1.0 if all ranges are zero.

    Raises:
        ValueError: a parameter is out of range.
    """
    limit = largest_integer(bits, signed=signed)
    group = power_of_two_groups(ranges, groups)
    kind = ranges.dtype.type
    r_max = ranges.max(initial=0)
    if r_max == 0:
        return group, kind(1)
    floor = np.ldexp(np.finfo(ranges.dtype).tiny, groups - 1)
    with np.errstate(under="ignore"):
        return group, np.maximum(kind(r_max) / kind(limit), kind(floor))


def group_steps(scale: Real, group: NDArray[np.int64]) -> NDArray[Real]:
    """Return the step ``scale * 2**-g`` of every channel, shape (C,), exact."""
    steps: NDArray[Real] = np.ldexp(scale, -group)
    return steps


def along(per_channel: NDArray[Any], ndim: int, axis: int) -> NDArray[Any]:
    """Return a (C,) array in the shape that broadcasts along `axis` of `ndim` dimensions."""
    return per_channel.reshape([-1 if dim == axis else 1 for dim in range(ndim)])


def _floats(x: ArrayLike) -> NDArray[Real]:
    values = np.asarray(x)
    if values.dtype.kind not in "iuf" and values.size:
        raise TypeError(f"ShiftQuant: expected real numbers, got an array of {values.dtype}")
    if values.dtype == np.float16:
        return values.astype(np.float32)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
