"""What matrix-vector and vector-vector units share: their inputs, weights and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange, SparqFormat
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, named, smallest_datatype
from finn_transforms.analysis.linear import windows_of
from finn_transforms.analysis.matching import NoMatchError, layer_type, static_shape
from finn_transforms.analysis.sparq_stream import smallest_simd
from finn_transforms.ops.sparq import sparq_attributes
from finn_transforms.passes._edit import (
    Operator,
    Output,
    add_constant,
    graph_of,
    input_of,
    insert_node,
    integer_type_of,
    replace,
)
from finn_transforms.passes._elementwise import insert_with_number
from finn_transforms.passes._retype import retype
from finn_transforms.passes._streams import integer_input, replace_by_stream

UNSIGNED_BITS: Final = named("INT2")
"""Type of weights 0 and 1 in a unit that multiplies: FINN's HLS units refuse single unsigned bits."""


def layer_input(node: ir.Node) -> ir.Value:
    """Return the integer input of a linear layer whose output is annotated too.

    Raises:
        NoMatchError: one of them is not, there is a batch, or the input is a single unsigned bit.
    """
    source = integer_input(node, "Put an activation quantizer in front of the layer")
    integer_type_of(node.outputs[0])
    if integer_type_of(source).name == "BINARY":
        raise NoMatchError(
            "FINN's units read no single unsigned bits", "Annotate the input with two bits, or quantize it to signs"
        )
    return source


def layer_weights(node: ir.Node) -> NDArray[Any]:
    """Return the integer weights of a linear layer.

    Raises:
        NoMatchError: they are no integer constants, or a bias comes with them.
    """
    value = node.inputs[1]
    weights = constant(value)
    if value is None or weights is None or integer_datatype(value) is None:
        raise NoMatchError("its weights are not integer constants", "Give the layer a weight quantizer")
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        raise NoMatchError("it adds a bias", "Run ExtractIntegers first, which puts the bias behind the layer")
    return weights


def kernel_size(weights: NDArray[Any]) -> tuple[int, int]:
    """Return (KH, KW) of a convolution's weights.

    Raises:
        NoMatchError: it has another number of dimensions.
    """
    if weights.ndim != 4:
        raise NoMatchError(
            f"it convolves over {weights.ndim - 2} dimensions", "Use a two-dimensional convolution, e.g. kernel (k, 1)"
        )
    return weights.shape[2], weights.shape[3]


def insert_mvau(
    node: ir.Node, stream: ir.Value, matrix: NDArray[Any], vectors: tuple[int, ...], weight_type: BaseDataType
) -> None:
    """Let an MVAU for a stream (*vectors, MW), with a matrix (MW, MH), take the place of a linear layer."""
    parameters = {
        "MW": matrix.shape[0],
        "MH": matrix.shape[1],
        "binaryXnorMode": 0,
        "numInputVectors": list(vectors),
    }
    _insert_unit(node, stream, Operator("MVAU", parameters), (matrix, weight_type), (*vectors, matrix.shape[1]))


def insert_sparq_mvau(
    node: ir.Node,
    stream: ir.Value,
    matrix: NDArray[Any],
    vectors: tuple[int, ...],
    unit: tuple[SparqFormat, BaseDataType],
) -> None:
    """Let a SPARQ MVAU for a stream in code, with a matrix (MW, MH), take the place of a linear layer.

    Args:
        node: the layer.
        stream: words of the code, ``numInputVectors`` vectors of MW activations in all.
        matrix: the weights, a row per activation.
        vectors: shape of the input without its activations.
        unit: the format and the data type of the weights.
    """
    sparq, weight_type = unit
    parameters = {
        "MW": matrix.shape[0],
        "MH": matrix.shape[1],
        "SIMD": smallest_simd(sparq),
        "numInputVectors": list(vectors),
        # Of an activation; the stream has words of the code.
        "inputDataType": "UINT8",
        **sparq_attributes(sparq),
    }
    # Weights of -1 and 1 are multiplied like others here.
    weight_type = UNSIGNED_BITS if weight_type.name == "BIPOLAR" else weight_type
    _insert_unit(node, stream, Operator("SparqMVAU", parameters), (matrix, weight_type), (*vectors, matrix.shape[1]))


def dense_weights(weights: NDArray[Any], groups: int, weight_type: BaseDataType) -> tuple[NDArray[Any], BaseDataType]:
    """Return (O, C, KH, KW) with zeros between the groups of (O, C / groups, KH, KW), in a type that has a zero."""
    if groups == 1:
        return weights, weight_type
    outputs, inputs = weights.shape[0] // groups, weights.shape[1]
    dense = np.zeros((weights.shape[0], inputs * groups, *weights.shape[2:]), dtype=weights.dtype)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        dense[rows, group * inputs : (group + 1) * inputs] = weights[rows]
    return dense, weight_type if weight_type.allowed(0) else named("INT2")


def flattened_image(source: ir.Value) -> ir.Value | None:
    """Return the integer (1, C, H, W) that a (1, C * H * W) is a view of, or None."""
    producer = source.producer()
    if producer is None or producer.op_type not in {"Flatten", "Reshape", "Squeeze"} or len(static_shape(source)) != 2:
        return None
    image = input_of(producer, 0)
    return image if integer_datatype(image) is not None and len(static_shape(image)) == 4 else None


