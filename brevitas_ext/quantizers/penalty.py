"""The regularizer that keeps A2Q's norm parameters from getting stuck above their bound."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from brevitas_ext.quantizers.a2q import l1_norm, penalty, zero_centered
from brevitas_ext.quantizers.proxy import A2QWeightQuantProxy
from brevitas_ext.quantizers.rows import float_rows


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
            norm, scale = quantizer.effective_log_norm(), quantizer.effective_log_scale()
            terms.append(penalty(norm, scale, module.config, _log2_share(module)))
    return torch.stack([term.to(terms[0]) for term in terms]).sum() if terms else torch.zeros(())


@torch.no_grad()
def _log2_share(proxy: A2QWeightQuantProxy) -> Tensor | float:
    """Return log2 of each row's l1 norm over the one weighted by its inputs' factors, shape (C, 1); 0 without them."""
    factors = proxy.factors
    if factors is None:
        return 0.0
    rows = float_rows(proxy.tensor_quant.layout, proxy.tracked_parameter_list[0])
    if proxy.zero_centered:
        rows = zero_centered(rows, factors)
    norm, weighted = l1_norm(rows), l1_norm(rows, factors)
    return torch.where(weighted > 0, norm / weighted, 1.0).log2()
