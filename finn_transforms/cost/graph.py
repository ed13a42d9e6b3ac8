"""Estimates of a whole hardware graph, weights and thresholds included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from finn_transforms.cost.dsp import DspBlock
from finn_transforms.cost.estimate import Estimate, estimate
from finn_transforms.cost.timing import Family
from finn_transforms.cost.units import NoCostError
from finn_transforms.hw_graph import HwGraph, HwLayer, MvauParams
from finn_transforms.rtl.from_layer import unit_of
from finn_transforms.rtl.node_values import NoUnitError


def estimate_graph(
    graph: HwGraph, model: ir.Model, *, dsp: DspBlock = "DSP48E2", family: Family = "xcup"
) -> tuple[Estimate, ...]:
    """Estimate every layer of a graph, with the weights, thresholds and constants that its nodes have.

    A layer is estimated from its parameters alone where it has no unit in RTL, where its weights come from outside, and
    where FINN builds it in HLS on DSP slices.

    Args:
        graph: the layers.
        model: the model that they were read from.
        dsp: the part's kind of DSP slice, see `dsp_block`.
        family: 7-series or UltraScale+.
    """
    nodes = {node.name: node for node in model.graph}
    return tuple(_estimate(layer, nodes, dsp, family) for layer in graph.layers)


def _estimate(layer: HwLayer, nodes: Mapping[str | None, ir.Node], dsp: DspBlock, family: Family) -> Estimate:
    if layer.name not in nodes or _differs(layer):
        return estimate(layer, dsp=dsp, family=family)
    try:
        found = estimate(unit_of(layer, nodes[layer.name]), dsp=dsp, family=family)
    except (NoUnitError, NoCostError):
        return estimate(layer, dsp=dsp, family=family)
    return replace(found, name=layer.name, cycles=layer.cycles())


def _differs(layer: HwLayer) -> bool:
    """Tell whether FINN builds something else than the unit of the layer."""
    if not isinstance(layer, MvauParams):
        return False
    return layer.mem_mode.startswith("external") or (layer.dsp and layer.style != "rtl")
