"""Integer matrix products against Python's integers, at the edge of every carrier and beyond."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from brevitas_ext.nn.carriers import FLOAT32_LIMIT, FLOAT64_LIMIT, INT32_LIMIT
from brevitas_ext.nn.exact_product import DIGITS_PAY, carrier_of, exact_matmul

CPU = torch.device("cpu")
VNNI = torch.cpu._is_vnni_supported()


def python_product(a: Tensor, b: Tensor) -> list[list[int]]:
    rows = np.array(a.tolist(), dtype=object) @ np.array(b.tolist(), dtype=object)
    return [[int(each) for each in row] for row in rows]


def integers(product: Tensor) -> list[list[int]]:
    assert bool((product == product.round()).all())
    return [[int(each) for each in row] for row in product.tolist()]


@pytest.mark.parametrize(
    ("inner", "a", "b", "carrier"),
    [
        (INT32_LIMIT // 127**2, 127, 127, torch.int8 if VNNI else torch.float64),
        (INT32_LIMIT // 127**2 + 1, 127, 127, torch.float64),
        (FLOAT32_LIMIT // (128 * 64), 128, 64, torch.float32),
        (FLOAT32_LIMIT // (128 * 64) + 1, 128, 64, torch.float64),
        (FLOAT64_LIMIT // 2**40, 2**20, 2**20, torch.float64),
        (FLOAT64_LIMIT // 2**40 + 1, 2**20, 2**20, torch.int64),
    ],
)
def test_each_carrier_is_exact_at_its_limit_and_not_taken_beyond(
    inner: int, a: int, b: int, carrier: torch.dtype
) -> None:
    assert carrier_of(inner, a, b, CPU) is carrier
    left, right = torch.full((2, inner), a, dtype=torch.float64), torch.full((inner, 2), b, dtype=torch.float64)
    left[1] = -a
    left[0, 0] -= 1  # an odd sum, which the next smaller format would round
    product = exact_matmul(left, right, a_bound=a, b_bound=b)
    top = inner * a * b
    assert product.tolist() == [[top - b] * 2, [-top] * 2]


def test_runs_are_added_in_int64() -> None:
    a = torch.tensor([[2**30, 2**30, 2**30 - 1, 1]], dtype=torch.int64)
    b = torch.tensor([[2**22], [2**22], [2**22], [1]], dtype=torch.int64)
    assert carrier_of(4, 2**30, 2**22, CPU) is torch.int64
    found = exact_matmul(a, b, a_bound=2**30, b_bound=2**22)
    assert found.dtype == torch.int64
    assert found.tolist() == python_product(a, b)


@given(
    st.integers(1, 5),
    st.integers(1, 40),
    st.integers(1, 5),
    st.sampled_from([(7, 7), (127, 127), (128, 127), (2040, 1016), (2**22, 2**20)]),
    st.integers(0, 7),
    st.integers(0, 2**31),
)
def test_shifts_of_both_operands_add(
    rows: int, inner: int, columns: int, bounds: tuple[int, int], shift: int, seed: int
) -> None:
    torch.manual_seed(seed)
    (a_bound, b_bound) = bounds
    a = torch.randint(-a_bound, a_bound + 1, (rows, inner))
    b = torch.randint(-b_bound, b_bound + 1, (inner, columns))
    a_shift, b_shift = torch.randint(0, shift + 1, (inner,)), torch.randint(0, 4, (inner,))
    found = exact_matmul(a, b.float(), a_bound=a_bound, b_bound=b_bound, a_exponents=a_shift, b_exponents=b_shift)
    powers = torch.bitwise_left_shift(torch.ones_like(a_shift), a_shift + b_shift)
    assert integers(found) == python_product(a * powers, b)


@pytest.mark.parametrize(
    ("a_bound", "b_bound", "in_digits"),
    [(248, 31, True), (31, 248, True), (248, 248, True), (1016, 1016, True), (2**14, 1, False)],
)
def test_operands_a_little_wider_than_int8_go_by_digits(a_bound: int, b_bound: int, in_digits: bool) -> None:
    torch.manual_seed(0)
    rows, inner, columns = 128, 128, DIGITS_PAY // 128**2
    a = torch.randint(-a_bound, a_bound + 1, (rows, inner))
    b = torch.randint(-b_bound, b_bound + 1, (inner, columns))
    a[0], b[:, 0] = -a_bound, b_bound
    found = exact_matmul(a.float(), b.float(), a_bound=a_bound, b_bound=b_bound)
    assert found.is_floating_point() is not (in_digits and VNNI)
    assert torch.equal(found.long(), a @ b)
    smaller = exact_matmul(a[1:].float(), b.float(), a_bound=a_bound, b_bound=b_bound)
    assert smaller.is_floating_point()
    assert torch.equal(smaller.long(), a[1:] @ b)


def test_a_transposed_column_as_the_weight_gradient_of_a_single_output_has() -> None:
    column, x = torch.randint(-7, 8, (64, 1)), torch.randint(-7, 8, (64, 5))
    assert torch.equal(exact_matmul(column.t(), x, a_bound=7, b_bound=7).long(), column.t() @ x)


def test_an_empty_inner_dimension_gives_zeros() -> None:
    found = exact_matmul(torch.zeros(2, 0), torch.zeros(0, 3), a_bound=7, b_bound=7)
    assert found.tolist() == [[0] * 3] * 2


def test_sums_beyond_int64_are_refused() -> None:
    with pytest.raises(OverflowError, match="shorter inner dimension"):
        carrier_of(2**20, 2**24, 2**22, CPU)
