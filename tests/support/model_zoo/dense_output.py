"""Networks that give an image: super resolution and segmentation."""

from __future__ import annotations

from typing import Literal

import brevitas.nn as qnn
import torch
from brevitas.quant import Int8WeightPerChannelFloat
from brevitas_examples.super_resolution.models.common import QuantNearestNeighborConvolution
from brevitas_examples.super_resolution.models.espcn import QuantESPCN
from torch import Tensor, nn

from tests.support.model_zoo.feedforward import PixelQuant, Value, convolution, pixels, relu


class Espcn(QuantESPCN):
    """Brevitas's ESPCN with 8-bit pixels in [0, 1] at either end. Input: (N, 3, H, W).

    Args:
        upscaling: by a sub-pixel convolution, or by repeating pixels in front of a convolution.
        factor: of the enlargement.
        bits: of weights and activations, the first and last layer's weights excepted.
    """

    def __init__(self, upscaling: Literal["subpixel", "resize"], *, factor: int = 2, bits: int = 4) -> None:
        super().__init__(upscale_factor=factor, weight_bit_width=bits, act_bit_width=bits)
        self.out = qnn.QuantReLU(act_quant=PixelQuant)
        if upscaling == "resize":
            self.conv4 = QuantNearestNeighborConvolution(32, 3, upscale_factor=factor)
            self.pixel_shuffle = nn.Identity()
        self.value = Value()

    def forward(self, inp: Tensor) -> Tensor:
        return self.value(super().forward(inp))


class Unet(nn.Module):
    """Two levels: convolutions, max pool, transposed convolution, and a skip connection that is concatenated.

    Both sides of the concatenation share a quantizer. Input: (N, 3, H, W), H and W even.
    """

    def __init__(self, bits: int = 4, *, width: int = 16, classes: int = 4) -> None:
        super().__init__()
        self.pixels = pixels()
        self.encoder = nn.Sequential(convolution(3, width, 3, bits, padding=1), nn.BatchNorm2d(width))
        self.shared = relu(bits)
        self.bottom = nn.Sequential(
            nn.MaxPool2d(2),
            convolution(width, 2 * width, 3, bits, padding=1),
            nn.BatchNorm2d(2 * width),
            relu(bits),
        )
        self.up = nn.Sequential(
            qnn.QuantConvTranspose2d(
                2 * width,
                width,
                2,
                stride=2,
                bias=False,
                weight_bit_width=bits,
                weight_quant=Int8WeightPerChannelFloat,
            ),
            nn.BatchNorm2d(width),
        )
        self.decoder = nn.Sequential(
            convolution(2 * width, width, 3, bits, padding=1),
            nn.BatchNorm2d(width),
            relu(bits),
            convolution(width, classes, 1, 8),
            Value(),
        )

    def forward(self, x: Tensor) -> Tensor:
        skip = self.shared(self.encoder(self.pixels(x)))
        up = self.shared(self.up(self.bottom(skip)))
        return self.decoder(torch.cat([up, skip], dim=1))
