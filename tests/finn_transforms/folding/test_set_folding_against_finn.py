"""Folding equals FINN's SetFolding, layer by layer."""

import copy
import logging

import onnx_ir as ir
import pytest
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.folding import FoldingOptions, fold, write_folding
from finn_transforms.hw_graph import HwLayer, StreamParams, read_hw_graph
from tests.support.foldable import Network, branches, depthwise_separable, lowered, residual, upsampled
from tests.support.specialized import specialized


def finns_folding(model: ModelWrapper, target: int) -> dict[str, HwLayer]:
    from finn.transformation.fpgadataflow.set_folding import SetFolding

    logging.getLogger("finn_logger").setLevel(logging.ERROR)
    names = [node.name for node in model.graph.node]
    folded = model.transform(SetFolding(target, two_pass_relaxation=False))
    for node, name in zip(folded.graph.node, names, strict=True):
        node.name = name
    return {layer.name: layer for layer in read_hw_graph(ir.serde.deserialize_model(folded.model)).layers}


@pytest.mark.parametrize("build", [depthwise_separable, residual, branches, upsampled])
def test_equal(build: Network) -> None:
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
