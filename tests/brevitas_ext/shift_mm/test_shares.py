"""Exponents divided over the operands, and the proof that a sum fits int32."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.shift_mm.operands import INT32_MAX
from brevitas_ext.shift_mm.shares import check_sum, largest_sum, safe_runs, share_exponents

exponent_lists = st.lists(st.integers(0, 16), min_size=1, max_size=12)
bounds = st.integers(1, 128)


@given(exponent_lists, bounds, bounds)
def test_shares_add_up_and_fit(exponents, a_bound, b_bound):
    given_exponents = torch.tensor(exponents)
    parts = [
        torch.zeros_like(given_exponents) if part is None else part
        for part in share_exponents(given_exponents, a_bound, b_bound)
    ]
    in_a, in_b, rest = parts
    assert torch.equal(in_a + in_b + rest, given_exponents)
    assert all(a_bound << k <= 128 and b_bound << j <= 128 for k, j in zip(in_a.tolist(), in_b.tolist(), strict=True))
    # A rest means that the operands are full.
    full = [
        (a_bound << (k + 1)) > 127 and (b_bound << (j + 1)) > 127
        for k, j in zip(in_a.tolist(), in_b.tolist(), strict=True)
    ]
    assert all(is_full for is_full, r in zip(full, rest.tolist(), strict=True) if r)


@pytest.mark.parametrize(
    ("bits", "in_a", "rest"), [(4, False, False), (6, True, False), (7, True, True), (8, False, True)]
)
def test_the_widths_of_the_paper(bits, in_a, rest):
    bound = 2 ** (bits - 1) - 1
    shares = share_exponents(torch.tensor([3, 2, 1, 0]), bound, bound)
    assert ((shares.a is not None), (shares.rest is not None)) == (in_a, rest)


def test_the_largest_sum_is_exact_at_the_edge():
    # 127 * 127 * 2**3 * 16643 = 2147446... is the last multiple below 2**31.
    most = INT32_MAX // (127 * 127 * 8)
    exponents = torch.full((most,), 3)
    assert largest_sum(exponents, 127, 127) == most * 127 * 127 * 8 <= INT32_MAX
    check_sum(exponents, 127, 127)
    with pytest.raises(OverflowError, match=rf"{most + 1} products of up to 127 \* 127 with exponents up to 3"):
        check_sum(torch.full((most + 1,), 3), 127, 127)


@given(exponent_lists.map(lambda each: each * 2), bounds, bounds)
def test_runs_cover_all_and_each_is_as_long_as_is_safe(exponents, a_bound, b_bound):
    given_exponents = torch.tensor(exponents)
    runs = safe_runs(given_exponents, a_bound, b_bound)
    assert [index for run in runs for index in range(run.start, run.stop)] == list(range(len(exponents)))
    assert all(largest_sum(given_exponents[run], a_bound, b_bound) <= INT32_MAX for run in runs)
    assert all(
        largest_sum(given_exponents[run.start : run.stop + 1], a_bound, b_bound) > INT32_MAX for run in runs[:-1]
    )
