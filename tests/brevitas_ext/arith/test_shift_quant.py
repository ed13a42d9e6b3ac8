"""The golden ShiftQuant against exact fractions, and the laws that it keeps."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from brevitas_ext.arith import ShiftQuantized, dequantize, shift_quantize
from brevitas_ext.arith.shift_quant import largest_integer

FINITE = st.floats(-1e30, 1e30) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 5e-324, 3.0])


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Return a tensor whose channels differ by orders of magnitude, and parameters."""
    x = draw(arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=5), elements=FINITE))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    signed = draw(st.booleans())
    options = {"bits": draw(st.integers(2, 8)), "groups": draw(st.integers(1, 6)), "axis": axis, "signed": signed}
    return (x if signed else np.abs(x)), options


def fraction_reference(x: NDArray[np.float64], options: dict[str, Any]) -> ShiftQuantized:
    """Return ShiftQuant by its definition, in fractions: only the scale and each quotient are rounded to a double."""
    channels = np.moveaxis(x, options["axis"], 0)
    limit, groups = 2 ** (options["bits"] - options["signed"]) - 1, options["groups"]
    ranges = [max((abs(Fraction(float(v))) for v in channel.reshape(-1)), default=Fraction(0)) for channel in channels]
    largest = max(ranges, default=Fraction(0))
    smallest_scale = float(np.finfo(np.float64).tiny) * 2.0 ** (groups - 1)
    scale = max(float(largest / limit), smallest_scale) if largest else 1.0
    group = [max(g for g in range(groups) if r <= largest / 2**g) for r in ranges]
    integers = np.zeros(channels.shape, dtype=np.int64)
    for index in np.ndindex(channels.shape):
        step = Fraction(scale) / 2 ** group[index[0]]
        quotient = Fraction(float(Fraction(float(channels[index])) / step))
        integers[index] = round(quotient)
    return ShiftQuantized(np.moveaxis(integers, 0, options["axis"]), np.array(group, dtype=np.int64), np.float64(scale))


@given(cases())
@settings(max_examples=150, deadline=None)
def test_equals_the_definition_in_fractions(case: tuple[NDArray[np.float64], dict[str, Any]]) -> None:
    x, options = case
    found, expected = shift_quantize(x, **options), fraction_reference(x, options)
    np.testing.assert_array_equal(found.integers, expected.integers)
    np.testing.assert_array_equal(found.group_of_channel, expected.group_of_channel)
    assert found.scale == expected.scale


@given(cases())
@settings(max_examples=100, deadline=None)
def test_nothing_clips_and_errors_are_half_a_step(case: tuple[NDArray[np.float64], dict[str, Any]]) -> None:
    x, options = case
    found = shift_quantize(x, **options)
    limit = largest_integer(options["bits"], signed=options["signed"])
    assert np.abs(found.integers).max(initial=0) <= limit
    steps = np.ldexp(found.scale, -found.group_of_channel)
    for value, integer, step in zip(
        np.moveaxis(x, options["axis"], 0), np.moveaxis(found.integers, options["axis"], 0), steps, strict=True
    ):
        for v, q in zip(value.reshape(-1), integer.reshape(-1), strict=True):
            error = abs(Fraction(float(v)) - int(q) * Fraction(float(step)))
            assert error <= Fraction(float(step)) * (Fraction(1, 2) + Fraction(1, 2**44))


@given(cases(), st.integers(-100, 100))
@settings(max_examples=100, deadline=None)
def test_a_power_of_two_only_scales_the_scale(case: tuple[NDArray[np.float64], dict[str, Any]], power: int) -> None:
    x, options = case
    x = np.where(np.abs(x) < 1e-30, 0, x)  # away from the smallest scale
    found, scaled = shift_quantize(x, **options), shift_quantize(np.ldexp(x, power), **options)
    np.testing.assert_array_equal(found.integers, scaled.integers)
    np.testing.assert_array_equal(found.group_of_channel, scaled.group_of_channel)
    assert scaled.scale == (np.ldexp(found.scale, power) if x.any() else 1.0)


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_permuted_channels_give_permuted_integers(
    case: tuple[NDArray[np.float64], dict[str, Any]], random: Any
) -> None:
    x, options = case
    order = random.sample(range(x.shape[options["axis"]]), x.shape[options["axis"]])
    found = shift_quantize(x, **options)
    permuted = shift_quantize(np.take(x, order, options["axis"]), **options)
    np.testing.assert_array_equal(permuted.integers, np.take(found.integers, order, options["axis"]))
    np.testing.assert_array_equal(permuted.group_of_channel, found.group_of_channel[order])
    assert permuted.scale == found.scale


@given(cases())
@settings(max_examples=50, deadline=None)
def test_one_group_is_plain_per_tensor_quantization(case: tuple[NDArray[np.float64], dict[str, Any]]) -> None:
    x, options = case
    found = shift_quantize(x, **{**options, "groups": 1})
    flat = shift_quantize(x.reshape(1, -1), **{**options, "groups": 1, "axis": 0})
    np.testing.assert_array_equal(found.integers.reshape(-1), flat.integers.reshape(-1))
    assert found.scale == flat.scale
    assert not found.group_of_channel.any()


