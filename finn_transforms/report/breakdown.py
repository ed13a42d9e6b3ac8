"""Where the LUTs go, layer by layer, with the model that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from finn_transforms.cost import MODEL, Estimate, load_coefficients
from finn_transforms.hw_graph import HwGraph, HwLayer, StreamParams, UnreadNode


def layer_breakdown(graph: HwGraph, estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return ``estimate_breakdown.json``: the cost model, its constants, and per layer the parts of the LUTs.

    FINN's own files have no place for it: what reads them takes every key for a layer.
    """
    return {
        "model": MODEL,
        "coefficients": asdict(load_coefficients()),
        "layers": {
            estimate.name: {"LUT": estimate.lut, **asdict(estimate.breakdown), "FF": estimate.ff}
            for estimate in estimates
        },
        "not_estimated": [asdict(node) for node in not_estimated(graph, estimates)],
    }


def not_estimated(graph: HwGraph, estimates: Sequence[Estimate]) -> tuple[UnreadNode, ...]:
    """Return the hardware nodes without an estimate, because there are no parameters or no constants for their kind."""
    names = {estimate.name for estimate in estimates}
    without = (layer for layer in graph.layers if layer.name not in names)
    return (*(UnreadNode(name=layer.name, op_type=_kind(layer)) for layer in without), *graph.unread)


def _kind(layer: HwLayer) -> str:
    return layer.kind if isinstance(layer, StreamParams) else type(layer).__name__.removesuffix("Params").upper()
