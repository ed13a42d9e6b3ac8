"""Where the LUTs go, layer by layer, with the model that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from finn_transforms.cost import MODEL, Estimate, load_model
from finn_transforms.hw_graph import HwGraph, HwLayer, StreamParams, UnreadNode


def layer_breakdown(graph: HwGraph, estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return ``estimate_breakdown.json``: the cost model, where its constants come from, and per layer the details.

    Per layer, the parts of ``LUT`` add up to it in two ways: by purpose (``parts``) and by what the LUTs are used as
    (``used_as``).  ``LUT_interval`` is what synthesis is expected to give, ``fmax_class_MHz`` a rough class of clock
    frequencies.  FINN's own files have no place for it: what reads them takes every key for a layer.
    """
    return {
        "model": MODEL,
        "source": dict(load_model().source),
        "layers": {estimate.name: _details(estimate) for estimate in estimates},
        "not_estimated": [asdict(node) for node in not_estimated(graph, estimates)],
    }


def _details(estimate: Estimate) -> dict[str, Any]:
    used_as = {"logic": estimate.lut_logic, "memory": estimate.lut_memory, "shift_register": estimate.lut_srl}
    return {
        "LUT": estimate.lut,
        "LUT_interval": list(estimate.lut_interval),
        "parts": asdict(estimate.breakdown),
        "used_as": used_as,
        "FF": estimate.ff,
        "fmax_class_MHz": estimate.fmax_class,
        **({"note": estimate.note} if estimate.note else {}),
    }


def not_estimated(graph: HwGraph, estimates: Sequence[Estimate]) -> tuple[UnreadNode, ...]:
    """Return the hardware nodes without an estimate, because there are no parameters or no constants for their kind."""
    names = {estimate.name for estimate in estimates}
    without = (layer for layer in graph.layers if layer.name not in names)
    return (*(UnreadNode(name=layer.name, op_type=_kind(layer)) for layer in without), *graph.unread)


def _kind(layer: HwLayer) -> str:
    return layer.kind if isinstance(layer, StreamParams) else type(layer).__name__.removesuffix("Params").upper()
