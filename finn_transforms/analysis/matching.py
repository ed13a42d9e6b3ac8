"""What a pass reports: the rewrites it made and the nodes it refused, with the precondition that failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

HARDWARE_DOMAIN = "finn.custom_op.fpgadataflow"

_QUANTIZERS = {"BipolarQuant", "IntQuant", "Quant", "Trunc"}

# What FINN takes for an accumulator without `accDataType`.
FINN_ACCUMULATOR = "INT32"


class NoMatchError(Exception):
    """A node does not meet a precondition of a pass; carries the reason and the advice for the `Refusal`."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A node that a pass left as it is.

    Attributes:
        pass_name: The pass.
        node: Name of the node.
        op_type: Its operator.
        reason: The precondition that failed, with what was found.
        advice: What the user can do about it.
    """

    pass_name: str
    node: str
    op_type: str
    reason: str
    advice: str

    def __str__(self) -> str:
        return f"{self.pass_name}: {self.op_type} {self.node!r} is left as it is: {self.reason}. {self.advice}."


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """A change that a pass made: which node, and what became of it."""

    pass_name: str
    node: str
    detail: str


def is_quantizer(node: ir.Node | None) -> bool:
    """Tell whether a node is one of QONNX's quantizers to integers."""
    return node is not None and node.op_type in _QUANTIZERS and node.domain != ""


def is_hardware(node: ir.Node | None) -> bool:
    """Tell whether a node is one of FINN's hardware layers, specialized (``...hls``, ``...rtl``) or not."""
    return node is not None and node.domain.startswith(HARDWARE_DOMAIN)


def layer_type(node: ir.Node) -> str:
    """Return the operator of a node, of a specialized hardware layer (``MVAU_rtl``) the layer it specializes."""
    return node.op_type.removesuffix("_hls").removesuffix("_rtl") if is_hardware(node) else node.op_type


def static_shape(value: ir.Value) -> tuple[int, ...]:
    """Return the shape of a value.

    Raises:
        NoMatchError: the shape is unknown or has a dynamic dimension.
    """
    if value.shape is None or not value.shape.is_static():
        raise NoMatchError(
            f"the shape of {value.name!r} is {'unknown' if value.shape is None else value.shape}",
            "Export with an example input of batch size 1 and without dynamic axes",
        )
    return tuple(value.shape.numpy())


def sole_consumer(value: ir.Value) -> bool:
    """Tell whether exactly one node reads the value and it is no graph output."""
    return len(value.uses()) == 1 and not value.is_graph_output()


def nodes_of(model: ir.Model) -> Iterator[ir.Node]:
    """Yield the nodes of the main graph as they stood when the iteration began."""
    yield from tuple(model.graph)
