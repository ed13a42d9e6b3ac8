"""The guarantee on the pure function: adversarial rows, types, sizes and widths; exact extremes throughout."""

from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brevitas_ext.arith import IntRange, dot_extremes, signed_bits
from brevitas_ext.quantizers import A2QConfig, a2q_integers


def make_config(**changes: Any) -> A2QConfig:
    return A2QConfig(
        **{"weight_bits": 8, "accumulator_bits": 16, "input_bits": 8, "input_signed": False, "zero_centered": False}
        | changes
    )


def rows_of(kind: str, channels: int, k: int, generator: torch.Generator) -> torch.Tensor:
    ramp = torch.arange(1, k + 1, dtype=torch.float64).expand(channels, k)
    noise = torch.randn(channels, k, generator=generator, dtype=torch.float64)
    alternating = 1 - 2 * (torch.arange(k) % 2).double().expand(channels, k)
    return {
        "equal": torch.ones(channels, k, dtype=torch.float64),
        "equal negative": -torch.ones(channels, k, dtype=torch.float64),
        "alternating": alternating,
        "thirds": alternating / 3,
        "ramp": ramp * alternating,
        "powers of two": torch.exp2(-(ramp % 20)) * alternating,
        "gaussian": noise,
        "heavy tailed": noise**5,
        "almost equal": 1 + noise * 1e-7,
        "one large": torch.where(ramp == 1, 1e6, noise),
        "far from zero": 1000 + noise,
        "zero": torch.zeros(channels, k, dtype=torch.float64),
    }[kind]


ROWS = ("equal", "equal negative", "alternating", "thirds", "ramp", "powers of two", "gaussian", "heavy tailed")
ROWS += ("almost equal", "one large", "far from zero", "zero")


def assert_no_overflow(integers: torch.Tensor, config: A2QConfig) -> None:
    """Prove the guarantee without the package's own budget: by extremes, and by Eq. 15 for plain A2Q."""
    exact = integers.double()
    assert torch.equal(exact, exact.round())
    assert int(exact.abs().max()) <= 2 ** (config.weight_bits - 1) - 1
    rows = exact.long().numpy()
    if config.input_signed and config.input_bits == 1:
        box = IntRange(-1, 1)
    else:
        box = IntRange.of_bits(config.input_bits, signed=config.input_signed)
    for low, high in zip(*dot_extremes(rows, box.low, box.high, partial_sums=True), strict=True):
        assert signed_bits(low, high) <= config.accumulator_bits
    if not config.zero_centered:
        budget = (2 ** (config.accumulator_bits - 1) - 1) * Fraction(2) ** (config.input_signed - config.input_bits)
        assert all(int(norm) <= budget for norm in abs(rows).sum(axis=1))


