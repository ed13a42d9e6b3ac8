"""Attributes of a node as plain Python values, read once."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir


def attributes_of(node: ir.Node) -> dict[str, Any]:
    """Return every attribute that has a value, by name; graphs and references are left out."""
    plain = (attribute for attribute in node.attributes.values() if not attribute.is_ref())
    return {attribute.name: attribute.value for attribute in plain if attribute.type != ir.AttributeType.GRAPH}