def rows_in_stream_order(matrix: NDArray[Any], image: ir.Value) -> NDArray[Any]:
    """Return a matrix (C * H * W, MH) for a flattened image with its rows in the order (H, W, C) of the stream."""
    _, channels, rows, columns = static_shape(image)
    return matrix.reshape(channels, rows, columns, -1).transpose(1, 2, 0, 3).reshape(matrix.shape)


def insert_vvau(node: ir.Node, stream: ir.Value, kernels: NDArray[Any], image: tuple[int, int]) -> None:
    """Let a VVAU for windows (1, OH, OW, KH * KW * C), with kernels (C, 1, KH, KW), take a convolution's place."""
    channels, _, *kernel = kernels.shape
    parameters = {"Dim": list(image), "Channels": channels, "Kernel": kernel}
    weights = (kernels, integer_type_of(input_of(node, 1)))
    _insert_unit(node, stream, Operator("VVAU", parameters), weights, (1, *image, channels))


def _insert_unit(
    node: ir.Node,
    stream: ir.Value,
    kind: Operator,
    weights: tuple[NDArray[Any], BaseDataType],
    shape: tuple[int, ...],
) -> None:
    old = node.outputs[0]
    array, weight_type = weights
    weight_type = UNSIGNED_BITS if weight_type.name == "BINARY" else weight_type
    input_type, sum_type = integer_type_of(stream), integer_type_of(old)
    counts = input_type.name == weight_type.name == "BIPOLAR"
    length = array.size // shape[-1]
    unit_type = smallest_datatype(IntRange(0, length)) if counts else sum_type
    attributes: dict[str, Any] = {
        "SIMD": 1,
        "PE": 1,
        "inputDataType": input_type.name,
        "weightDataType": weight_type.name,
        "outputDataType": unit_type.name,
        "accDataType": unit_type.name,
        "ActVal": 0,
        "noActivation": 1,
        "mem_mode": "internal_decoupled",
    }
    operator = Operator.hardware(kind.op_type, **{**attributes, **kind.attributes})
    name = node.name or old.name
    parameters = add_constant(graph_of(node), f"{old.name}_matrix", array, weight_type)
    result = insert_node(node, operator, [stream, parameters], Output(f"{kind.op_type}_{name}", shape, unit_type))
    activations = _thresholdings_behind(old) if counts else []
    behind = result if activations is not None else _insert_sum(node, result, length, on_host=_only_host_reads(old))
    if node.op_type == "MatMul":
        replace(old, behind)
    else:
        replace_by_stream(node, old, behind)
    if counts and activations is not None:
        for activation in activations:
            _count_instead(activation, length)
        retype(result, IntRange(0, length), unit_type)


def channels_of(node: ir.Node) -> int:
    """Return the channels of the pixels that a unit's vectors are made of; its rows have the channel fastest."""
    length, windows = attributes_of(node)["MW"], windows_of(node)
    channels = static_shape(input_of(node, 0) if windows is None else windows.image)[-1]
    return channels if length % channels == 0 else length


def turn_unit(node: ir.Node, op_type: str, attributes: Mapping[str, Any], weights: ir.Value) -> None:
    """Let a hardware unit be of another kind, with other weights; its name, its input and its output stay."""
    node.op_type = op_type
    node.replace_input_with(1, weights)
    node.attributes.clear()
    for attribute in ir.convenience.convert_attributes(attributes):
        node.attributes[attribute.name] = attribute


def _thresholdings_behind(value: ir.Value) -> list[ir.Node] | None:
    """Return the activations that read a value, transposed or not; None where something else reads it too."""
    found: list[ir.Node] = []
    if value.is_graph_output():
        return None
    for reader, index in value.uses():
        if layer_type(reader) == "Thresholding" and index == 0 and constant(reader.inputs[1]) is not None:
            found.append(reader)
            continue
        behind = _thresholdings_behind(reader.outputs[0]) if reader.op_type == "Transpose" else None
        if behind is None:
            return None
        found += behind
    return found


def _count_instead(activation: ir.Node, length: int) -> None:
    """Let thresholds of a sum of ``length`` signs compare the number of positive ones: sum = 2 * count - length."""
    old = input_of(activation, 1)
    thresholds = constant(old)
    if thresholds is None:
        raise ValueError(f"expected constant thresholds of {activation.name!r}, found none")
    counted = np.ceil((thresholds.astype(np.float64) + length) / 2)
    # Their data type follows with that of the layer's input.
    activation.replace_input_with(1, add_constant(graph_of(activation), f"{old.name}_counted", counted))


def _only_host_reads(value: ir.Value) -> bool:
    """Tell whether everything that reads a value computes with real numbers, as behind the last layer."""
    readers = [reader for reader, _ in value.uses()]
    return not value.is_graph_output() and all(integer_datatype(reader.outputs[0]) is None for reader in readers)


def _insert_sum(before: ir.Node, counts: ir.Value, length: int, *, on_host: bool) -> ir.Value:
    """Insert 2 * count - length, the sum of signs, behind a unit that counts the positive ones."""
    if not on_host:
        doubled = insert_with_number(before, "Mul", (counts, 2), smallest_datatype(IntRange(0, 2 * length)))
        return insert_with_number(before, "Sub", (doubled, length), smallest_datatype(IntRange(-length, length)))
    result = counts
    for operation, number in (("Mul", 2), ("Sub", length)):
        other = add_constant(graph_of(before), f"{counts.name}_{operation.lower()}", np.array(number))
        output = Output(f"{operation}_{counts.name}", static_shape(counts))
        result = insert_node(before, Operator(operation), [result, other], output)
    return result
