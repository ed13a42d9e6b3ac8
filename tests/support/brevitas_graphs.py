"""The random networks of `tests.support.random_graphs` as Brevitas modules, calibrated on random images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brevitas.nn as qnn
import torch
from brevitas.inject.enum import FloatToIntImplType
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    ShiftedUint8ActPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFloat,
)
from brevitas.quant_tensor import QuantTensor
from torch import Tensor, nn

from tests.support.model_zoo.calibration import calibrated
from tests.support.random_graphs import Block, Graph, QuantSpec

ROUNDINGS = {
    "ROUND": FloatToIntImplType.ROUND,
    "CEIL": FloatToIntImplType.CEIL,
    "FLOOR": FloatToIntImplType.FLOOR,
}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "Elu": nn.ELU,
    "Gelu": nn.GELU,
    "HardSigmoid": nn.Hardsigmoid,
    "HardSwish": nn.Hardswish,
    "HardTanh": nn.Hardtanh,
    "Identity": nn.Identity,
    "LeakyRelu": nn.LeakyReLU,
    "Mish": nn.Mish,
    "PRelu": nn.PReLU,
    "Relu": nn.ReLU,
    "Relu6": nn.ReLU6,
    "Selu": nn.SELU,
    "Sigmoid": nn.Sigmoid,
    "Silu": nn.SiLU,
    "Softplus": nn.Softplus,
    "Tanh": nn.Tanh,
}


def brevitas_graph(spec: Graph) -> tuple[nn.Module, Tensor]:
    """Return a calibrated network in evaluation mode and images (8, C, H, W) for it."""
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed % 2**31)
        images = torch.randn(8, spec.channels, spec.size, spec.size)
        images[-1], images[-2] = 4.0, -4.0
        return calibrated(Network(spec), images, seed=spec.seed % 2**31), images


class Network(nn.Module):
    """The blocks in order, then a classifier or nothing."""

    def __init__(self, spec: Graph) -> None:
        super().__init__()
        modules: list[nn.Module] = [quantizer(QuantSpec(bits=6, signed=True))]
        channels, size = spec.channels, spec.size
        for block in spec.blocks:
            module, channels, size = build(block, channels, size)
            modules.append(module)
        if spec.end == "linear":
            modules += [nn.Flatten(), qnn.QuantLinear(channels * size**2, 3, bias=True, weight_bit_width=4)]
        self.layers = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        result = self.layers(x)
        # While it is exported, Brevitas hands on plain tensors.
        return result.value if isinstance(result, QuantTensor) else result


class Residual(nn.Module):
    """A branch is added to the value itself, both behind one quantizer."""

    def __init__(self, block: Block, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(convolution(block, channels, channels, 1, same=True), *norm(block, channels))
        self.shared = quantizer(QuantSpec(bits=max(2, block.quant.bits), signed=True, rounding=block.quant.rounding))
        self.out = activation(block)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.shared(self.branch(x)) + self.shared(x))


class Concatenated(nn.Module):
    """A branch is put beside the value itself, both behind one quantizer."""

    def __init__(self, block: Block, channels: int) -> None:
        super().__init__()
        self.branch = convolution(block, channels, block.channels, 1, same=True)
        self.shared = quantizer(QuantSpec(bits=max(2, block.quant.bits), signed=True))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.shared(self.branch(x)), self.shared(x)], dim=1)


def build(block: Block, channels: int, size: int) -> tuple[nn.Module, int, int]:
    """Return a block with the channels and size of its output; one that does not fit becomes a convolution."""
    if block.kind in {"residual", "projection"}:
        return Residual(block, channels), channels, size
    if block.kind == "concat":
        return Concatenated(block, channels), block.channels + channels, size
    if block.kind == "max_pool" and size > 1:
        return nn.MaxPool2d(2), channels, size // 2
    if block.kind in {"average_pool", "truncated_pool"} and size > 1:
        pool = qnn.TruncAvgPool2d(2, bit_width=4, float_to_int_impl_type="FLOOR")
        return nn.Sequential(quantizer(QuantSpec(bits=4)), pool), channels, size // 2
    if block.kind == "upsample" and size <= 6:
        return nn.Sequential(qnn.QuantUpsample(scale_factor=2, mode="nearest")), channels, 2 * size
    if block.kind == "transposed" and size <= 6:
        layer = qnn.QuantConvTranspose2d(channels, block.channels, 2, stride=2, bias=block.bias, **weights(block))
        return nn.Sequential(layer, *norm(block, block.channels), activation(block)), block.channels, 2 * size
    groups = {"depthwise": channels, "grouped": 2 if channels % 2 == 0 else 1}.get(block.kind, 1)
    outputs = channels if groups > 1 else block.channels
    layer = convolution(block, channels, outputs, groups, same=True)
    return nn.Sequential(layer, *norm(block, outputs), activation(block)), outputs, size


def convolution(block: Block, inputs: int, outputs: int, groups: int, *, same: bool) -> nn.Module:
    kernel = 3 if same and block.kernel > 1 else 1
    return qnn.QuantConv2d(
        inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=block.bias, **weights(block)
    )


def weights(block: Block) -> dict[str, Any]:
    if block.bipolar_weights:
        return {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_init": 0.5}
    quant = Int8WeightPerChannelFloat if block.per_channel_weights else Int8WeightPerTensorFloat
    return {"weight_quant": quant, "weight_bit_width": block.weight_bits}


def norm(block: Block, channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels)] if block.batch_norm else []


def activation(block: Block) -> nn.Module:
    return nn.Sequential(ACTIVATIONS[block.activation](), quantizer(block.quant))


def quantizer(spec: QuantSpec) -> nn.Module:
    if spec.bipolar:
        return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_init=0.5, return_quant_tensor=True)
    quant = Int8ActPerTensorFloat if spec.signed else Uint8ActPerTensorFloat
    if spec.zero_point:
        quant = ShiftedUint8ActPerTensorFloat
    return qnn.QuantIdentity(
        act_quant=quant,
        bit_width=max(2, spec.bits),
        float_to_int_impl_type=ROUNDINGS.get(spec.rounding, FloatToIntImplType.ROUND),
        return_quant_tensor=True,
    )
