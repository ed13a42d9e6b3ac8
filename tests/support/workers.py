"""A transformation that runs in workers; these import this file, so it imports little."""

from __future__ import annotations

import os

from onnx import NodeProto
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import NodeLocalTransformation


class ReadOperators(NodeLocalTransformation):
    """Writes into each node which process found which operator for it."""

    def applyNodeLocal(self, node: NodeProto) -> tuple[NodeProto, bool]:  # noqa: N802 - QONNX's name
        """Write it into the node's documentation."""
        node.doc_string = f"{os.getpid()} {type(getCustomOp(node)).__name__}"
        return node, False
