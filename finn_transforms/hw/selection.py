"""Which matrix-vector units are asked for in LUTs, and which FINN may build so."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.hw_graph import HwLayer, MvauParams, ShiftMvauParams, SparqMvauParams, read_layer
from finn_transforms.rtl.from_layer import unit_of
from finn_transforms.rtl.node_values import NoUnitError


def request_luts(model: ir.Model) -> dict[str, str]:
    """Ask for every matrix-vector unit in LUTs without HLS: ``resType = "lut"``, ``preferred_impl_style = "rtl"``.

    FINN's ``SpecializeLayers`` honours that once `register` was called.

    Args:
        model: a graph of hardware layers that are not specialized yet.

    Returns:
        Why a unit was left as it was, by its name.
    """
    refused = {}
    for node in model.graph:
        layer = read_layer(node)
        if not isinstance(layer, MvauParams) or isinstance(layer, ShiftMvauParams | SparqMvauParams):
            continue
        refusal = refusal_of(layer, node)
        if refusal is not None:
            refused[layer.name] = refusal
            continue
        for name, value in (("resType", "lut"), ("preferred_impl_style", "rtl")):
            node.attributes[name] = ir.AttrString(name, value)
    return refused


def refusal_of(layer: HwLayer, node: ir.Node) -> str | None:
    """Return why there is no unit in LUTs for a layer, None where there is one."""
    if not isinstance(layer, MvauParams):
        return f"expected a matrix-vector unit, found {node.op_type}"
    if layer.mem_mode not in {"internal_embedded", "internal_decoupled"}:
        return f"expected weights inside the unit, found mem_mode {layer.mem_mode!r}"
    if "runtime_writeable_weights" in node.attributes and node.attributes["runtime_writeable_weights"].as_int():
        return "expected weights that do not change, found runtime_writeable_weights"
    try:
        unit_of(layer, node)
    except NoUnitError as error:
        return str(error)
    return None
