"""Gives the readers of an accumulator its new data type, and fits the thresholds among them to it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from qonnx.core.datatype import BaseDataType, DataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype, named, range_of, set_datatype, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, is_hardware, layer_type
from finn_transforms.analysis.thresholds import fit_thresholds, threshold_datatype
from finn_transforms.analysis.weights import can_change
from finn_transforms.passes._edit import add_constant

_HARDWARE_MOVES_DATA = {
    "ConvolutionInputGenerator",
    "DuplicateStreams",
    "FMPadding",
    "FMPadding_Pixel",
    "StreamingDataWidthConverter",
    "StreamingFIFO",
    "StreamingSplit",
    "UpsampleNearestNeighbour",
}
_HOST_MOVES_DATA = {"Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_INPUT_TYPES = ("inputDataType", "InputDataType", "dataType")
_OUTPUT_TYPES = ("outputDataType", "OutputDataType")
_OPERAND_TYPES = ("lhs_dtype", "rhs_dtype")


def retype(value: ir.Value, reachable: IntRange, data_type: BaseDataType) -> bool:
    """Annotate an accumulator's value and tell its readers, beyond layers that only move it; tell if anything changed.

    Args:
        value: output of the unit that accumulates.
        reachable: what the accumulator can reach.
        data_type: its new data type.
    """
    changed = annotate(value, data_type)
    for reader, index in tuple(value.uses()):
        changed |= _tell(reader, index, reachable, data_type)
        if index == 0 and _moves_data(reader):
            for output in reader.outputs:
                changed |= retype(output, reachable, data_type)
        elif (derived := derived_type(reader)) is not None:
            changed |= retype(reader.outputs[0], range_of(derived), derived)
    return changed


def refuse_fixed_readers(value: ir.Value) -> None:
    """Check that no reader of a value computes something else once the value has another data type.

    Raises:
        NoMatchError: there is one; says which.
    """
    for reader, index in value.uses():
        if layer_type(reader) == "Pool" and attributes_of(reader).get("Function") == "QuantAvgPool":
            raise NoMatchError(
                f"{reader.name!r} behind it takes the number of bits it drops from the data type it reads",
                "Put a quantizer between the two",
            )
        if index == 0 and _moves_data(reader):
            for output in reader.outputs:
                refuse_fixed_readers(output)


def derived_type(node: ir.Node) -> BaseDataType | None:
    """Return the type that FINN derives for the output of a layer from its inputs' types; None where it does not."""
    if not is_hardware(node):
        return None
    attributes = attributes_of(node)
    if layer_type(node) == "StreamingConcat" and "inputDataTypes" in attributes:
        ranges = [range_of(named(name)) for name in attributes["inputDataTypes"]]
        return smallest_datatype(IntRange(min(0, *(each.low for each in ranges)), max(each.high for each in ranges)))
    if layer_type(node) == "GlobalAccPool" and len(attributes.get("numInputVectors", ())) > 1:
        element, pixels = named(attributes["inputDataType"]), attributes["numInputVectors"][-2:]
        extreme = int(np.prod(pixels)) * int(element.min() if element.signed() else element.max())
        return DataType.get_smallest_possible(extreme)
    return None


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


def set_integer(node: ir.Node, attribute: str, number: int) -> bool:
    """Set an attribute of a hardware layer to an integer; tell whether it was another one."""
    if attributes_of(node).get(attribute) == number:
        return False
    node.attributes[attribute] = ir.AttrInt64(attribute, number)
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
    if is_activation:
        threshold_type = threshold_datatype(fitted, data_type)
    else:
        # FINN's HLS unit adds up in the type that its thresholds are annotated with, whatever accDataType says.
        threshold_type = smallest_datatype(range_of(data_type).union(span), signed=data_type.signed())
    changed = False
    if not np.array_equal(fitted, thresholds) and isinstance(node.graph, ir.Graph):
        node.replace_input_with(index, add_constant(node.graph, f"{old.name}_fitted", fitted, threshold_type))
        changed = True
    else:
        changed = annotate(old, threshold_type)
    if is_activation:
        changed |= set_type(node, "weightDataType", threshold_type)
    return span, changed


def _tell(reader: ir.Node, index: int, reachable: IntRange, data_type: BaseDataType) -> bool:
    if not is_hardware(reader):
        return False
    if "inputDataTypes" in reader.attributes:
        return _set_one_of(reader, "inputDataTypes", index, data_type)
    if index < len(_OPERAND_TYPES) and _OPERAND_TYPES[index] in reader.attributes:
        return set_type(reader, _OPERAND_TYPES[index], data_type)
    if index != 0:
        return False
    names = _INPUT_TYPES + (_OUTPUT_TYPES if _moves_data(reader) else ())
    changed = [set_type(reader, name, data_type) for name in names if name in reader.attributes]
    if layer_type(reader) == "Thresholding":
        changed.append(fit(reader, 1, reachable, data_type)[1])
    return any(changed)


def _set_one_of(node: ir.Node, attribute: str, index: int, data_type: BaseDataType) -> bool:
    names = list(attributes_of(node)[attribute])
    if names[index] == data_type.name:
        return False
    names[index] = data_type.name
    node.attributes[attribute] = ir.AttrStrings(attribute, names)
    return True


def _moves_data(node: ir.Node) -> bool:
    if not is_hardware(node):
        return node.domain == "" and node.op_type in _HOST_MOVES_DATA
    kind = layer_type(node)
    return kind in _HARDWARE_MOVES_DATA or (kind == "Pool" and attributes_of(node).get("Function") == "MaxPool")
