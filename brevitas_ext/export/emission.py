"""How a quantizer becomes one QONNX node, with the TorchScript and with the dynamo exporter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.onnx
from torch import Tensor
from torch.jit import is_tracing  # type: ignore[attr-defined]

from brevitas_ext.qonnx_ops.bipolar_quant import BipolarQuant
from brevitas_ext.qonnx_ops.catalogue import DOMAIN, DOMAIN_VERSION, QuantizerOp

TAG_SEPARATOR = "@"
"""Separates the rounding mode from the tag of the quantizer that emitted a node, see `Emission`."""


@dataclass(frozen=True, kw_only=True)
class Emission:
    """One quantizer operator as it is written into the traced graph.

    Exporters keep no reliable record of which module a node came from: names differ between them, and node metadata is
    lost. They do keep attributes, so a tag travels in the rounding mode until the graph is finished.

    Attributes:
        op: The operator with its attributes.
        parameters: The node's inputs after the quantized one.
        tag: Identifies the emitting quantizer.
    """

    op: QuantizerOp
    parameters: tuple[Tensor, ...]
    tag: str

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the node as traced."""
        if isinstance(self.op, BipolarQuant):
            return {"rounding_mode": TAG_SEPARATOR + self.tag}
        return {
            "rounding_mode": f"{self.op.rounding}{TAG_SEPARATOR}{self.tag}",
            "signed": int(self.op.signed),
            "narrow": int(self.op.narrow),
        }

    def __call__(self, x: Tensor) -> Tensor:
        """Adds the node to the graph being traced and returns the quantized tensor."""
        if torch.onnx.is_in_onnx_export() and not is_tracing():
            return torch.onnx.ops.symbolic(
                f"{DOMAIN}::{self.op.op_type}",
                (x, *self.parameters),
                self.attributes,
                dtype=x.dtype,
                shape=x.shape,
                version=DOMAIN_VERSION,
            )
        apply: Callable[..., Tensor] = _TorchScriptNode.apply
        return apply(x, self.op, self.attributes, *self.parameters)


class _TorchScriptNode(torch.autograd.Function):
    @staticmethod
    def symbolic(g: Any, x: Any, op: QuantizerOp, attributes: dict[str, Any], *parameters: Any) -> Any:
        suffixed = {f"{name}_{'s' if isinstance(value, str) else 'i'}": value for name, value in attributes.items()}
        node = g.op(f"{DOMAIN}::{op.op_type}", x, *parameters, **suffixed)
        node.setType(x.type())
        return node

    @staticmethod
    def forward(ctx: Any, x: Tensor, op: QuantizerOp, attributes: Any, *parameters: Tensor) -> Tensor:  # noqa: ARG004
        arrays = [parameter.detach().cpu().numpy() for parameter in parameters]
        integers = op.to_integers(op.pre_rounding(x.detach().cpu().numpy(), arrays), arrays)
        return torch.from_numpy(op.dequantize(integers, arrays, np.float32)).to(x.device).reshape(x.shape)
