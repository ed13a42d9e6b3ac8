"""The regularizer that keeps A2Q's norm parameters from getting stuck above their bound."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from brevitas_ext.quantizers.a2q import penalty
from brevitas_ext.quantizers.proxy import A2QWeightQuantProxy


def accumulator_penalty(model: nn.Module) -> Tensor:
    """Return ``sum_l sum_i max(t_i - T_i, 0)`` over the accumulator-aware layers of a model (A2Q section 4.1).

    Add a multiple of it to the task's loss (the authors use 1e-3), right after the forward pass.

    Args:
        model: any module; layers with other weight quantizers do not count.

    Returns:
        Scalar, differentiable, in at least float32; 0 for a model without accumulator-aware layers.

    Raises:
        UnknownInputFormatError: a layer has seen no quantized input yet.
    """
    terms = []
    for module in model.modules():
        if isinstance(module, A2QWeightQuantProxy) and module.is_quant_enabled:
            quantizer = module.tensor_quant
            terms.append(penalty(quantizer.effective_log_norm(), quantizer.effective_log_scale(), module.config))
    return torch.stack([term.to(terms[0]) for term in terms]).sum() if terms else torch.zeros(())
