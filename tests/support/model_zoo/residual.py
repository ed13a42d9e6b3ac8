"""Residual networks for CIFAR's image size, whose branches share a quantizer as FINN wants it."""

from __future__ import annotations

from collections.abc import Sequence

import brevitas.nn as qnn
from brevitas.quant import Int8WeightPerTensorFloat, Int32Bias, TruncTo8bit
from brevitas_examples.bnn_pynq.models.resnet import QuantBasicBlock
from torch import Tensor, nn

from tests.support.model_zoo.feedforward import Value, convolution, pixels, relu


class ResNet(nn.Module):
    """A stem, stages of basic blocks (all but the first halve the image), a truncated average and a classifier.

    Args:
        bits: of weights and activations; the stem's and the classifier's weights have 8.
        widths: channels of each stage.
        blocks: number of basic blocks of each stage.
        side: height and width of the image.
    """

    def __init__(self, bits: int, widths: Sequence[int], blocks: Sequence[int], *, side: int = 32) -> None:
        super().__init__()
        shared = relu(bits)
        self.stem = nn.Sequential(
            pixels(), convolution(3, widths[0], 3, 8, padding=1), nn.BatchNorm2d(widths[0]), shared
        )
        stages: list[nn.Module] = []
        inputs = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for index in range(count):
                block = QuantBasicBlock(
                    in_planes=inputs,
                    planes=width,
                    stride=2 if stage and not index else 1,
                    shared_quant_act=shared,
                    act_bit_width=bits,
                    weight_bit_width=bits,
                )
                stages.append(block)
                inputs, shared = width, block.relu_out
        self.stages = nn.Sequential(*stages)
        self.pool = qnn.TruncAvgPool2d(
            side // 2 ** (len(widths) - 1), trunc_quant=TruncTo8bit, float_to_int_impl_type="FLOOR"
        )
        self.classifier = qnn.QuantLinear(
            inputs, 10, bias=True, bias_quant=Int32Bias, weight_bit_width=8, weight_quant=Int8WeightPerTensorFloat
        )
        self.value = Value()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stages(self.stem(x)))
        return self.value(self.classifier(x.flatten(1)))


def cifar_resnet(depth: int, bits: int = 4, *, width: int = 16, side: int = 32) -> ResNet:
    """ResNet-20, 56, 110, ...: three stages of (depth - 2) / 6 blocks; a depth of 8 has one block each."""
    blocks = (depth - 2) // 6
    return ResNet(bits, (width, 2 * width, 4 * width), (blocks,) * 3, side=side)


def resnet18(bits: int = 4, *, width: int = 64, side: int = 32) -> ResNet:
    return ResNet(bits, tuple(width * 2**stage for stage in range(4)), (2,) * 4, side=side)
