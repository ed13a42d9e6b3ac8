"""The quantizer operators of QONNX that an exported file may hold, by node and by function body."""

from __future__ import annotations

from typing import Final, TypeAlias

import onnx
import onnx.parser

from brevitas_ext.qonnx_ops import sparq
from brevitas_ext.qonnx_ops._node import BodyOptions
from brevitas_ext.qonnx_ops.bipolar_quant import BipolarQuant
from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.trunc import Trunc

__all__ = [
    "DOMAIN",
    "DOMAIN_VERSION",
    "FIRST_OPSET",
    "BodyOptions",
    "QuantizerOp",
    "check_domain_version",
    "function_body",
    "read_quantizer",
    "read_sparq",
]

DOMAIN: Final = "qonnx.custom_op.general"
DOMAIN_VERSION: Final = 2
FIRST_OPSET: Final = 19
"""The first ONNX opset that compares strings, which the function bodies need for the rounding mode."""

QuantizerOp: TypeAlias = Quant | BipolarQuant | Trunc

_OPS: Final[dict[str, type[QuantizerOp]]] = {op.op_type: op for op in (Quant, BipolarQuant, Trunc)}


def read_quantizer(node: onnx.NodeProto) -> QuantizerOp | None:
    """Reads a node into its golden function.

    Returns:
        The typed attributes, None if the node is no quantizer.

    Raises:
        ValueError: the node is of QONNX's domain but not of a known kind, or its attributes are malformed.
    """
    if node.domain != DOMAIN:
        return None
    if node.op_type not in _OPS:
        raise ValueError(
            f"Node {node.name!r}: expected one of {sorted(_OPS)} in the domain {DOMAIN!r}, found {node.op_type!r}. "
            "Replace the quantizer by a uniform integer one."
        )
    return _OPS[node.op_type].from_node(node)


def read_sparq(node: onnx.NodeProto) -> sparq.Sparq | None:
    """Reads a `Sparq` node into its golden function.

    Returns:
        The typed attributes, None if the node is another one.

    Raises:
        ValueError: the node is of our domain but not of a known kind, or its attributes are malformed.
    """
    if node.domain != sparq.DOMAIN:
        return None
    if node.op_type != sparq.Sparq.op_type:
        raise ValueError(
            f"Node {node.name!r}: expected {sparq.Sparq.op_type!r} in the domain {sparq.DOMAIN!r}, found "
            f"{node.op_type!r}. Update brevitas-finn-ext."
        )
    return sparq.Sparq.from_node(node)


def check_domain_version(model: onnx.ModelProto) -> None:
    """Refuses a file whose quantizers are of another version than the one implemented here.

    Raises:
        ValueError: QONNX's domain, or SPARQ's, is imported in another version.
    """
    versions = {DOMAIN: DOMAIN_VERSION, sparq.DOMAIN: sparq.DOMAIN_VERSION}
    for opset in model.opset_import:
        expected = versions.get(opset.domain, opset.version)
        if opset.version != expected:
            raise ValueError(
                f"Expected version {expected} of the domain {opset.domain!r}, found version {opset.version}. "
                "Export the model again with export_qonnx, or update brevitas-finn-ext."
            )


def function_body(op_type: str, opset: int, options: BodyOptions | None = None) -> onnx.FunctionProto:
    """Returns the ONNX function that computes a quantizer operator, so that a stock onnxruntime runs it.

    Args:
        op_type: `"Quant"`, `"BipolarQuant"`, `"Trunc"` or `"Sparq"`.
        opset: ONNX opset of the model, at least `FIRST_OPSET`.
        options: What the body has to handle, everything by default.

    Raises:
        ValueError: the operator is unknown, or the opset too old.
    """
    known = {*_OPS, sparq.Sparq.op_type}
    if op_type not in known:
        raise ValueError(f"Expected one of {sorted(known)}, found {op_type!r}. Only quantizers have a function body.")
    if opset < FIRST_OPSET:
        raise ValueError(f"Expected ONNX opset {FIRST_OPSET} or later, found {opset}. Export with a later opset.")
    if op_type == sparq.Sparq.op_type:
        return _parsed(sparq.DOMAIN, opset, sparq.Sparq.function_text())
    return _parsed(DOMAIN, opset, _OPS[op_type].function_text(options or BodyOptions()))


def _parsed(domain: str, opset: int, text: str) -> onnx.FunctionProto:
    header = f'<domain: "{domain}", opset_import: ["" : {opset}]>'
    return onnx.parser.parse_function(header + text)
