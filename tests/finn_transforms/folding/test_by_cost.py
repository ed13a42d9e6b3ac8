"""Folding by cost: the best of every combination, on small networks."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest

from finn_transforms.folding import (
    CostModel,
    Folding,
    FoldingOptions,
    InfeasibleFoldingError,
    fold,
    fold_by_cost,
    fold_to_luts,
    priced,
)
from finn_transforms.folding.candidates import fit_together, foldings
from finn_transforms.hw_graph import HwGraph, PoolParams, SwgParams, VvauParams, read_hw_graph
from tests.support.foldable import (
    Network,
    activation,
    branches,
    conv,
    depthwise_separable,
    lowered,
    residual,
    upsampled,
)
from tests.support.graphs import GraphBuilder

RNG = np.random.default_rng(1)
COSTS = CostModel()


def dense(graph: GraphBuilder, x: str) -> str:
    for inputs, outputs in ((6, 4), (4, 6)):
        weights = graph.weights(RNG.integers(-3, 4, (inputs, outputs)), bits=3)
        x = activation(graph, graph.node("MatMul", [x, weights]))
    return x


def pooled(graph: GraphBuilder, x: str) -> str:
    x = activation(graph, conv(graph, x, 4, 2, 1))
    return graph.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])


def depthwise(graph: GraphBuilder, x: str) -> str:
    return activation(graph, conv(graph, x, 1, 4, 2, group=4))


def skipped(graph: GraphBuilder, x: str) -> str:
    return graph.quant(graph.node("Add", [activation(graph, conv(graph, x, 4, 4, 1)), x]), 1.0, 4)


SMALL: dict[Network, tuple[int, ...]] = {
    dense: (1, 6),
    pooled: (1, 4, 4, 4),
    depthwise: (1, 4, 5, 5),
    skipped: (1, 4, 3, 3),
}


@cache
def every_folding(network: Network) -> tuple[HwGraph, tuple[tuple[int, int], ...]]:
    """Return a network and cycles and LUTs of every legal combination."""
    graph = read_hw_graph(lowered(network, SMALL[network]))
    return graph, tuple((folding.cycles, folding.lut) for folding in combinations(graph))


def combinations(graph: HwGraph) -> Iterator[Folding]:
    index = {layer.name: position for position, layer in enumerate(graph.layers)}
    for layers in product(*map(foldings, graph.layers)):
        ends = ((layers[index[each.producer]], layers[index[each.consumer]]) for each in graph.streams)
        if all(fit_together(*pair) for pair in ends):
            yield priced(replace(graph, layers=layers), COSTS)


@pytest.mark.parametrize("network", SMALL)
def test_no_combination_of_that_throughput_takes_fewer_luts(network: Network) -> None:
    graph, every = every_folding(network)
    for target in sorted({cycles for cycles, _ in every}):
        folding = fold_by_cost(graph, target, COSTS)
        assert folding.cycles <= target
        assert folding.lut == folding.lower_bound == min(lut for cycles, lut in every if cycles <= target)
        assert folding.is_optimal


@pytest.mark.parametrize("network", SMALL)
def test_no_combination_of_so_many_luts_is_faster(network: Network) -> None:
    graph, every = every_folding(network)
    sizes = sorted({lut for _, lut in every})
    for budget in (*sizes[:: len(sizes) // 20 + 1], sizes[-1], sizes[0] + 1):
        folding = fold_to_luts(graph, budget, COSTS)
        assert (folding.cycles, folding.lut) == min(each for each in every if each[1] <= budget)


@pytest.mark.parametrize("network", [depthwise_separable, residual, branches, upsampled])
def test_finns_folding_is_one_of_those_considered_and_never_smaller(network: Network) -> None:
    graph = read_hw_graph(lowered(network))
    savings = []
    for target in (10, 64, 100, 200, 384, 768, 1000, 1300, 3000, 10_000, 1_000_000):
        finns = priced(fold(graph, FoldingOptions(target_cycles=target)), COSTS)
        assert all(layer in foldings(layer) for layer in finns.graph.layers)
        ours = fold_by_cost(graph, finns.cycles, COSTS)
        assert ours.cycles <= finns.cycles
        assert ours.is_optimal
        savings.append(finns.lut - ours.lut)
    assert min(savings) >= 0
    assert np.count_nonzero(savings) > len(savings) // 2


def test_what_needs_equal_widths_gets_them() -> None:
    seen = set()
    for network in (pooled, depthwise):
        graph, every = every_folding(network)
        for target in {cycles for cycles, _ in every}:
            folding = fold_by_cost(graph, target, COSTS)
            for stream in graph.streams:
                window, unit = folding.graph.layer(stream.producer), folding.graph.layer(stream.consumer)
                if isinstance(window, SwgParams) and isinstance(unit, PoolParams | VvauParams):
                    several = isinstance(unit, VvauParams) and unit.simd > 1
                    assert (window.simd, window.parallel_window) == (unit.pe, several)
                    seen.add(several)
    assert seen == {False, True}


def test_a_throughput_out_of_reach_names_the_best_one_and_the_layer() -> None:
    graph, every = every_folding(pooled)
    best = min(cycles for cycles, _ in every)
    with pytest.raises(InfeasibleFoldingError, match=rf"at least {best} cycles per frame, found {best - 1}") as caught:
        fold_by_cost(graph, best - 1, COSTS)
    assert caught.value.best.cycles == best
    assert caught.value.best.lut == min(lut for cycles, lut in every if cycles == best)
    assert caught.value.layers
    assert all(caught.value.best.graph.layer(name).cycles() == best for name in caught.value.layers)
    assert all(name in str(caught.value) for name in caught.value.layers)


def test_a_number_of_luts_out_of_reach_names_the_fewest() -> None:
    graph, every = every_folding(skipped)
    fewest = min(lut for _, lut in every)
    with pytest.raises(InfeasibleFoldingError, match=rf"at least {fewest} LUTs, found {fewest - 1}") as caught:
        fold_to_luts(graph, fewest - 1, COSTS)
    assert caught.value.best.lut == fewest


def test_an_empty_graph_folds_to_itself() -> None:
    nothing = HwGraph(layers=())
    assert fold_by_cost(nothing, 1).graph == fold_to_luts(nothing, 1).graph == nothing


def test_equal_luts_leave_the_fewest_block_resources_and_flip_flops() -> None:
    graph = read_hw_graph(lowered(dense, (1, 6)))
    folding = fold_by_cost(graph, 6, COSTS)
    equal = [each for each in combinations(graph) if each.cycles <= 6 and each.lut == folding.lut]

    def rest(each: Folding) -> tuple[int, int]:
        every = (*each.layers, *(converter.cost for converter in each.converters))
        return sum(cost.blocks for cost in every), sum(cost.ff for cost in every)

    assert rest(folding) == min(map(rest, equal))