def test_stochastic_rounding_has_no_bias() -> None:
    """The mean of n draws is within 5 standard errors of every value, all 96 of them.

    A draw is Bernoulli between two integers, so the standard error is at most ``0.5 / sqrt(n)`` steps; a wrong
    rejection of one element has a chance below 6e-7, of any below 6e-5.  A bias of 10 standard errors, 0.05 steps at
    n = 10,000, would pass with a chance below 3e-7: nearest rounding, whose bias is up to 0.5 steps, cannot.
    """
    draws = 10_000
    random = np.random.default_rng(7)
    x = random.normal(size=(16, 6)) * 2.0 ** -np.arange(6)
    nearest = shift_quantize(x, bits=3, groups=3, axis=1)
    total = np.zeros(x.shape, dtype=np.int64)
    for _ in range(draws):
        found = shift_quantize(x, bits=3, groups=3, axis=1, generator=random)
        np.testing.assert_array_equal(found.group_of_channel, nearest.group_of_channel)
        total += found.integers
    exact = x / np.ldexp(nearest.scale, -nearest.group_of_channel)
    bound = 5 * 0.5 / sqrt(draws)
    assert np.abs(total / draws - exact).max() < bound
    assert np.abs(nearest.integers - exact).max() > 10 * bound  # the test can fail


def test_stochastic_rounding_keeps_integers_and_the_largest_value() -> None:
    x = np.array([[7.0, -7.0, 3.0, 0.0], [0.875, 0.125, -0.5, 0.25]])
    for seed in range(50):
        found = shift_quantize(x, bits=4, groups=4, axis=0, generator=np.random.default_rng(seed))
        np.testing.assert_array_equal(found.integers, [[7, -7, 3, 0], [7, 1, -4, 2]])


class AlwaysUp(np.random.Generator):
    """A generator that rounds everything up that is not an integer."""

    def random(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        return np.zeros(shape, dtype=dtype)


def test_rounding_of_the_scale_never_exceeds_the_limit() -> None:
    ranges = np.random.default_rng(0).random(1000) + 1
    above = [r for r in ranges if r / (r / 127) > 127]
    assert above
    for r in above:
        found = shift_quantize([[r, -r]], bits=8, axis=1, generator=AlwaysUp(np.random.PCG64()))
        np.testing.assert_array_equal(found.integers, [[127, -127]])


def test_half_goes_to_even() -> None:
    found = shift_quantize([7.0, 0.5, 1.5, 2.5, -0.5, -1.5], bits=4, groups=1, axis=0)
    np.testing.assert_array_equal(found.integers, [7, 0, 2, 2, 0, -2])


def test_zero_channels_are_in_the_last_group() -> None:
    found = shift_quantize([[0.0, 4.0], [0.0, -1.0]], bits=4, groups=4, axis=1)
    np.testing.assert_array_equal(found.group_of_channel, [3, 0])
    zeros = shift_quantize(np.zeros((2, 3)), bits=4, groups=4, axis=0)
    np.testing.assert_array_equal(zeros.group_of_channel, [3, 3])
    assert zeros.scale == 1.0
    assert not zeros.integers.any()


def test_groups_may_be_empty_and_thresholds_belong_to_the_smaller_group() -> None:
    found = shift_quantize([8.0, 1.0, np.nextafter(1.0, 2.0)], bits=8, groups=4, axis=0)
    np.testing.assert_array_equal(found.group_of_channel, [0, 3, 2])


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_empty_tensors(shape: tuple[int, ...]) -> None:
    found = shift_quantize(np.zeros(shape, dtype=np.float32), bits=4, axis=0)
    assert found.integers.shape == shape
    np.testing.assert_array_equal(found.group_of_channel, [3] * shape[0])
    assert dequantize(found, axis=0).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_dtypes_are_those_of_the_arithmetic(dtype: type[Any]) -> None:
    found = shift_quantize(np.array([[7, 1], [3, -1]], dtype=dtype), bits=4, groups=2, axis=1)
    assert found.integers.dtype == np.int64
    wide = dtype in (np.float64, np.int8)
    assert found.scale.dtype == dequantize(found, axis=1).dtype == (np.float64 if wide else np.float32)
    np.testing.assert_array_equal(dequantize(found, axis=-1), [[7, 1], [3, -1]])


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([1.0, np.nan], {"axis": 0}, "expected finite values, found nan in channel 1"),
        ([[1.0, 2.0], [-np.inf, 0.0]], {"axis": 0}, "found inf in channel 1"),
        ([1.0, -2.0], {"axis": 0, "signed": False}, "not negative .*found -2"),
        ([1.0], {"axis": 1}, "axis of a tensor of 1 dimensions, got 1"),
        (1.0, {"axis": 0}, "0 dimensions"),
        ([1.0], {"axis": 0, "bits": 1}, "bits from 2 to 8, got 1"),
        ([1.0], {"axis": 0, "bits": 9}, "bits from 2 to 8, got 9"),
        ([1.0], {"axis": 0, "bits": 4.0}, "got 4.0"),
        ([1.0], {"axis": 0, "groups": 0}, "1 to 16 groups, got 0"),
        ([1.0], {"axis": 0, "groups": True}, "got True"),
    ],
)
def test_refusals(x: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shift_quantize(x, **{"bits": 4, **options})


def test_refuses_what_is_no_number() -> None:
    with pytest.raises(TypeError, match="real numbers, got an array of complex128"):
        shift_quantize([1j], bits=4, axis=0)


def test_dequantize_refuses_another_axis() -> None:
    with pytest.raises(ValueError, match="expected 3 groups for axis 1"):
        dequantize(shift_quantize(np.ones((2, 3)), bits=4, axis=0), axis=1)


def test_arguments_of_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match=r"numpy\.random\.Generator, got int"):
        shift_quantize([1.0], bits=4, axis=0, generator=3)
    with pytest.raises(TypeError, match="signed True or False, got 2"):
        shift_quantize([1.0], bits=4, axis=0, signed=2)
    for axis in (1.0, None, (0,), True):
        with pytest.raises(ValueError, match="channels' axis of a tensor of 1 dimensions"):
            shift_quantize([1.0], bits=4, axis=axis)
