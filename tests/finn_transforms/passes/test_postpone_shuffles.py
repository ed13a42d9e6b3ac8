"""Pixel shuffles and views change places with the functions behind them, as long as those know no channels."""

import numpy as np
import pytest

from finn_transforms.emulate import emulate
from finn_transforms.passes import PostponeShuffles
from tests.support.graphs import GraphBuilder, op_types

SHAPE = (1, 4, 2, 2)
X = np.random.default_rng(3).integers(-8, 8, size=(5, *SHAPE[1:])) / 4


def test_functions_come_first() -> None:
    graph = GraphBuilder(SHAPE)
    shuffled = graph.node("DepthToSpace", ["x"], blocksize=2)
    output = graph.quant(graph.node("Relu", [shuffled]), 0.5, 4)
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    PostponeShuffles()(model)
    assert op_types(model) == ["Relu", "Quant", "DepthToSpace"]
    np.testing.assert_array_equal(emulate(model, {"x": X})[output], before)


def test_batch_normalization_of_the_one_channel_stays_behind() -> None:
    graph = GraphBuilder(SHAPE)
    shuffled = graph.node("DepthToSpace", ["x"], blocksize=2)
    model = graph.model(graph.batch_norm(shuffled, [2.0], [1.0]))
    assert not PostponeShuffles()(model).modified


@pytest.mark.parametrize(
    ("op_type", "shape", "constants", "attributes"),
    [
        ("Flatten", (1, 4, 2, 2), [], {"axis": 1}),
        ("Reshape", (1, 4, 2, 2), [[1, -1]], {}),
        ("Squeeze", (1, 4, 1, 1), [[2, 3]], {}),
    ],
)
def test_an_image_is_flattened_behind_the_quantizer(
    op_type: str, shape: tuple[int, ...], constants: list[list[int]], attributes: dict[str, int]
) -> None:
    graph = GraphBuilder(shape)
    pooled = graph.node("MaxPool", ["x"], kernel_shape=[1, 1])
    flat = graph.node(op_type, [pooled, *map(graph.integers, constants)], **attributes)
    output = graph.quant(graph.node("Relu", [flat]), 0.5, 4)
    model = graph.model(output)
    x = X[:1, :, : shape[2], : shape[3]]
    before = emulate(model, {"x": x})[output]
    PostponeShuffles()(model)
    assert op_types(model) == ["MaxPool", "Relu", "Quant", op_type]
    np.testing.assert_array_equal(emulate(model, {"x": x})[output], before)


def test_the_graphs_input_is_flattened_by_the_host() -> None:
    graph = GraphBuilder((1, 4, 2, 2))
    scaled = graph.node("Mul", ["x", graph.constant(0.5)])
    model = graph.model(graph.quant(graph.node("Flatten", [scaled], axis=1), 0.5, 4))
    assert not PostponeShuffles()(model).modified


def test_other_views_stay() -> None:
    graph = GraphBuilder(SHAPE)
    model = graph.model(graph.quant(graph.node("Reshape", ["x", graph.integers([1, 2, 8])]), 0.5, 4))
    assert not PostponeShuffles()(model).modified
