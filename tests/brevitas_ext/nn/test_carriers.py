"""Runs of the inner dimension that a float format holds."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.nn.carriers import FLOAT32_LIMIT, FLOAT64_LIMIT, parts_of, sum_dtype

SINGLE, DOUBLE = torch.float32, torch.float64


def test_what_float32_holds_is_one_run() -> None:
    assert parts_of([FLOAT32_LIMIT - 5, 5]) == [(0, 2, SINGLE)]


def test_one_more_is_two_runs() -> None:
    assert parts_of([FLOAT32_LIMIT - 5, 6]) == [(0, 1, SINGLE), (1, 2, SINGLE)]


def test_an_index_that_float32_cannot_hold_is_a_float64_run_of_its_own() -> None:
    assert parts_of([1, FLOAT32_LIMIT + 1, 1, 1]) == [(0, 1, SINGLE), (1, 2, DOUBLE), (2, 4, SINGLE)]


def test_no_index_is_no_run() -> None:
    assert parts_of([]) == []


@given(st.lists(st.integers(0, 3 * FLOAT32_LIMIT // 2), max_size=12))
def test_runs_cover_the_dimension_in_order_and_hold_their_sums(bounds: list[int]) -> None:
    parts = parts_of(bounds)
    assert [index for part in parts for index in range(part.start, part.stop)] == list(range(len(bounds)))
    for part in parts:
        assert sum(bounds[part.start : part.stop]) <= (FLOAT32_LIMIT if part.dtype == SINGLE else FLOAT64_LIMIT)


def test_sums_beyond_int64_are_refused() -> None:
    with pytest.raises(OverflowError, match=r"below 2\*\*63"):
        parts_of([1 << 62, 1 << 62])


def test_an_index_beyond_float64_is_refused() -> None:
    with pytest.raises(OverflowError, match="one index"):
        parts_of([FLOAT64_LIMIT + 1])


def test_the_limits_are_those_of_the_formats() -> None:
    assert int(torch.tensor(float(FLOAT32_LIMIT), dtype=SINGLE)) == FLOAT32_LIMIT
    assert int(torch.tensor(FLOAT32_LIMIT + 1, dtype=torch.int64).to(SINGLE)) != FLOAT32_LIMIT + 1
    assert int(torch.tensor(FLOAT64_LIMIT, dtype=torch.int64).to(DOUBLE)) == FLOAT64_LIMIT


def test_the_sum_of_runs_has_a_format_that_holds_it() -> None:
    found = [sum_dtype(total) for total in (FLOAT32_LIMIT, FLOAT32_LIMIT + 1, FLOAT64_LIMIT, FLOAT64_LIMIT + 1)]
    assert found == [SINGLE, DOUBLE, DOUBLE, torch.int64]
