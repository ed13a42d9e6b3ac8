"""The fit finds constants that were planted, none negative, and spreads hold what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finn_transforms.cost.regression import Observation, Spread, fit, mean_relative_error, spread

TRUE = {"adder": 1.02, "table": 0.83, "unit": 6.5, "nothing": 0.0}


def observations(count: int, noise: float = 0.0) -> list[Observation]:
    random = np.random.default_rng(7)
    found = []
    for _ in range(count):
        amounts = {name: float(random.integers(1, 200)) for name in TRUE} | {"unit": 1.0}
        counted = float(random.integers(0, 50))
        exact = counted + sum(TRUE[name] * amount for name, amount in amounts.items())
        found.append(Observation(amounts, exact * random.normal(1, noise), counted))
    return found


def test_planted_constants_are_found() -> None:
    found = fit(observations(60), dict.fromkeys(TRUE, 1.0), trust=1e-9)
    for name, value in TRUE.items():
        assert found[name] == pytest.approx(value, abs=0.01 if name != "unit" else 0.3), name


def test_noise_makes_no_constant_negative() -> None:
    found = fit(observations(12, noise=0.2), dict.fromkeys(TRUE, 1.0))
    assert min(found.values()) >= 0


def test_what_is_not_determined_stays_near_its_expectation() -> None:
    found = fit([Observation({"a": 2.0}, 4.0)], {"a": 1.0, "b": 3.0}, trust=1e-4)
    assert found["a"] == pytest.approx(2.0, rel=0.01)
    assert found["b"] == pytest.approx(3.0)


def test_an_amount_without_an_expectation_is_refused() -> None:
    with pytest.raises(KeyError, match="b"):
        fit([Observation({"b": 1.0}, 1.0)], {"a": 1.0})


@given(st.lists(st.tuples(st.integers(20, 5000), st.floats(0.7, 1.4)), min_size=40, max_size=80))
def test_a_spread_holds_its_share_of_what_made_it(pairs: list[tuple[int, float]]) -> None:
    estimates = [estimate for estimate, _ in pairs]
    truths = [round(estimate * factor) for estimate, factor in pairs]
    width = spread(estimates, truths, coverage=0.9)
    held = [low <= truth <= high for truth, (low, high) in zip(truths, map(width.interval, estimates), strict=True)]
    assert sum(held) >= 0.9 * len(held)


def test_intervals_hold_the_estimate_and_a_few_luts() -> None:
    assert Spread(relative=0.1, absolute=3).interval(200) == (180, 220)
    assert Spread(relative=0.1, absolute=3).interval(5) == (2, 8)
    assert Spread(relative=0.1, absolute=3).interval(1) == (0, 4)


def test_relative_error() -> None:
    assert mean_relative_error([110, 90], [100, 100]) == pytest.approx(0.1)
