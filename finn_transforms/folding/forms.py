"""Choosing, with the folding, between weights with shifts folded in and units that shift products.

A folding is searched for by parameters, as if all weights were different, and with it a form of each layer.  In the
folding that was found, the forms are then weighed with the weights that they have: weights with shifts folded in end
in zeros, which a memory does not store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import onnx_ir as ir

from finn_transforms.analysis.matching import Rewrite
from finn_transforms.cost import estimate_graph, lut_only
from finn_transforms.folding.costs import Cost, CostModel
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


def write_forms(model: ir.Model, graph: HwGraph, costs: CostModel) -> tuple[HwGraph, list[Rewrite]]:
    """Make of each layer of a model the form that is cheapest in its folding, weights included.

    Args:
        model: what `read_forms` read.
        graph: the same layers, folded.
        costs: how they are to be built.

    Returns:
        The graph with these forms, and what was chosen, with the LUTs of each form.
    """
    weighed = _weighed(model, graph, costs)
    places = {
        layer.name: _cheapest(layer, graph, weighed[layer.name]) for layer in graph.layers if layer.name in weighed
    }
    for place, change in enumerate(_CHANGES, start=1):
        change([name for name, chosen in places.items() if chosen >= place])(model)
    layers = tuple(
        _forms(layer, graph)[places[layer.name]] if layer.name in places else layer for layer in graph.layers
    )
    rewrites = [
        Rewrite(
            pass_name="InferShiftMVAU",
            node=layer.name,
            detail=f"{_FORMS[places[layer.name]]}, {_described(_forms(layer, graph), weighed[layer.name])}",
        )
        for layer in layers
        if layer.name in places
    ]
    return replace(graph, layers=layers), rewrites


def _cheapest(layer: HwLayer, graph: HwGraph, costs: list[Cost]) -> int:
    """Return the place of the cheapest form; of equally cheap ones, the layer that the folding was found with."""
    return min(enumerate(_forms(layer, graph)), key=lambda form: (costs[form[0]], form[1] != layer))[0]


def _weighed(model: ir.Model, graph: HwGraph, costs: CostModel) -> dict[str, list[Cost]]:
    """Return the costs of the forms of each layer that has several, in its folding and with its weights."""
    every = {layer.name: forms for layer in graph.layers if (forms := _forms(layer, graph))}
    found: dict[str, list[Cost]] = {name: [] for name in every}
    other = model.clone()
    for place in range(len(_CHANGES) + 1):
        if place:
            _CHANGES[place - 1](list(every))(other)
        layers = [forms[place] for forms in every.values() if place < len(forms)]
        built = tuple(lut_only(layer) for layer in layers) if costs.in_luts else tuple(layers)
        for estimate in estimate_graph(replace(graph, layers=built), other, dsp=costs.dsp):
            found[estimate.name].append(Cost.of(estimate))
    return found


def _described(forms: list[MvauParams], costs: list[Cost]) -> str:
    priced = zip(_FORMS, forms, costs, strict=False)
    prices = "; ".join(f"{name}, {form.weight_type.name}: {cost.lut} LUTs" for name, form, cost in priced)
    return f"at PE {forms[0].pe} and SIMD {forms[0].simd} ({prices})"


def _forms(layer: HwLayer, graph: HwGraph) -> list[MvauParams]:
    """Return what there is to choose from for a layer, in its folding; nothing where there is no choice."""
    forms = graph.alternatives.get(layer.name, ())
    if not isinstance(layer, MvauParams):
        return []
    return [replace(form, pe=layer.pe, simd=layer.simd) for form in forms if isinstance(form, MvauParams)]
