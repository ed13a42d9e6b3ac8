"""Arranging and fitting thresholds keeps every count, in the numbers of thresholds that the hardware takes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.datatypes import named, range_of
from finn_transforms.analysis.matching import NoMatchError
from finn_transforms.analysis.thresholds import arrange_thresholds, fit_thresholds, threshold_datatype

ranges = st.tuples(st.integers(-60, 60), st.integers(0, 60)).map(lambda pair: IntRange(pair[0], pair[0] + pair[1]))


def rtl_output_bits(steps: int, bias: int) -> int:
    """Return O_BITS as FINN's Python code for the RTL layer computes it."""
    if bias >= 0:
        return math.ceil(math.log2(steps + bias + 1))
    return 1 + math.ceil(math.log2(-bias if -bias >= (steps + 1) / 2 else steps + bias + 1))


@given(
    data=st.data(),
    domain=ranges,
    output=st.sampled_from(["UINT1", "UINT2", "UINT3", "UINT4", "INT2", "INT3", "INT4"]),
    narrow=st.booleans(),
)
def test_arranging_keeps_every_value(data: st.DataObject, domain: IntRange, output: str, narrow: bool) -> None:
    kind = named(output)
    codes = range_of(kind)
    low = codes.low + (narrow and codes.low < 0)
    numbers = st.integers(domain.low, domain.high)
    rows = [np.array(sorted(data.draw(st.lists(numbers, max_size=codes.high - low))), dtype=np.int64) for _ in range(3)]
    lows, highs = np.full(3, domain.low), np.full(3, domain.high)
    found = arrange_thresholds(rows, lows, highs, bias=low, output=kind)
    everything = np.arange(domain.low, domain.high + 1)[:, None]
    for row, arranged in zip(rows, found.values, strict=True):
        assert (np.diff(arranged) >= 0).all()
        before, after = low + (everything >= row).sum(axis=1), found.bias + (everything >= arranged).sum(axis=1)
        np.testing.assert_array_equal(after, before)
    steps = found.values.shape[1]
    # FINN's RTL layer: the memory files have as many stages as the output type has bits, the module clog2(N + 1).
    assert math.ceil(math.log2(steps + 1)) == kind.bitwidth()
    assert rtl_output_bits(steps, found.bias) == kind.bitwidth()


def test_thresholds_that_nobody_needs_are_dropped() -> None:
    rows = [np.array([0, 0, 3, 5]), np.array([0, 0, 0, 7, 8])]
    found = arrange_thresholds(rows, np.array([0, 0]), np.array([9, 9]), bias=0, output=named("UINT3"))
    # Five are needed by the second channel; the two that both always reach could go, the search takes four or more.
    assert (found.bias, found.values.tolist()) == (1, [[0, 3, 5, 10], [0, 0, 7, 8]])


def test_a_constant_layer_keeps_what_the_hardware_needs() -> None:
    found = arrange_thresholds([np.array([2, 2, 2])], np.array([2]), np.array([4]), bias=0, output=named("UINT2"))
    assert (found.bias + (found.values <= 2).sum(), found.bias + (found.values <= 4).sum()) == (3, 3)
    assert found.values.shape[1] >= 2


@pytest.mark.parametrize(
    ("thresholds", "accumulator", "expected"),
    [
        ([-8, 7], "INT8", "INT5"),
        ([-8, 7], "INT4", "INT4"),
        ([-7, 7], "INT8", "INT4"),
        ([0, 7], "UINT4", "UINT3"),
        ([1, 7], "INT8", "INT4"),
    ],
)
def test_threshold_type_holds_a_number_below_them(thresholds: list[int], accumulator: str, expected: str) -> None:
    assert threshold_datatype(np.array(thresholds), named(accumulator)).name == expected


def test_refused_thresholds_beyond_float32() -> None:
    with pytest.raises(NoMatchError, match="threshold 16777217 of channel 0 is not exact in float32"):
        arrange_thresholds([np.array([2**24 + 1])], np.array([0]), np.array([2**25]), bias=0, output=named("UINT1"))


def test_ends_beyond_float32_are_moved() -> None:
    low, high = -(2**25) - 1, 2**25 + 1
    rows = [np.array([low, 5]), np.array([6])]
    found = arrange_thresholds(rows, np.array([low, low]), np.array([high, high]), bias=0, output=named("UINT2"))
    np.testing.assert_array_equal(found.values, [[-(2**25) - 4, 5], [6, 2**25 + 4]])


@given(
    thresholds=st.lists(
        st.one_of(st.integers(-200, 200), st.floats(-200, 200), st.sampled_from([np.inf, -np.inf, 1e30, -1e30])),
        min_size=1,
        max_size=6,
    ).map(sorted),
    reachable=ranges,
    spare=st.tuples(st.integers(0, 30), st.integers(0, 30)),
)
def test_fitting_keeps_every_count(thresholds: list[float], reachable: IntRange, spare: tuple[int, int]) -> None:
    kind = IntRange(reachable.low - spare[0], reachable.high + spare[1])
    fitted = fit_thresholds(np.array([thresholds]), reachable, kind)
    everything = np.arange(reachable.low, reachable.high + 1)[:, None]
    before, after = ((everything >= np.array(row)).sum(axis=1) for row in (thresholds, fitted[0]))
    np.testing.assert_array_equal(after, before)
    assert (np.diff(fitted) >= 0).all()
    assert kind.low <= fitted.min() <= fitted.max() <= reachable.high + 1
    np.testing.assert_array_equal(fit_thresholds(fitted, reachable, kind), fitted)


@pytest.mark.parametrize("high", [2**24 - 2, 2**24 - 1, 2**24, 2**24 + 1, 2**25 + 1, 2**31 - 1, 3 * 2**30 + 7])
def test_what_is_never_reached_is_exact_in_float32(high: int) -> None:
    fitted = int(fit_thresholds(np.array([np.inf]), IntRange(0, high), IntRange(0, 2**33))[0])
    assert fitted > high
    assert int(np.float32(fitted)) == fitted
    below = int(np.nextafter(np.float32(fitted), np.float32(0)))
    assert below <= high or not float(below).is_integer()


def test_refused_types_that_take_too_many_thresholds() -> None:
    rows, ends = [np.array([0, 1])], np.array([8])
    with pytest.raises(NoMatchError, match="an output of type INT21 takes 1048576 thresholds"):
        arrange_thresholds(rows, -ends, ends, bias=-(1 << 20), output=named("INT21"))
