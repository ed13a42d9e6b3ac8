"""Puts the shifts of a unit that shifts products back into its weights."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.datatypes import smallest_datatype
from finn_transforms.analysis.matching import is_hardware, nodes_of
from finn_transforms.analysis.weights import weight_rows
from finn_transforms.ops.shift import UNIT
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import add_constant, graph_of, input_of
from finn_transforms.passes._units import turn_unit


class FoldShifts(HardwarePass):
    """Let FINN's matrix-vector unit, with wider weights, take the place of those that shift products.

    Before::

        a = ShiftMVAU(x, [[3, -2], [1, 2], [0, 3]], shifts=[0, 2, 2])       # INT3

    After::

        a = MVAU(x, [[3, -2], [4, 8], [0, 12]])             # INT5

    The inverse of `InferShiftMVAU`; name, output, folding and accumulator stay.  How a specialized unit is to be built
    is not changed: units are specialized behind this pass.

    Args:
        names: of the units; None for all.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        super().__init__()
        self.names = None if names is None else frozenset(names)

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Fold the shifts of every unit that was asked for."""
        for node in nodes_of(model):
            if not (is_hardware(node) and node.op_type == UNIT):
                continue
            if self.names is not None and node.name not in self.names:
                continue
            rows = weight_rows(node)
            if rows is None:
                raise ValueError(f"{node.name}: expected constant integer weights, found none; lower the model again")
            old = input_of(node, 1)
            data_type = smallest_datatype(IntRange(int(rows.min()), int(rows.max())), signed=True)
            stored = add_constant(graph_of(node), f"{old.name}_shifted", rows.T, data_type)
            attributes = {name: value for name, value in attributes_of(node).items() if name != "shifts"}
            attributes |= {"weightDataType": data_type.name, "binaryXnorMode": 0}
            turn_unit(node, "MVAU", attributes, stored)
            self.note(result, node, f"weights {data_type.name}, shifts among them")
        if result.rewrites:
            RemoveUnusedNodesPass()(model)
