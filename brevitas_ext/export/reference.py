"""The float64 reference of an exported graph, and how exactly float32 can be expected to meet it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from brevitas_ext.export.float64_ops import Array, run_node
from brevitas_ext.qonnx_ops.catalogue import read_quantizer, read_sparq

LINEAR: Final = frozenset({
    "Add", "AveragePool", "Conv", "ConvTranspose", "Gemm", "GlobalAveragePool", "MatMul", "Mul", "ReduceMean",
    "ReduceSum", "Resize", "Sum",
})  # fmt: skip
"""Sums of products: the same operator on the magnitudes adds up the magnitudes of all terms."""

REARRANGING: Final = frozenset({
    "Cast", "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GlobalMaxPool", "Identity", "Max", "MaxPool",
    "Pad", "ReduceMax", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
})  # fmt: skip
"""Every output is one of the inputs, or the largest of some: no new rounding error."""

SELECTING: Final = frozenset({"Abs", "Clip", "Neg", "Relu"})
"""Functions with a slope of at most 1 that float32 computes exactly: the error of the input stays."""

CONTRACTING: Final = frozenset({"Elu", "HardSigmoid", "LeakyRelu", "Sigmoid", "Softplus", "Tanh"})
"""Functions with a slope of at most 1 that round: the error of the input stays, an own one is added."""


class Reference:
    """Values and magnitudes of a graph's tensors.

    The magnitude of a value is the sum of the absolute values of the terms that were added up to it since the last
    quantizer: `|w1 x1| + |w2 x2| + ... + |bias|`. The rounding errors of float32 are proportional to it, not to the
    value, which may be the small difference of large terms. Operators in none of the classes above have no such
    rule; their magnitude is that of their output, which can only make the comparison stricter.

    Attributes:
        values: Value of every tensor by name, floats in float64.
        magnitudes: Magnitude of every tensor, of the same shape.
    """

    def __init__(self, model: onnx.ModelProto, feeds: Mapping[str, Array]) -> None:
        """Evaluates a graph; quantizers on initializers give what they compute in float32, others end the graph."""
        self.values: dict[str, Array] = {}
        self.magnitudes: dict[str, Array] = {}
        self._opset = next(item.version for item in model.opset_import if item.domain == "")
        for initializer in model.graph.initializer:
            self._set(initializer.name, _widened(numpy_helper.to_array(initializer)))
        constants = set(self.values)
        for name, array in feeds.items():
            self._set(name, _widened(array))
        for node in model.graph.node:
            op, sparq = read_quantizer(node), read_sparq(node)
            if sparq is not None:
                self._set(node.output[0], sparq.evaluate(*(self.values[name] for name in node.input)))
            elif op is None:
                self._run(node)
            elif node.input[0] in constants:
                x, *parameters = (self.values[name].astype(np.float32) for name in node.input)
                integers = op.to_integers(op.pre_rounding(x, parameters), parameters)
                self._set(node.output[0], op.dequantize(integers, parameters, np.float64))

    def _run(self, node: onnx.NodeProto) -> None:
        inputs = [self.values[name] if name else None for name in node.input]
        # A cast to float32 stands for no rounding of its own: that is what the reference is free of.
        source = inputs[0] if node.op_type == "Cast" else None
        if source is not None and source.dtype.kind == "f":
            outputs = [source]
        else:
            outputs = [_widened(output) for output in run_node(node, inputs, self._opset)]
        magnitudes = self._magnitudes(node, outputs)
        for name, value, magnitude in zip([name for name in node.output if name], outputs, magnitudes, strict=False):
            self.values[name], self.magnitudes[name] = value, magnitude

    def _magnitudes(self, node: onnx.NodeProto, outputs: list[Array]) -> list[Array]:
        inputs = [self.magnitudes[name] if name else None for name in node.input]
        if node.op_type in LINEAR | REARRANGING:
            return run_node(node, inputs, self._opset)
        if node.op_type == "Sub":
            return run_node(onnx.helper.make_node("Add", node.input, node.output), inputs, self._opset)
        own = [np.abs(output) if output.dtype.kind == "f" else output for output in outputs]
        if node.op_type in SELECTING and inputs[0] is not None:
            return [inputs[0]]
        if node.op_type in CONTRACTING and inputs[0] is not None:
            return [inputs[0] + own[0]]
        if node.op_type == "Div" and inputs[0] is not None and inputs[1] is not None:
            divisor = np.abs(self.values[node.input[1]])
            return [inputs[0] / divisor * (inputs[1] / divisor)]
        if node.op_type == "BatchNormalization":
            return [self._batch_normalization(node)]
        return own

    def _batch_normalization(self, node: onnx.NodeProto) -> Array:
        x, scale, bias, mean = (self.magnitudes[name] for name in node.input[:4])
        epsilon = next((item.f for item in node.attribute if item.name == "epsilon"), 1e-5)
        deviation = np.sqrt(self.values[node.input[4]] + epsilon)
        channels = (1, -1) + (1,) * (x.ndim - 2)
        scale, bias, mean, deviation = (array.reshape(channels) for array in (scale, bias, mean, deviation))
        return np.asarray((x + mean) * scale / deviation + bias)

    def _set(self, name: str, value: Array) -> None:
        self.values[name] = value
        self.magnitudes[name] = np.abs(value) if value.dtype.kind == "f" else value


def _widened(array: NDArray[Any]) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" else array
