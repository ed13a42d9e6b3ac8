"""How good ShiftQuant's power-of-two groups are: the optimal grouping of Eq. 1, and the bound of the variance, Eq. 34.

Source: ShiftQuant ("Towards Accurate and Efficient Sub-8-Bit Integer Training"), section 3.1 and appendices A and B.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brevitas_ext.arith.shift_quant import checked_groups, largest_integer, power_of_two_groups


class Grouping(NamedTuple):
    """Channels in groups, each with the threshold tau_g that all its ranges are at most.

    Attributes:
        group_of_channel: int64, shape (C,); a channel of zeros is in the last group.
        thresholds: tau_g, float64, descending, shape (G,).
        objective: the sum of ``tau_g / r_i`` over channels that are not zero, Eq. 1; at least their number.
    """

    group_of_channel: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    objective: float


def optimal_grouping(ranges: ArrayLike, groups: int) -> Grouping:
    """Return the grouping of least objective, Eq. 1, with thresholds that need not be powers of two apart.

    Groups are runs of the channels sorted by range, and a run's threshold is its largest range, so that the last group
    is chosen best for every possible end of the one before: dynamic programming in ``groups * C**2`` steps.  Meant to
    judge `power_of_two_grouping` on up to some thousand channels.

    Args:
        ranges: r_i, shape (C,), finite and not negative.
        groups: the most groups to use; fewer are returned if there are fewer ranges.

    Raises:
        ValueError: a range is negative or not finite, or the number of groups is out of range.

    Example:
        >>> optimal_grouping([9, 8, 1, 1], 2).thresholds
        array([9., 1.])
    """
    values, groups = _checked(ranges), checked_groups(groups)
    ascending, counts = np.unique(values[values > 0], return_counts=True)
    distinct, count = ascending[::-1], ascending.size
    inverse = np.concatenate([[0.0], np.cumsum(counts[::-1] / distinct)])
    # cost[j, i] = tau * (sum of 1 / r) of one group with the ranges j..i-1, of which the first is the largest.
    cost = distinct[:, None] * (inverse[None, :] - inverse[:-1, None])
    cost[np.arange(count + 1) <= np.arange(count)[:, None]] = np.inf
    # best[i]: least objective of the i largest ranges; starts[g][i]: where the last of their g + 1 groups starts.
    best = np.concatenate([[0.0], np.full(count, np.inf)])
    starts: list[NDArray[np.int64]] = []
    for _ in range(min(groups, count)):
        total = best[:-1, None] + cost
        starts.append(total.argmin(axis=0))
        best = total.min(axis=0)
    boundaries = [count]
    for start in reversed(starts):
        boundaries.append(int(start[boundaries[-1]]))
    thresholds = distinct[boundaries[:0:-1]]
    last = max(thresholds.size - 1, 0)
    group = np.minimum((values[:, None] <= thresholds[1:]).sum(axis=1, dtype=np.int64), last)
    return _grouping(values, group, thresholds)


def power_of_two_grouping(ranges: ArrayLike, groups: int) -> Grouping:
    """Return ShiftQuant's grouping, with the thresholds ``r_max * 2**-g``.

    Where no range is below half the last threshold, its objective is less than twice the number of channels, and so
    less than twice the optimum.

    Raises:
        ValueError: a range is negative or not finite, or the number of groups is out of range.
    """
    values = _checked(ranges)
    group = power_of_two_groups(values, groups)
    return _grouping(values, group, np.ldexp(values.max(initial=0), -np.arange(groups)))


def largest_variance(ranges: ArrayLike, *, elements: int, bits: int, groups: int, signed: bool = True) -> float:
    """Return U_dq, the most that the variances of a tensor's elements under stochastic rounding can add up to.

    An element between two integers of the step d has a variance of at most ``d**2 / 4`` (Eq. 27).  With one group it is
    that of per-tensor quantization, U_cq (Eq. 28).

    Args:
        ranges: r_i, shape (C,), finite and not negative.
        elements: N, elements per channel.
        bits: width of the integers.
        groups: number of groups N_G.
        signed: whether the integers have a sign.

    Raises:
        ValueError: a range is negative or not finite, or a parameter is out of range.
    """
    grouping = power_of_two_grouping(ranges, groups)
    steps = grouping.thresholds[grouping.group_of_channel] / largest_integer(bits, signed=signed)
    return float(elements / 4 * (steps**2).sum())


def variance_bound(ranges: ArrayLike, *, elements: int, bits: int, groups: int, signed: bool = True) -> float:
    """Return the upper bound of `largest_variance`, ``4 * U_fq + 2**(2 - 2*N_G) * U_cq``.

    This is Eq. 34 with alpha = 4, its largest value; U_fq is the largest variance with a step per channel (Eq. 29),
    U_cq with one step for all (Eq. 28).  Eq. 25 has the looser factor ``2**-N_G`` for U_cq, which is wrong for one
    group, where ShiftQuant is per-tensor quantization.  Arguments are those of `largest_variance`.
    """
    fine = elements / 4 * float(((_checked(ranges) / largest_integer(bits, signed=signed)) ** 2).sum())
    coarse = largest_variance(ranges, elements=elements, bits=bits, groups=1, signed=signed)
    return 4 * fine + 2.0 ** (2 - 2 * checked_groups(groups)) * coarse


def _grouping(ranges: NDArray[np.float64], group: NDArray[np.int64], thresholds: NDArray[np.float64]) -> Grouping:
    positive = ranges > 0
    ratios = thresholds[group[positive]] / ranges[positive]
    return Grouping(group, thresholds, float(ratios.sum()))


def _checked(ranges: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(ranges, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            f"ShiftQuant: expected finite ranges that are not negative, one per channel, found {values}; give max |x| "
            "of every channel"
        )
    return values
