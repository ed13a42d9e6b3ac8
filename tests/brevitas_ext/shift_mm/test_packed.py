"""A packed right operand against the reference, over widths, sizes and both ways of multiplying int8."""

import pytest
import torch

from brevitas_ext.shift_mm import int8_product, pack_shift, packed, shift_mm_reference

SIZES = [(1, 1, 1), (17, 33, 65), (5, 64, 3), (32, 7, 16), (40, 128, 24), (0, 3, 4), (3, 4, 0)]


@pytest.fixture(params=["here", "without int8 instructions"], autouse=True)
def _processor(request, monkeypatch):
    if request.param != "here":
        monkeypatch.setattr(int8_product, "has_vnni", lambda: False)


@pytest.fixture(params=["digits", "groups"])
def rest_as(request, monkeypatch):
    """How exponents are applied that int8 has no room for."""
    monkeypatch.setattr(packed, "FEW_COLUMNS", 256 if request.param == "digits" else -1)
    return request.param


@pytest.mark.usefixtures("rest_as")
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("bound", "top"), [(7, 3), (7, 8), (31, 3), (31, 5), (63, 3), (127, 3), (128, 3), (1, 16), (128, 8)]
)
def test_equals_the_reference(operands, size, bound, top):
    a, b, exponents = operands(*size, a_bound=bound, b_bound=bound, top=top)
    ready = pack_shift(b, exponents, a_bound=bound, b_bound=bound)
    expected = shift_mm_reference(a, b, exponents)
    found = ready(a)
    assert found.dtype == torch.int32
    assert torch.equal(found.long(), expected)
    assert torch.equal(ready(ready.prepare_left(a), a_is_prepared=True).long(), expected)


@pytest.mark.usefixtures("rest_as")
@pytest.mark.parametrize("bound", [7, 31, 127])
def test_any_memory_order_stack_and_output(operands, bound):
    a, b, exponents = operands(12, 20, 8, a_bound=bound, b_bound=bound, top=3)
    expected = shift_mm_reference(a, b, exponents).int()
    ready = pack_shift(b.t().contiguous().t(), exponents.to(torch.int8), a_bound=bound)
    out = torch.empty(2, 6, 8, dtype=torch.int32)
    assert ready(a.t().contiguous().t().unflatten(0, (2, 6)), out=out).data_ptr() == out.data_ptr()
    assert torch.equal(out.view(12, 8), expected)
    assert torch.equal(
        ready(a.repeat(2, 2)[3:15, 20:]), shift_mm_reference(a.repeat(2, 2)[3:15, 20:], b, exponents).int()
    )


def test_eight_bits_take_two_digits_or_groups(operands, rest_as):
    _, b, exponents = operands(6, 40, 5, a_bound=127, b_bound=127, top=3)
    found = pack_shift(b, exponents)
    assert (len(found.segments), found.order is None) == {"digits": (0, True), "groups": (4, False)}[rest_as]


@pytest.mark.usefixtures("rest_as")
@pytest.mark.parametrize("size", [(0, 3, 4), (6, 0, 4), (6, 3, 0)])
def test_an_empty_stack(operands, size):
    a, b, exponents = operands(*size, a_bound=127, b_bound=127, top=3)
    a = a.unflatten(0, (2, size[0] // 2))
    assert torch.equal(pack_shift(b, exponents)(a).long(), shift_mm_reference(a, b, exponents))


def test_asymmetric_bounds_leave_the_shift_to_the_narrow_operand(operands):
    a, b, exponents = operands(6, 40, 5, a_bound=3, b_bound=127, top=5)
    ready = pack_shift(b, exponents, a_bound=3)
    assert ready.order is None
    assert ready.a_factors is not None
    assert torch.equal(ready(a).long(), shift_mm_reference(a, b, exponents))


def test_equal_exponents_beyond_int8_need_no_order(operands):
    a, b, _ = operands(6, 40, 5, a_bound=127, b_bound=127, top=0)
    ready = pack_shift(b, torch.full((40,), 5))
    assert ready.order is None
    assert torch.equal(ready(a).long(), shift_mm_reference(a, b, torch.full((40,), 5)))


def test_four_bits_fold_whole_and_check_nothing_of_a(operands):
    _, b, exponents = operands(6, 40, 5, a_bound=7, b_bound=7, top=3)
    ready = pack_shift(b, exponents, a_bound=7)
    wide = torch.full((2, 40), -128, dtype=torch.int8)  # the proof holds for all of int8
    assert ready.prepare_left(wide) is wide
    assert torch.equal(ready(wide).long(), shift_mm_reference(wide, b, exponents))


def test_a_value_that_would_leave_int8_is_refused(operands):
    a, b, exponents = operands(6, 40, 5, a_bound=31, b_bound=31, top=3)
    ready = pack_shift(b, exponents, a_bound=31)
    a[2, 3] = 64
    with pytest.raises(ValueError, match="a_bound = 31 in a, got 64"):
        ready(a)


def test_extreme_sums_at_the_proven_edge_do_not_wrap():
    # 2**31 - 1 >= 128 * 127 * 16 * 8256 with a = b = the extremes, all in one sum.
    inner = (2**31 - 1) // (128 * 127 * 16)
    a, b = torch.full((1, inner), -128, dtype=torch.int8), torch.full((inner, 1), 127, dtype=torch.int8)
    exponents = torch.full((inner,), 4)
    assert pack_shift(b, exponents)(a).item() == -128 * 127 * 16 * inner
    with pytest.raises(OverflowError, match="int64"):
        pack_shift(torch.cat([b, b[:1]]), torch.full((inner + 1,), 4))


@pytest.mark.parametrize(
    "out", [torch.empty(2, 5), torch.empty(5, 2, dtype=torch.int32), torch.empty(5, 2, dtype=torch.int32).t()]
)
def test_an_unfit_output_is_refused(operands, out):
    a, b, exponents = operands(2, 4, 5, a_bound=7, b_bound=7, top=3)
    with pytest.raises(ValueError, match="contiguous int32 of shape"):
        pack_shift(b, exponents)(a, out=out)
