"""What ShiftMM refuses, each with what was found."""

import pytest
import torch

from brevitas_ext.shift_mm import shift_mm, shift_mm_reference
from brevitas_ext.shift_mm.operands import EXPONENT_LIMIT, check_bound, room

A, B = torch.ones(2, 3, dtype=torch.int8), torch.ones(3, 4, dtype=torch.int8)
E = torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("a", "b", "exponents", "error", "found"),
    [
        (A.int(), B, E, TypeError, r"in a, got torch\.int32"),
        (A, B.float(), E, TypeError, r"in b, got torch\.float32"),
        (A, B, E.float(), TypeError, r"exponents, got torch\.float32"),
        (A[:, :2], B, E, ValueError, r"a of shape \(\.\.\., M, 3\).*got \(2, 2\)"),
        (A[0], B, E, ValueError, r"got \(3,\)"),
        (A, B.expand(2, 3, 4), E, ValueError, r"b of shape \(K, N\), got \(2, 3, 4\)"),
        (A, B, E[:2], ValueError, r"3 exponents.*got shape \(2,\)"),
        (A, B, torch.tensor([0, -1, 2]), ValueError, "got -1 at inner index 1"),
        (A, B, torch.tensor([0, 1, 17]), ValueError, f"0 to {EXPONENT_LIMIT}, got 17 at inner index 2"),
        (A, B, E.to("meta"), ValueError, "on cpu as b, got them on meta"),
        (A.to("meta"), B, E, ValueError, "a on meta and b on cpu"),
    ],
)
@pytest.mark.parametrize("multiply", [shift_mm, shift_mm_reference])
def test_refuses(multiply, a, b, exponents, error, found):
    if b.ndim == 3 and multiply is shift_mm_reference:
        found = "shape"  # the left operand is looked at first
    with pytest.raises(error, match=found):
        multiply(a, b, exponents)


@pytest.mark.parametrize(
    ("bound", "places"), [(1, 6), (2, 5), (7, 4), (15, 3), (31, 2), (63, 1), (64, 0), (127, 0), (128, 0)]
)
def test_room_is_the_furthest_shift_within_int8(bound, places):
    assert room(bound) == places
    assert bound << places <= 128
    assert bound << (places + 1) > 127


@pytest.mark.parametrize("value", [-8, 8])
def test_a_declared_bound_is_checked(value):
    values = torch.tensor([[1, value]], dtype=torch.int8)
    with pytest.raises(ValueError, match=f"a_bound = 7 in a, got {value}"):
        check_bound("a", values, 7)
    check_bound("a", values, 8)


@pytest.mark.parametrize("bound", [0, -1, 129])
def test_a_bound_is_one_of_int8(bound):
    with pytest.raises(ValueError, match=f"b_bound from 1 to 128, got {bound}"):
        check_bound("b", B, bound)
