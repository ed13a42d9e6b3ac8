"""Bounds hold for the floating-point result at every point inside, and library functions keep their promise."""

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from finn_transforms.ops.bounds import LIBRARY_ULPS, Bounds, LibraryFunction, bounds
from finn_transforms.ops.elementwise import ELEMENTWISE, erf, exp, expm1, log, log1p, tanh

Floats = NDArray[np.float64]

# Attributes, then constants behind the first operand.
UNARY: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    **{
        name: ({}, ())
        for name in (
            *("Abs", "Ceil", "Dropout", "Erf", "Exp", "Floor", "Gelu", "HardSwish", "Identity", "Log", "Mish", "Neg"),
            *("Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softplus", "Softsign", "Sqrt", "Tanh"),
        )
    },
    "Add": ({}, (-1.5,)),
    "BatchNormalization": ({"epsilon": 0.0}, (-0.7, 0.3, 0.1, 2.0)),
    "Celu": ({"alpha": 0.7}, ()),
    "Clip": ({}, (-1.0, 2.0)),
    "Div": ({}, (-3.0,)),
    "Elu": ({"alpha": -0.7}, ()),
    "Greater": ({}, (0.25,)),
    "GreaterOrEqual": ({}, (0.25,)),
    "HardSigmoid": ({"alpha": 0.2}, ()),
    "LeakyRelu": ({"alpha": -0.3}, ()),
    "Less": ({}, (0.25,)),
    "LessOrEqual": ({}, (0.25,)),
    "Max": ({}, (0.0, 0.5)),
    "Min": ({}, (6.0,)),
    "Mul": ({}, (-0.3,)),
    "PRelu": ({}, (0.25,)),
    "Pow": ({}, (3.0,)),
    "Sub": ({}, (0.1,)),
    "ThresholdedRelu": ({"alpha": -0.5}, ()),
}

numbers = st.one_of(
    st.floats(-60, 60),
    st.floats(-800, 800),
    st.integers(-8, 8).map(float),
    st.sampled_from([0.0, -0.0, 1e-300, -1e-300, 1e300, -1e300, np.inf, -np.inf]),
)


