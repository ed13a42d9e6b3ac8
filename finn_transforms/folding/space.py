"""Every folding of every layer of a graph with its cycles and cost, and the cost of every pair of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from finn_transforms.folding.candidates import fit_together, foldings, input_elements, output_elements
from finn_transforms.folding.costs import Cost, CostModel
from finn_transforms.folding.elimination import FORBIDDEN, Costs, Factor, cheapest
from finn_transforms.hw_graph import HwGraph, HwLayer, HwStream, MvauParams, SwgParams, VvauParams


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldingSpace:
    """The choices there are.

    Attributes:
        graph: The layers as they were.
        options: The legal foldings of each layer, of each of its alternatives where it has some.
        cycles: Clock cycles per frame of each of them.
        costs: Their costs, (keys, options).
        pairs: Costs of the foldings of two layers together, (keys, options of one, options of the other): width
            converters, and `FORBIDDEN` where they do not fit together.
    """

    graph: HwGraph
    options: tuple[tuple[HwLayer, ...], ...]
    cycles: tuple[NDArray[np.int64], ...]
    costs: tuple[Costs, ...]
    pairs: tuple[Factor, ...]

    @classmethod
    def of(cls, graph: HwGraph, costs: CostModel) -> FoldingSpace:
        """Return the choices for a graph."""
        options = tuple(_options(layer, graph) for layer in graph.layers)
        index = {layer.name: position for position, layer in enumerate(graph.layers)}
        pairs = (
            _pair(stream, (index[stream.producer], index[stream.consumer]), options, costs)
            for stream in converted_streams(graph)
        )
        return cls(
            graph=graph,
            options=options,
            cycles=tuple(np.array([each.cycles() for each in every]) for every in options),
            costs=tuple(np.array([costs.layer(each) for each in every]).T for every in options),
            pairs=tuple(pairs),
        )

    def speeds(self) -> list[int]:
        """Return the clock cycles per frame that the slowest layer can have, ascending; 0 where there is no layer."""
        fastest = max((int(cycles.min()) for cycles in self.cycles), default=0)
        every = {int(each) for cycles in self.cycles for each in cycles}
        return sorted(each for each in every if each >= fastest) or [0]

    def cheapest(self, target: int) -> tuple[HwGraph, int] | None:
        """Return the graph in its cheapest folding, and what the LUTs cannot be less than; None if there is none.

        Args:
            target: clock cycles per frame that no layer may exceed.
        """
        if not self.options:
            return self.graph, 0
        fast = [np.flatnonzero(cycles <= target) for cycles in self.cycles]
        if not all(each.size for each in fast):
            return None
        single = (Factor(scope=(layer,), costs=self.costs[layer][:, each]) for layer, each in enumerate(fast))
        double = (
            Factor(scope=pair.scope, costs=pair.costs[:, fast[pair.scope[0]]][:, :, fast[pair.scope[1]]])
            for pair in self.pairs
        )
        choice = cheapest([each.size for each in fast], [*single, *double])
        if choice.cost[0] >= FORBIDDEN:
            return None
        chosen = zip(self.options, fast, choice.options, strict=True)
        layers = tuple(every[each[option]] for every, each, option in chosen)
        return replace(self.graph, layers=layers), choice.lower_bound


def _options(layer: HwLayer, graph: HwGraph) -> tuple[HwLayer, ...]:
    """Return a layer, or all that there are to choose from in its place, in every legal folding."""
    return tuple(each for form in graph.alternatives.get(layer.name, (layer,)) for each in foldings(form))


def converted_streams(graph: HwGraph) -> tuple[HwStream, ...]:
    """Return the streams between layers whose widths are known; the others take no part in the choice.

    Weights that come as a stream of their own are none of them.
    """
    layers = {layer.name: layer for layer in graph.layers}
    return tuple(
        stream
        for stream in graph.streams
        if stream.producer in layers
        and stream.consumer in layers
        and not (stream.input and isinstance(layers[stream.consumer], MvauParams | VvauParams))
    )


def converter_of(stream: HwStream, producer: HwLayer, consumer: HwLayer, costs: CostModel) -> Cost:
    """Return the cost of the width converter in a stream, nothing where both sides are equally wide."""
    if stream.data_type is None:
        return Cost()
    return costs.converter(stream.data_type, output_elements(producer), input_elements(consumer))


def _pair(stream: HwStream, ends: tuple[int, int], options: Sequence[Sequence[HwLayer]], costs: CostModel) -> Factor:
    producers, consumers = (options[end] for end in ends)
    # One of each width will do.
    senders = {output_elements(producer): producer for producer in producers}
    takers = {input_elements(consumer): consumer for consumer in consumers}
    found = [[converter_of(stream, sender, taker, costs) for taker in takers.values()] for sender in senders.values()]
    rows = [list(senders).index(output_elements(producer)) for producer in producers]
    columns = [list(takers).index(input_elements(consumer)) for consumer in consumers]
    table = np.moveaxis(np.array(found), -1, 0)[:, rows][:, :, columns]
    if isinstance(producers[0], SwgParams) and producers[0].depthwise:
        fitting = [[fit_together(producer, consumer) for consumer in consumers] for producer in producers]
        table[0][~np.array(fitting)] = FORBIDDEN
    return Factor(scope=ends, costs=table)
