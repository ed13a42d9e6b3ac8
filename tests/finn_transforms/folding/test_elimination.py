"""The elimination against every combination."""

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finn_transforms.folding.elimination import FORBIDDEN, Factor, cheapest


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], list[Factor]]:
    """Return sizes and factors of random problems with two keys; some combinations are forbidden."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scopes = {(variable,) for variable in range(len(sizes))}
    for _ in range(draw(st.integers(0, 8))):
        count = int(rng.integers(1, min(3, len(sizes)) + 1))
        scopes.add(tuple(sorted(int(each) for each in rng.choice(len(sizes), count, replace=False))))
    factors = []
    for scope in sorted(scopes):
        costs = rng.integers(0, 6, size=(2, *(sizes[variable] for variable in scope)))
        costs[0][rng.random(costs[0].shape) < 0.15] = FORBIDDEN
        factors.append(Factor(scope=scope, costs=costs))
    return sizes, factors


def cost_of(options: tuple[int, ...], factors: list[Factor]) -> tuple[int, int]:
    parts = [factor.costs[(slice(None), *(options[variable] for variable in factor.scope))] for factor in factors]
    first, second = sum(parts)
    return min(int(first), FORBIDDEN), int(second)


def best_of_all(sizes: list[int], factors: list[Factor]) -> tuple[int, int]:
    return min(cost_of(options, factors) for options in product(*map(range, sizes)))


@given(problems())
def test_it_finds_the_cheapest_combination_and_proves_it(problem: tuple[list[int], list[Factor]]) -> None:
    sizes, factors = problem
    choice = cheapest(sizes, factors)
    best = best_of_all(sizes, factors)
    assert choice.cost[0] == choice.lower_bound == best[0]
    if best[0] < FORBIDDEN:
        assert choice.cost == best == cost_of(choice.options, factors)


@given(problems())
def test_small_tables_still_bound_the_cheapest_combination(problem: tuple[list[int], list[Factor]]) -> None:
    sizes, factors = problem
    choice = cheapest(sizes, factors, table_limit=4)
    best = best_of_all(sizes, factors)
    assert choice.lower_bound <= best[0] <= choice.cost[0]
    assert choice.cost[0] == cost_of(choice.options, factors)[0]


def test_what_does_not_fit_in_one_table_is_split_and_said_not_to_be_proven() -> None:
    # Three variables, each pair wants to differ: with two options each, one pair has to be equal.
    differ = np.array([[[1, 0], [0, 1]]])
    factors = [Factor(scope=scope, costs=differ) for scope in ((0, 1), (0, 2), (1, 2))]
    whole = cheapest([2, 2, 2], factors)
    assert (whole.cost, whole.lower_bound) == ((1,), 1)
    split = cheapest([2, 2, 2], factors, table_limit=4)
    assert (split.cost, split.lower_bound) == ((1,), 0)


def test_a_long_chain_takes_no_more_than_a_glance() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.integers(0, 100, size=(1, 20, 20)) for _ in range(1000)]
    factors = [Factor(scope=(index, index + 1), costs=table) for index, table in enumerate(tables)]
    choice = cheapest([20] * 1001, factors)
    forward = np.zeros(20, dtype=np.int64)
    for table in tables:
        forward = (forward[:, np.newaxis] + table[0]).min(axis=0)
    assert choice.cost[0] == choice.lower_bound == forward.min()
