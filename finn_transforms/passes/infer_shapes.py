"""Fills in the shapes that an exporter left out."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from finn_transforms.analysis.matching import nodes_of
from finn_transforms.passes._base import HardwarePass, HardwarePassResult

_SHAPE_PRESERVING = {"Quant", "IntQuant", "BipolarQuant", "FloatQuant", "Sparq", "Trunc"}


class InferShapes(HardwarePass):
    """Give every value its shape, once for the whole graph.

    ONNX's own inference does the work on a copy in which QONNX's quantizers, which it does not know, are identities.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Set the missing shapes of ``model``."""
        missing = [node for node in nodes_of(model) if any(value.shape is None for value in node.outputs)]
        if not missing:
            return
        proto = ir.serde.serialize_model(model)
        for node in proto.graph.node:
            if node.op_type in _SHAPE_PRESERVING and node.domain != "":
                node.CopyFrom(onnx.helper.make_node("Identity", node.input[:1], node.output, name=node.name))
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
        infos = (*inferred.graph.value_info, *inferred.graph.output)
        types = {info.name: info.type.tensor_type for info in infos if info.type.tensor_type.HasField("shape")}
        for node in missing:
            for value in node.outputs:
                if value.shape is None and value.name in types:
                    value.shape = ir.serde.deserialize_tensor_shape(types[value.name].shape)
                    # A shape without an element type is not written to a file.
                    value.dtype = ir.DataType(types[value.name].elem_type)
                    self.note(result, node, f"{value.name}: {value.shape}")
