"""What a folded graph costs, width converters between its layers included."""

from __future__ import annotations

from dataclasses import dataclass

from finn_transforms.folding.candidates import input_elements, output_elements
from finn_transforms.folding.costs import Cost, CostModel
from finn_transforms.folding.space import converted_streams, converter_of
from finn_transforms.hw_graph import HwGraph


@dataclass(frozen=True, kw_only=True)
class Converter:
    """A width converter between two layers.

    Attributes:
        producer: Name of the layer in front.
        consumer: Name of the layer behind.
        elements_in: Elements per beat of the layer in front.
        elements_out: Elements per beat of the layer behind.
        cost: What it costs.
    """

    producer: str
    consumer: str
    elements_in: int
    elements_out: int
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class Folding:
    """A folded graph and what it costs.

    Attributes:
        graph: The layers.
        layers: Cost of each layer, in order.
        converters: The width converters between them.
        lower_bound: LUTs that no folding of this throughput can undercut; None where nothing was proven.
    """

    graph: HwGraph
    layers: tuple[Cost, ...]
    converters: tuple[Converter, ...]
    lower_bound: int | None = None

    @property
    def lut(self) -> int:
        """LUTs of layers and width converters; FIFOs, whose depth is set later, are not in it."""
        return sum(cost.lut for cost in self.layers) + self.converter_lut

    @property
    def converter_lut(self) -> int:
        """LUTs of the width converters."""
        return sum(converter.cost.lut for converter in self.converters)

    @property
    def cycles(self) -> int:
        """Clock cycles per frame of the slowest layer."""
        return max((layer.cycles() for layer in self.graph.layers), default=0)

    @property
    def is_optimal(self) -> bool:
        """Whether it is proven that no folding of this throughput takes fewer LUTs."""
        return self.lower_bound == self.lut


def priced(graph: HwGraph, costs: CostModel, *, lower_bound: int | None = None) -> Folding:
    """Return a graph, folded in whatever way, with the costs of its layers and width converters."""
    layers = {layer.name: layer for layer in graph.layers}
    converters = []
    for stream in converted_streams(graph):
        producer, consumer = layers[stream.producer], layers[stream.consumer]
        elements = output_elements(producer), input_elements(consumer)
        if elements[0] != elements[1]:
            cost = converter_of(stream, producer, consumer, costs)
            converters.append(
                Converter(
                    producer=producer.name,
                    consumer=consumer.name,
                    elements_in=elements[0],
                    elements_out=elements[1],
                    cost=cost,
                )
            )
    return Folding(
        graph=graph,
        layers=tuple(costs.layer(layer) for layer in graph.layers),
        converters=tuple(converters),
        lower_bound=lower_bound,
    )
