"""Brings the operators of older files to the form that the passes read."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from finn_transforms.analysis.datatypes import datatype, set_datatype
from finn_transforms.analysis.matching import NoMatchError, nodes_of

# From 18 on the axes, limits and pads of every operator are inputs instead of attributes.
_OLDEST, _TARGET = 18, 19


def declare_domains(model: ir.Model) -> list[str]:
    """Import every domain that a node uses, which early exporters forgot, and return those that were missing."""
    missing = sorted({node.domain for node in nodes_of(model)} - set(model.graph.opset_imports))
    for domain in missing:
        model.graph.opset_imports[domain] = 1
    return missing


def upgrade_opset(model: ir.Model) -> int | None:
    """Convert the main graph to a recent ONNX opset where it has an old one, and return the old one.

    ONNX's converter does the work; what it forgets, QONNX's data types and the nodes' metadata, is put back.

    Raises:
        NoMatchError: an operator has no newer form.
    """
    version = model.graph.opset_imports.get("", _TARGET)
    if version >= _OLDEST:
        return None
    proto = ir.serde.serialize_model(model)
    try:
        proto = onnx.version_converter.convert_version(proto, _TARGET)
    except RuntimeError as error:
        raise NoMatchError(
            f"ONNX does not convert opset {version} to {_TARGET}: {str(error).rsplit('failed: ', 1)[-1]}",
            "Export the model again with a newer opset",
        ) from error
    converted = ir.serde.deserialize_model(proto).graph
    metadata = {node.outputs[0].name: dict(node.metadata_props) for node in model.graph}
    annotated = {str(value.name): datatype(value) for value in _values(model.graph)}
    for value in _values(converted):
        data_type = annotated.get(str(value.name))
        if data_type is not None:
            set_datatype(value, data_type)
    for node in converted:
        node.metadata_props.update(metadata.get(node.outputs[0].name, {}))
    converted.metadata_props.update(model.graph.metadata_props)
    model.graph = converted
    return version


def _values(graph: ir.Graph) -> list[ir.Value]:
    computed = [value for node in graph for value in node.outputs]
    return [*graph.inputs, *graph.initializers.values(), *computed]
