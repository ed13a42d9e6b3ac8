"""The cheapest choice of one option per variable, where costs are sums over single variables and small groups of them.

Variables are eliminated one after the other (nonserial dynamic programming; Bertele and Brioschi, 1972; bucket
elimination, Dechter, 1999): all factors with a variable are added up to one table and minimised over it. The result is
exact. Tables stay as small as the widest cut of the graph: two or three variables for chains with branches that meet
again. Where one would outgrow a limit, its factors are split into groups that are minimised apart (mini-buckets,
Dechter and Rish, 2003): what comes out is then a lower bound, and a choice that may be a little dearer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.int64]

FORBIDDEN: Final = 1 << 40
"""First key of a combination that may not be chosen; sums stop there."""

_TABLE_LIMIT: Final = 1 << 22
_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True, eq=False)
class Factor:
    """The cost of every combination of options of a few variables.

    Attributes:
        scope: The variables, ascending.
        costs: Costs (keys, options of the first variable, options of the second, ...). The first key is minimised
            first, and each other one among what the ones before leave.
    """

    scope: tuple[int, ...]
    costs: Costs


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One option per variable.

    Attributes:
        options: Index of the chosen option of each variable.
        cost: Its cost by key; a first key of `FORBIDDEN` says that nothing allowed was found.
        lower_bound: What the first key cannot be less than; equal to it where the choice is proven to be the best.
    """

    options: tuple[int, ...]
    cost: tuple[int, ...]
    lower_bound: int


def cheapest(sizes: Sequence[int], factors: Iterable[Factor], *, table_limit: int = _TABLE_LIMIT) -> Choice:
    """Return the cheapest choice; on equal costs the lower index of the variable eliminated last.

    Args:
        sizes: number of options of each variable, each at least 1.
        factors: with equal numbers of keys, costs not negative; at least one for each variable.
        table_limit: entries of the largest table to be built, see above; a factor itself may be larger.
    """
    every = tuple(factors)
    remaining = dict(enumerate(every))
    buckets: list[tuple[int, list[Factor]]] = []
    bound, serial = 0, len(every)
    for variable in _Order(sizes, every):
        keys = [key for key, factor in remaining.items() if variable in factor.scope]
        bucket = [remaining.pop(key) for key in keys]
        buckets.append((variable, bucket))
        for group in _groups(bucket, sizes, table_limit):
            message = _minimised(group, variable)
            if message.scope:
                remaining[serial] = message
                serial += 1
            else:
                bound = min(bound + int(message.costs[0]), FORBIDDEN)
    chosen: dict[int, int] = {}
    for variable, bucket in reversed(buckets):
        rows = (factor.costs[_index(factor, chosen)] for factor in bucket)
        chosen[variable] = int(_first_best(_total(rows)))
    cost = _total(factor.costs[_index(factor, chosen)] for factor in every)
    return Choice(
        options=tuple(chosen[variable] for variable in range(len(sizes))),
        cost=tuple(int(key) for key in cost),
        lower_bound=bound,
    )


class _Order:
    """Yields the variable whose elimination makes the smallest table, again and again."""

    def __init__(self, sizes: Sequence[int], factors: Iterable[Factor]) -> None:
        self._sizes = sizes
        self._neighbours: dict[int, set[int]] = {variable: set() for variable in range(len(sizes))}
        for factor in factors:
            for variable in factor.scope:
                self._neighbours[variable].update(factor.scope)

    def __iter__(self) -> _Order:
        self._entries = {variable: self._table(variable) for variable in self._neighbours}
        return self

    def __next__(self) -> int:
        if not self._entries:
            raise StopIteration
        variable = min(self._entries, key=self._entries.__getitem__)
        del self._entries[variable]
        others = self._neighbours.pop(variable) - {variable}
        for other in others:
            self._neighbours[other] |= others
            self._neighbours[other].discard(variable)
            self._entries[other] = self._table(other)
        return variable

    def _table(self, variable: int) -> int:
        return prod(self._sizes[other] for other in self._neighbours[variable])


def _groups(bucket: Iterable[Factor], sizes: Sequence[int], limit: int) -> list[list[Factor]]:
    """Return the factors in as few groups as it takes for the table of each to stay within the limit, first fit."""
    groups: list[tuple[set[int], list[Factor]]] = []
    for factor in sorted(bucket, key=lambda each: -each.costs.size):
        for scope, members in groups:
            if prod(sizes[variable] for variable in scope.union(factor.scope)) <= limit:
                scope.update(factor.scope)
                members.append(factor)
                break
        else:
            groups.append((set(factor.scope), [factor]))
    return [members for _, members in groups]


def _minimised(group: Sequence[Factor], variable: int) -> Factor:
    """Return the sum of the factors, minimised over a variable."""
    kept = sorted({each for factor in group for each in factor.scope} - {variable})
    table = _total(_spread(factor, [*kept, variable]) for factor in group)
    best = _first_best(table)[np.newaxis, ..., np.newaxis]
    return Factor(scope=tuple(kept), costs=np.take_along_axis(table, best, axis=-1)[..., 0])


def _spread(factor: Factor, variables: Sequence[int]) -> Costs:
    """Return the factor's costs with an axis for each of the variables, those not in its scope of length 1."""
    positions = [1 + factor.scope.index(variable) for variable in variables if variable in factor.scope]
    ordered = factor.costs.transpose(0, *positions)
    absent = [1 + axis for axis, variable in enumerate(variables) if variable not in factor.scope]
    return np.expand_dims(ordered, tuple(absent))


def _index(factor: Factor, chosen: Mapping[int, int]) -> tuple[Any, ...]:
    return (slice(None), *(chosen.get(variable, slice(None)) for variable in factor.scope))


def _total(tables: Iterable[Costs]) -> Costs:
    iterator = iter(tables)
    total = next(iterator)
    for table in iterator:
        total = total + table
        np.minimum(total[:1], FORBIDDEN, out=total[:1])
    return total


def _first_best(costs: Costs) -> NDArray[np.intp]:
    """Return the index along the last axis of what is least by the first key, then by the second, and so on."""
    best: NDArray[np.bool_] = costs[0] == costs[0].min(axis=-1, keepdims=True)
    for key in costs[1:]:
        among = np.where(best, key, _NEVER)
        best = among == among.min(axis=-1, keepdims=True)
    first: NDArray[np.intp] = best.argmax(axis=-1)
    return first
