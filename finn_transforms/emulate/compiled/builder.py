"""Writes an onnxruntime graph node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

CONTRIB = "com.microsoft"
_OPSET, _IR_VERSION = 19, 9


def run(session: onnxruntime.InferenceSession, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Return all outputs of a session, whose tensors are dense."""
    outputs: list[NDArray[Any]] = session.run(None, feeds)  # type: ignore[assignment]
    return outputs


class Builder:
    """Each method adds something and returns the name of the tensor.

    Attributes:
        rows: inputs that are to be fed with one array (C,) for every sample, see `row`.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self.rows: dict[str, NDArray[Any]] = {}

    def constant(self, array: NDArray[Any] | np.generic) -> str:
        """Add a constant, once for equal ones."""
        plain = np.asarray(array)
        key = (plain.dtype.str, plain.shape, plain.tobytes())
        if key not in self._constants:
            self._constants[key] = name = f"constant{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(plain).reshape(plain.shape), name))
        return self._constants[key]

    def row(self, array: NDArray[Any]) -> str:
        """Add a constant (C,) that is fed with the batch's number of rows: onnxruntime broadcasts short rows slowly."""
        name = f"row{len(self.rows)}"
        self.rows[name] = array
        return name

    def node(self, op_type: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        name = f"{op_type}{len(self._nodes)}"
        self._nodes.append(helper.make_node(op_type, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def cast(self, value: str, dtype: type[np.generic]) -> str:
        """Add a cast."""
        return self.node("Cast", [value], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def session(
        self, inputs: Sequence[tuple[str, type[np.generic], Sequence[int | str]]], outputs: Sequence[str], threads: int
    ) -> onnxruntime.InferenceSession:
        """Return a session that runs the nodes as they are: no optimizer may fuse scales into integer weights.

        Args:
            inputs: names, element types and shapes; a text is a free dimension.
            outputs: names.
            threads: threads in a kernel, 0 for as many as there are cores.
        """
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), list(shape))
            for name, kind, shape in inputs
        ]
        infos += [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(row.dtype), ["batch", len(row)])
            for name, row in self.rows.items()
        ]
        nodes = self._needed(outputs)
        read = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            "emulator",
            infos,
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [tensor for tensor in self._initializers if tensor.name in read],
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def _needed(self, outputs: Sequence[str]) -> list[onnx.NodeProto]:
        """Return the nodes that the outputs depend on; the others would run all the same."""
        needed, nodes = set(outputs), []
        for node in reversed(self._nodes):
            if node.output[0] in needed:
                nodes.append(node)
                needed.update(node.input)
        return nodes[::-1]
