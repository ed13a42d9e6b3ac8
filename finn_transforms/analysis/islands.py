"""Nodes for the host that lie between hardware layers."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.analysis.matching import is_hardware


def nodes_between_hardware(model: ir.Model) -> list[ir.Node]:
    """Return the nodes that read what hardware layers computed and feed hardware layers again, in order.

    FINN builds one accelerator from one stretch of hardware layers and refuses a graph with such nodes.
    """
    nodes = list(model.graph)
    after: set[ir.Node] = set()
    for node in nodes:
        if any(is_hardware(feeder) or feeder in after for feeder in node.predecessors()):
            after.add(node)
    before: set[ir.Node] = set()
    for node in reversed(nodes):
        if any(is_hardware(reader) or reader in before for reader in node.successors()):
            before.add(node)
    return [node for node in nodes if node in after and node in before and not is_hardware(node)]
