"""The reference against Python's integers, one product at a time."""

import torch

from brevitas_ext.shift_mm import shift_mm_reference


def test_every_product_is_shifted_by_itself(operands):
    a, b, exponents = operands(3, 9, 4, a_bound=128, b_bound=128, top=16)
    expected = [
        [
            sum((x * y) << e for x, y, e in zip(row, column, exponents.tolist(), strict=True))
            for column in b.t().tolist()
        ]
        for row in a.tolist()
    ]
    found = shift_mm_reference(a, b, exponents)
    assert found.dtype == torch.int64
    assert found.tolist() == expected


def test_a_stack_shares_the_right_operand(operands):
    a, b, exponents = operands(6, 5, 4, a_bound=7, b_bound=7, top=3)
    assert torch.equal(
        shift_mm_reference(a.view(2, 3, 5), b, exponents).view(6, 4), shift_mm_reference(a, b, exponents)
    )
