"""Chains of convolutions: a VGG-like network and MobileNetV1."""

from __future__ import annotations

from collections.abc import Sequence

import brevitas.nn as qnn
from brevitas.quant import Int8WeightPerChannelFloat, Uint8ActPerTensorFloatMaxInit
from brevitas_examples.imagenet_classification.models.mobilenetv1 import MobileNet
from torch import Tensor, nn


class PixelQuant(Uint8ActPerTensorFloatMaxInit):
    """Unsigned 8-bit quantizer of values in [0, 1]."""

    max_val = 1.0


def pixels() -> nn.Module:
    return qnn.QuantIdentity(act_quant=PixelQuant, return_quant_tensor=True)


def relu(bits: int) -> nn.Module:
    return qnn.QuantReLU(bit_width=bits, return_quant_tensor=True)


def convolution(inputs: int, outputs: int, kernel: int, bits: int, **options: object) -> nn.Module:
    return qnn.QuantConv2d(
        inputs,
        outputs,
        kernel,
        **{"bias": False, "weight_bit_width": bits, "weight_quant": Int8WeightPerChannelFloat} | options,
    )


def vgg(bits: int, *, widths: Sequence[int] = (64, 128, 256), hidden: int = 256, side: int = 32) -> nn.Module:
    """Two padded convolutions and a pool for each width, then two linear layers. Input: (N, 3, side, side)."""
    layers, inputs = [pixels()], 3
    for width in widths:
        for _ in range(2):
            layers += [convolution(inputs, width, 3, bits, padding=1), nn.BatchNorm2d(width), relu(bits)]
            inputs = width
        layers.append(nn.MaxPool2d(2))
        side //= 2
    layers += [nn.Flatten(), qnn.QuantLinear(inputs * side * side, hidden, bias=True, weight_bit_width=bits)]
    layers += [nn.BatchNorm1d(hidden), relu(bits), qnn.QuantLinear(hidden, 10, bias=True, weight_bit_width=8)]
    return nn.Sequential(*layers, Value())


class Value(nn.Module):
    """The values of a quantized tensor, which is a plain tensor while it is exported."""

    def forward(self, x: Tensor) -> Tensor:
        return getattr(x, "value", x)


def mobilenet(bits: int, *, width: float = 1.0, stages: Sequence[int] = (1, 2, 2, 6, 2), side: int = 224) -> nn.Module:
    """MobileNetV1 as Brevitas has it: activation scales per channel in front of depthwise convolutions.

    Args:
        bits: of weights and activations, the first and last layer's weights excepted.
        width: multiplies the channels.
        stages: blocks in each stage; every stage but the first halves the image.
        side: of the image, a multiple of 2 to the number of stages.
    """
    channels = [[int(64 * 2**stage * width)] * blocks for stage, blocks in enumerate(stages)]
    network = MobileNet(
        channels=[[int(32 * width)], *channels],
        first_stage_stride=False,
        act_bit_width=bits,
        weight_bit_width=bits,
        last_layer_bit_width=8,
        avg_pool_kernel_size=-(-side // 2 ** len(stages)),
        num_classes=10 if width < 1 else 1000,
        round_average_pool=False,
    )
    return nn.Sequential(pixels(), network, Value())
