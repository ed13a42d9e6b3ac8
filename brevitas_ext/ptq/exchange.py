"""Exchanging float layers for Brevitas's, with an input quantizer of a calibrated range."""

from __future__ import annotations

from typing import Any

import torch
from brevitas.inject.enum import ScalingImplType
from brevitas.nn import QuantConv1d, QuantConv2d, QuantLinear, QuantReLU
from torch import nn

EXCHANGED: dict[type[nn.Module], Any] = {nn.Conv1d: QuantConv1d, nn.Conv2d: QuantConv2d, nn.Linear: QuantLinear}
"""Brevitas's layer for every float layer that can be exchanged."""


def calibrated(quantizer: Any, high: float) -> Any:
    """Return an activation quantizer whose largest integer stands for `high`."""
    return quantizer.let(scaling_impl_type=ScalingImplType.PARAMETER, scaling_init=torch.tensor(high))


def quantized_layer(layer: nn.Module, *, input_quant: Any, weight_quant: Any, bias_quant: Any) -> nn.Module:
    """Return Brevitas's layer with the weights of a float one.

    Args:
        layer: a layer of a type in `EXCHANGED`.
        input_quant: quantizer of its input.
        weight_quant: quantizer of its weights.
        bias_quant: quantizer of its bias, if it has one.

    Raises:
        TypeError: the layer is of another type.
    """
    if type(layer) not in EXCHANGED:
        raise TypeError(
            f"expected a layer out of {', '.join(kind.__name__ for kind in EXCHANGED)}, found {type(layer).__name__}"
        )
    return with_quantizers(
        layer, EXCHANGED[type(layer)], input_quant=input_quant, weight_quant=weight_quant, bias_quant=bias_quant
    )


def with_quantizers(layer: Any, kind: Any, *, input_quant: Any, weight_quant: Any, bias_quant: Any) -> nn.Module:
    """Return a layer of Brevitas's class `kind` with the geometry and the weights of a float one."""
    quantizers = {"weight_quant": weight_quant, "input_quant": input_quant}
    quantizers["bias_quant"] = None if layer.bias is None else bias_quant
    if isinstance(layer, nn.Linear):
        sizes: dict[str, Any] = {"in_features": layer.in_features, "out_features": layer.out_features}
    else:
        names = (
            "in_channels",
            "out_channels",
            "kernel_size",
            "stride",
            "padding",
            "dilation",
            "groups",
            "padding_mode",
        )
        sizes = {name: getattr(layer, name) for name in names}
    made: nn.Module = kind(**sizes, bias=layer.bias is not None, **quantizers)
    weights = {name: tensor.detach() for name, tensor in layer.named_parameters(recurse=False)}
    with torch.no_grad():
        for name, parameter in made.named_parameters(recurse=False):
            parameter.copy_(weights[name])
    made.train(layer.training)
    return made.to(next(iter(weights.values())).device)


def quantized_relu(quantizer: Any) -> nn.Module:
    """Return an activation that gives integers to all its readers, in evaluation mode."""
    made: nn.Module = QuantReLU(act_quant=quantizer, return_quant_tensor=True)
    return made.eval()


def put(model: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of a model's module of this name."""
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, layer)
