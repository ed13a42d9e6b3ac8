"""Folding is written to the nodes, and read back as it was."""

import onnx_ir as ir

from finn_transforms.build import lower
from finn_transforms.folding import FoldingOptions, fold, write_folding
from finn_transforms.hw_graph import MvauParams, read_hw_graph
from tests.support.small_network import small_network


def test_folding_is_written_to_the_nodes_and_read_back() -> None:
    model = lower(ir.serde.deserialize_model(small_network())).model
    result = fold(read_hw_graph(model), FoldingOptions(target_cycles=500))
    write_folding(model, result)
    assert read_hw_graph(model) == result
    assert any(layer.simd > 1 for layer in result.layers if isinstance(layer, MvauParams))
