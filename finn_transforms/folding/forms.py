"""Choosing, with the folding, between weights with shifts folded in and units that shift products."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import onnx_ir as ir

from finn_transforms.analysis.matching import Rewrite
from finn_transforms.folding.costs import CostModel
from finn_transforms.hw_graph import HwGraph, HwLayer, MvauParams, ShiftMvauParams, read_hw_graph
from finn_transforms.passes import InferShiftMVAU, SortChannels

_CHANGES: Final = (InferShiftMVAU, SortChannels)
"""What makes one form of a layer of the form before."""
_FORMS: Final = ("shifts folded into the weights", "products shifted", "products shifted, channels sorted")


def read_forms(model: ir.Model) -> HwGraph:
    """Return the layers of a model; those that `InferShiftMVAU` would change have all their forms as alternatives.

    These are the layer itself, the unit that shifts products, and that unit with its channels sorted where
    `SortChannels` can sort them.

    Args:
        model: a graph of hardware layers that are not specialized; it is not changed.
    """
    graph, other = read_hw_graph(model), model.clone()
    plain = [layer for layer in graph.layers if not isinstance(layer, ShiftMvauParams)]
    forms: dict[str, tuple[HwLayer, ...]] = {layer.name: (layer,) for layer in plain}
    for change in _CHANGES:
        change()(other)
        for layer in read_hw_graph(other).layers:
            if isinstance(layer, ShiftMvauParams) and layer != forms.get(layer.name, (layer,))[-1]:
                forms[layer.name] = (*forms[layer.name], layer)
    return replace(graph, alternatives={name: found for name, found in forms.items() if len(found) > 1})


def cheaper_forms(graph: HwGraph, costs: CostModel) -> HwGraph:
    """Return a folded graph in which each layer with alternatives is the cheapest of them, in its folding."""
    chosen = (min(_forms(layer, graph), key=costs.layer, default=layer) for layer in graph.layers)
    return replace(graph, layers=tuple(chosen))


def write_forms(model: ir.Model, graph: HwGraph, costs: CostModel) -> list[Rewrite]:
    """Make of each layer of a model the form that was chosen; return what was chosen, with all costs.

    Args:
        model: what `read_forms` read.
        graph: the same layers, folded and chosen.
        costs: the estimate that they were chosen by.
    """
    places = {
        layer.name: _forms(layer, graph).index(layer)
        for layer in graph.layers
        if isinstance(layer, MvauParams) and layer.name in graph.alternatives
    }
    for place, change in enumerate(_CHANGES, start=1):
        change([name for name, chosen in places.items() if chosen >= place])(model)
    return [
        Rewrite(pass_name="InferShiftMVAU", node=layer.name, detail=_choice(layer, graph, costs))
        for layer in graph.layers
        if isinstance(layer, MvauParams) and layer.name in places
    ]


def _choice(layer: MvauParams, graph: HwGraph, costs: CostModel) -> str:
    forms = _forms(layer, graph)
    prices = (f"{_FORMS[at]}, {form.weight_type.name}: {costs.layer(form).lut} LUTs" for at, form in enumerate(forms))
    return f"{_FORMS[forms.index(layer)]}, at PE {layer.pe} and SIMD {layer.simd} ({'; '.join(prices)})"


def _forms(layer: HwLayer, graph: HwGraph) -> list[MvauParams]:
    """Return what there is to choose from for a layer, in its folding; nothing where there is no choice."""
    forms = graph.alternatives.get(layer.name, ())
    if not isinstance(layer, MvauParams):
        return []
    return [replace(form, pe=layer.pe, simd=layer.simd) for form in forms if isinstance(form, MvauParams)]
