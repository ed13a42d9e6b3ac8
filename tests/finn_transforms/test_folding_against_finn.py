"""Folding equals FINN's SetFolding, layer by layer."""

import copy
import logging
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.folding import FoldingOptions, fold, write_folding
from finn_transforms.hw_graph import HwLayer, StreamParams, read_hw_graph
from finn_transforms.passes import lower_to_hardware
from tests.support.graphs import GraphBuilder
from tests.support.specialized import specialized

RNG = np.random.default_rng(0)


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


def lowered(build: Callable[[GraphBuilder, str], str]) -> ir.Model:
    graph = GraphBuilder((1, 12, 8, 8))
    model = graph.model(build(graph, graph.quant("x", 1.0, 3)))
    (host,) = lower_to_hardware(model).refusals
    assert "graph's input" in host.reason
    return model


def finns_folding(model: ModelWrapper, target: int) -> dict[str, HwLayer]:
    from finn.transformation.fpgadataflow.set_folding import SetFolding

    logging.getLogger("finn_logger").setLevel(logging.ERROR)
    names = [node.name for node in model.graph.node]
    folded = model.transform(SetFolding(target, two_pass_relaxation=False))
    for node, name in zip(folded.graph.node, names, strict=True):
        node.name = name
    return {layer.name: layer for layer in read_hw_graph(ir.serde.deserialize_model(folded.model)).layers}


@pytest.mark.parametrize("build", [depthwise_separable, residual, branches, upsampled])
def test_equal(build: Callable[[GraphBuilder, str], str]) -> None:
    model = specialized(lowered(build))
    graph = read_hw_graph(ir.serde.deserialize_model(model.model))
    assert not graph.unread
    for target in (10, 64, 65, 100, 200, 384, 500, 768, 1000, 1300, 3000, 10_000, 1_000_000):
        theirs = finns_folding(ModelWrapper(copy.deepcopy(model.model)), target)
        for layer in fold(graph, FoldingOptions(target_cycles=target, relax=False)).layers:
            assert layer == theirs[layer.name], target


def test_no_stream_is_left_behind() -> None:
    model = lowered(residual)
    folded = fold(read_hw_graph(model), FoldingOptions(target_cycles=200, relax=False))
    streams = [layer for layer in folded.layers if isinstance(layer, StreamParams)]
    assert {layer.kind for layer in streams} == {"DuplicateStreams", "ElementwiseAdd", "GlobalAccPool"}
    assert all(layer.cycles() <= 200 for layer in streams)
    write_folding(model, folded)
    assert read_hw_graph(model) == folded


def test_upsampling_is_folded_where_finn_leaves_it() -> None:
    model = lowered(lambda graph, x: graph.node("Upsample", [x, graph.constant([1, 1, 2, 2])], mode="nearest"))
    (layer,) = fold(read_hw_graph(model), FoldingOptions(target_cycles=1024)).layers
    assert (layer.width, layer.cycles()) == (3, 1024)  # type: ignore[union-attr]
