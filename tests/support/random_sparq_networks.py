"""Random small Brevitas networks with SPARQ in front of their convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFloat
from torch import Tensor, nn

from brevitas_ext.arith.sparq import WINDOW_SETS
from brevitas_ext.quantizers.sparq import SPARQ_QUANTIZERS
from tests.support.sparq_networks import to

HIGH = 255 / 64
"""Activations and weights are multiples of powers of two, so that float32 computes them without rounding."""


@dataclass(frozen=True)
class Recipe:
    """What a random network is made of.

    Attributes:
        channels: channels of the image and behind each convolution.
        size: height and width of the image.
        kernels: kernel, stride and padding of each convolution.
        windows: window set of each.
        options: keyword arguments of the SPARQ quantizers.
        at_input: whether the windows are at the convolution's input instead of the activation in front.
        has_linear: whether a linear layer with SPARQ reads the flattened image at the end.
    """

    channels: tuple[int, ...]
    size: tuple[int, int]
    kernels: tuple[tuple[int, int, int], ...]
    windows: tuple[str, ...]
    options: dict[str, Any]
    at_input: bool
    has_linear: bool

    @classmethod
    def random(cls, seed: int) -> Recipe:
        """Return one of many; 4, 3 and 2 bits more often than others."""
        rng = np.random.default_rng(seed)
        depth = int(rng.integers(1, 3))
        usual = [name for name in WINDOW_SETS if int(name[0]) <= 4]
        names = usual if rng.random() < 0.8 else list(WINDOW_SETS)
        kernels = tuple(
            (int(rng.choice([1, 2, 3])), int(rng.integers(1, 3)), int(rng.integers(0, 2))) for _ in range(depth)
        )
        return cls(
            channels=tuple(int(each) for each in 2 * rng.integers(1, 4, size=depth + 1)),
            size=(int(rng.integers(7, 10)), int(rng.integers(7, 10))),
            kernels=kernels,
            windows=tuple(str(rng.choice(names)) for _ in range(depth + 1)),
            options={
                "rounding": bool(rng.random() < 0.7),
                "overflow": str(rng.choice(["saturate", "carry"])),
                "pairs": bool(rng.random() < 0.7),
            },
            at_input=bool(rng.random() < 0.5),
            has_linear=bool(rng.random() < 0.4),
        )


class SparqStack(nn.Module):
    """Convolutions one after the other, each with SPARQ in front, and perhaps a linear layer."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        weight = {"weight_quant": Int8WeightPerTensorFixedPoint, "bias": False}
        layers: list[nn.Module] = []
        features, shape = recipe.channels[0], list(recipe.size)
        for place, (kernel, stride, padding) in enumerate(recipe.kernels):
            sparq = to(SPARQ_QUANTIZERS[recipe.windows[place]], HIGH, **recipe.options)
            activation: type[nn.Module] = QuantReLU if place else QuantIdentity
            plain = to(Uint8ActPerTensorFloat, HIGH)
            layers += [
                activation(act_quant=plain if recipe.at_input else sparq, return_quant_tensor=True),
                QuantConv2d(
                    features,
                    recipe.channels[place + 1],
                    kernel,
                    stride=stride,
                    padding=padding,
                    input_quant=sparq if recipe.at_input else None,
                    **weight,
                ),
            ]
            features = recipe.channels[place + 1]
            shape = [(size + 2 * padding - kernel) // stride + 1 for size in shape]
        if recipe.has_linear:
            sparq = to(SPARQ_QUANTIZERS[recipe.windows[-1]], HIGH, **recipe.options)
            layers += [
                QuantReLU(act_quant=sparq, return_quant_tensor=True),
                nn.Flatten(),
                QuantLinear(features * shape[0] * shape[1], 3, **weight),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        output = self.layers(x)
        return getattr(output, "value", output)


def random_network(recipe: Recipe, seed: int) -> SparqStack:
    """Return a network with weights that spread its sums over the range of its activations."""
    torch.manual_seed(seed)
    network = SparqStack(recipe).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.1, 0.5)
    return network


def random_image(recipe: Recipe, seed: int, count: int = 1) -> Tensor:
    """Return images with many zeros, so that pairs are of every kind."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, recipe.channels[0], *recipe.size)
    x = torch.randint(0, 320, shape, generator=generator) / 64
    return x * torch.randint(0, 2, shape, generator=generator)
