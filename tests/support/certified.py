"""Reads and changes what certificates are about."""

from __future__ import annotations

from typing import Any

import onnx

from finn_transforms.certify import Verdict


def problems(verdicts: list[Verdict]) -> str:
    """Return what does not hold, a line each."""
    return "\n".join(f"{each.name}: {each.detail}" for each in verdicts if not each.ok)


def record_of(document: dict[str, Any], index: int = 1) -> dict[str, Any]:
    """Return one certificate, by default that of the layer with a contract."""
    record: dict[str, Any] = document["accumulators"][index]
    return record


def state(model: onnx.ModelProto, name: str, attribute: str, text: str) -> None:
    """Give the layer of that name another data type."""
    node = next(node for node in model.graph.node if node.name == name)
    (found,) = (each for each in node.attribute if each.name == attribute)
    found.s = text.encode()
