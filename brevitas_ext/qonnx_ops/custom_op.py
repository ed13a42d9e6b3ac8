"""Registers our operators with QONNX, which imports a node's domain as a module and looks for its operators there."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from qonnx.custom_op.base import CustomOp

from brevitas_ext.qonnx_ops import sparq


class Sparq(CustomOp):
    """QONNX's view of a `Sparq` node; see `brevitas_ext.qonnx_ops.sparq.Sparq`."""

    def get_nodeattr_types(self) -> dict[str, tuple[Any, ...]]:
        """Returns type, whether it is required, and default of every attribute."""
        return {
            "bits": ("i", True, 4),
            "shifts": ("ints", True, []),
            "rounding": ("i", False, 1, {0, 1}),
            "overflow": ("s", False, "saturate", {"saturate", "carry"}),
            "pairs": ("i", False, 1, {0, 1}),
            "axis": ("i", False, 1),
        }

    def golden(self) -> sparq.Sparq:
        """Returns the golden function.

        Raises:
            ValueError: an attribute has no meaning.
        """
        return sparq.Sparq.from_node(self.onnx_node)

    def make_shape_compatible_op(self, model: Any) -> onnx.NodeProto:  # noqa: ARG002 - QONNX's signature
        """Returns an ONNX operator with the shapes of this one."""
        return onnx.helper.make_node("Identity", [self.onnx_node.input[0]], [self.onnx_node.output[0]])

    def infer_node_datatype(self, model: Any) -> None:
        """Annotates the output with the input's data type: what comes out are values that may come in."""
        node = self.onnx_node
        model.set_tensor_datatype(node.output[0], model.get_tensor_datatype(node.input[0]))

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:  # noqa: ARG002 - QONNX's signature
        """Runs the node on the tensors of a context."""
        node = self.onnx_node
        x, scale = (np.asarray(context[name]) for name in node.input)
        context[node.output[0]] = self.golden().evaluate(x, scale)

    def verify_node(self) -> None:
        """Raises ValueError if an attribute is missing or has no meaning."""
        self.golden()


custom_op = {"Sparq": Sparq}
