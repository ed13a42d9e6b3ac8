"""The optimal grouping against all groupings, power-of-two groups against it, and the bound of the variance."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brevitas_ext.arith import optimal_grouping, power_of_two_grouping, shift_quantize, variance_bound
from brevitas_ext.arith.shift_grouping import largest_variance

RANGES = st.lists(st.floats(1e-6, 1e6) | st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=1, max_size=7)


def least_objective(ranges: list[float], groups: int) -> Fraction:
    """Return the least objective over all ways to cut the sorted channels, in fractions."""
    positive = sorted((Fraction(r) for r in ranges if r), reverse=True)
    if not positive:
        return Fraction(0)
    best = []
    for parts in range(1, min(groups, len(positive)) + 1):
        for inner in combinations(range(1, len(positive)), parts - 1):
            cuts = [0, *inner, len(positive)]
            best.append(sum(positive[a] / r for a, b in pairwise(cuts) for r in positive[a:b]))
    return Fraction(min(best))


@given(RANGES, st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_optimum_equals_brute_force(ranges: list[float], groups: int) -> None:
    found = optimal_grouping(ranges, groups)
    assert found.objective == pytest.approx(float(least_objective(ranges, groups)), rel=1e-12)
    assert found.thresholds.size <= groups
    assert (np.diff(found.thresholds) < 0).all()
    for r, group in zip(ranges, found.group_of_channel, strict=True):
        assert not r or r <= found.thresholds[group]
        assert not r or group == found.thresholds.size - 1 or r > found.thresholds[group + 1]


@given(RANGES, st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_power_of_two_groups_are_at_most_twice_the_optimum_where_their_groups_reach(
    ranges: list[float], groups: int
) -> None:
    found, optimum = power_of_two_grouping(ranges, groups), optimal_grouping(ranges, groups)
    assert found.objective >= optimum.objective * (1 - 1e-12)
    positive = [r for r in ranges if r]
    if positive and min(positive) > max(positive) * 2.0**-groups:
        assert found.objective < 2 * len(positive) <= 2 * optimum.objective * (1 + 1e-12)


def test_power_of_two_groups_come_close_to_the_optimum_on_channels_like_those_of_gradients() -> None:
    """Ranges spread log-normally: 4 groups cost at most half again as much as the best 4 thresholds."""
    ratios = []
    for seed in range(20):
        ranges = np.exp2(np.random.default_rng(seed).normal(scale=1.0, size=64))
        ratios.append(power_of_two_grouping(ranges, 4).objective / optimal_grouping(ranges, 4).objective)
    assert max(ratios) < 1.5
    assert min(ratios) > 1.0


def test_example_of_an_optimum_that_powers_of_two_miss() -> None:
    found = optimal_grouping([9.0, 8.0, 0.0, 1.0, 1.0], 3)
    np.testing.assert_array_equal(found.group_of_channel, [0, 1, 2, 2, 2])
    np.testing.assert_array_equal(found.thresholds, [9, 8, 1])
    np.testing.assert_array_equal(power_of_two_grouping([9.0, 8.0, 0.0, 1.0, 1.0], 3).group_of_channel, [0, 0, 2, 2, 2])


def test_zeros_alone_need_no_group() -> None:
    found = optimal_grouping([0.0, 0.0], 3)
    assert found.objective == 0
    np.testing.assert_array_equal(found.group_of_channel, [0, 0])
    assert power_of_two_grouping([0.0, 0.0], 3).objective == 0


@given(RANGES, st.integers(1, 6), st.integers(2, 8), st.booleans())
@settings(max_examples=150, deadline=None)
def test_variance_is_bounded(ranges: list[float], groups: int, bits: int, signed: bool) -> None:
    bound = variance_bound(ranges, elements=3, bits=bits, groups=groups, signed=signed)
    largest = largest_variance(ranges, elements=3, bits=bits, groups=groups, signed=signed)
    assert largest <= bound * (1 + 1e-12)


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(2, 8))
@settings(max_examples=50, deadline=None)
def test_variance_of_a_tensor_is_within_the_largest_variance(seed: int, groups: int, bits: int) -> None:
    """The variance of one element under Eq. 23 is (x - l)(u - x), Eq. 6."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(20, 8)) * np.exp2(random.normal(scale=2, size=8))
    found = shift_quantize(x, bits=bits, groups=groups, axis=1)
    steps = np.ldexp(found.scale, -found.group_of_channel)
    below = np.floor(x / steps) * steps
    variance = ((x - below) * (below + steps - x)).sum()
    assert variance <= largest_variance(np.abs(x).max(axis=0), elements=20, bits=bits, groups=groups)


def test_sampled_variance_is_that_of_stochastic_rounding() -> None:
    """The sample variance of n draws of a Bernoulli is within 5 standard errors, each at most 0.25 / sqrt(n)."""
    draws = 4000
    x = np.array([[1.0, 0.3], [0.3, 0.06]])
    random = np.random.default_rng(2)
    drawn = np.stack([shift_quantize(x, bits=2, groups=3, axis=1, generator=random).integers for _ in range(draws)])
    levels = x / [[1.0, 0.5]]
    expected = (levels - np.floor(levels)) * (np.floor(levels) + 1 - levels)
    assert np.abs(drawn.var(axis=0) - expected).max() < 5 * 0.25 / draws**0.5


@pytest.mark.parametrize("ranges", [[-1.0], [np.nan], [np.inf], [[1.0]]])
def test_refuses_what_are_no_ranges(ranges: list[float]) -> None:
    for function in (optimal_grouping, power_of_two_grouping):
        with pytest.raises(ValueError, match="expected finite ranges"):
            function(ranges, 2)


def test_refuses_no_groups() -> None:
    with pytest.raises(ValueError, match="1 to 16 groups"):
        optimal_grouping([1.0], 0)
