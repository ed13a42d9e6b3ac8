"""Accumulator bounds and dot product extremes against brute force."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.arith import (
    a2q_l1_budget,
    a2q_plus_l1_budget,
    datatype_bound,
    dot_extremes,
    signed_bits,
    weight_bound,
)

WIDTHS = range(1, 9)


def smallest_width(magnitude: int) -> int:
    return next(p for p in range(1, 200) if magnitude <= 2 ** (p - 1) - 1)


@pytest.mark.parametrize("signed", [False, True])
def test_datatype_bound_is_the_smallest_width_of_eq_6(signed: bool) -> None:
    for k, m, n in product([1, 2, 3, 5, 8, 63, 64, 65, 288], WIDTHS, WIDTHS):
        worst = Fraction(k) * Fraction(2) ** (n + m - 1 - signed)
        assert datatype_bound(k, m, n, input_signed=signed) == smallest_width(int(worst))


@pytest.mark.parametrize("signed", [False, True])
def test_weight_bound_is_the_smallest_width_of_eq_11(signed: bool) -> None:
    for l1, n in product([*range(70), 2**60 - 1, 2**60, 2**60 + 1], WIDTHS):
        assert weight_bound(l1, n, input_signed=signed) == smallest_width(l1 * 2 ** (n - signed))


def test_weight_bound_of_an_all_zero_channel_is_one_bit() -> None:
    assert weight_bound(0, 8, input_signed=False) == 1


@pytest.mark.parametrize("signed", [False, True])
def test_a2q_budget_and_weight_bound_are_inverse(signed: bool) -> None:
    for p, n in product(range(1, 24), WIDTHS):
        budget = a2q_l1_budget(p, n, input_signed=signed)
        assert weight_bound(int(budget), n, input_signed=signed) <= p
        assert weight_bound(int(budget) + 1, n, input_signed=signed) > p


def test_a2q_plus_budget_for_unsigned_inputs_is_the_papers_and_about_twice_a2qs() -> None:
    assert a2q_plus_l1_budget(12, 4, input_signed=False) == Fraction(4094, 15)
    assert a2q_plus_l1_budget(12, 4, input_signed=False) / a2q_l1_budget(12, 4, input_signed=False) > 2


def test_a2q_plus_budget_for_signed_inputs_is_hardly_more_than_a2qs() -> None:
    plus, plain = (budget(12, 4, input_signed=True) for budget in (a2q_plus_l1_budget, a2q_l1_budget))
    assert plus / plain == Fraction(16, 15)


@pytest.mark.parametrize("signed", [False, True])
def test_every_weight_vector_within_a2qs_budget_never_overflows_in_any_order(signed: bool) -> None:
    n = 2
    low, high = (-2, 1) if signed else (0, 3)
    rows = np.array(list(product(range(-3, 4), repeat=3)))
    for p in range(2, 7):
        within = rows[np.abs(rows).sum(axis=1) <= int(a2q_l1_budget(p, n, input_signed=signed))]
        lowest, highest = dot_extremes(within, low, high, partial_sums=True)
        assert max(signed_bits(lo, hi) for lo, hi in zip(lowest, highest, strict=True)) <= p


@pytest.mark.parametrize("signed", [False, True])
def test_every_zero_centered_vector_within_a2q_plus_budget_never_overflows(signed: bool) -> None:
    rows = np.array([row for row in product(range(-4, 5), repeat=3) if sum(row) == 0])
    for p, n in product(range(2, 8), range(1, 4)):
        low, high = (-(2 ** (n - 1)), 2 ** (n - 1) - 1) if signed else (0, 2**n - 1)
        within = rows[np.abs(rows).sum(axis=1) <= int(a2q_plus_l1_budget(p, n, input_signed=signed))]
        lowest, highest = dot_extremes(within, low, high, partial_sums=True)
        assert max(signed_bits(lo, hi) for lo, hi in zip(lowest, highest, strict=True)) <= p


BOXES = st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(sorted)


@given(
    rows=st.integers(1, 3).flatmap(
        lambda k: st.tuples(
            st.lists(st.lists(st.integers(-3, 3), min_size=k, max_size=k), min_size=1, max_size=3),
            st.lists(BOXES, min_size=k, max_size=k),
        )
    )
)
def test_extremes_equal_brute_force_over_the_box(rows: tuple[list[list[int]], list[list[int]]]) -> None:
    weights, boxes = rows
    low, high = (np.array(side) for side in zip(*boxes, strict=True))
    inputs = list(product(*(range(lo, hi + 1) for lo, hi in boxes)))
    lowest, highest = dot_extremes(weights, low, high)
    any_lowest, any_highest = dot_extremes(weights, low, high, partial_sums=True)
    for channel, row in enumerate(weights):
        finals = [sum(w * x for w, x in zip(row, xs, strict=True)) for xs in inputs]
        partials = [
            sum(row[i] * xs[i] for i in chosen)
            for xs in inputs
            for size in range(len(row) + 1)
            for chosen in combinations(range(len(row)), size)
        ]
        assert (lowest[channel], highest[channel]) == (min(finals), max(finals))
        assert (any_lowest[channel], any_highest[channel]) == (min(partials), max(partials))


@given(st.integers(-(2**200), 2**200), st.integers(0, 2**100), st.integers(1, 5))
def test_extremes_are_exact_at_any_magnitude(weight: int, high: int, k: int) -> None:
    lowest, highest = dot_extremes(np.array([[weight] * k], dtype=object), 0, high)
    assert (lowest[0], highest[0]) == (min(0, k * weight * high), max(0, k * weight * high))


@pytest.mark.parametrize("weight", [2**31, 2**32 - 1, 2**62, -(2**63)])
def test_extremes_do_not_wrap_near_the_limits_of_int64(weight: int) -> None:
    lowest, highest = dot_extremes(np.array([[weight, weight]]), -(2**31), 2**31)
    assert (lowest[0], highest[0]) == (-abs(weight) * 2**32, abs(weight) * 2**32)


def test_unsigned_arrays_are_taken_at_their_value() -> None:
    weights = np.array([[2**64 - 1]], dtype=np.uint64)
    assert dot_extremes(weights, 0, 1)[1][0] == 2**64 - 1


def test_no_products_give_zero() -> None:
    lowest, highest = dot_extremes(np.zeros((2, 0), dtype=np.int64), 0, 3)
    assert (list(lowest), list(highest)) == ([0, 0], [0, 0])


@pytest.mark.parametrize(
    ("weights", "low", "high", "error", "message"),
    [
        ([[0.5]], 0, 1, TypeError, "weights: expected integers"),
        ([1, 2], 0, 1, ValueError, r"expected shape \(C, K\)"),
        ([[1, 2]], [0, 0, 0], 1, ValueError, r"low: expected a scalar, shape \(2,\) or \(1, 2\)"),
        ([[1, 2]], [0, 5], [1, 4], ValueError, r"low <= high .* \[5, 4\] at 1"),
    ],
)
def test_bad_arguments_are_named(weights, low, high, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        dot_extremes(weights, low, high)


@pytest.mark.parametrize("k", [0, -1])
def test_sizes_must_be_positive(k: int) -> None:
    with pytest.raises(ValueError, match="k: expected a positive integer"):
        datatype_bound(k, 4, 4, input_signed=False)


def test_channels_that_read_inputs_of_their_own() -> None:
    weights, low, high = [[1, -2], [3, 0]], [[0, 1], [-1, 5]], [[2, 4], [1, 6]]
    lowest, highest = dot_extremes(weights, low, high)
    assert (list(lowest), list(highest)) == ([-8, -3], [0, 3])
    lowest, highest = dot_extremes(weights, low, high, partial_sums=True)
    assert (list(lowest), list(highest)) == ([-8, -3], [2, 3])
