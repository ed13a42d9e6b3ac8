"""SPARQ's golden functions against the paper written a second time: all values, all pairs."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat, bsparq, vsparq
from tests.support.sparq_reference import minifloat, reference_pair, reference_window

VALUES = np.arange(256)
PAIRS = np.stack(np.meshgrid(VALUES, VALUES, indexing="ij"), axis=-1)
ROUNDINGS = [(True, "saturate"), (True, "carry"), (False, "saturate"), (False, "carry")]


def every_window_set(bits: int) -> list[tuple[int, ...]]:
    inner = range(1, 8 - bits)
    return [(0, *chosen, 8 - bits) for size in range(len(inner) + 1) for chosen in combinations(inner, size)]


@pytest.mark.parametrize("bits", range(2, 8))
@pytest.mark.parametrize(("rounding", "overflow"), ROUNDINGS)
def test_every_value_in_every_set_of_windows_is_what_the_paper_says(bits: int, rounding: bool, overflow: str) -> None:
    for shifts in every_window_set(bits):
        expected = [reference_window(x, bits, shifts, rounding, overflow) for x in range(256)]
        assert bsparq(VALUES, bits=bits, shifts=shifts, rounding=rounding, overflow=overflow).tolist() == expected


@pytest.mark.parametrize("name", WINDOW_SETS)
@pytest.mark.parametrize(("rounding", "overflow"), [(True, "saturate"), (True, "carry"), (False, "saturate")])
def test_all_pairs_are_what_the_paper_says(name: str, rounding: bool, overflow: str) -> None:
    bits, shifts = WINDOW_SETS[name]
    narrow = np.array([reference_window(x, bits, shifts, rounding, overflow) for x in range(256)])
    expected = np.stack(np.meshgrid(narrow, narrow, indexing="ij"), axis=-1)
    for x in range(256):
        expected[x, 0] = reference_pair(x, 0, bits, shifts, rounding, overflow)
        expected[0, x] = reference_pair(0, x, bits, shifts, rounding, overflow)
    found = vsparq(PAIRS, bits=bits, shifts=shifts, rounding=rounding, overflow=overflow)
    assert np.array_equal(found, expected)


def test_pairs_without_a_zero_follow_the_reference_too() -> None:
    for x, y in product((1, 7, 8, 31, 128, 255), (1, 15, 16, 17, 254, 255)):
        found = vsparq([x, y], bits=3, shifts=(0, 1, 2, 3, 4, 5))
        assert tuple(found) == reference_pair(x, y, 3, (0, 1, 2, 3, 4, 5), True, "saturate")


def test_the_examples_of_the_paper() -> None:
    for shifts, expected in (((0, 1, 2, 3, 4), 26), ((0, 2, 4), 24), ((0, 4), 16)):
        assert bsparq(27, bits=4, shifts=shifts, rounding=False) == expected


@pytest.mark.parametrize("bits", range(2, 8))
def test_all_windows_with_carry_are_a_minifloat(bits: int) -> None:
    found = bsparq(VALUES, bits=bits, shifts=tuple(range(9 - bits)), overflow="carry")
    assert found.tolist() == [minifloat(x, bits - 1) for x in range(256)]


def test_a_carry_out_of_the_top_window_saturates_in_both_modes() -> None:
    assert {int(bsparq(255, bits=4, shifts=(0, 4), overflow=overflow)) for overflow in ("saturate", "carry")} == {240}


def test_a_carry_that_the_next_window_cannot_hold_saturates() -> None:
    # 7 is 3.5 units of the window at shift 1: 8 is no multiple of 64, which is the next window's unit.
    assert bsparq(7, bits=2, shifts=(0, 1, 6), overflow="carry") == 6


def test_a_value_that_trims_to_zero_is_no_zero_for_its_partner() -> None:
    # With a gap between windows wider than a window, 4 trims to 0 and yet keeps its partner narrow.
    assert vsparq([4, 255], bits=2, shifts=(0, 6), rounding=False).tolist() == [0, 192]
    assert vsparq([0, 255], bits=2, shifts=(0, 6), rounding=False).tolist() == [0, 240]


def test_the_wide_window_rounds_even_where_the_narrow_one_trims() -> None:
    assert vsparq([0, 67], bits=3, shifts=(0, 1, 2, 3, 4, 5), rounding=False).tolist() == [0, 68]


def test_four_bits_and_more_keep_a_lone_value_exactly() -> None:
    for bits in range(4, 8):
        lone = vsparq(np.stack([VALUES, 0 * VALUES], axis=1), bits=bits, shifts=(0, 8 - bits))
        assert np.array_equal(lone[:, 0], VALUES)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=9), st.integers(-3, 2))
def test_an_odd_tail_pairs_with_zero_along_any_axis(row: list[int], axis: int) -> None:
    padded = [*row, 0][: (len(row) + 1) // 2 * 2]
    expected = vsparq(padded, bits=3, shifts=(0, 5))[: len(row)]
    shape = [1, 1, 1]
    shape[axis] = len(row)
    found = vsparq(np.array(row).reshape(shape), bits=3, shifts=(0, 5), axis=axis)
    assert found.shape == tuple(shape)
    assert np.array_equal(found.ravel(), expected)


@pytest.mark.parametrize("name", WINDOW_SETS)
def test_reachable_values_are_all_and_only_those_that_occur(name: str) -> None:
    for pairs in (True, False):
        sparq = SparqFormat.named(name, pairs=pairs)
        assert np.array_equal(sparq.reachable, np.unique(sparq(PAIRS)))


def test_unsigned_dtypes_python_lists_and_empty_arrays_are_taken() -> None:
    for x in ([200, 3], np.array([200, 3], dtype=np.uint8), np.array([200, 3], dtype=object)):
        assert vsparq(x, bits=4, shifts=(0, 4)).tolist() == [192, 3]
    assert vsparq(np.zeros((3, 0), dtype=int), bits=4, shifts=(0, 4)).shape == (3, 0)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([-1, 3], ValueError, "got -1; quantize to 8 bits without sign"),
        ([256], ValueError, "0 to 255, got 256"),
        ([0.5], TypeError, "expected integers"),
    ],
)
def test_anything_but_8_bit_unsigned_integers_is_refused(x: list[float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bsparq(x, bits=4, shifts=(0, 4))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"bits": 8, "shifts": (0,)}, ValueError, "bits from 2 to 7, got 8"),
        ({"bits": 1, "shifts": (0, 7)}, ValueError, "bits from 2 to 7, got 1"),
        ({"bits": 4, "shifts": (0, 2)}, ValueError, "from 0 to 4 .* got \\(0, 2\\)"),
        ({"bits": 4, "shifts": (1, 4)}, ValueError, "from 0 to 4"),
        ({"bits": 4, "shifts": (4, 0)}, ValueError, "ascending"),
        ({"bits": 4, "shifts": (0, 4, 4)}, ValueError, "ascending"),
        ({"bits": 4, "shifts": (0, 4, 5)}, ValueError, "from 0 to 4"),
        ({"bits": 4, "shifts": ()}, ValueError, "from 0 to 4"),
        ({"bits": 4.0, "shifts": (0, 4)}, TypeError, "integers in bits"),
        ({"bits": 4, "shifts": (0, 4.0)}, TypeError, "integers in shifts"),
        ({"bits": 4, "shifts": (0, 4), "overflow": "wrap"}, ValueError, "'saturate' or 'carry', got 'wrap'"),
    ],
)
def test_parameters_without_a_meaning_are_refused(
    parameters: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        vsparq([1, 2], **parameters)


def test_an_axis_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="axis of an array of shape \\(2,\\), got 1"):
        vsparq([1, 2], bits=4, shifts=(0, 4), axis=1)


def test_an_unknown_window_set_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4b5opt, .*, got '5opt'"):
        SparqFormat.named("5opt")
