"""The quantizer operators of QONNX that an exported file may hold, by node and by function body."""

from __future__ import annotations

from typing import Final, TypeAlias

import onnx
import onnx.parser

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


def check_domain_version(model: onnx.ModelProto) -> None:
    """Refuses a file whose quantizers are of another version than the one implemented here.

    Raises:
        ValueError: QONNX's domain is imported in another version than `DOMAIN_VERSION`.
    """
    for opset in model.opset_import:
        if opset.domain == DOMAIN and opset.version != DOMAIN_VERSION:
            raise ValueError(
                f"Expected version {DOMAIN_VERSION} of the domain {DOMAIN!r}, found version {opset.version}. "
                "Export the model again with export_qonnx, or update brevitas-finn-ext."
            )


def function_body(op_type: str, opset: int, options: BodyOptions | None = None) -> onnx.FunctionProto:
    """Returns the ONNX function that computes a quantizer operator, so that a stock onnxruntime runs it.

    Args:
        op_type: `"Quant"`, `"BipolarQuant"` or `"Trunc"`.
        opset: ONNX opset of the model, at least `FIRST_OPSET`.
        options: What the body has to handle, everything by default.

    Raises:
        ValueError: the operator is unknown, or the opset too old.
    """
    if op_type not in _OPS:
        raise ValueError(f"Expected one of {sorted(_OPS)}, found {op_type!r}. Only quantizers have a function body.")
    if opset < FIRST_OPSET:
        raise ValueError(f"Expected ONNX opset {FIRST_OPSET} or later, found {opset}. Export with a later opset.")
    header = f'<domain: "{DOMAIN}", opset_import: ["" : {opset}]>'
    return onnx.parser.parse_function(header + _OPS[op_type].function_text(options or BodyOptions()))
