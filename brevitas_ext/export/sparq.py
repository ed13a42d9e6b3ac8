"""How a SPARQ quantizer is exported: an 8-bit `Quant`, unless its input has 8 bits already, and a `Sparq` node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.onnx
from torch import Tensor
from torch.jit import is_tracing  # type: ignore[attr-defined]

from brevitas_ext.arith.sparq import ACTIVATION_BITS
from brevitas_ext.export.emission import TAG_SEPARATOR
from brevitas_ext.export.handlers import ActivationHandler
from brevitas_ext.qonnx_ops.sparq import DOMAIN, DOMAIN_VERSION, Sparq
from brevitas_ext.quantizers.sparq_quant import SparqActQuantProxy

TAGGED = "overflow"
"""The attribute in which a node's tag travels, see `Emission`."""


@dataclass(frozen=True, kw_only=True)
class SparqEmission:
    """One `Sparq` node as it is written into the traced graph; see `Emission`.

    Attributes:
        op: The operator with its attributes.
        scale: The scale of its input.
        tag: Identifies the emitting quantizer.
    """

    op: Sparq
    scale: Tensor
    tag: str

    def __call__(self, x: Tensor) -> Tensor:
        """Adds the node to the graph being traced and returns what the activations are worth."""
        op = Sparq(format=self.op.format, axis=self.op.axis % x.ndim)
        attributes = {**op.attributes, TAGGED: f"{op.format.overflow}{TAG_SEPARATOR}{self.tag}"}
        if torch.onnx.is_in_onnx_export() and not is_tracing():
            return torch.onnx.ops.symbolic(
                f"{DOMAIN}::{op.op_type}",
                (x, self.scale),
                attributes,
                dtype=x.dtype,
                shape=x.shape,
                version=DOMAIN_VERSION,
            )
        apply: Callable[..., Tensor] = _TorchScriptNode.apply
        return apply(x, self.scale, op, attributes)


class SparqHandler(ActivationHandler):
    """Emits both operators of a SPARQ quantizer."""

    handled_layer = SparqActQuantProxy

    def prepare_for_export(self, module: Any) -> None:
        """Reads the windows, and the 8-bit quantizer or the scale that the quantized input has."""
        scale = module.read_scale
        self.reads_integers = scale is not None
        if scale is None:
            super().prepare_for_export(module)
            scale = self.parameters_[0]
        else:
            self.parameters_ = (scale, torch.zeros_like(scale), torch.full_like(scale, ACTIVATION_BITS))
        integers = module.sparq
        op = Sparq(format=integers.format, axis=integers.axis)
        self.sparq = SparqEmission(op=op, scale=scale, tag=self.tag)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Returns the activation in windows, scale, zero point and bit width."""
        return self.sparq(x if self.reads_integers else self.emission(x)), *self.parameters_


class _TorchScriptNode(torch.autograd.Function):
    @staticmethod
    def symbolic(g: Any, x: Any, scale: Any, op: Sparq, attributes: dict[str, Any]) -> Any:
        suffixed = {f"{name}_{'s' if isinstance(value, str) else 'i'}": value for name, value in attributes.items()}
        node = g.op(f"{DOMAIN}::{op.op_type}", x, scale, **suffixed)
        node.setType(x.type())
        return node

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, op: Sparq, attributes: Any) -> Tensor:  # noqa: ARG004
        worth = op.evaluate(x.detach().cpu().numpy(), scale.detach().cpu().numpy())
        return torch.from_numpy(worth).to(x.device)
