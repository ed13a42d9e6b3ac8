"""Folding by cost: the fewest LUTs for a throughput, or the highest throughput for a number of LUTs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from finn_transforms.folding.costs import CostModel
from finn_transforms.folding.pricing import Folding, priced
from finn_transforms.folding.space import FoldingSpace
from finn_transforms.hw_graph import HwGraph

# How many layers a message names.
_NAMED = 3


class InfeasibleFoldingError(ValueError):
    """No folding meets the target.

    Attributes:
        best: The fastest folding where the target was a throughput, the smallest where it was a number of LUTs.
        layers: Names of the layers that stand in the way: the slowest ones, or the largest one.
    """

    def __init__(self, message: str, best: Folding, layers: tuple[str, ...]) -> None:
        super().__init__(message)
        self.best = best
        self.layers = layers


def fold_by_cost(graph: HwGraph, target_cycles: int, costs: CostModel | None = None) -> Folding:
    """Return the folding with the fewest LUTs of all that take at most so many cycles per frame, with the proof.

    Every combination of the layers' legal foldings is considered (see `finn_transforms.folding.candidates`), with the
    width converters between neighbours.  Among equally small ones, that with the fewest block resources, then with
    the fewest flip-flops.

    Args:
        graph: the layers, in any folding.
        target_cycles: clock cycles per frame that no layer may exceed.
        costs: the estimate; one that is shared between calls remembers what it has computed.

    Raises:
        InfeasibleFoldingError: a layer cannot be that fast.
    """
    costs = costs or CostModel()
    space = FoldingSpace.of(graph, costs)
    folding = _cheapest(space, target_cycles, costs)
    if folding is not None:
        return folding
    best = _fastest(space, costs, lambda _: True)
    slowest = tuple(layer.name for layer in best.graph.layers if layer.cycles() == best.cycles)
    raise InfeasibleFoldingError(
        f"expected a target of at least {best.cycles} cycles per frame, found {target_cycles}: {_named(slowest)} "
        "cannot be faster. Lower the target throughput or the clock period, or make the layer smaller",
        best,
        slowest,
    )


def fold_to_luts(graph: HwGraph, max_luts: int, costs: CostModel | None = None) -> Folding:
    """Return the folding with the highest throughput of all that take at most so many LUTs, with the proof.

    Of the foldings with that throughput, it is the one with the fewest LUTs.

    Args:
        graph: the layers, in any folding.
        max_luts: LUTs of layers and width converters together.
        costs: the estimate; one that is shared between calls remembers what it has computed.

    Raises:
        InfeasibleFoldingError: even the smallest folding takes more.
    """
    costs = costs or CostModel()
    space = FoldingSpace.of(graph, costs)
    best = _fastest(space, costs, lambda folding: folding.lut <= max_luts)
    if best.lut <= max_luts:
        return best
    largest = max(zip(best.layers, best.graph.layers, strict=True), key=lambda pair: pair[0].lut)
    raise InfeasibleFoldingError(
        f"expected at least {best.lut} LUTs, found {max_luts}: no folding takes fewer, of which "
        f"{largest[1].name!r} takes {largest[0].lut}. Allow more, or make the network smaller",
        best,
        (largest[1].name,),
    )


def _cheapest(space: FoldingSpace, target: int, costs: CostModel) -> Folding | None:
    found = space.cheapest(target)
    return None if found is None else priced(found[0], costs, lower_bound=found[1])


def _fastest(space: FoldingSpace, costs: CostModel, accept: Callable[[Folding], bool]) -> Folding:
    """Return the cheapest folding of the highest throughput that is accepted, or of the lowest there is.

    What is accepted at one throughput is accepted at every lower one, where the cheapest folding is no larger.
    """
    speeds = space.speeds()
    tried: dict[int, Folding] = {}

    def accepted(speed: int) -> bool:
        folding = _cheapest(space, speed, costs)
        if folding is not None:
            tried[speed] = folding
        return folding is not None and accept(folding)

    position = bisect_left(speeds, True, key=accepted)
    return tried[speeds[min(position, len(speeds) - 1)]]


def _named(layers: tuple[str, ...]) -> str:
    more = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
    return ", ".join(map(repr, layers[:_NAMED])) + more
