"""Random quantized networks: what they consist of, a hypothesis strategy, and their QONNX graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.graphs import GraphBuilder

ROUNDINGS = ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")


@dataclass(frozen=True, kw_only=True)
class ActivationSpec:
    """A quantized activation; without a function it is an identity quantizer."""

    function: Literal["relu", "hardtanh", "identity"]
    bits: int
    signed: bool
    narrow: bool = False
    rounding: str = "ROUND"
    dyadic: bool = False


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """A convolution (kernel given) or linear layer with what follows it up to the next layer."""

    outputs: int
    kernel: tuple[int, int] | None
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    weight_bits: int = 4
    narrow_weights: bool = True
    per_channel: bool = False
    bias: bool = False
    batch_norm: bool = False
    activation: ActivationSpec
    requantize: ActivationSpec | None = None
    pool: int = 1


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A chain of layers on an image (C, H, W); convolutions come first."""

    shape: tuple[int, int, int]
    input: ActivationSpec
    layers: tuple[LayerSpec, ...]
    seed: int


def activations(roundings: tuple[str, ...] = ROUNDINGS) -> st.SearchStrategy[ActivationSpec]:
    """Return a strategy for activations."""

    def normal(spec: ActivationSpec) -> ActivationSpec:
        # A ReLU in front of an unsigned quantizer and a clip in front of a signed one, as Brevitas exports them.
        function = "hardtanh" if spec.signed and spec.function == "relu" else spec.function
        return replace(spec, function=function)

    return st.builds(
        ActivationSpec,
        function=st.sampled_from(["relu", "hardtanh", "identity"]),
        bits=st.integers(2, 8),
        signed=st.booleans(),
        narrow=st.booleans(),
        rounding=st.sampled_from(roundings),
        dyadic=st.booleans(),
    ).map(normal)


@st.composite
def networks(
    draw: st.DrawFn, *, roundings: tuple[str, ...] = ROUNDINGS, symmetric_pads: bool = False, max_size: int = 6
) -> NetworkSpec:
    """Return a strategy for small networks of one to four layers whose windows fit their images."""
    channels = draw(st.integers(1, 3))
    height, width = draw(st.integers(1, max_size)), draw(st.integers(1, max_size))
    shape = (channels, height, width)
    layers = []
    for _ in range(draw(st.integers(0, 3))):
        layer = draw(_convolutions((channels, height, width), roundings, symmetric_pads=symmetric_pads))
        layers.append(layer)
        channels = layer.outputs
        height, width = _output_size(layer, height, width)
    for _ in range(draw(st.integers(0 if layers else 1, 2))):
        layers.append(draw(_linears(roundings)))
    # Hypothesis draws small integers more often; they serve as seeds all the same.
    return NetworkSpec(
        shape=shape, input=draw(activations(roundings)), layers=tuple(layers), seed=draw(st.integers(0, 2**32 - 1))
    )


def _common(roundings: tuple[str, ...]) -> dict[str, st.SearchStrategy[Any]]:
    return {
        "outputs": st.integers(1, 4),
        "weight_bits": st.integers(2, 8),
        "narrow_weights": st.booleans(),
        "per_channel": st.booleans(),
        "bias": st.booleans(),
        "batch_norm": st.booleans(),
        "activation": activations(roundings),
        "requantize": st.none() | st.none() | activations(roundings),
    }


def _linears(roundings: tuple[str, ...]) -> st.SearchStrategy[LayerSpec]:
    return st.builds(LayerSpec, kernel=st.none(), **_common(roundings))


@st.composite
def _convolutions(
    draw: st.DrawFn, shape: tuple[int, int, int], roundings: tuple[str, ...], *, symmetric_pads: bool
) -> LayerSpec:
    channels, height, width = shape
    pads = draw(st.tuples(*[st.integers(0, 2)] * 4))
    if symmetric_pads:
        pads = (pads[0], pads[1], pads[0], pads[1])
    padded = (height + pads[0] + pads[2], width + pads[1] + pads[3])
    kernel = tuple(draw(st.integers(1, min(3, size))) for size in padded)
    dilations = tuple(
        draw(st.integers(1, 2 if 2 * (k - 1) + 1 <= size else 1)) for k, size in zip(kernel, padded, strict=True)
    )
    layer = draw(
        st.builds(
            LayerSpec,
            kernel=st.just(kernel),
            dilations=st.just(dilations),
            strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
            pads=st.just(pads),
            **_common(roundings),
        )
    )
    rows, columns = _output_size(layer, height, width)
    pool = draw(st.integers(1, max(1, min(2, rows, columns))))
    groups = draw(st.sampled_from([1, 1, 1, channels])) if layer.outputs % channels == 0 else 1
    return replace(layer, pool=pool, groups=groups)