@st.composite
def intervals(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Return low and high ends and the points between them."""
    low, high = sorted((draw(numbers), draw(numbers)))
    inside = [min(max(draw(numbers), low), high) for _ in range(4)]
    if math.isfinite(low) and math.isfinite(high):
        inside += [min(max(low + (high - low) * share, low), high) for share in (0.1, 0.5, 0.9)]
    points = np.array([low, high, *inside])
    return np.full(points.size, low), np.full(points.size, high), points


def assert_holds(found: Any, values: Any) -> None:
    """Every value is inside its bounds; a NaN only where nothing is known."""
    assert isinstance(found, Bounds)
    known = ~np.isnan(found.low)
    np.testing.assert_array_equal(known, ~np.isnan(found.high))
    low, high = np.broadcast_to(found.low, values.shape), np.broadcast_to(found.high, values.shape)
    known = np.broadcast_to(known, values.shape)
    assert not np.isnan(values[known]).any()
    assert (low[known] <= values[known]).all()
    assert (values[known] <= high[known]).all()


def test_every_operator_is_here() -> None:
    assert set(UNARY) | {"Where"} == set(ELEMENTWISE)


@pytest.mark.parametrize("op_type", sorted(UNARY))
@settings(max_examples=60)
@given(interval=intervals())
@example(interval=(np.zeros(1), np.full(1, np.inf), np.full(1, 5.0)))
def test_operator_with_constants(op_type: str, interval: tuple[Floats, Floats, Floats]) -> None:
    low, high, points = interval
    attributes, constants = UNARY[op_type]
    function, operands = ELEMENTWISE[op_type], [np.float64(value) for value in constants]
    with np.errstate(all="ignore"):
        values = np.asarray(function(attributes, points, *operands), dtype=np.float64)
        assert_holds(function(attributes, Bounds(low, high), *operands), values)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0, 3.0])
@given(interval=intervals())
def test_power(exponent: float, interval: tuple[Floats, Floats, Floats]) -> None:
    low, high, points = interval
    with np.errstate(all="ignore"):
        values = ELEMENTWISE["Pow"]({}, points, np.float64(exponent))
        assert_holds(ELEMENTWISE["Pow"]({}, Bounds(low, high), np.float64(exponent)), np.asarray(values))


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu", "Greater", "LessOrEqual"])
@settings(max_examples=150)
@given(first=intervals(), second=intervals())
def test_operator_of_two_intervals(
    op_type: str, first: tuple[Floats, Floats, Floats], second: tuple[Floats, Floats, Floats]
) -> None:
    size = min(first[0].size, second[0].size)
    boxes = [Bounds(low[:size], high[:size]) for low, high, _ in (first, second)]
    with np.errstate(all="ignore"):
        for a in (first[2][:size], first[2][:size][::-1]):
            values = ELEMENTWISE[op_type]({}, a, second[2][:size])
            assert_holds(ELEMENTWISE[op_type]({}, *boxes), np.asarray(values, dtype=np.float64))


@given(condition=intervals(), first=intervals(), second=intervals())
def test_choice(condition: Any, first: Any, second: Any) -> None:
    size = min(each[0].size for each in (condition, first, second))
    (flag, a, b), points = (
        [Bounds(low[:size], high[:size]) for low, high, _ in (condition, first, second)],
        [each[2][:size] for each in (condition, first, second)],
    )
    with np.errstate(all="ignore"):
        chosen = ELEMENTWISE["Where"]({}, ELEMENTWISE["Greater"]({}, points[0], np.float64(0)), *points[1:])
        assert_holds(ELEMENTWISE["Where"]({}, ELEMENTWISE["Greater"]({}, flag, np.float64(0)), a, b), chosen)


def test_bounds_of_single_numbers_are_tight() -> None:
    x = np.array([-3.0, -0.5, 0.0, 0.25, 7.0])
    for op_type in ("Relu", "HardSwish", "LeakyRelu", "Softsign", "Abs", "ThresholdedRelu"):
        values, found = ELEMENTWISE[op_type]({}, x), ELEMENTWISE[op_type]({}, bounds(x))
        np.testing.assert_array_equal(found.low, values)
        np.testing.assert_array_equal(found.high, values)


LIBRARY: list[tuple[LibraryFunction, Callable[[Any], Any], tuple[float, float]]] = [
    (exp, mpmath.exp, (-760, 720)),
    (exp, mpmath.exp, (-2, 2)),
    (expm1, mpmath.expm1, (-45, 45)),
    (expm1, mpmath.expm1, (-1e-3, 1e-3)),
    (log, mpmath.log, (1e-9, 30)),
    (log1p, mpmath.log1p, (0, 1)),
    (tanh, mpmath.tanh, (-22, 22)),
    (tanh, mpmath.tanh, (-0.1, 0.1)),
    (erf, mpmath.erf, (-7, 7)),
    (erf, mpmath.erf, (-0.1, 0.1)),
]


@pytest.mark.parametrize(("function", "exact", "interval"), LIBRARY)
def test_library_functions_round_better_than_promised(
    function: LibraryFunction, exact: Callable[[Any], Any], interval: tuple[float, float]
) -> None:
    points = np.random.default_rng(0).uniform(*interval, size=1500)
    with np.errstate(all="ignore"):
        values = function(points)
    with mpmath.workprec(120):
        for point, value in zip(points.tolist(), values.tolist(), strict=True):
            true = exact(mpmath.mpf(point))
            if math.isinf(value):
                assert true > np.finfo(np.float64).max * (1 - 2.0**-53)
            else:
                # A quarter of the promise, so that another platform has room.
                assert abs(true - value) <= LIBRARY_ULPS / 4 * np.spacing(abs(value))


@pytest.mark.parametrize("function", [exp, expm1, tanh, erf])
def test_saturation_is_the_correctly_rounded_value(function: LibraryFunction) -> None:
    exact = {exp: mpmath.exp, expm1: mpmath.expm1, tanh: mpmath.tanh, erf: mpmath.erf}[function]
    with mpmath.workprec(1200):
        for at, limit in function.saturation:
            true = exact(mpmath.mpf(at))
            if math.isinf(limit):
                assert true >= mpmath.mpf(2) ** 1024 * (1 - mpmath.mpf(2) ** -54)
            else:
                half_a_step = mpmath.mpf(float(np.spacing(abs(np.nextafter(limit, 0.0))))) / 2
                assert abs(true - limit) <= half_a_step
