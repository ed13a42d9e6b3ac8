"""A line that is found gives the thresholds' counts; what is proven equal is, for large sums too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finn_transforms.emulate.compiled.requantize import fit_requantization
from finn_transforms.emulate.compiled.steps import Steps, fit_lines


def steps_of(thresholds: object, low: int, high: int) -> Steps:
    rows = np.asarray(thresholds, dtype=np.int64)
    ends = (np.full(len(rows), end, dtype=np.int64) for end in (low, high))
    return Steps(thresholds=rows, low=next(ends), high=next(ends))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_lines_give_the_counts(data: st.DataObject) -> None:
    count, reach = data.draw(st.integers(1, 15)), data.draw(st.integers(1, 300))
    slope = data.draw(st.floats(0.001, 2.0))
    offset = data.draw(st.floats(-5, 20))
    # The thresholds of round(slope * x + offset), some of them outside of what is reached.
    thresholds = np.ceil((np.arange(1, count + 1) - 0.5 - offset) / slope)[None]
    steps = steps_of(np.clip(thresholds, -reach - 1, reach + 1), -reach, reach)
    lines = fit_lines(steps)
    if lines is None:
        return
    x = np.arange(-reach, reach + 1)
    found = np.clip(np.rint(lines.slope * x[:, None] + lines.offset), 0, count)
    np.testing.assert_array_equal(found, steps.counts(x))


def test_most_rounded_lines_are_found_again() -> None:
    rng = np.random.default_rng(0)
    slope, offset = rng.uniform(0.01, 0.3, (50, 1)), rng.uniform(-4, 12, (50, 1))
    thresholds = np.ceil((np.arange(1, 16) - 0.5 - offset) / slope)
    assert fit_lines(steps_of(np.clip(thresholds, -2000, 2000), -2000, 1999)) is not None


def test_other_thresholds_are_not_taken_for_a_line() -> None:
    assert fit_lines(steps_of([[0, 1, 100]], -200, 200)) is None


@pytest.mark.parametrize("level", [0, 2, 5])
def test_counts_that_never_change(level: int) -> None:
    thresholds = [[-1000] * level + [1000] * (5 - level)]
    lines = fit_lines(steps_of(thresholds, -900, 900))
    assert lines is not None
    x = np.arange(-900, 901)
    np.testing.assert_array_equal(np.clip(np.rint(lines.slope * x + lines.offset), 0, 5), np.full(x.shape, level))


def test_large_sums_are_decided_beside_their_thresholds() -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-7, 8, (4608, 3))
    reach = 15 * np.abs(weights).sum(axis=0)
    slope, offset = rng.uniform(3, 9, (3, 1)) / reach[:, None], rng.uniform(0, 6, (3, 1))
    thresholds = np.ceil((np.arange(1, 16) - 0.5 - offset) / slope).astype(np.int64)
    steps = Steps(thresholds=thresholds, low=-reach, high=reach)
    assert len(steps.probes(everything_up_to=2**15)) < 200
    assert fit_requantization(weights, np.zeros(3, np.int64), 15, steps) is not None
    # One threshold that is off the line by much is noticed.
    thresholds[1, 7] += 2000
    steps = Steps(thresholds=np.sort(thresholds, axis=1), low=-reach, high=reach)
    assert fit_requantization(weights, np.zeros(3, np.int64), 15, steps) is None
