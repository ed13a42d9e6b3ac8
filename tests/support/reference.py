"""One node computed by the runtimes that users have: onnxruntime, QONNX and FINN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx


def in_onnxruntime(
    op_type: str, inputs: Sequence[NDArray[Any] | None], dtype: type[np.generic] = np.float64, **attributes: Any
) -> NDArray[Any]:
    """Return the output of an ONNX operator; the first input is fed, the others are constants, None is absent."""
    first, *others = inputs
    assert first is not None
    names = ["x", *("" if array is None else f"c{index}" for index, array in enumerate(others))]
    initializers = [
        numpy_helper.from_array(array if array.dtype == np.int64 else array.astype(dtype), f"c{index}")
        for index, array in enumerate(others)
        if array is not None
    ]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [helper.make_node(op_type, names, ["y"], **attributes)],
        "graph",
        [helper.make_tensor_value_info("x", kind, first.shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": first.astype(dtype)})[0])


def in_finn(
    op_type: str,
    inputs: Sequence[NDArray[Any]],
    output_shape: Sequence[int],
    *,
    domain: str = "finn.custom_op.fpgadataflow",
    **attributes: Any,
) -> NDArray[Any]:
    """Return the output of a node as FINN's (or, by the domain, QONNX's) own Python execution computes it."""
    names = [f"c{index}" for index in range(len(inputs))]
    node = helper.make_node(op_type, names, ["y"], domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("c0", TensorProto.FLOAT, inputs[0].shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(output_shape))],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in zip(names[1:], inputs[1:], strict=True)
        ],
    )
    opsets = [helper.make_opsetid("", 19), helper.make_opsetid(domain, 1)]
    model = ModelWrapper(onnx.helper.make_model(graph, opset_imports=opsets))
    return np.asarray(execute_onnx(model, {"c0": inputs[0].astype(np.float32)})["y"])
