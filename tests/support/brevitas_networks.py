"""The random networks of `tests.support.networks` as Brevitas modules."""

from __future__ import annotations

from typing import Any

import brevitas.nn as qnn
import torch
from brevitas.core.function_wrapper import TensorClamp
from brevitas.inject.enum import FloatToIntImplType, RestrictValueType, ScalingImplType
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat, Int8WeightPerTensorFloat
from brevitas.quant_tensor import QuantTensor
from torch import nn

from tests.support.networks import ActivationSpec, LayerSpec, NetworkSpec

ROUNDINGS = {
    "ROUND": FloatToIntImplType.ROUND,
    "CEIL": FloatToIntImplType.CEIL,
    "FLOOR": FloatToIntImplType.FLOOR,
    "DOWN": FloatToIntImplType.ROUND_TO_ZERO,
}


def brevitas_network(spec: NetworkSpec) -> nn.Module:
    """Return a network with random weights and batch norm of either sign, in evaluation mode.

    Pads have to be symmetric, as torch has them.
    """
    generator = torch.Generator().manual_seed(spec.seed)
    modules: list[nn.Module] = [_quantizer(spec.input, scale=2.0**-4)]
    channels, height, width = spec.shape
    flat = False
    for layer in spec.layers:
        if layer.kernel is None:
            modules += [] if flat else [nn.Flatten()]
            features = channels if flat else channels * height * width
            modules.append(qnn.QuantLinear(features, layer.outputs, bias=layer.bias, **_weights(layer)))
            flat = True
        else:
            modules.append(_convolution(layer, channels))
            height, width = _pooled(layer, height, width)
        channels = layer.outputs
        modules += _behind(layer, generator, flat=flat)
    network = nn.Sequential(*modules, _Value())
    for module in network.modules():
        if isinstance(module, qnn.QuantConv2d | qnn.QuantLinear):
            _randomize(module.weight, generator)
            if module.bias is not None:
                _randomize(module.bias, generator)
    return network.eval()


class _Value(nn.Module):
    def forward(self, x: QuantTensor | torch.Tensor) -> torch.Tensor:
        # While it is exported, Brevitas hands on plain tensors.
        return x.value if isinstance(x, QuantTensor) else x


def _pooled(layer: LayerSpec, height: int, width: int) -> tuple[int, int]:
    assert layer.kernel is not None
    sizes = []
    for axis, size in enumerate((height, width)):
        span = layer.dilations[axis] * (layer.kernel[axis] - 1) + 1
        sizes.append(((size + 2 * layer.pads[axis] - span) // layer.strides[axis] + 1) // layer.pool)
    return sizes[0], sizes[1]


def _convolution(layer: LayerSpec, channels: int) -> nn.Module:
    assert layer.kernel is not None
    return qnn.QuantConv2d(
        channels,
        layer.outputs,
        layer.kernel,
        stride=layer.strides,
        dilation=layer.dilations,
        padding=layer.pads[:2],
        groups=layer.groups,
        bias=layer.bias,
        **_weights(layer),
    )


def _weights(layer: LayerSpec) -> dict[str, Any]:
    return {
        "weight_quant": Int8WeightPerChannelFloat if layer.per_channel else Int8WeightPerTensorFloat,
        "weight_bit_width": layer.weight_bits,
        "weight_narrow_range": layer.narrow_weights,
    }


def _behind(layer: LayerSpec, generator: torch.Generator, *, flat: bool) -> list[nn.Module]:
    modules: list[nn.Module] = []
    if layer.batch_norm:
        norm = (nn.BatchNorm1d if flat else nn.BatchNorm2d)(layer.outputs)
        for parameter in (norm.weight, norm.bias, norm.running_mean):
            _randomize(parameter, generator)
        norm.running_var.uniform_(0.1, 2.0, generator=generator)
        modules.append(norm)
    modules += _activation(layer.activation, generator)
    if layer.pool > 1:
        modules.append(nn.MaxPool2d(layer.pool))
    if layer.requantize is not None:
        modules += _activation(layer.requantize, generator)
    return modules


def _activation(spec: ActivationSpec, generator: torch.Generator) -> list[nn.Module]:
    functions = {"relu": [nn.ReLU()], "hardtanh": [nn.Hardtanh()], "identity": []}
    exponent = int(torch.randint(-5, 1, (), generator=generator))
    mantissa = 1.0 if spec.dyadic else float(torch.empty(()).uniform_(0.7, 1.4, generator=generator))
    return [*functions[spec.function], _quantizer(spec, scale=mantissa * 2.0**exponent)]


def _quantizer(spec: ActivationSpec, *, scale: float) -> nn.Module:
    # Brevitas takes the real value of the code 2^(bits - 1) or, where there is no such code, the highest one.
    codes = 2 ** (spec.bits - 1) - spec.narrow if spec.signed else 2**spec.bits - 1 - spec.narrow
    return qnn.QuantIdentity(
        act_quant=Int8ActPerTensorFloat,
        bit_width=spec.bits,
        signed=spec.signed,
        narrow_range=spec.narrow,
        scaling_impl_type=ScalingImplType.CONST,
        scaling_init=scale * codes,
        restrict_scaling_type=RestrictValueType.FP,
        tensor_clamp_impl=TensorClamp,
        float_to_int_impl_type=ROUNDINGS[spec.rounding],
        return_quant_tensor=True,
    )


def _randomize(tensor: torch.Tensor, generator: torch.Generator) -> None:
    with torch.no_grad():
        tensor.normal_(generator=generator)
