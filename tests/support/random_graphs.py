"""Random quantized networks with branches: what the blocks are, a strategy that draws them, and their QONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.activations import ACTIVATIONS
from tests.support.graphs import QONNX, GraphBuilder

ROUNDINGS = ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")
KINDS = (
    "conv",
    "depthwise",
    "grouped",
    "transposed",
    "residual",
    "projection",
    "concat",
    "max_pool",
    "average_pool",
    "truncated_pool",
    "upsample",
    "pad",
)
ENDS = ("none", "linear", "global_pool", "shuffle")


@dataclass(frozen=True, kw_only=True)
class QuantSpec:
    """An activation quantizer."""

    bits: int = 4
    signed: bool = False
    narrow: bool = False
    rounding: str = "ROUND"
    zero_point: bool = False
    per_channel: bool = False
    dyadic: bool = False
    bipolar: bool = False


@dataclass(frozen=True, kw_only=True)
class Block:
    """A layer or a branch, then batch norm, an activation function and a quantizer."""

    kind: str
    quant: QuantSpec
    activation: str = "Relu"
    weight_bits: int = 4
    bipolar_weights: bool = False
    per_channel_weights: bool = False
    batch_norm: bool = False
    bias: bool = False
    channels: int = 2
    kernel: int = 2
    stride: int = 1
    pad: int = 0


@dataclass(frozen=True, kw_only=True)
class Graph:
    """An image goes through blocks, then through one of `ENDS`.

    With `exact`, every scale is a power of two, so that floating-point sums are exact; with `tapped`, the output of
    every block is an output of the graph as well.
    """

    channels: int
    size: int
    input: QuantSpec
    blocks: tuple[Block, ...]
    end: str
    exact: bool
    tapped: bool
    seed: int


quantizers = st.builds(
    QuantSpec,
    bits=st.integers(1, 6),
    signed=st.booleans(),
    narrow=st.booleans(),
    rounding=st.sampled_from(ROUNDINGS),
    zero_point=st.sampled_from([False, False, False, True]),
    per_channel=st.booleans(),
    dyadic=st.booleans(),
    bipolar=st.sampled_from([False, False, False, True]),
)
blocks = st.builds(
    Block,
    kind=st.sampled_from(KINDS),
    quant=quantizers,
    activation=st.sampled_from(["Identity", "Relu", *ACTIVATIONS]),
    weight_bits=st.integers(2, 6),
    bipolar_weights=st.sampled_from([False, False, True]),
    per_channel_weights=st.booleans(),
    batch_norm=st.booleans(),
    bias=st.booleans(),
    channels=st.integers(1, 4),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    pad=st.integers(0, 1),
)
graphs = st.builds(
    Graph,
    channels=st.integers(1, 4),
    size=st.integers(2, 6),
    input=quantizers,
    blocks=st.lists(blocks, max_size=4).map(tuple),
    end=st.sampled_from(ENDS),
    exact=st.booleans(),
    tapped=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)


@dataclass
class _Tensor:
    """A value of the graph with its channels and size."""

    name: str
    channels: int
    size: int


class _Builder:
    """Adds blocks to a graph."""

    def __init__(self, spec: Graph) -> None:
        self.spec = spec
        self.rng = np.random.default_rng(spec.seed)
        self.graph = GraphBuilder((1, spec.channels, spec.size, spec.size))

    def build(self) -> ir.Model:
        x = self.quant(_Tensor("x", self.spec.channels, self.spec.size), self.spec.input, scale=2.0**-4)
        taps: list[str] = []
        for block in self.spec.blocks:
            x = self.block(x, block)
            taps.append(x.name)
        taps = taps if self.spec.tapped else []
        return self.graph.model(*dict.fromkeys([*taps, self.end(x).name]))

    def block(self, x: _Tensor, block: Block) -> _Tensor:
        kinds: dict[str, Callable[[_Tensor, Block], _Tensor]] = {
            "conv": lambda x, block: self.layer(x, block, block.channels, 1),
            "depthwise": lambda x, block: self.layer(x, block, x.channels * (1 + block.channels // 4), x.channels),
            "grouped": lambda x, block: self.layer(x, block, x.channels, 2 if x.channels % 2 == 0 else 1),
            "transposed": self.transposed,
            "residual": self.residual,
            "projection": self.projection,
            "concat": self.concat,
            "max_pool": lambda x, block: self.window(x, block, "MaxPool"),
            "average_pool": lambda x, block: self.quant(self.window(x, block, "AveragePool"), block.quant),
            "truncated_pool": self.truncated_pool,
            "upsample": self.upsample,
            "pad": self.pad,
        }
        return kinds[block.kind](x, block)

    def layer(self, x: _Tensor, block: Block, outputs: int, groups: int) -> _Tensor:
        return self.behind(self.conv(x, block, outputs, groups), block)

    def conv(self, x: _Tensor, block: Block, outputs: int, groups: int = 1, *, same: bool = False) -> _Tensor:
        kernel = min(3 if same else block.kernel, x.size + 2 * block.pad)
        kernel = 1 if same and x.size == 1 else kernel
        pad = kernel // 2 if same else block.pad
        kernel -= same and kernel % 2 == 0
        pad = kernel // 2 if same else pad
        stride = 1 if same else block.stride
        weights = self.weights(block, (outputs, x.channels // groups, kernel, kernel), 0)
        name = self.graph.node(
            "Conv",
            [x.name, weights, *self.bias(block, outputs)],
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
            group=groups,
        )
        return _Tensor(name, outputs, (x.size + 2 * pad - kernel) // stride + 1)

    def transposed(self, x: _Tensor, block: Block) -> _Tensor:
        if x.size > 8:
            return x
        kernel = max(block.kernel, block.stride)
        pad = min(block.pad, (kernel - 1) // 2)
        weights = self.weights(block, (x.channels, block.channels, kernel, kernel), 1)
        name = self.graph.node(
            "ConvTranspose",
            [x.name, weights, *self.bias(block, block.channels)],
            kernel_shape=[kernel] * 2,
            strides=[block.stride] * 2,
            pads=[pad] * 4,
        )
        size = (x.size - 1) * block.stride + kernel - 2 * pad
        return self.behind(_Tensor(name, block.channels, size), block)

    def residual(self, x: _Tensor, block: Block) -> _Tensor:
        """Add a branch to the value itself behind one shared quantizer."""
        scale = self.scale(dyadic=block.quant.dyadic) * self.groups(block.quant, x.channels)
        shared = QuantSpec(bits=max(2, block.quant.bits), signed=True, rounding=block.quant.rounding)
        branch = self.quant(self.normal(self.conv(x, block, x.channels, same=True), block), shared, scale=scale)
        skip = self.quant(x, shared, scale=scale)
        added = self.graph.node("Add", [branch.name, skip.name])
        return self.activation(_Tensor(added, x.channels, x.size), block)

    def projection(self, x: _Tensor, block: Block) -> _Tensor:
        """Add two branches whose scales, of each channel, have a small common unit."""
        specs = [QuantSpec(bits=max(2, block.quant.bits), signed=True), QuantSpec(bits=3, signed=True)]
        branches = [
            self.quant(
                self.conv(x, block, block.channels, same=True),
                spec,
                scale=scale * self.groups(block.quant, block.channels),
            )
            for spec, scale in zip(specs, (0.375, 0.25), strict=True)
        ]
        added = self.graph.node(["Add", "Sub"][block.stride - 1], [branch.name for branch in branches])
        return self.activation(_Tensor(added, block.channels, branches[0].size), block)

    def concat(self, x: _Tensor, block: Block) -> _Tensor:
        spec = QuantSpec(bits=max(2, block.quant.bits), signed=block.quant.signed)
        scales = (0.5, 0.5 * 2.0 ** (block.stride - 1))
        branches = [
            self.quant(self.conv(x, block, block.channels, same=True), spec, scale=scales[0]),
            self.quant(x, spec, scale=scales[1]),
        ]
        name = self.graph.node("Concat", [branch.name for branch in branches], axis=1)
        return _Tensor(name, block.channels + x.channels, x.size)

    def window(self, x: _Tensor, block: Block, op_type: str) -> _Tensor:
        kernel = min(block.kernel, x.size)
        name = self.graph.node(op_type, [x.name], kernel_shape=[kernel] * 2, strides=[block.stride] * 2)
        return _Tensor(name, x.channels, (x.size - kernel) // block.stride + 1)

    def truncated_pool(self, x: _Tensor, block: Block) -> _Tensor:
        """Requantize, sum 2 x 2 values and drop the two lowest bits, as Brevitas exports its average pool."""
        if x.size < 2:
            return x
        quantized = self.quant(x, QuantSpec(bits=4, signed=block.quant.signed), scale=0.5)
        pooled = self.window(quantized, Block(kind="", quant=block.quant, kernel=2, stride=2), "AveragePool")
        summed = self.graph.node("Mul", [pooled.name, self.graph.constant(4.0)])
        constants = [self.graph.constant(value) for value in (0.5, 0.0, 6.0, 2.0, 4.0)]
        name = self.graph.node(
            "Trunc", [summed, *constants], domain=QONNX, rounding_mode="FLOOR", signed=int(block.quant.signed), narrow=0
        )
        return _Tensor(name, pooled.channels, pooled.size)

    def upsample(self, x: _Tensor, block: Block) -> _Tensor:
        if x.size > 6:
            return x
        name = self.graph.node(
            "Resize",
            [x.name, "", self.graph.constant([1, 1, 2, 2])],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        del block
        return _Tensor(name, x.channels, 2 * x.size)

    def pad(self, x: _Tensor, block: Block) -> _Tensor:
        name = self.graph.node("Pad", [x.name, self.graph.integers([0, 0, 1, 1, 0, 0, 1, 1])])
        del block
        return _Tensor(name, x.channels, x.size + 2)

    def end(self, x: _Tensor) -> _Tensor:
        rng, graph = self.rng, self.graph
        if self.spec.end == "linear":
            weights = graph.weights(rng.integers(-7, 8, size=(x.channels * x.size**2, 3)), 0.125, bits=4)
            return _Tensor(graph.node("MatMul", [graph.node("Flatten", [x.name], axis=1), weights]), 3, 1)
        if self.spec.end == "global_pool":
            return _Tensor(graph.node("GlobalAveragePool", [x.name]), x.channels, 1)
        if self.spec.end == "shuffle" and x.channels % 4 == 0:
            name = graph.node("DepthToSpace", [x.name], blocksize=2, mode="CRD")
            return self.quant(_Tensor(name, x.channels // 4, 2 * x.size), QuantSpec(bits=3))
        return x

    def behind(self, x: _Tensor, block: Block) -> _Tensor:
        return self.activation(self.normal(x, block), block)

    def normal(self, x: _Tensor, block: Block) -> _Tensor:
        if not block.batch_norm:
            return x
        scale = self.rng.normal(size=x.channels) * 10.0 ** self.rng.integers(-2, 1)
        scale[self.rng.random(x.channels) < 0.1] = 0
        shift, mean, variance = self.rng.normal(size=(3, x.channels))
        return _Tensor(
            self.graph.batch_norm(x.name, scale, shift, mean, np.abs(variance), epsilon=1e-5), x.channels, x.size
        )

    def activation(self, x: _Tensor, block: Block) -> _Tensor:
        function = ACTIVATIONS.get(block.activation)
        if function is not None:
            name = function(self.graph, x.name)
        else:
            name = self.graph.node(block.activation, [x.name])
        return self.quant(_Tensor(name, x.channels, x.size), block.quant)

    def groups(self, spec: QuantSpec, channels: int) -> Any:
        """Return what the scale of each channel (1, C, 1, 1) is multiplied by, as in ShiftQuant: powers of two."""
        return 2.0 ** self.rng.integers(0, 4, size=(1, channels, 1, 1)) if spec.per_channel else 1.0

    def quant(self, x: _Tensor, spec: QuantSpec, *, scale: Any = None) -> _Tensor:
        if spec.bipolar and scale is None:
            step = self.graph.constant(self.scale(dyadic=spec.dyadic))
            return _Tensor(self.graph.node("BipolarQuant", [x.name, step], domain=QONNX), x.channels, x.size)
        step = np.asarray(self.scale(dyadic=spec.dyadic) if scale is None else scale)
        if scale is None:
            step = step * self.groups(spec, x.channels)
        bits = max(spec.bits, 1 + spec.signed + spec.narrow)
        zero_point = float(self.rng.integers(-2, 3)) if spec.zero_point and scale is None else 0.0
        name = self.graph.quant(
            x.name,
            step,
            bits,
            signed=spec.signed,
            narrow=spec.narrow,
            rounding=spec.rounding,
            zero_point=zero_point,
        )
        return _Tensor(name, x.channels, x.size)

    def scale(self, *, dyadic: bool) -> float:
        exponent = int(self.rng.integers(-4, 2))
        return float(
            2.0**exponent if dyadic or self.spec.exact else np.float32(2.0**exponent * self.rng.uniform(0.7, 1.4))
        )

    def weights(self, block: Block, shape: tuple[int, ...], channel_axis: int) -> str:
        sizes = [1] * len(shape)
        if block.per_channel_weights:
            sizes[channel_axis] = shape[channel_axis]
        scale = np.array([self.scale(dyadic=False) for _ in range(int(np.prod(sizes)))]).reshape(sizes)
        if not block.per_channel_weights:
            scale = scale.reshape(())
        if block.bipolar_weights:
            floats = self.graph.constant(self.rng.normal(size=shape), "w")
            return self.graph.node("BipolarQuant", [floats, self.graph.constant(scale)], domain=QONNX)
        high = 2 ** (block.weight_bits - 1) - 1
        integers = self.rng.integers(-high, high + 1, size=shape)
        integers[self.rng.random(shape) < self.rng.choice([0.0, 0.3, 0.9])] = 0
        return self.graph.weights(integers, scale, bits=block.weight_bits)

    def bias(self, block: Block, outputs: int) -> list[str]:
        return [self.graph.constant(self.rng.normal(size=outputs), "bias")] if block.bias else []


def random_graph(spec: Graph) -> ir.Model:
    """Return the network as an exported graph."""
    return _Builder(spec).build()


def inputs_of(spec: Graph, count: int = 6) -> NDArray[np.float32]:
    """Return inputs on the grid of the input quantizer: random ones, then constant low and high images."""
    rng = np.random.default_rng(spec.seed + 1)
    codes: NDArray[Any] = rng.integers(-40, 80, size=(count, spec.channels, spec.size, spec.size))
    codes[-2], codes[-1] = -100, 100
    return (codes * 2.0**-4).astype(np.float32)
