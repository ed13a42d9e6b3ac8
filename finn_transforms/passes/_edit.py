"""Small edits of an onnx_ir graph that keep shapes, data types and QONNX annotations in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType

from finn_transforms.analysis.datatypes import datatype, integer_datatype, set_datatype
from finn_transforms.analysis.matching import HARDWARE_DOMAIN, NoMatchError, static_shape

NHWC_TO_NCHW = (0, 3, 1, 2)
NCHW_TO_NHWC = (0, 2, 3, 1)


def add_constant(
    graph: ir.Graph, name: str, array: NDArray[Any], data_type: BaseDataType | str | None = None
) -> ir.Value:
    """Add an initializer; QONNX keeps every tensor, integers too, in float32.

    Raises:
        ValueError: float32 does not hold an element exactly.
    """
    stored = np.asarray(array, dtype=np.float32)
    if not np.array_equal(stored.astype(np.float64), np.asarray(array, dtype=np.float64)):
        wrong = np.argwhere(stored.astype(np.float64) != np.asarray(array, dtype=np.float64))[0]
        raise ValueError(
            f"{name}: expected values that float32 holds exactly, got {array[tuple(wrong)]} at {wrong.tolist()}; "
            "narrow the accumulator to 25 bits or fewer"
        )
    value = ir.Value(name=unique_name(graph, name), const_value=ir.tensor(stored))
    value.shape, value.dtype = ir.Shape(stored.shape), ir.DataType.FLOAT
    if data_type is not None:
        set_datatype(value, data_type)
    graph.register_initializer(value)
    return value


def add_integers(graph: ir.Graph, name: str, integers: Sequence[int]) -> ir.Value:
    """Add an initializer of integers in int64, as ONNX wants them for axes and shapes."""
    value = ir.Value(name=unique_name(graph, name), const_value=ir.tensor(np.array(integers, dtype=np.int64)))
    value.shape, value.dtype = ir.Shape([len(integers)]), ir.DataType.INT64
    graph.register_initializer(value)
    return value


@dataclass(frozen=True)
class Operator:
    """An operator with its attributes."""

    op_type: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    domain: str = ""

    @classmethod
    def hardware(cls, op_type: str, **attributes: Any) -> Operator:
        """Return one of FINN's hardware layers."""
        return cls(op_type, {"backend": "fpgadataflow", **attributes}, HARDWARE_DOMAIN)


@dataclass(frozen=True)
class Output:
    """The one output of a new node, which also bears its name."""

    name: str
    shape: Sequence[int]
    data_type: BaseDataType | str | None = None


def insert_node(before: ir.Node, operator: Operator, inputs: Sequence[ir.Value | None], output: Output) -> ir.Value:
    """Insert a node with one float32 output in front of another and return its output."""
    return insert_nodes(before, operator, inputs, [output])[0]


def insert_nodes(
    before: ir.Node, operator: Operator, inputs: Sequence[ir.Value | None], outputs: Sequence[Output]
) -> list[ir.Value]:
    """Insert a node, named like its first output, in front of another and return its float32 outputs."""
    graph = graph_of(before)
    graph.opset_imports.setdefault(operator.domain, 1)
    names = [unique_name(graph, output.name) for output in outputs]
    node = ir.node(
        operator.op_type,
        inputs,
        attributes=operator.attributes,
        domain=operator.domain,
        name=names[0],
        num_outputs=len(outputs),
    )
    for value, name, output in zip(node.outputs, names, outputs, strict=True):
        value.name, value.shape, value.dtype = name, ir.Shape(output.shape), ir.DataType.FLOAT
        if output.data_type is not None:
            set_datatype(value, output.data_type)
    graph.insert_before(before, node)
    return list(node.outputs)


def insert_transpose(before: ir.Node, value: ir.Value, perm: Sequence[int], name: str) -> ir.Value:
    """Insert a transpose of an annotated value in front of a node."""
    shape = static_shape(value)
    transposed = Output(name, [shape[axis] for axis in perm], datatype(value))
    return insert_node(before, Operator("Transpose", {"perm": list(perm)}), [value], transposed)


def redirect(old: ir.Value, new: ir.Value) -> None:
    """Let every reader of ``old``, the graph's outputs included, read ``new``; a graph output keeps its name."""
    is_output = old.is_graph_output()
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=is_output)
    if is_output:
        name, old.name = old.name, f"{old.name}_replaced"
        new.name = name


def replace(old: ir.Value, new: ir.Value) -> None:
    """Redirect every reader of ``old`` to ``new`` and remove ``old``'s node, which has no other output."""
    node = producer_of(old)
    redirect(old, new)
    graph_of(node).remove(node, safe=True)


def hand_over_output(graph: ir.Graph, old: ir.Value, new: ir.Value) -> None:
    """Let ``new`` be the output of the graph that ``old`` was, under its name; other readers stay."""
    name, old.name = old.name, unique_name(graph, f"{old.name}_inside")
    for index, output in enumerate(graph.outputs):
        if output is old:
            graph.outputs[index] = new
    new.name = name


def producer_of(value: ir.Value) -> ir.Node:
    """Return the node that computes a value.

    Raises:
        ValueError: there is none.
    """
    node = value.producer()
    if node is None:
        raise ValueError(f"expected a value computed by a node of the graph, got {value.name!r}")
    return node


def graph_of(node: ir.Node) -> ir.Graph:
    """Return the graph a node is in.

    Raises:
        NoMatchError: it is in none, or in a function.
    """
    if not isinstance(node.graph, ir.Graph):
        raise NoMatchError("it is not part of a graph", "Inline the function it is in")
    return node.graph


def unique_name(graph: ir.Graph, name: str) -> str:
    """Return ``name``, with a number behind it where a value or node of the graph already bears it.

    Slashes, which torch puts into names and which FINN would take for folders, become underscores.
    """
    if "/" in name:
        name = "_".join(part.strip("_") for part in name.split("/") if part.strip("_"))
    taken = graph.meta.setdefault("finn_transforms.names", set())
    if not taken:
        taken.update(value.name for value in (*graph.inputs, *graph.initializers.values()))
        for node in graph:
            taken.update((node.name, *(value.name for value in node.outputs)))
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    taken.add(candidate)
    return candidate


def input_of(node: ir.Node, index: int) -> ir.Value:
    """Return a node's input.

    Raises:
        NoMatchError: it is absent.
    """
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        raise NoMatchError(f"its input {index} is absent", "Repair the file")
    return value


def integer_type_of(value: ir.Value) -> BaseDataType:
    """Return the integer data type a value is annotated with.

    Raises:
        NoMatchError: there is none.
    """
    data_type = integer_datatype(value)
    if data_type is None:
        raise NoMatchError(f"{value.name!r} is not annotated with an integer type", "Run ExtractIntegers first")
    return data_type
