"""The fully connected and convolutional networks of FINN's paper, with weights and activations of 1 or 2 bits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import brevitas.nn as qnn
import torch
from brevitas.core.restrict_val import RestrictValueType
from brevitas_examples.bnn_pynq.models.common import CommonActQuant, CommonWeightQuant
from brevitas_examples.bnn_pynq.models.FC import FC
from brevitas_examples.bnn_pynq.models.tensor_norm import TensorNorm
from torch import Tensor, nn


def fully_connected(
    weight_bits: int, activation_bits: int, *, features: Sequence[int] = (64, 64, 64), side: int = 28
) -> nn.Module:
    """TFC; with 1024 features LFC. Input: (N, 1, side, side) in [0, 1]."""
    return FC(
        num_classes=10,
        weight_bit_width=weight_bits,
        act_bit_width=activation_bits,
        in_bit_width=activation_bits,
        in_channels=1,
        out_features=list(features),
        in_features=(side, side),
    )


class Cnv(nn.Module):
    """Six unpadded 3 x 3 convolutions, two pools and three linear layers. Input: (N, 3, 32, 32) in [0, 1]."""

    def __init__(self, weight_bits: int, activation_bits: int, *, width: int = 64, hidden: int = 512) -> None:
        super().__init__()
        weights = {"weight_quant": CommonWeightQuant, "weight_bit_width": weight_bits, "bias": False}

        def activation() -> nn.Module:
            return qnn.QuantIdentity(act_quant=CommonActQuant, bit_width=activation_bits)

        pixels = qnn.QuantIdentity(
            act_quant=CommonActQuant,
            bit_width=8,
            min_val=-1.0,
            max_val=1.0 - 2.0**-7,
            narrow_range=False,
            restrict_scaling_type=RestrictValueType.POWER_OF_TWO,
        )
        layers: list[nn.Module] = [pixels]
        widths = (3, width, width, 2 * width, 2 * width, 4 * width, 4 * width)
        for index, (inputs, outputs) in enumerate(pairwise(widths)):
            layers += [qnn.QuantConv2d(inputs, outputs, 3, **weights), nn.BatchNorm2d(outputs, eps=1e-4), activation()]
            layers += [nn.MaxPool2d(2)] if index in (1, 3) else []
        layers.append(nn.Flatten())
        for inputs, outputs in pairwise((4 * width, hidden, hidden)):
            layers += [qnn.QuantLinear(inputs, outputs, **weights), nn.BatchNorm1d(outputs, eps=1e-4), activation()]
        self.layers = nn.Sequential(*layers, qnn.QuantLinear(hidden, 10, **weights), TensorNorm())
        for module in self.layers:
            if isinstance(module, qnn.QuantConv2d | qnn.QuantLinear):
                # The weight scale is 1.
                nn.init.uniform_(module.weight, -1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(2.0 * x - torch.tensor([1.0]))
