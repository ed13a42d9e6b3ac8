"""IntRange against enumeration."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.arith import IntRange, signed_bits, unsigned_bits

SMALL = st.tuples(st.integers(-5, 5), st.integers(-5, 5)).map(lambda pair: IntRange(min(pair), max(pair)))


def values(interval: IntRange) -> range:
    return range(interval.low, interval.high + 1)


@given(SMALL, SMALL)
def test_add_union_and_negation_are_exact(a: IntRange, b: IntRange) -> None:
    sums = [x + y for x, y in product(values(a), values(b))]
    assert a + b == IntRange(min(sums), max(sums))
    assert a.union(b) == IntRange(min(a.low, b.low), max(a.high, b.high))
    assert -a == IntRange(min(-x for x in values(a)), max(-x for x in values(a)))


@given(SMALL, st.integers(-4, 4))
def test_scale_is_exact(a: IntRange, factor: int) -> None:
    scaled = [factor * x for x in values(a)]
    assert a.scale(factor) == IntRange(min(scaled), max(scaled))


@given(st.lists(st.tuples(st.integers(-3, 3), SMALL), max_size=3))
def test_dot_is_exact(terms: list[tuple[int, IntRange]]) -> None:
    weights, inputs = [w for w, _ in terms], [r for _, r in terms]
    sums = [sum(w * x for w, x in zip(weights, xs, strict=True)) for xs in product(*map(values, inputs))]
    assert IntRange.dot(weights, inputs) == IntRange(min(sums), max(sums))


@given(st.integers(-(2**70), 2**70), st.integers(0, 2**70))
def test_widths_are_the_smallest_that_hold_the_range(low: int, size: int) -> None:
    high = low + size
    bits = signed_bits(low, high)
    assert IntRange.of_bits(bits, signed=True).contains(IntRange(low, high))
    assert bits == 1 or not IntRange.of_bits(bits - 1, signed=True).contains(IntRange(low, high))
    if low >= 0:
        assert high <= 2 ** unsigned_bits(high) - 1
        assert unsigned_bits(high) == 1 or high > 2 ** (unsigned_bits(high) - 1) - 1


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "expected"),
    [
        (8, True, False, (-128, 127)),
        (8, True, True, (-127, 127)),
        (4, False, False, (0, 15)),
        (4, False, True, (0, 14)),
        (1, False, False, (0, 1)),
        (1, True, False, (-1, 0)),
    ],
)
def test_ranges_of_data_types(bits: int, signed: bool, narrow: bool, expected: tuple[int, int]) -> None:
    assert IntRange.of_bits(bits, signed=signed, narrow=narrow) == IntRange(*expected)


def test_bits_takes_the_sign_from_the_range_unless_told() -> None:
    assert IntRange(0, 15).bits() == 4
    assert IntRange(0, 15).bits(signed=True) == 5
    assert IntRange(-1, 15).bits() == 5


def test_bad_ranges_are_refused() -> None:
    with pytest.raises(ValueError, match=r"low <= high, got \[2, 1\]"):
        IntRange(2, 1)
    with pytest.raises(TypeError, match=r"expected an integer, got 0\.5"):
        IntRange(0, 0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no negative value"):
        IntRange(-1, 1).bits(signed=False)
    with pytest.raises(ValueError, match="at least 2 bits"):
        IntRange.of_bits(1, signed=True, narrow=True)
