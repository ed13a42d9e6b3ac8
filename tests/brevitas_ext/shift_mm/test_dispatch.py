"""The one entry point: routes agree, and what int32 does not hold is widened on request."""

import pytest
import torch

from brevitas_ext.shift_mm import dispatch, shift_mm, shift_mm_reference


@pytest.mark.parametrize("bits", [2, 4, 6, 7, 8])
def test_equals_the_reference(operands, bits):
    bound = 2 ** (bits - 1) - 1
    a, b, exponents = operands(19, 50, 21, a_bound=bound, b_bound=bound, top=3)
    expected = shift_mm_reference(a, b, exponents)
    assert torch.equal(shift_mm(a, b, exponents, a_bound=bound, b_bound=bound).long(), expected)
    assert torch.equal(shift_mm(a, b, exponents).long(), expected)


def test_no_inner_indices_add_nothing():
    empty = torch.empty(3, 0, dtype=torch.int8)
    assert torch.equal(
        shift_mm(empty, empty.t(), torch.empty(0, dtype=torch.int64)), torch.zeros(3, 3, dtype=torch.int32)
    )


def test_long_sums_are_refused_or_widened(operands):
    a, b, exponents = operands(3, 50, 4, a_bound=128, b_bound=128, top=16)
    exponents[:] = 16
    with pytest.raises(OverflowError, match=r"50 products .* can reach 53687091200"):
        shift_mm(a, b, exponents)
    wide = shift_mm(a, b, exponents, dtype=torch.int64)
    assert wide.dtype == torch.int64
    assert torch.equal(wide, shift_mm_reference(a, b, exponents))


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_bound_that_widening_rests_on_is_checked(operands, name):
    a, b, exponents = operands(3, 50, 4, a_bound=7, b_bound=7, top=3)
    with pytest.raises(ValueError, match=f"{name}_bound = 6 in {name}, got -?7"):
        shift_mm(a, b, exponents, dtype=torch.int64, **{"a_bound": 7, "b_bound": 7, f"{name}_bound": 6})


def test_other_results_are_refused(operands):
    a, b, exponents = operands(3, 5, 4, a_bound=7, b_bound=7, top=3)
    with pytest.raises(TypeError, match=r"got torch\.float32"):
        shift_mm(a, b, exponents, dtype=torch.float32)
    with pytest.raises(TypeError, match=r"got torch\.int64"):
        shift_mm(a, b, exponents, dtype=torch.int64, out=torch.empty(3, 4, dtype=torch.int64))


def test_a_gpu_with_triton_takes_the_kernel(monkeypatch):
    taken = []
    monkeypatch.setattr(dispatch, "triton_is_usable", lambda: True)
    monkeypatch.setattr(dispatch, "shift_mm_triton", lambda *_, **__: taken.append("kernel"))

    class OnGpu:
        device = torch.device("cuda")

    for top, taken_there in ((3, True), (8, False)):
        taken.clear()
        try:
            shift_mm(OnGpu(), torch.ones(2, 2, dtype=torch.int8), torch.full((2,), top))
        except (AttributeError, TypeError, ValueError):
            assert not taken_there
        assert bool(taken) is taken_there
