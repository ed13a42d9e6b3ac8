"""A graph as text: operators, names, attributes, shapes and QONNX data types, which `onnx.printer` leaves out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.datatypes import datatype

_FOLDER = Path(__file__).parents[1] / "golden"
_SHOWN_ELEMENTS = 24


def graph_text(model: ir.Model) -> str:
    """Return one line per input, constant, node and output, in graph order."""
    graph = model.graph
    lines = [f"input {_described(value)}" for value in graph.inputs if value.const_value is None]
    lines += [f"const {_described(value)}{_elements(value)}" for value in graph.initializers.values()]
    lines += [_node(node) for node in graph]
    lines += [f"output {_described(value)}" for value in graph.outputs]
    return "\n".join(lines) + "\n"


def assert_golden(name: str, text: str) -> None:
    """Compare a text with `tests/golden/<name>.txt`; with UPDATE_GOLDEN=1 in the environment write it instead."""
    path = _FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def _described(value: ir.Value | None) -> str:
    if value is None:
        return "-"
    shape = "?" if value.shape is None else f"({', '.join(map(str, value.shape))})"
    data_type = datatype(value)
    return f"{value.name}: {'-' if data_type is None else data_type.name} {shape}"


def _node(node: ir.Node) -> str:
    operator = node.op_type if node.domain == "" else f"{node.domain.rsplit('.', 1)[-1]}.{node.op_type}"
    inputs = ", ".join("-" if value is None else str(value.name) for value in node.inputs)
    outputs = ", ".join(_described(value) for value in node.outputs)
    attributes = [f"\n    {name} = {attribute.value}" for name, attribute in sorted(node.attributes.items())]
    metadata = [f"\n    [{key}] {value}" for key, value in sorted(node.metadata_props.items())]
    return f"{outputs}\n  = {operator}({inputs}){''.join(attributes)}{''.join(metadata)}"


def _elements(value: ir.Value) -> str:
    array: Any = np.zeros(0) if value.const_value is None else value.const_value.numpy()
    return f" = {array.tolist()}" if array.size <= _SHOWN_ELEMENTS else ""
