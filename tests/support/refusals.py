"""Looks at what a pass refused."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.passes._base import HardwarePass, HardwarePassResult


def refusal_of(stage: HardwarePass, model: ir.Model, op_type: str) -> tuple[str, str]:
    """Return reason and advice of the one refusal of that operator; nothing of it was rewritten."""
    result = stage(model)
    assert isinstance(result, HardwarePassResult)
    (refusal,) = (refusal for refusal in result.refusals if refusal.op_type == op_type)
    assert refusal.pass_name == type(stage).__name__
    assert refusal.node not in {rewrite.node for rewrite in result.rewrites}
    return refusal.reason, refusal.advice
