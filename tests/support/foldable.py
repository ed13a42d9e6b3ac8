"""Small networks with every kind of layer that folds, lowered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from finn_transforms.passes import lower_to_hardware
from tests.support.graphs import GraphBuilder

RNG = np.random.default_rng(0)

Network = Callable[[GraphBuilder, str], str]


def activation(graph: GraphBuilder, x: str) -> str:
    return graph.quant(graph.node("Relu", [x]), 1.0, 3)


def conv(graph: GraphBuilder, x: str, inputs: int, outputs: int, size: int = 3, **options: object) -> str:
    weights = graph.weights(RNG.integers(-3, 4, size=(outputs, inputs, size, size)), bits=3)
    return graph.node("Conv", [x, weights], pads=[size // 2] * 4, **options)


def depthwise_separable(graph: GraphBuilder, x: str) -> str:
    return conv(graph, activation(graph, conv(graph, x, 1, 12, group=12)), 12, 8, 1)


def residual(graph: GraphBuilder, x: str) -> str:
    x = activation(graph, conv(graph, x, 12, 12))
    total = graph.node("Add", [activation(graph, conv(graph, x, 12, 12)), x])
    mean = activation(graph, graph.node("GlobalAveragePool", [graph.quant(total, 1.0, 4)]))
    return graph.node("MatMul", [graph.node("Flatten", [mean]), graph.weights(RNG.integers(-3, 4, (12, 10)), bits=3)])


def branches(graph: GraphBuilder, x: str) -> str:
    x = activation(graph, conv(graph, x, 12, 8))
    both = graph.node("Concat", [x, activation(graph, conv(graph, x, 8, 12))], axis=1)
    return conv(graph, both, 20, 4)


def upsampled(graph: GraphBuilder, x: str) -> str:
    return graph.node("ConvTranspose", [x, graph.weights(RNG.integers(-3, 4, (12, 6, 2, 2)), bits=3)], strides=[2, 2])


def lowered(build: Network, shape: Sequence[int] = (1, 12, 8, 8)) -> ir.Model:
    """Return a network as hardware layers, the quantizer of its input being the host's."""
    graph = GraphBuilder(tuple(shape))
    model = graph.model(build(graph, graph.quant("x", 1.0, 3)))
    (host,) = lower_to_hardware(model).refusals
    assert "graph's input" in host.reason
    return model