@st.composite
def cases(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, A2QConfig]:
    config = make_config(
        weight_bits=draw(st.integers(2, 10)),
        accumulator_bits=draw(st.integers(2, 34)),
        input_bits=draw(st.integers(1, 20)),
        input_signed=draw(st.booleans()),
        zero_centered=draw(st.booleans()),
    )
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    k = draw(st.sampled_from([1, 2, 3, 7, 16, 31, 64, 127, 256, 1023]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    rows = rows_of(draw(st.sampled_from(ROWS)), 2, k, generator)
    rows = rows * draw(st.sampled_from([1.0, 1 / 3, 1e-3, 1e-30, 1e-42, 1e30]))
    t = torch.full((2, 1), draw(st.sampled_from([-60.0, -3.0, 0.0, 4.7, 12.0, 40.0, 200.0])), dtype=dtype)
    s = torch.full((2, 1), draw(st.sampled_from([1e-10, 1e-4, 0.007, 0.125, 1.0, 3e4])), dtype=dtype)
    return rows.to(dtype), t, s, config


@given(cases())
@settings(max_examples=400)
def test_no_partial_sum_overflows_whatever_the_parameters(case: Any) -> None:
    v, t, s, config = case
    assert_no_overflow(a2q_integers(v, t, s, config), config)


@pytest.mark.parametrize("zero_centered", [False, True])
@pytest.mark.parametrize("kind", ["equal negative", "alternating", "gaussian", "almost equal", "one large"])
@pytest.mark.parametrize("weight_bits", [8, 10])
def test_no_partial_sum_overflows_in_a_dot_product_of_100_000(kind: str, weight_bits: int, zero_centered: bool) -> None:
    config = make_config(
        weight_bits=weight_bits, accumulator_bits=26, input_bits=10, input_signed=True, zero_centered=zero_centered
    )
    v = rows_of(kind, 2, 100_000, torch.Generator().manual_seed(0)).float()
    integers = a2q_integers(v, torch.full((2, 1), 80.0), torch.full((2, 1), 1e-3), config)
    assert_no_overflow(integers, config)


@pytest.mark.parametrize("k", [1024, 65536])
def test_rounding_that_exceeds_the_budget_is_taken_back_by_one_unit(k: int) -> None:
    # In float32 the budget 2**k' - tiny rounds to 2**k', every quotient to exactly 1, and the sum to one too many.
    input_bits = 26 - k.bit_length() + 1
    config = make_config(accumulator_bits=26, input_bits=input_bits, input_signed=True)
    assert float(torch.tensor(float(config.l1_budget))) == k > config.l1_budget
    integers = a2q_integers(-torch.ones(1, k), torch.full((1, 1), 80.0), torch.ones(1, 1), config)
    assert int(integers.sum()) == -(k - 1)
    assert_no_overflow(integers, config)


@pytest.mark.parametrize("sign", [1, -1])
def test_rounding_is_taken_back_from_either_sign_beyond_float32(sign: int) -> None:
    # 2**26 - 2 rounds to 2**26 in float32: 2048 weights of 2**14 per sign sum to 2**25, one more than the accumulator
    # holds, and sums of this size are not exact in float32.
    config = make_config(weight_bits=16, accumulator_bits=26, input_bits=1, zero_centered=True)
    v = sign * rows_of("alternating", 1, 4096, torch.Generator()).float()
    integers = a2q_integers(v, torch.full((1, 1), 80.0), torch.ones(1, 1), config).double()
    assert int(integers.abs().max()) == 2**14
    assert int(integers.clamp(min=0).sum()) == int((-integers).clamp(min=0).sum()) == 2**25 - 1
    assert_no_overflow(integers, config)


def test_a_budget_that_is_met_exactly_is_used_up() -> None:
    # The budget is 2**9 - 1 = 7 * 73, so the step of 73 weights of 7.0 is exactly 1.
    config = make_config(weight_bits=4, accumulator_bits=10, input_bits=1, input_signed=True)
    integers = a2q_integers(torch.full((1, 73), 7.0), torch.full((1, 1), 60.0), torch.full((1, 1), 0.01), config)
    assert integers.tolist() == [[7.0] * 73]
    assert_no_overflow(integers, config)


def test_zero_centering_splits_the_budget_between_the_signs() -> None:
    config = make_config(accumulator_bits=12, input_bits=4, zero_centered=True)
    plain = make_config(accumulator_bits=12, input_bits=4)
    v = torch.randn(8, 16, generator=torch.Generator().manual_seed(0)) + 3
    t, s = torch.full((8, 1), 60.0), torch.full((8, 1), 0.1)
    integers = a2q_integers(v, t, s, config)
    for side in (integers.clamp(min=0).sum(dim=1), (-integers).clamp(min=0).sum(dim=1)):
        assert int(side.max()) <= Fraction(2**11 - 1, 2**4 - 1)
    assert_no_overflow(integers, config)
    assert integers.abs().sum() > 1.5 * a2q_integers(v, t, s, plain).abs().sum()


@pytest.mark.parametrize("zero_centered", [False, True])
def test_a_row_of_zeros_gives_zeros_and_the_gradient_of_plain_rounding(zero_centered: bool) -> None:
    v = torch.tensor([[0.0, 0.0, 0.0], [0.3, -0.2, 0.1]], requires_grad=True)
    t = torch.tensor([[float("-inf")], [1.0]], requires_grad=True)
    s = torch.tensor([[0.25], [0.25]], requires_grad=True)
    integers = a2q_integers(v, t, s, make_config(zero_centered=zero_centered))
    assert integers[0].tolist() == [0.0, 0.0, 0.0]
    (integers * torch.tensor([[1.0, 2.0, 4.0]])).sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.isfinite().all()) for parameter in (v, t, s))
    expected = torch.tensor([1.0, 2.0, 4.0]) / 0.25
    assert v.grad is not None
    assert torch.allclose(v.grad[0], expected - expected.mean() * zero_centered)


def test_a_row_too_small_to_be_normalized_has_finite_gradients() -> None:
    v = torch.tensor([[1e-42, -3e-42, 0.0]], requires_grad=True)
    s = torch.tensor([[0.25]], requires_grad=True)
    a2q_integers(v, torch.tensor([[60.0]]), s, make_config()).sum().backward()
    assert v.grad is not None
    assert s.grad is not None
    assert bool(v.grad.isfinite().all())
    assert bool(s.grad.isfinite().all())


def test_gradients_are_those_of_the_equation_without_rounding() -> None:
    config = make_config(weight_bits=8, accumulator_bits=24)
    generator = torch.Generator().manual_seed(3)
    v = torch.randn(3, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([[2.0], [30.0], [1.0]], dtype=torch.float64, requires_grad=True)
    s = torch.full((3, 1), 0.2, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(3, 9, generator=generator, dtype=torch.float64)
    a2q_integers(v, t, s, config).backward(upstream)
    found = [parameter.grad for parameter in (v, t, s)]
    for parameter in (v, t, s):
        parameter.grad = None
    budget = (2**23 - 1) / 2**8
    smooth = torch.minimum(2**t / s, torch.tensor(budget, dtype=torch.float64)) * v / v.abs().sum(1, keepdim=True)
    inside = (smooth.detach().abs() < 128).double()
    (smooth * inside).backward(upstream)
    for gradient, parameter in zip(found, (v, t, s), strict=True):
        assert gradient is not None
        assert torch.allclose(gradient, parameter.grad)  # type: ignore[arg-type]
    assert t.grad is not None
    assert t.grad[1] == 0  # above its bound, only the penalty moves t


@pytest.mark.parametrize(
    ("field", "value"), [("weight_bits", 1), ("weight_bits", 17), ("accumulator_bits", 1), ("input_bits", 0)]
)
def test_impossible_widths_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{field} between .* found {value}"):
        make_config(**{field: value})


def test_wrong_shapes_and_types_are_refused() -> None:
    column = torch.ones(2, 1)
    with pytest.raises(ValueError, match=r"shape \(C, K\)"):
        a2q_integers(torch.ones(2, 3, 3), column, column, make_config())
    with pytest.raises(ValueError, match="float32 or float64"):
        a2q_integers(torch.ones(2, 3).half(), column, column, make_config())
