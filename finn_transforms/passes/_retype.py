"""Gives the readers of an accumulator its new data type, and fits the thresholds among them to it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype, range_of, set_datatype
from finn_transforms.analysis.matching import is_hardware, layer_type
from finn_transforms.analysis.thresholds import fit_thresholds, threshold_datatype
from finn_transforms.analysis.weights import can_change
from finn_transforms.passes._edit import add_constant

_HARDWARE_MOVES_DATA = {"ConvolutionInputGenerator", "DuplicateStreams", "FMPadding"}
_HOST_MOVES_DATA = {"Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}


def retype(value: ir.Value, reachable: IntRange, data_type: BaseDataType) -> bool:
    """Annotate an accumulator's value and tell its readers, beyond layers that only move it; tell if anything changed.

    Args:
        value: output of the unit that accumulates.
        reachable: what the accumulator can reach.
        data_type: its new data type.
    """
    changed = annotate(value, data_type)
    for reader, index in tuple(value.uses()):
        if index != 0:
            continue
        changed |= _tell(reader, reachable, data_type)
        if _moves_data(reader):
            for output in reader.outputs:
                changed |= retype(output, reachable, data_type)
    return changed


def annotate(value: ir.Value, data_type: BaseDataType) -> bool:
    """Annotate a value with a data type; tell whether it had another one."""
    if datatype(value) == data_type:
        return False
    set_datatype(value, data_type)
    return True


def set_type(node: ir.Node, attribute: str, data_type: BaseDataType) -> bool:
    """Set an attribute of a hardware layer to a data type; tell whether it was another one."""
    if attributes_of(node).get(attribute) == data_type.name:
        return False
    node.attributes[attribute] = ir.AttrString(attribute, data_type.name)
    return True


def fit(node: ir.Node, index: int, reachable: IntRange, data_type: BaseDataType) -> tuple[IntRange, bool]:
    """Fit the thresholds of a layer, its input ``index``, to an accumulator; return their range and if they changed."""
    old = node.inputs[index]
    thresholds = constant(old)
    is_activation = layer_type(node) == "Thresholding"
    # Thresholds inside a unit stay when its weights are written at run time.
    if old is None or thresholds is None or (is_activation and can_change(node)):
        return reachable, False
    fitted = fit_thresholds(thresholds, reachable, range_of(data_type))
    span = IntRange(int(fitted.min()), int(fitted.max()))
    threshold_type = threshold_datatype(fitted, data_type)
    changed = False
    if not np.array_equal(fitted, thresholds) and isinstance(node.graph, ir.Graph):
        node.replace_input_with(index, add_constant(node.graph, f"{old.name}_fitted", fitted, threshold_type))
        changed = True
    else:
        changed = annotate(old, threshold_type)
    if is_activation:
        changed |= set_type(node, "weightDataType", threshold_type)
    return span, changed


def _tell(reader: ir.Node, reachable: IntRange, data_type: BaseDataType) -> bool:
    if not is_hardware(reader):
        return False
    names = ["inputDataType", "InputDataType"]
    if _moves_data(reader):
        names += ["outputDataType", "OutputDataType"]
    changed = [set_type(reader, name, data_type) for name in names if name in reader.attributes]
    if layer_type(reader) == "Thresholding":
        changed.append(fit(reader, 1, reachable, data_type)[1])
    return any(changed)


def _moves_data(node: ir.Node) -> bool:
    if not is_hardware(node):
        return node.domain == "" and node.op_type in _HOST_MOVES_DATA
    kind = layer_type(node)
    return kind in _HARDWARE_MOVES_DATA or (kind == "Pool" and attributes_of(node).get("Function") == "MaxPool")
