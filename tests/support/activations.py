"""Activation functions as exporters write them."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.graphs import GraphBuilder

Function = Callable[[GraphBuilder, str], str]


def _relu6(graph: GraphBuilder, x: str) -> str:
    return graph.node("Clip", [x, graph.constant(0.0), graph.constant(6.0)])


def _hard_tanh(graph: GraphBuilder, x: str) -> str:
    return graph.node("Clip", [x, graph.constant(-1.0), graph.constant(1.0)])


def _silu(graph: GraphBuilder, x: str) -> str:
    return graph.node("Mul", [x, graph.node("Sigmoid", [x])])


def _gelu(graph: GraphBuilder, x: str) -> str:
    error = graph.node("Erf", [graph.node("Div", [x, graph.constant(2.0**0.5)])])
    doubled = graph.node("Mul", [x, graph.node("Add", [error, graph.constant(1.0)])])
    return graph.node("Mul", [doubled, graph.constant(0.5)])


def _mish(graph: GraphBuilder, x: str) -> str:
    return graph.node("Mul", [x, graph.node("Tanh", [graph.node("Softplus", [x])])])


def _prelu(graph: GraphBuilder, x: str) -> str:
    return graph.node("PRelu", [x, graph.constant([[[0.25]]])])


ACTIVATIONS: dict[str, Function] = {
    "Elu": lambda graph, x: graph.node("Elu", [x], alpha=1.0),
    "Gelu": _gelu,
    "HardSigmoid": lambda graph, x: graph.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5),
    "HardSwish": lambda graph, x: graph.node("HardSwish", [x]),
    "HardTanh": _hard_tanh,
    "LeakyRelu": lambda graph, x: graph.node("LeakyRelu", [x], alpha=0.1),
    "Mish": _mish,
    "PRelu": _prelu,
    "Relu6": _relu6,
    "Selu": lambda graph, x: graph.node("Selu", [x]),
    "Sigmoid": lambda graph, x: graph.node("Sigmoid", [x]),
    "Silu": _silu,
    "Softplus": lambda graph, x: graph.node("Softplus", [x]),
    "Tanh": lambda graph, x: graph.node("Tanh", [x]),
}
