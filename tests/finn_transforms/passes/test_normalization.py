"""Batch norm with constant statistics goes into thresholds; norms with run-time statistics say why they do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from finn_transforms.emulate import emulate
from finn_transforms.passes import lower_to_hardware
from tests.support.graphs import GraphBuilder, op_types

RNG = np.random.default_rng(0)
MEAN, DEVIATION = RNG.normal(size=6), RNG.uniform(0.3, 2, size=6)
# A scale of zero and a negative one: thresholds that are always or never reached, and falling ones.
WEIGHT, BIAS = np.array([0.5, -1.25, 0.0, 2.0, 0.75, -0.5]), RNG.normal(size=6)
MULTIPLIER = WEIGHT / DEVIATION


def channels(graph: GraphBuilder, values: np.ndarray) -> str:
    return graph.constant(values.reshape(1, 6, 1, 1))


def one_affine(graph: GraphBuilder, x: str) -> str:
    """As L1BatchNorm2d is exported: ``x * multiplier + addend``."""
    scaled = graph.node("Mul", [x, channels(graph, MULTIPLIER)])
    return graph.node("Add", [scaled, channels(graph, BIAS - MEAN * MULTIPLIER)])


def step_by_step(graph: GraphBuilder, x: str) -> str:
    centred = graph.node("Sub", [x, channels(graph, MEAN)])
    divided = graph.node("Div", [centred, channels(graph, DEVIATION)])
    return graph.node("Add", [graph.node("Mul", [divided, channels(graph, WEIGHT)]), channels(graph, BIAS)])


def as_batch_norm(graph: GraphBuilder, x: str) -> str:
    return graph.batch_norm(x, WEIGHT, BIAS, MEAN, DEVIATION**2)


@pytest.mark.parametrize("norm", [one_affine, step_by_step, as_batch_norm])
def test_l1_batch_norm_in_evaluation_mode_goes_into_thresholds(norm: Callable[[GraphBuilder, str], str]) -> None:
    """Between quantizers whose channels have scales of their own, in front and behind."""
    graph = GraphBuilder((1, 4, 5, 5))
    x = graph.quant("x", 2.0 ** -np.arange(2, 6).reshape(1, 4, 1, 1), 4, signed=True)
    sums = graph.node("Conv", [x, graph.weights(RNG.integers(-7, 8, (6, 4, 3, 3)), 0.125, bits=4)])
    scales = 2.0 ** -np.array([1, 2, 3, 1, 2, 3]).reshape(1, 6, 1, 1)
    output = graph.quant(graph.node("Relu", [norm(graph, sums)]), scales, 4)
    model = graph.model(output)
    x_ = RNG.integers(-64, 64, (8, 4, 5, 5)) / 64
    before = emulate(model, {"x": x_})[output]
    (host,) = lower_to_hardware(model).refusals
    assert "graph's input" in host.reason
    assert op_types(model)[-3:] == ["Thresholding", "Transpose", "Mul"]
    assert len(np.unique(before)) > 10
    np.testing.assert_array_equal(emulate(model, {"x": x_})[str(model.graph.outputs[0].name)], before)


def layer_norm_op(graph: GraphBuilder, x: str) -> str:
    return graph.node("LayerNormalization", [x, graph.constant(WEIGHT), graph.constant(BIAS)], axis=-1)


def l1_layer_norm(graph: GraphBuilder, x: str) -> str:
    centred = graph.node("Sub", [x, graph.node("ReduceMean", [x, graph.integers([-1])])])
    deviation = graph.node("ReduceMean", [graph.node("Abs", [centred]), graph.integers([-1])])
    return graph.node("Div", [centred, graph.node("Max", [deviation, graph.constant(2.0**-8)])])


def l2_layer_norm(graph: GraphBuilder, x: str) -> str:
    centred = graph.node("Sub", [x, graph.node("ReduceMean", [x, graph.integers([-1])])])
    variance = graph.node("ReduceMean", [graph.node("Mul", [centred, centred]), graph.integers([-1])])
    return graph.node("Div", [centred, graph.node("Sqrt", [graph.node("Add", [variance, graph.constant(2.0**-8)])])])


def l1_norm(graph: GraphBuilder, x: str) -> str:
    return graph.node("Div", [x, graph.node("ReduceL1", [x, graph.integers([-1])])])


@pytest.mark.parametrize(
    ("norm", "named"),
    [
        (layer_norm_op, "LayerNormalization 'layernormalization"),
        (l1_layer_norm, "ReduceMean 'reducemean"),
        (l2_layer_norm, "ReduceMean 'reducemean"),
        (l1_norm, "ReduceL1 'reducel1"),
    ],
)
def test_layer_norm_is_refused_for_its_run_time_statistics(
    norm: Callable[[GraphBuilder, str], str], named: str
) -> None:
    """It stays on the host, and the layers in front and behind are hardware all the same."""
    graph = GraphBuilder((1, 8))
    sums = graph.node("MatMul", [graph.quant("x", 0.25, 4), graph.weights(RNG.integers(-7, 8, (8, 6)), 0.125, bits=4)])
    x = graph.quant(norm(graph, sums), 0.25, 4, signed=True)
    output = graph.node("MatMul", [x, graph.weights(RNG.integers(-7, 8, (6, 3)), 0.125, bits=4)])
    model = graph.model(output)
    refusals = [each for each in lower_to_hardware(model).refusals if "graph's input" not in each.reason]
    assert refusals
    for refusal in refusals:
        assert refusal.reason.startswith(named)
        assert "run-time statistics, as layer norm does: they differ from input to input" in refusal.reason
        assert "L1BatchNorm" in refusal.advice
    assert {"InferThresholding"} <= {refusal.pass_name for refusal in refusals}
    assert sum(op_type in {"MVAU", "ShiftMVAU"} for op_type in op_types(model)) == 2


def test_an_average_over_part_of_an_image_is_no_normalization() -> None:
    graph = GraphBuilder((1, 2, 4, 4))
    model = graph.model(graph.node("ReduceMean", [graph.quant("x", 0.5, 4), graph.integers([3])]))
    (refusal, *_) = lower_to_hardware(model).refusals
    assert (refusal.reason, refusal.advice) == ("it averages over the axes (3,)", "Average over height and width")