def _output_size(layer: LayerSpec, height: int, width: int) -> tuple[int, int]:
    assert layer.kernel is not None
    sizes = []
    for axis, size in enumerate((height, width)):
        padded = size + layer.pads[axis] + layer.pads[axis + 2]
        span = layer.dilations[axis] * (layer.kernel[axis] - 1) + 1
        sizes.append(((padded - span) // layer.strides[axis] + 1) // layer.pool)
    return sizes[0], sizes[1]


def qonnx_network(spec: NetworkSpec) -> ir.Model:
    """Return a network as an exported graph, with random weights and batch norm of either sign."""
    rng = np.random.default_rng(spec.seed)
    graph = GraphBuilder((1, *spec.shape))
    # A power of two: then the inputs of `images` are exact multiples in every floating-point format.
    x = _quant(graph, "x", spec.input, 2.0**-4)
    channels, height, width = spec.shape
    features = channels * height * width
    flat = False
    for layer in spec.layers:
        if layer.kernel is None:
            if not flat:
                x = _flatten(graph, rng, x, features)
                flat = True
            x = _linear(graph, rng, x, layer, features)
        else:
            x = _conv(graph, rng, x, layer, channels)
            height, width = _output_size(layer, height, width)
        channels = layer.outputs
        features = layer.outputs * (1 if flat else height * width)
        x = _behind(graph, rng, x, layer)
    return graph.model(x)


def images(spec: NetworkSpec, count: int = 6) -> NDArray[np.float32]:
    """Return inputs on the grid of the input quantizer: random ones, then the lowest and the highest image."""
    rng = np.random.default_rng(spec.seed + 1)
    low = -(2 ** (spec.input.bits - 1)) if spec.input.signed else 0
    codes = rng.integers(low - 1, low + 2**spec.input.bits + 1, size=(count, *spec.shape))
    codes[-2], codes[-1] = low, low + 2**spec.input.bits - 1
    return (codes * 2.0**-4).astype(np.float32)


def _scale(rng: np.random.Generator, *, dyadic: bool) -> float:
    exponent = int(rng.integers(-5, 1))
    return float(2.0**exponent if dyadic else np.float32(2.0**exponent * rng.uniform(0.7, 1.4)))


def _weights(
    graph: GraphBuilder, rng: np.random.Generator, layer: LayerSpec, shape: tuple[int, ...], channel_axis: int
) -> tuple[str, Any]:
    high = 2 ** (layer.weight_bits - 1) - 1
    low = -high if layer.narrow_weights else -high - 1
    integers = rng.integers(low, high + 1, size=shape)
    # Sometimes sparse, now and then a dead channel.
    integers[rng.random(shape) < rng.choice([0.0, 0.3, 0.9])] = 0
    sizes = [1] * len(shape)
    if layer.per_channel:
        sizes[channel_axis] = shape[channel_axis]
    scale = np.array([_scale(rng, dyadic=layer.activation.dyadic) for _ in range(int(np.prod(sizes)))]).reshape(sizes)
    if not layer.per_channel:
        scale = scale.reshape(())
    name = graph.weights(integers, scale, bits=layer.weight_bits, narrow=layer.narrow_weights)
    return name, integers


def _conv(graph: GraphBuilder, rng: np.random.Generator, x: str, layer: LayerSpec, channels: int) -> str:
    assert layer.kernel is not None
    weights, _ = _weights(graph, rng, layer, (layer.outputs, channels // layer.groups, *layer.kernel), 0)
    bias = [graph.constant(rng.normal(size=layer.outputs), "bias")] if layer.bias else []
    return graph.node(
        "Conv",
        [x, weights, *bias],
        kernel_shape=list(layer.kernel),
        strides=list(layer.strides),
        dilations=list(layer.dilations),
        pads=list(layer.pads),
        group=layer.groups,
    )


def _linear(graph: GraphBuilder, rng: np.random.Generator, x: str, layer: LayerSpec, features: int) -> str:
    transposed = bool(rng.integers(2))
    shape = (layer.outputs, features) if transposed else (features, layer.outputs)
    weights, _ = _weights(graph, rng, layer, shape, 0 if transposed else 1)
    if layer.bias:
        bias = graph.constant(rng.normal(size=layer.outputs), "bias")
        return graph.node("Gemm", [x, weights, bias], transB=int(transposed))
    return graph.node("MatMul", [x, graph.node("Transpose", [weights], perm=[1, 0]) if transposed else weights])


def _flatten(graph: GraphBuilder, rng: np.random.Generator, x: str, features: int) -> str:
    if rng.integers(2):
        return graph.node("Flatten", [x], axis=1)
    return graph.node("Reshape", [x, graph.integers([1, [features, -1][int(rng.integers(2))]])])


def _behind(graph: GraphBuilder, rng: np.random.Generator, x: str, layer: LayerSpec) -> str:
    """Add batch norm, activation and pooling; the last may come first where nothing per channel is in its way."""
    pool_first = layer.pool > 1 and not (layer.per_channel or layer.bias or layer.batch_norm) and bool(rng.integers(2))
    if pool_first:
        x = _pool(graph, x, layer)
    if layer.batch_norm:
        scale = rng.normal(size=layer.outputs) * 10.0 ** rng.integers(-2, 2)
        scale[rng.random(layer.outputs) < 0.1] = 0
        shift, mean, variance = rng.normal(size=(3, layer.outputs))
        x = graph.batch_norm(x, scale, shift, mean, np.abs(variance), epsilon=1e-5)
    x = _activation(graph, rng, x, layer.activation)
    if layer.pool > 1 and not pool_first:
        x = _pool(graph, x, layer)
    if layer.requantize is not None:
        x = _activation(graph, rng, x, layer.requantize)
    return x


def _pool(graph: GraphBuilder, x: str, layer: LayerSpec) -> str:
    return graph.node("MaxPool", [x], kernel_shape=[layer.pool] * 2, strides=[layer.pool] * 2)


def _activation(graph: GraphBuilder, rng: np.random.Generator, x: str, spec: ActivationSpec) -> str:
    if spec.function == "relu":
        x = graph.node("Relu", [x])
    if spec.function == "hardtanh":
        x = graph.node("Clip", [x, graph.constant(-1.0, "low"), graph.constant(1.0, "high")])
    return _quant(graph, x, spec, _scale(rng, dyadic=spec.dyadic))


def _quant(graph: GraphBuilder, x: str, spec: ActivationSpec, scale: float) -> str:
    return graph.quant(x, scale, spec.bits, signed=spec.signed, narrow=spec.narrow, rounding=spec.rounding)
