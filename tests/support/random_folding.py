"""Any legal folding of a lowered model."""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from finn_transforms.folding import write_folding
from finn_transforms.folding.candidates import fit_together, foldings
from finn_transforms.hw_graph import HwLayer, read_hw_graph
from tests.support.random_units import Draw

_MOST_CYCLES = 4000
"""Clock cycles per layer and frame: slower ones are drawn again where there are faster ones, so that tests end."""


def fold_at_random(model: ir.Model, draw: Draw) -> None:
    """Fold every layer as it may be, whether that makes sense or not."""
    graph = read_hw_graph(model)
    chosen: dict[str, HwLayer] = {}
    for layer in graph.layers:
        every = foldings(layer)
        quick = [each for each in every if each.cycles() <= _MOST_CYCLES] or [min(every, key=lambda one: one.cycles())]
        chosen[layer.name] = draw.one_of(*quick)
        for feeder in graph.feeders.get(layer.name, ()):
            if fit_together(chosen[feeder], chosen[layer.name]):
                continue
            pairs = [
                (a, b) for a in foldings(graph.layer(feeder)) for b in quick if fit_together(a, b)
            ]  # a window generator feeds one layer only
            chosen[feeder], chosen[layer.name] = draw.one_of(*pairs)
    write_folding(model, replace(graph, layers=tuple(chosen[layer.name] for layer in graph.layers)))
