"""A pass that looks at one node at a time."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from finn_transforms.analysis.matching import NoMatchError, nodes_of
from finn_transforms.passes._base import HardwarePass, HardwarePassResult


class NodePass(HardwarePass):
    """Lowers each ONNX node of some operators, or refuses it.

    Attributes:
        op_types: the operators that are looked at.
    """

    op_types: ClassVar[frozenset[str]]

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Lower every node of the operators; what they leave unread is removed."""
        self.prepare(model)
        for node in nodes_of(model):
            # A rule may have removed other nodes than its own.
            if node.domain != "" or node.op_type not in self.op_types or node.graph is None:
                continue
            try:
                detail = self.lower(node)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            if detail is not None:
                self.note(result, node, detail)
        if result.rewrites:
            RemoveUnusedNodesPass()(model)

    def prepare(self, model: ir.Model) -> None:
        """Look at the whole model before the first node."""

    @abstractmethod
    def lower(self, node: ir.Node) -> str | None:
        """Replace a node and return what became of it, or None for one that does not concern the pass.

        Raises:
            NoMatchError: the node stays as it is, and nothing was changed.
        """
