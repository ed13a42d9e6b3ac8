"""Boxes against the sets of integers they stand for."""

from __future__ import annotations

from itertools import product
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.box import Box, concatenate
from finn_transforms.analysis.taps import Axis, largest, window_patterns

Single = tuple[int, int, int]
singles = st.tuples(st.integers(-6, 6), st.integers(0, 4), st.integers(1, 5))


def box_of(*elements: Single) -> Box:
    return Box.of(
        [low for low, _, _ in elements],
        [low + count * step for low, count, step in elements],
        [step for _, _, step in elements],
    )


def values_of(element: Single) -> set[int]:
    low, count, step = element
    return {low + index * step for index in range(count + 1)}


def assert_holds(box: Box, values: set[int], *, exact: bool = True) -> None:
    (low,), (high,), (step,) = box.low, box.high, box.step
    assert (low, high) == (min(values), max(values))
    found = gcd(*(value - low for value in values))
    assert (step == found) if exact else (found % step == 0 if step else found == 0)


@given(one=singles, other=singles, factor=st.integers(-3, 3))
def test_arithmetic(one: Single, other: Single, factor: int) -> None:
    a, b = box_of(one), box_of(other)
    assert_holds(a + b, {x + y for x, y in product(values_of(one), values_of(other))})
    assert_holds(-a, {-x for x in values_of(one)})
    assert_holds(a.times(factor), {x * factor for x in values_of(one)})
    assert_holds(a.union(b), values_of(one) | values_of(other))
    assert_holds(a.with_zero(), values_of(one) | {0})
    assert_holds(box_of(one, other).reduced(0), values_of(one) | values_of(other))


@given(one=singles, low=st.integers(-8, 8), span=st.integers(0, 8))
def test_clipping(one: Single, low: int, span: int) -> None:
    clipped = {min(max(value, low), low + span) for value in values_of(one)}
    assert_holds(box_of(one).clipped(low, low + span), clipped, exact=False)
    assert_holds(box_of(one).clipped(low, None), {max(value, low) for value in values_of(one)}, exact=False)


def test_large_integers_stay_exact() -> None:
    box = Box.uniform(IntRange(-(10**30), 10**30), rank=2)
    assert (box + box).hull == IntRange(-2 * 10**30, 2 * 10**30)


def test_joining() -> None:
    one, other = Box.uniform(IntRange(0, 1), rank=2), Box.uniform(IntRange(0, 3), rank=2)
    assert concatenate([one, one], [2, 3], axis=1).is_uniform
    assert list(concatenate([one, other], [2, 1], axis=-1).high.flat) == [1, 1, 3]


def test_what_is_no_box() -> None:
    with pytest.raises(ValueError, match=r"expected low <= high, got \[3, 2\] at \[1\]"):
        Box.of([0, 3], [1, 2])
    with pytest.raises(TypeError, match="expected integers, got an array of float64"):
        Box.of([0.5], [1])


@given(
    axis=st.builds(
        Axis,
        size=st.integers(1, 5),
        kernel=st.integers(1, 3),
        stride=st.integers(1, 3),
        dilation=st.integers(1, 2),
        begin=st.integers(2, 4),
        end=st.integers(2, 4),
        spread=st.integers(1, 3),
    )
)
def test_patterns_of_a_window(axis: Axis) -> None:
    line = [0] * axis.begin
    for index in range(axis.size):
        line += [1] + [0] * (axis.spread - 1 if index < axis.size - 1 else 0)
    line += [0] * axis.end
    reach = axis.dilation * (axis.kernel - 1)
    expected = {
        tuple(line[start + axis.dilation * tap] for tap in range(axis.kernel))
        for start in range(0, len(line) - reach, axis.stride)
    }
    assert {tuple(pattern.astype(int)) for pattern in axis.patterns()} == expected


def test_largest_patterns() -> None:
    patterns = window_patterns([Axis(size=4, kernel=3, begin=1, end=1), Axis(size=1, kernel=2, begin=1, end=0)])
    assert len(patterns) == 3
    (only,) = largest(patterns)
    np.testing.assert_array_equal(only, [False, True] * 3)
