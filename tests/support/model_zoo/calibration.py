"""Gives an untrained network weights, statistics and scales like those of a trained one."""

from __future__ import annotations

from typing import TypeVar

import brevitas.nn as qnn
import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)

_ROUNDS = 3
_DEAD = 17
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_LAYERS = (qnn.QuantConv2d, qnn.QuantConvTranspose2d, qnn.QuantLinear)


def calibrated(model: Model, images: Tensor, *, seed: int = 0) -> Model:
    """Return the model in evaluation mode, with batch norms of either sign, one channel in 17 of them scaled by zero.

    The statistics of batch norms and the scales of quantizers are those of ``images``, a batch (N, ...).
    """
    generator = torch.Generator().manual_seed(seed)
    momenta = {}
    for module in model.modules():
        if isinstance(module, _LAYERS):
            _randomize_weights(module, generator)
        if isinstance(module, _NORMS):
            _randomize_norm(module, generator)
            momenta[module], module.momentum = module.momentum, 1.0
    model.train()
    with torch.no_grad():
        for _ in range(_ROUNDS):
            model(images)
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    return model.eval()


def _randomize_weights(layer: nn.Module, generator: torch.Generator) -> None:
    """Draw weights that fill the range of the constant quantizers of binary networks too."""
    weight, bias = layer.weight, layer.bias
    with torch.no_grad():
        if weight.abs().max() > 0.5:
            weight.uniform_(-1, 1, generator=generator)
        else:
            # A single weight deviates from nothing.
            weight.normal_(std=float(weight.std(correction=0)) or 0.5, generator=generator)
        if bias is not None:
            bias.normal_(std=0.05, generator=generator)


def _randomize_norm(norm: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        norm.weight.uniform_(0.4, 1.6, generator=generator)
        signs = torch.rand(norm.weight.shape, generator=generator) < 0.2
        norm.weight[signs] *= -1
        norm.weight[_DEAD - 1 :: _DEAD] = 0
        norm.bias.normal_(std=0.4, generator=generator)
