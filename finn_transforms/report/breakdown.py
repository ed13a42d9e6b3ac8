"""Where the LUTs go, layer by layer, with the model that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from finn_transforms.cost import MODEL, Estimate, load_coefficients
from finn_transforms.hw_graph import HwGraph


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
        "not_estimated": [asdict(node) for node in graph.unread],
    }
