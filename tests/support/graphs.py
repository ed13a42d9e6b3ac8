"""Builds QONNX graphs node by node, as exporters write them, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.passes import InferShapes

QONNX = "qonnx.custom_op.general"
FINN = "finn.custom_op.fpgadataflow"


class GraphBuilder:
    """Each method adds a node and returns the name of its output."""

    def __init__(self, shape: Sequence[int], *, name: str = "x") -> None:
        self.input = helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.datatypes: dict[str, str] = {}
        self._count = 0

    def fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def constant(self, array: ArrayLike, stem: str = "c", datatype: str | None = None) -> str:
        name = self.fresh(stem)
        self.initializers.append(numpy_helper.from_array(np.asarray(array, dtype=np.float32), name))
        if datatype is not None:
            self.datatypes[name] = datatype
        return name

    def integers(self, array: ArrayLike, stem: str = "i") -> str:
        name = self.fresh(stem)
        self.initializers.append(numpy_helper.from_array(np.asarray(array, dtype=np.int64), name))
        return name

    def node(
        self, op_type: str, inputs: Sequence[str], *, domain: str = "", datatype: str | None = None, **attributes: Any
    ) -> str:
        name = self.fresh(op_type.lower())
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=name, domain=domain, **attributes))
        if datatype is not None:
            self.datatypes[name] = datatype
        return name

    def quant(
        self,
        x: str,
        scale: ArrayLike,
        bits: float,
        *,
        signed: bool = False,
        narrow: bool = False,
        rounding: str = "ROUND",
        zero_point: ArrayLike = 0.0,
    ) -> str:
        parameters = [self.constant(scale, "scale"), self.constant(zero_point, "zero"), self.constant(bits, "bits")]
        return self.node(
            "Quant",
            [x, *parameters],
            domain=QONNX,
            signed=int(signed),
            narrow=int(narrow),
            rounding_mode=rounding,
        )

    def weights(self, integers: ArrayLike, scale: ArrayLike = 1.0, *, bits: int = 8, narrow: bool = False) -> str:
        """Add quantized constant weights whose integers are `integers`."""
        floats = np.asarray(integers, dtype=np.float32) * np.asarray(scale, dtype=np.float32)
        return self.quant(self.constant(floats, "w"), scale, bits, signed=True, narrow=narrow)

    def batch_norm(
        self,
        x: str,
        scale: ArrayLike,
        bias: ArrayLike,
        mean: ArrayLike | None = None,
        variance: ArrayLike | None = None,
        epsilon: float = 0.0,
    ) -> str:
        channels = np.asarray(scale).shape
        mean = np.zeros(channels) if mean is None else mean
        variance = np.ones(channels) if variance is None else variance
        operands = [self.constant(array, "bn") for array in (scale, bias, mean, variance)]
        return self.node("BatchNormalization", [x, *operands], epsilon=epsilon)

    def proto(self, *outputs: str, metadata: dict[str, str] | None = None) -> onnx.ModelProto:
        """Return the model; shapes of outputs are left to shape inference."""
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "graph", [self.input], infos, self.initializers)
        for name, datatype in self.datatypes.items():
            annotation = graph.quantization_annotation.add(tensor_name=name)
            annotation.quant_parameter_tensor_names.add(key="finn_datatype", value=datatype)
        domains = {node.domain for node in self.nodes if node.domain}
        opsets = [helper.make_opsetid("", 19), *(helper.make_opsetid(domain, 1) for domain in sorted(domains))]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        helper.set_model_props(model, metadata or {})
        return model

    def model(self, *outputs: str, metadata: dict[str, str] | None = None) -> ir.Model:
        """Return the model as onnx_ir reads it, with every shape."""
        model = ir.serde.deserialize_model(self.proto(*outputs, metadata=metadata))
        InferShapes()(model)
        return model


def wrapper(model: ir.Model) -> ModelWrapper:
    """Return a copy of a model as QONNX holds it."""
    return ModelWrapper(ir.serde.serialize_model(model))


def copy_of(model: ir.Model) -> ir.Model:
    """Return a deep copy of a model."""
    return ir.serde.deserialize_model(ir.serde.serialize_model(model))


def op_types(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def only(model: ir.Model, op_type: str) -> ir.Node:
    """Return the one node of that kind."""
    (node,) = (each for each in model.graph if each.op_type == op_type)
    return node


def attributes(node: ir.Node) -> dict[str, Any]:
    return {name: attribute.value for name, attribute in node.attributes.items()}


def array_of(value: ir.Value | None) -> NDArray[Any]:
    assert value is not None
    assert value.const_value is not None
    return np.asarray(value.const_value.numpy())
