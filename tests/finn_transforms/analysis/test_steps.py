"""Steps by bisection on intervals equal a search through the whole range, whatever the function."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from finn_transforms.analysis.matching import NoMatchError
from finn_transforms.analysis.steps import Steps, find_steps

Ints = NDArray[np.int64]


@dataclass
class Table:
    """A function given by its values (C, n) from an integer on; its bounds are loose by `slack`."""

    table: Ints
    start: int
    slack: int = 0
    evaluations: int = 0

    def points(self, channel: Ints, integers: Ints) -> Ints:
        self.evaluations += channel.size
        return np.asarray(self.table[channel, integers - self.start])

    def bounds(self, channel: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        self.evaluations += channel.size
        inside = [
            self.table[c, a - self.start : b - self.start + 1] for c, a, b in zip(channel, low, high, strict=True)
        ]
        loose = np.where(high - low > 3, self.slack, 0)
        return (
            np.array([part.min() for part in inside], np.int64) - loose,
            np.array([part.max() for part in inside], np.int64) + loose,
        )


def values_of(steps: Steps) -> list[Any]:
    """Return each channel's function as a list over its domain."""
    result = []
    for channel, (low, high, first) in enumerate(zip(steps.low, steps.high, steps.first, strict=True)):
        own = steps.channel == channel
        everything = np.arange(low, high + 1)
        reached = everything[:, None] >= steps.position[own]
        result.append((first + (reached * steps.delta[own]).sum(axis=1)).tolist())
    return result


tables = st.integers(1, 40).flatmap(
    lambda size: st.lists(st.lists(st.integers(-4, 4), min_size=size, max_size=size), min_size=1, max_size=3)
)


@given(table=tables, start=st.integers(-50, 50), slack=st.integers(0, 2))
def test_finds_every_step(table: list[list[int]], start: int, slack: int) -> None:
    array = np.array(table)
    ends = np.full(len(table), start), np.full(len(table), start + array.shape[1] - 1)
    steps = find_steps(Table(array, start, slack), *ends)
    assert values_of(steps) == table
    assert (steps.delta != 0).all()
    deltas = np.diff(array, axis=1)
    np.testing.assert_array_equal(steps.rising, (deltas > 0).any(axis=1))
    np.testing.assert_array_equal(steps.falling, (deltas < 0).any(axis=1))
    turned = np.arange(len(table)) % 2 == 0
    mirrored = steps.mirrored(turned)
    assert values_of(mirrored) == [row[::-1] if turn else row for row, turn in zip(table, turned, strict=True)]
    # The difference of the two counts is the function again.
    base = np.full(len(table), array.min())
    ups, downs = mirrored.thresholds(base=base), mirrored.thresholds(base=base, sign=-1)
    for channel, values in enumerate(values_of(mirrored)):
        everything = np.arange(mirrored.low[channel], mirrored.high[channel] + 1)[:, None]
        counts = [(everything >= rows[channel]).sum(axis=1) for rows in (ups, downs)]
        np.testing.assert_array_equal(base[channel] + counts[0] - counts[1], values)
        assert all((np.diff(rows[channel]) >= 0).all() for rows in (ups, downs))


def test_each_channel_has_a_domain_of_its_own() -> None:
    table = Table(np.array([[0, 0, 1, 1, 2, 2], [2, 2, 1, 1, 0, 0]]), -3)
    steps = find_steps(table, np.array([-2, -3], object), np.array([0, 1], object))
    assert values_of(steps) == [[0, 1, 1], [2, 2, 1, 1, 0]]


def test_a_monotone_function_costs_little_more_than_bisection() -> None:
    size = 1 << 14
    table = Table(np.minimum(np.arange(size) // 1000, 7)[None], 0)
    steps = find_steps(table, np.array([0]), np.array([size - 1]))
    assert steps.position.tolist() == [1000 * step for step in range(1, 8)]
    assert table.evaluations < 3 * 7 * 14


class Noise:
    """Steps at every integer."""

    def points(self, channel: Ints, integers: Ints) -> Ints:
        return np.asarray(channel * 0 + integers % 2)

    def bounds(self, channel: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        return 0 * (channel + low), 0 * high + 1


def test_refused_function_that_never_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finn_transforms.analysis.steps._MOST_EVALUATIONS", 10_000)
    with pytest.raises(NoMatchError, match="its function of channel 1 steps too often between 0 and 1048575"):
        find_steps(Noise(), np.array([0, 0]), np.array([0, 2**20 - 1]))


@pytest.mark.parametrize(("low", "high"), [(-(2**53) - 1, 0), (0, 2**53 + 1), (-(2**80), 0)])
def test_beyond_float64_is_refused(low: int, high: int) -> None:
    with pytest.raises(NoMatchError, match=r"exceeds 2\*\*53"):
        find_steps(Noise(), np.array([low], object), np.array([high], object))
