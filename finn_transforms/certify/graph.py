"""A graph of hardware layers as plain dictionaries, read with onnx alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

_HARDWARE = "finn.custom_op.fpgadataflow"
_ONE_BIT = {"BINARY": (0, 1), "BIPOLAR": (-1, 1), "TERNARY": (-1, 1)}


def type_range(name: str) -> tuple[int, int] | None:
    """Return the lowest and highest integer of a QONNX data type, None where it is no integer type."""
    if name in _ONE_BIT:
        return _ONE_BIT[name]
    found = re.fullmatch(r"(U?)INT(\d+)", name)
    if found is None:
        return None
    bits = int(found[2])
    return (0, 2**bits - 1) if found[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@dataclass(frozen=True, eq=False)
class Layer:
    """A node.

    Attributes:
        kind: operator, without the suffix of a specialized hardware layer.
        hardware: whether it is one of FINN's hardware layers.
        metadata: what passes noted about it.
    """

    name: str
    kind: str
    hardware: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in order, constants, data types and shapes by the names of values."""

    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    constants: dict[str, NDArray[Any]]
    types: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]
    producers: dict[str, Layer] = field(default_factory=dict)

    def constant(self, layer: Layer, index: int) -> NDArray[Any] | None:
        """Return a constant input of a layer, None where it is absent or computed."""
        return self.constants.get(layer.inputs[index]) if index < len(layer.inputs) else None

    def producer(self, layer: Layer, kind: str) -> Layer | None:
        """Return the hardware layer of a kind that a layer's first input comes from, or None."""
        found = self.producers.get(layer.inputs[0])
        return found if found is not None and found.hardware and found.kind == kind else None


def read_graph(model: onnx.ModelProto) -> Graph:
    """Read a model."""
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers = []
    for node in graph.node:
        attributes = {
            attribute.name: _plain(onnx.helper.get_attribute_value(attribute)) for attribute in node.attribute
        }
        if node.op_type == "Constant" and "value" in attributes:
            constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
            continue
        if node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
            continue
        hardware = node.domain.startswith(_HARDWARE)
        kind = re.sub(r"_(hls|rtl)$", "", node.op_type) if hardware else node.op_type
        metadata = {entry.key: entry.value for entry in node.metadata_props}
        layers.append(Layer(node.name, kind, hardware, tuple(node.input), tuple(node.output), attributes, metadata))
    types = {
        annotation.tensor_name: entry.value
        for annotation in graph.quantization_annotation
        for entry in annotation.quant_parameter_tensor_names
        if entry.key == "finn_datatype"
    }
    values = (*graph.input, *graph.value_info, *graph.output)
    return Graph(
        tuple(layers),
        tuple(value.name for value in graph.input),
        constants,
        types,
        {value.name: _shape(value) for value in values if value.type.tensor_type.HasField("shape")},
        {entry.key: entry.value for entry in model.metadata_props},
        {output: layer for layer in layers for output in layer.outputs},
    )


def whole(array: NDArray[Any]) -> NDArray[np.int64]:
    """Return an array as int64.

    Raises:
        ValueError: an element is no integer, or too large.
    """
    if array.dtype.kind == "f" and np.any((array != np.rint(array)) | (np.abs(array) >= 2**63)):
        raise ValueError("expected integers of at most 63 bits")
    return array.astype(np.int64)


def integers(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as Python integers.

    Raises:
        ValueError: an element is no integer, or too large.
    """
    return whole(array).astype(object)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)
