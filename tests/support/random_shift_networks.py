"""Random small networks whose activations have one scale per channel, powers of two of each other, as ShiftQuant's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tests.support.graphs import GraphBuilder

_SIZE = 5


@dataclass
class ShiftNetworks:
    """Draws networks of convolutions, residual sums, pools and a linear layer; all their sums are exact in float64."""

    seed: int
    rng: np.random.Generator = field(init=False)
    graph: GraphBuilder = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def network(self) -> ir.Model:
        """Return the exported graph, of an image (1, C, 5, 5)."""
        channels, size = int(self.rng.integers(2, 9)), _SIZE
        self.graph = GraphBuilder((1, channels, size, size))
        x = self.quantized("x", channels, signed=True)
        for _ in range(int(self.rng.integers(1, 4))):
            kind = self.rng.choice(["conv", "conv", "residual", "pool"])
            if kind == "pool" and size >= 2:
                x, size = self.graph.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2]), size // 2
            elif kind == "residual":
                branch = self.quantized(self.conv(x, channels, channels, 3 if size > 2 else 1), channels, signed=True)
                x = self.quantized(self.graph.node("Relu", [self.graph.node("Add", [branch, x])]), channels)
            else:
                outputs = int(self.rng.integers(2, 9))
                x, channels = self.activated(self.conv(x, channels, outputs, 3 if size > 2 else 1), outputs), outputs
        if self.rng.random() < 0.5:
            weights = self.weights((channels * size**2, 3))
            x = self.graph.node("MatMul", [self.graph.node("Flatten", [x]), weights])
        return self.graph.model(x)

    def images(self, model: ir.Model, count: int = 3) -> NDArray[np.float32]:
        """Return images on a fine grid, some values far beyond the quantizer's."""
        _, *shape = (int(size) for size in model.graph.inputs[0].shape or ())
        return (self.rng.integers(-200, 200, (count, *shape)) / 64).astype(np.float32)

    def conv(self, x: str, channels: int, outputs: int, kernel: int) -> str:
        """Add a convolution that keeps the size."""
        weights = self.weights((outputs, channels, kernel, kernel))
        return self.graph.node("Conv", [x, weights], kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)

    def activated(self, x: str, channels: int) -> str:
        """Add a per-channel affine of either sign, as of L1 batch norm, an activation and a quantizer."""
        if self.rng.random() < 0.6:
            scale = self.rng.choice([-1.0, 0.5, 1.0, 2.0], size=(1, channels, 1, 1))
            x = self.graph.node("Mul", [x, self.graph.constant(scale)])
            x = self.graph.node("Add", [x, self.graph.constant(self.rng.integers(-8, 9, (1, channels, 1, 1)) / 8)])
        return self.quantized(self.graph.node("Relu", [x]), channels)

    def quantized(self, x: str, channels: int, *, signed: bool = False) -> str:
        """Add a quantizer of up to four groups of channels."""
        exponents = self.rng.integers(0, int(self.rng.integers(1, 5)), size=(1, channels, 1, 1))
        bits = int(self.rng.integers(2, 6))
        return self.graph.quant(x, 2.0 ** (exponents - 5.0 + 0.5 * bits // 1), bits, signed=signed)

    def weights(self, shape: tuple[int, ...]) -> str:
        """Add weights of 3 to 5 bits, some input channels without any."""
        high = 2 ** int(self.rng.integers(2, 5)) - 1
        integers = self.rng.integers(-high, high + 1, size=shape)
        if self.rng.random() < 0.3:
            integers[(slice(None), 0) if len(shape) > 2 else 0] = 0
        return self.graph.weights(integers, 0.125, bits=5)
