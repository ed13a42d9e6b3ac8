"""From torch's batch normalization to fully quantized batch normalization that computes the same."""

from __future__ import annotations

import copy
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from brevitas_ext.nn.batch_norm import L1BatchNorm1d, L1BatchNorm2d, L2BatchNorm1d, L2BatchNorm2d, QuantizedBatchNorm
from brevitas_ext.nn.hooks import refuse_hooks
from brevitas_ext.nn.norm_options import NormBits
from brevitas_ext.ptq.exchange import put
from brevitas_ext.ptq.running import Loader, evaluating, images_of

Norm = Literal["l1", "l2"]

GAUSSIAN = math.sqrt(2 / math.pi)
"""Mean absolute deviation over standard deviation, of a normal distribution."""

_COUNTERPARTS: dict[tuple[str, type[nn.Module]], type[QuantizedBatchNorm]] = {
    ("l1", nn.BatchNorm1d): L1BatchNorm1d,
    ("l1", nn.BatchNorm2d): L1BatchNorm2d,
    ("l2", nn.BatchNorm1d): L2BatchNorm1d,
    ("l2", nn.BatchNorm2d): L2BatchNorm2d,
}


def convert_batch_norm(
    model: nn.Module, *, norm: Norm = "l1", bits: NormBits | int | None = 8, loader: Loader | None = None
) -> nn.Module:
    """Return a copy of a model with fully quantized batch normalization in place of torch's.

    The mean absolute deviation is another number than the standard deviation, so L1 needs another gamma.  With ``r``
    for their ratio in a channel, the running deviation becomes ``r * sqrt(running_var + eps)`` and gamma
    ``r * gamma``: in evaluation the float function of the layer is what it was, whatever ``r`` is; with the ratio of
    the data it also is in training.  The ratio is measured on `loader`, in evaluation; without a loader, and where a
    channel is constant, it is that of a normal distribution, sqrt(2 / pi).

    The running statistics are those of the float model.  `recalibrate_batch_norm` replaces them by those of the
    quantized activations, once everything else is quantized too.

    Args:
        model: the float model; it is left as it is.
        norm: "l1" or "l2".
        bits: widths, see `QuantizedBatchNorm`.
        loader: batches of inputs.

    Returns:
        The copy, every module in the mode that it was in.

    Raises:
        ValueError: another norm, an empty loader, no batch normalization, or one of other dimensions, with hooks or
            without running statistics.

    Example:
        >>> quantized = convert_batch_norm(model, norm="l1", bits=8, loader=batches)
        >>> recalibrate_batch_norm(quantized, batches, reference=model)
    """
    if norm not in ("l1", "l2"):
        raise ValueError(f'batch normalization: expected norm "l1" or "l2", found {norm!r}')
    converted = copy.deepcopy(model)
    layers = {name: layer for name, layer in converted.named_modules() if isinstance(layer, _BatchNorm)}
    if not layers:
        raise ValueError("batch normalization: expected BatchNorm1d or BatchNorm2d layers, found none to convert")
    for name, layer in layers.items():
        refuse_hooks(name, layer)
    made = {name: _counterpart(name, layer, norm, bits) for name, layer in layers.items()}
    ratios = _ratios(converted, layers, loader) if norm == "l1" and loader is not None else {}
    for name, layer in layers.items():
        _fill(made[name], layer, ratios.get(name, GAUSSIAN if norm == "l1" else 1.0))
    if "" in made:
        return made[""]
    first = {layer: name for name, layer in layers.items()}
    for name, module in list(converted.named_modules(remove_duplicate=False)):
        if module in first:
            put(converted, name, made[first[module]])
    return converted


def _counterpart(name: str, layer: _BatchNorm, norm: Norm, bits: NormBits | int | None) -> QuantizedBatchNorm:
    kind = _COUNTERPARTS.get((norm, type(layer)))
    if kind is None or layer.running_mean is None:
        what = type(layer).__name__ + ("" if kind is None else " without running statistics")
        raise ValueError(
            f"layer {name!r}: expected BatchNorm1d or BatchNorm2d with running statistics, found {what}; replace the "
            "layer before the conversion"
        )
    return kind(layer.num_features, eps=layer.eps, momentum=layer.momentum, affine=layer.affine, bits=bits)


@torch.no_grad()
def _fill(made: QuantizedBatchNorm, layer: _BatchNorm, ratio: Tensor | float) -> None:
    if layer.running_mean is None or layer.running_var is None or layer.num_batches_tracked is None:
        raise ValueError("batch normalization: expected running statistics, found none")
    made.to(layer.running_mean).train(layer.training)
    if isinstance(ratio, Tensor):
        ratio = ratio.to(layer.running_mean)
    made.running_mean.copy_(layer.running_mean)
    made.running_deviation.copy_((layer.running_var + layer.eps).sqrt() * ratio)
    made.num_batches_tracked.copy_(layer.num_batches_tracked)
    if made.weight is not None and made.bias is not None:
        made.weight.copy_(layer.weight * ratio).requires_grad_(layer.weight.requires_grad)
        made.bias.copy_(layer.bias).requires_grad_(layer.bias.requires_grad)


def _ratios(model: nn.Module, layers: dict[str, _BatchNorm], loader: Loader) -> dict[str, Tensor]:
    """Return mean absolute over standard deviation, (C,), of what reaches each layer in evaluation."""
    sums = {name: torch.zeros(2, layer.num_features, dtype=torch.float64) for name, layer in layers.items()}
    counts = dict.fromkeys(layers, 0)

    def watch(name: str, x: Tensor) -> None:
        values = x.detach().transpose(0, 1).flatten(1).double()
        apart = values - values.mean(1, keepdim=True)
        sums[name] = sums[name].to(x.device) + torch.stack([apart.abs().sum(1), apart.square().sum(1)])
        counts[name] += values.shape[1]

    hooks = [
        layer.register_forward_pre_hook(lambda _, arguments, name=name: watch(name, arguments[0]))
        for name, layer in layers.items()
    ]
    try:
        with evaluating(model):
            for batch in images_of(loader, model):
                model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    found = {}
    for name, (absolute, squares) in sums.items():
        ratio = absolute / (squares * counts[name]).sqrt()
        found[name] = torch.where(squares > 0, ratio, torch.full_like(ratio, GAUSSIAN))
    return found
