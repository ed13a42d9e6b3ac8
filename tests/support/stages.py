"""Runs a model through every pass and compares the integers at each stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import HARDWARE_DOMAIN, is_hardware
from finn_transforms.emulate import emulate
from finn_transforms.finn_compat import prepare_finn
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes.extract_integers import ExtractIntegers
from finn_transforms.passes.lower import hardware_passes
from tests.support.graphs import copy_of, wrapper


def stages() -> list[HardwarePass]:
    """Return the passes behind ExtractIntegers, in the order of a build."""
    passes = hardware_passes()
    return passes[[type(each) for each in passes].index(ExtractIntegers) + 1 :]


def input_name(model: ir.Model) -> str:
    (value,) = (value for value in model.graph.inputs if value.const_value is None)
    return str(value.name)


def quantized(model: ir.Model, values: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the integers behind every quantizer and thresholding, channels second, in graph order."""
    found = []
    for node in model.graph:
        output = node.outputs[0]
        if node.op_type in {"BipolarQuant", "Quant", "Trunc"} and integer_datatype(output) is not None:
            found.append(values[str(output.name)])
        if node.op_type == "Thresholding":
            array = values[str(output.name)]
            found.append(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array)
    return found


def assert_every_stage_equal(model: ir.Model, x: NDArray[Any]) -> list[HardwarePassResult]:
    """Lower a model after ExtractIntegers in place; every quantizer and output stays the same, bit for bit."""
    name, outputs = input_name(model), [str(value.name) for value in model.graph.outputs]
    before = emulate(model, {name: x})
    reference = quantized(model, before)
    results = []
    for stage in stages():
        name_of_stage = type(stage).__name__
        result = stage(model)
        assert isinstance(result, HardwarePassResult)
        results.append(result)
        after = emulate(model, {name: x})
        for index, (ours, theirs) in enumerate(zip(quantized(model, after), reference, strict=True)):
            assert_same_or_pooled(ours, theirs, f"quantizer {index} after {name_of_stage}")
        for output in outputs:
            np.testing.assert_array_equal(after[output], before[output], err_msg=f"{output} after {name_of_stage}")
        again = copy_of(model)
        assert not stage(again).modified, f"{name_of_stage} changes its own result"
    return results


def assert_same_or_pooled(ours: NDArray[Any], theirs: NDArray[Any], where: str) -> None:
    """Compare integers; signs may have been pooled in front of their thresholds instead of behind them."""
    if ours.shape != theirs.shape:
        size = theirs.shape[2] // ours.shape[2]
        assert set(np.unique(theirs)) <= {-1, 1}, where
        windows = theirs[:, :, : size * ours.shape[2], : size * ours.shape[3]]
        windows = windows.reshape(*ours.shape[:3], size, ours.shape[3], size)
        theirs = windows.max(axis=(3, 5))
    np.testing.assert_array_equal(ours, theirs, err_msg=where)


def assert_finn_agrees(model: ir.Model, image: NDArray[Any]) -> int:
    """Compare every integer tensor of a hardware graph with what FINN's own nodes compute; return their number."""
    name = input_name(model)
    ours = emulate(model, {name: image})
    theirs = execute_onnx(wrapper(model), {name: image.astype(np.float32)}, return_full_exec_context=True)
    count = 0
    for node in model.graph:
        for value in node.outputs:
            if integer_datatype(value) is None or node.op_type == "Quant":
                continue
            key = str(value.name)
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=f"{node.op_type} {key}")
            count += 1
    return count


def assert_finn_specializes(model: ir.Model, part: str = "xczu7ev-ffvc1156-2-e") -> ModelWrapper:
    """Let FINN infer shapes and types and choose an implementation for every layer; nothing may change but that."""
    prepare_finn()
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    before = wrapper(model)
    inferred = wrapper(model).transform(InferShapes()).transform(InferDataTypes())
    for node in model.graph:
        for value in node.outputs:
            name = str(value.name)
            assert inferred.get_tensor_shape(name) == before.get_tensor_shape(name), name
            if is_hardware(node):
                assert inferred.get_tensor_datatype(name) == before.get_tensor_datatype(name), name
    specialized = inferred.transform(SpecializeLayers(part))
    kinds = [node.op_type for node in specialized.graph.node if node.domain.startswith(HARDWARE_DOMAIN)]
    assert kinds
    assert all(kind.endswith(("_hls", "_rtl")) for kind in kinds), kinds
    return specialized
