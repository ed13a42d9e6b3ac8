"""The golden function of quantized normalization against exact fractions, and its quantizer's promises."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from brevitas_ext.arith.quantized_norm import PerTensor, quantize_per_tensor, statistics

VALUES = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)


@given(hnp.arrays(np.float32, (3, 4), elements=VALUES), st.integers(2, 8), st.booleans())
def test_nothing_is_clipped_and_each_value_is_half_a_step_off_at_most(x: np.ndarray, bits: int, signed: bool) -> None:
    x = x if signed else np.abs(x)
    limit = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    integers, scale = quantize_per_tensor(x, bits, signed=signed)
    assert np.abs(integers).max() == (limit if np.abs(x).max() > 1e-30 else 0)
    for value, integer in zip(x.flat, integers.flat, strict=True):
        steps = Fraction(float(value)) / Fraction(float(scale))
        assert integer == int(integer)
        assert abs(steps - int(integer)) <= Fraction(1, 2) + Fraction(limit, 2**23)


def test_half_a_step_goes_to_the_even_integer_and_divisors_keep_one_step() -> None:
    x = np.array([127, 0.5, 1.5, -2.5, 0], np.float32)
    assert quantize_per_tensor(x, 8).integers.tolist() == [127, 0, 2, -2, 0]
    assert quantize_per_tensor(np.abs(x) * 2 + 1, 8, signed=False, least=1).integers.min() == 1
    assert quantize_per_tensor(np.float32([255, 0.1]), 8, signed=False, least=1).integers.tolist() == [255, 1]


@pytest.mark.parametrize("value", [0, 1e-45, 1e-40])
def test_a_step_below_the_normal_numbers_counts_as_zeros(value: float) -> None:
    integers, scale = quantize_per_tensor(np.float32([value, 0]), 8)
    assert scale == 1
    assert not integers.any()


@pytest.mark.parametrize("bits", [1, 17])
def test_widths_out_of_range_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="expected 2 to 16 bits"):
        quantize_per_tensor(np.zeros(1, np.float32), bits)


@given(hnp.arrays(np.int8, (2, 3, 5)), st.sampled_from([1, 2]))
def test_statistics_are_the_fractions_rounded(integers: np.ndarray, order: int) -> None:
    found = statistics(PerTensor(integers.astype(np.float32), np.float32(0.5)), axes=(0, 2), order=order, epsilon=1e-5)
    for channel in range(3):
        values = [Fraction(int(value), 2) for value in integers[:, channel].flat]
        mean = sum(values) / len(values)
        assert found.mean[0, channel, 0] == np.float32(float(mean))
        power = sum(abs(value - mean) ** order for value in values) / len(values)
        deviation = max(float(power), math.sqrt(1e-5)) if order == 1 else math.sqrt(float(power) + 1e-5)
        assert found.deviation[0, channel, 0] == pytest.approx(deviation, rel=1e-7)
