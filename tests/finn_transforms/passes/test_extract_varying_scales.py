"""Scales of any shape that broadcasts: either they are scales per channel, or the layer behind them stays."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from finn_transforms.emulate import emulate
from finn_transforms.passes import ExtractIntegers, InferThresholding
from tests.support.graphs import GraphBuilder, op_types
from tests.support.refusals import refusal_of

SIZE = 3  # channels, rows and columns, so that every axis could be taken for the channels
SHAPE = (1, SIZE, SIZE, SIZE)
X = np.random.default_rng(3).integers(-40, 40, size=(5, *SHAPE[1:])) / 8
SCALES = np.array([0.5, 0.25, 1.0])
WEIGHTS = np.arange(2 * SIZE).reshape(2, SIZE, 1, 1) - 2

LAYERS: dict[str, Callable[[GraphBuilder, str], str]] = {
    "AveragePool": lambda graph, x: graph.node("AveragePool", [x], kernel_shape=[2, 2]),
    "Concat": lambda graph, x: graph.node("Concat", [x, graph.quant("x", 0.5, 4)], axis=1),
    "Conv": lambda graph, x: graph.node("Conv", [x, graph.weights(WEIGHTS)]),
    "GlobalAveragePool": lambda graph, x: graph.node("GlobalAveragePool", [x]),
    "MaxPool": lambda graph, x: graph.node("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Pad": lambda graph, x: graph.node("Pad", [x, graph.integers([0, 0, 1, 0, 0, 0, 1, 0])]),
    "Resize": lambda graph, x: graph.node(
        "Resize",
        [x, "", graph.constant([1, 1, 2, 2])],
        coordinate_transformation_mode="asymmetric",
        mode="nearest",
        nearest_mode="floor",
    ),
}


def quantized(scale: np.ndarray, layer: str) -> tuple[GraphBuilder, str]:
    graph = GraphBuilder(SHAPE)
    return graph, LAYERS[layer](graph, graph.quant("x", scale, 4, signed=True))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1), (1, 1, 3), (1, 1, 3, 1)])
def test_scales_per_row_or_column_stay_in_front(shape: Sequence[int], layer: str) -> None:
    graph, output = quantized(SCALES.reshape(shape), layer)
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    reason, _ = refusal_of(ExtractIntegers(), model, layer)
    assert "the scales of its input have shape (1, 1, " in reason
    np.testing.assert_array_equal(emulate(model, {"x": X})[output], before)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 3, 1, 1)])
def test_scales_per_channel_go_through(shape: Sequence[int], layer: str) -> None:
    graph, output = quantized(SCALES.reshape(shape), layer)
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    assert not ExtractIntegers()(model).refusals
    np.testing.assert_array_equal(emulate(model, {"x": X})[str(model.graph.outputs[0].name)], before)


def test_padded_channels_have_no_scale() -> None:
    graph = GraphBuilder(SHAPE)
    x = graph.quant("x", SCALES.reshape(3, 1, 1), 4)
    output = graph.node("Pad", [x, graph.integers([0, 1, 0, 0, 0, 0, 0, 0])])
    reason, _ = refusal_of(ExtractIntegers(), graph.model(output), "Pad")
    assert reason == "it adds channels to others that have different scales"


def test_scales_of_a_matrix_along_its_last_axis() -> None:
    graph = GraphBuilder((1, SIZE))
    weights = np.arange(SIZE * 2).reshape(SIZE, 2) - 3
    output = graph.node("MatMul", [graph.quant("x", SCALES, 4), graph.weights(weights, [0.5, 0.25])])
    model = graph.model(output)
    x = X.reshape(-1, SIZE)
    before = emulate(model, {"x": x})[output]
    assert not ExtractIntegers()(model).refusals
    np.testing.assert_array_equal(emulate(model, {"x": x})[str(model.graph.outputs[0].name)], before)


@pytest.mark.parametrize("scale", [np.ones((2, 1, 1)), np.ones((1, 3, 1, 1, 1)), np.ones(0)])
def test_scales_that_do_not_fit_are_refused(scale: np.ndarray) -> None:
    graph = GraphBuilder(SHAPE)
    reason, _ = refusal_of(ExtractIntegers(), graph.model(graph.quant("x", scale, 4)), "Quant")
    assert "does not fit" in reason or "is empty" in reason


@pytest.mark.parametrize("constant_first", [False, True])
def test_a_factor_stands_on_either_side(constant_first: bool) -> None:
    graph = GraphBuilder(SHAPE)
    operands = [graph.quant("x", 0.5, 4), graph.constant(0.25)]
    scaled = graph.node("Mul", operands[::-1] if constant_first else operands)
    output = graph.node("Conv", [scaled, graph.weights(WEIGHTS)])
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    assert not ExtractIntegers()(model).refusals
    assert op_types(model)[:3] == ["Div", "Quant", "Conv"]
    np.testing.assert_array_equal(emulate(model, {"x": X})[str(model.graph.outputs[0].name)], before)


@pytest.mark.parametrize("factor", [np.ones((1, SIZE, 1, 1)), np.array(np.inf)])
def test_a_factor_that_broadcasts_its_input_or_is_infinite_stays(factor: np.ndarray) -> None:
    graph = GraphBuilder((1, 1, SIZE, SIZE))
    scaled = graph.node("Mul", [graph.quant("x", 0.5, 4), graph.constant(factor)])
    output = graph.node("Relu", [graph.node("GlobalAveragePool", [scaled])])
    model = graph.model(output)
    x = np.abs(X[:, :1]) + 1
    before = emulate(model, {"x": x})[output]
    ExtractIntegers()(model)
    assert "GlobalAveragePool" in op_types(model)
    np.testing.assert_array_equal(emulate(model, {"x": x})[output], before)


def test_a_constant_with_more_axes_than_the_accumulator_is_refused() -> None:
    graph = GraphBuilder(SHAPE)
    shifted = graph.node("Add", [graph.quant("x", 0.5, 4), graph.constant(np.ones((1, 1, 1, 1, 1)))])
    model = graph.model(graph.quant(shifted, 0.5, 4))
    ExtractIntegers()(model)
    reasons = [refusal.reason for refusal in InferThresholding()(model).refusals]
    assert any("has 5 axes, more than the accumulator" in reason for reason in reasons)


def test_a_bias_per_row_of_a_gemm_keeps_its_shape() -> None:
    graph = GraphBuilder((2, SIZE))
    weights = graph.weights(np.arange(SIZE * 2).reshape(SIZE, 2) - 3)
    output = graph.node("Gemm", [graph.quant("x", 0.5, 4), weights, graph.constant([[1.0], [20.0]])])
    model = graph.model(output)
    x = X.reshape(-1, SIZE)[:2]
    before = emulate(model, {"x": x})[output]
    ExtractIntegers()(model)
    np.testing.assert_array_equal(emulate(model, {"x": x})[str(model.graph.outputs[0].name)], before)


def test_one_factor_with_axes_goes_through_layers_that_drop_them() -> None:
    graph = GraphBuilder(SHAPE)
    scaled = graph.node("Mul", [graph.quant("x", 0.5, 4), graph.constant(np.full((1, 1, 1, 1), 0.25))])
    output = graph.node("Relu", [graph.node("Flatten", [scaled])])
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    ExtractIntegers()(model)
    np.testing.assert_array_equal(emulate(model, {"x": X})[output], before)


def test_equal_scales_per_channel_follow_a_change_of_rank() -> None:
    graph = GraphBuilder(SHAPE)
    x = graph.quant("x", np.full((1, 3, 1, 1), 0.5), 4)
    flat = graph.node("Flatten", [graph.node("Reshape", [x, graph.integers([1, 9, 3])])])
    output = graph.node("Relu", [flat])
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    ExtractIntegers()(model)
    np.testing.assert_array_equal(emulate(model, {"x": X})[output], before)
