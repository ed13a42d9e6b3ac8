"""Residual networks for CIFAR's image size, whose branches share a quantizer as FINN wants it."""

from __future__ import annotations

from collections.abc import Sequence

import brevitas.nn as qnn
from brevitas.quant import Int8WeightPerTensorFloat, Int32Bias, TruncTo8bit
from torch import Tensor, nn

from tests.support.model_zoo.feedforward import Value, convolution, pixels, relu


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut; both sides end in one ReLU quantizer, so that the sum is one of integers.

    Args:
        inputs: channels of the input.
        outputs: channels of the output; where they are more, the image is halved and the shortcut is a convolution.
        bits: of weights and activations.
        shared: the quantizer that the input comes from.
    """

    def __init__(self, inputs: int, outputs: int, bits: int, shared: nn.Module) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.shared = shared if stride == 1 else relu(bits)
        self.branch = nn.Sequential(
            convolution(inputs, outputs, 3, bits, padding=1, stride=stride),
            nn.BatchNorm2d(outputs),
            relu(bits),
            convolution(outputs, outputs, 3, bits, padding=1),
            nn.BatchNorm2d(outputs),
            self.shared,
        )
        self.shortcut = nn.Sequential()
        if stride != 1:
            shortcut = convolution(inputs, outputs, 1, bits, stride=stride)
            self.shortcut = nn.Sequential(shortcut, nn.BatchNorm2d(outputs), self.shared)
        self.out = relu(bits)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.branch(x) + self.shortcut(x))


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
        stages: list[BasicBlock] = []
        inputs = widths[0]
        for width, count in zip(widths, blocks, strict=True):
            for _ in range(count):
                stages.append(BasicBlock(inputs, width, bits, shared))
                inputs, shared = width, stages[-1].out
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
