"""Signed digits of seven bits, and products made of them."""

import pytest
import torch

from brevitas_ext.shift_mm import digit_product, fits_digits
from brevitas_ext.shift_mm.digits import TWO_DIGITS, two_digits
from brevitas_ext.shift_mm.operands import INT32_MAX


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.float32])
def test_no_digit_exceeds_the_number(dtype):
    wide = torch.arange(-TWO_DIGITS, TWO_DIGITS + 1)
    low, high = (each.long() for each in two_digits(wide.to(dtype)))
    assert torch.equal(low + 128 * high, wide)
    assert bool((low.abs() <= wide.abs()).all() and (high.abs() <= wide.abs()).all())


def test_two_digits_hold_no_more():
    low, high = two_digits(torch.tensor([TWO_DIGITS + 1]))
    assert int(low) + 128 * int(high) != TWO_DIGITS + 1
    assert fits_digits(1, TWO_DIGITS, TWO_DIGITS)
    assert not fits_digits(1, TWO_DIGITS + 1, 1)


@pytest.mark.parametrize("size", [(5, 40, 3), (1, 1, 1), (0, 3, 2), (2, 0, 3), (2, 3, 0)], ids=str)
@pytest.mark.parametrize(
    ("a_bound", "b_bound", "dtype"),
    [
        (127, 127, torch.int32),
        (128, 7, torch.int32),
        (248, 31, torch.int32),
        (31, 1016, torch.int32),
        (1016, 2040, torch.int32),
        (TWO_DIGITS, TWO_DIGITS, torch.int64),
    ],
)
def test_equals_the_product_in_int64(size, a_bound, b_bound, dtype):
    m, k, n = size
    generator = torch.Generator().manual_seed(0)
    a = torch.randint(-a_bound, a_bound + 1, (m, k), generator=generator)
    b = torch.randint(-b_bound, b_bound + 1, (k, n), generator=generator)
    if a.numel() and b.numel():
        a[0, :], b[:, 0] = -a_bound, b_bound
    found = digit_product(a.float(), b.float(), a_bound=a_bound, b_bound=b_bound)
    assert found.dtype == (dtype if k * a_bound * b_bound > INT32_MAX or dtype == torch.int32 else torch.int32)
    assert torch.equal(found.long(), a @ b)


def test_the_longest_inner_dimension_does_not_wrap():
    inner = INT32_MAX // (128 * 128)
    assert fits_digits(inner, TWO_DIGITS, TWO_DIGITS)
    assert not fits_digits(inner + 1, TWO_DIGITS, TWO_DIGITS)
    a = torch.full((1, inner), -TWO_DIGITS, dtype=torch.int16)
    found = digit_product(a, a.t(), a_bound=TWO_DIGITS, b_bound=TWO_DIGITS)
    assert found.item() == inner * TWO_DIGITS**2
