"""Folding in the nodes of a model: PE, SIMD and whole windows."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.hw_graph import (
    HwGraph,
    HwLayer,
    MvauParams,
    PaddingParams,
    SparqEncoderParams,
    StreamParams,
    SwgParams,
    VvauParams,
)


def write_folding(model: ir.Model, graph: HwGraph) -> None:
    """Write PE, SIMD and ``parallel_window`` of every layer of ``graph`` to the node of that name in ``model``."""
    layers = {layer.name: layer for layer in graph.layers}
    for node in model.graph:
        if (layer := layers.get(node.name or "")) is None:
            continue
        for name, value in _attributes(layer).items():
            node.attributes[name] = ir.AttrInt64(name, value)


def _attributes(layer: HwLayer) -> dict[str, int]:
    if isinstance(layer, MvauParams | VvauParams):
        return {"PE": layer.pe, "SIMD": layer.simd}
    if isinstance(layer, StreamParams):
        return {layer.width_attribute: layer.width}
    if isinstance(layer, SwgParams):
        return {"SIMD": layer.simd, "parallel_window": int(layer.parallel_window)}
    return {"SIMD": layer.simd} if isinstance(layer, PaddingParams | SparqEncoderParams) else {"PE": layer.pe}
