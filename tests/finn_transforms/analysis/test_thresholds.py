"""Thresholds by bisection equal a search through the whole range, and fitting keeps every count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.matching import NoMatchError
from finn_transforms.analysis.thresholds import decreasing_channels, find_thresholds, fit_thresholds

ranges = st.tuples(st.integers(-60, 60), st.integers(0, 60)).map(lambda pair: IntRange(pair[0], pair[0] + pair[1]))


@given(data=st.data(), domain=ranges, codes=st.tuples(st.integers(-5, 5), st.integers(0, 9)))
def test_bisection_finds_every_step(data: st.DataObject, domain: IntRange, codes: tuple[int, int]) -> None:
    low, high = codes[0], sum(codes)
    size = domain.high - domain.low + 1
    table = np.array([
        sorted(data.draw(st.lists(st.integers(low, high), min_size=size, max_size=size))) for _ in range(2)
    ])  # fmt: skip

    def function(integers: np.ndarray) -> np.ndarray:
        assert integers.min() >= domain.low
        assert integers.max() <= domain.high
        return np.take_along_axis(table, integers - domain.low, axis=1).astype(np.float64)

    found = find_thresholds(function, 2, domain, IntRange(low, high))
    everything = np.arange(domain.low, domain.high + 1)
    counts = low + (found[:, :, None] <= everything).sum(axis=1)
    np.testing.assert_array_equal(counts, table)
    assert found.shape == (2, high - low)
    assert found.size == 0 or (found.min() >= domain.low and found.max() <= domain.high + 1)
    falls = decreasing_channels(lambda x: function(domain.low + domain.high - x), 2, domain)
    np.testing.assert_array_equal(falls, table[:, 0] < table[:, -1])


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


@pytest.mark.parametrize("domain", [IntRange(-(2**53) - 1, 0), IntRange(0, 2**53 + 1)])
def test_beyond_float64_is_refused(domain: IntRange) -> None:
    with pytest.raises(NoMatchError, match=r"exceeds 2\*\*53"):
        decreasing_channels(lambda x: x.astype(np.float64), 1, domain)
    decreasing_channels(lambda x: x.astype(np.float64), 1, IntRange(-(2**53), 2**53))
