"""One-dimensional networks become hardware as two-dimensional ones."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.analysis.matching import is_hardware
from finn_transforms.emulate import emulate
from finn_transforms.passes import ExtractIntegers, LiftSequences, lower_to_hardware
from tests.support.graphs import GraphBuilder, array_of, attributes, copy_of, only, op_types
from tests.support.stages import assert_finn_agrees, assert_finn_specializes

RNG = np.random.default_rng(0)


def conv(graph: GraphBuilder, x: str, inputs: int, outputs: int, size: int, **options: Any) -> str:
    weights = RNG.integers(-3, 4, size=(outputs, inputs // options.get("group", 1), size))
    return graph.node("Conv", [x, graph.weights(weights, 0.25, bits=3)], **options)


def network() -> ir.Model:
    """Return windows of every kind with a residual sum, a concatenation and a linear layer at the end."""
    graph = GraphBuilder((1, 2, 20))
    x = conv(graph, graph.quant("x", 0.5, 4, signed=True), 2, 4, 3, strides=[2], pads=[1, 1])
    x = graph.batch_norm(x, [0.5, 1.0, -0.75, 0.25], [0.5, 0.0, 1.0, -0.5])
    x = graph.quant(graph.node("Relu", [x]), 0.5, 3)
    x = graph.node("MaxPool", [x], kernel_shape=[2], strides=[1], pads=[1, 0])
    branch = graph.quant(graph.node("Relu", [conv(graph, x, 4, 4, 3, group=4, dilations=[2], pads=[2, 2])]), 0.5, 3)
    x = graph.quant(graph.node("Add", [branch, x]), 0.5, 3)
    x = graph.quant(graph.node("Concat", [x, branch], axis=-2), 0.5, 3)
    x = graph.quant(graph.node("Relu", [conv(graph, x, 8, 3, 4, strides=[3])]), 1.0, 4)
    flat = graph.node("Flatten", [x])
    return graph.model(graph.node("MatMul", [flat, graph.weights(RNG.integers(-3, 4, (9, 5)), bits=3)]))


def test_whole_network() -> None:
    model = network()
    reference = copy_of(model)
    (host,) = lower_to_hardware(model).refusals
    assert "graph's input" in host.reason
    assert not {"Conv", "MaxPool", "Squeeze", "Flatten"} & set(op_types(model))
    first = next(index for index, node in enumerate(model.graph) if is_hardware(node))
    behind = [node.op_type for node in list(model.graph)[first:] if not is_hardware(node)]
    assert set(behind) <= {"Mul", "Div"}
    x = {"x": RNG.integers(-9, 9, size=(5, 2, 20)) / 2}
    (output,) = (str(value.name) for value in model.graph.outputs)
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])
    assert assert_finn_agrees(model, x["x"][:1]) > 15
    assert_finn_specializes(model)


def test_values_stay_what_they_are() -> None:
    model = network()
    ExtractIntegers()(model)
    reference = copy_of(model)
    LiftSequences()(model)
    x = {"x": RNG.integers(-9, 9, size=(5, 2, 20)) / 2}
    before, after = emulate(reference, x), emulate(model, x)
    compared = 0
    for node in reference.graph:
        name = str(node.outputs[0].name)
        if name in after:
            np.testing.assert_array_equal(after[name].reshape(before[name].shape), before[name], err_msg=name)
            compared += 1
    assert compared > 20
    assert not LiftSequences()(model).modified


def test_window() -> None:
    graph = GraphBuilder((1, 2, 9))
    graph.datatypes["x"] = "UINT4"
    weights = graph.constant(RNG.integers(-3, 4, size=(3, 2, 4)), "w", "INT3")
    options = {"kernel_shape": [4], "strides": [2], "dilations": [1], "pads": [1, 0]}
    model = graph.model(graph.node("Conv", ["x", weights], datatype="INT16", **options))
    LiftSequences()(model)
    assert op_types(model) == ["Unsqueeze", "Conv", "Squeeze"]
    found = attributes(only(model, "Conv"))
    assert {name: tuple(value) for name, value in found.items()} == {
        "kernel_shape": (4, 1),
        "strides": (2, 1),
        "dilations": (1, 1),
        "pads": (1, 0, 0, 0),
    }
    assert array_of(only(model, "Conv").inputs[1]).shape == (3, 2, 4, 1)
    assert [tuple(value.shape.numpy()) for value in model.graph.outputs if value.shape is not None] == [(1, 3, 4)]


@pytest.mark.parametrize("op_type", ["Sum over the sequence", "Transposed"])
def test_other_windows(op_type: str) -> None:
    graph = GraphBuilder((1, 2, 9))
    graph.datatypes["x"] = "UINT4"
    shape = (2, 3, 4) if op_type == "Transposed" else (3, 2, 4)
    weights = graph.constant(RNG.integers(-3, 4, size=shape), "w", "INT3")
    if op_type == "Transposed":
        output = graph.node(
            "ConvTranspose", ["x", weights], datatype="INT16", strides=[2], pads=[1, 1], output_padding=[1]
        )
    else:
        layer = graph.node("Conv", ["x", weights], datatype="INT16")
        output = graph.node("ReduceSum", [layer, graph.integers([-1])], datatype="INT20")
    model = graph.model(output)
    reference = copy_of(model)
    assert not lower_to_hardware(model).refusals
    x = {"x": RNG.integers(0, 16, size=(3, 2, 9))}
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])


def test_vectors_between_linear_layers_stay() -> None:
    graph = GraphBuilder((1, 5, 4))
    x = graph.node("MatMul", [graph.quant("x", 1.0, 3), graph.weights(RNG.integers(-3, 4, (4, 4)), bits=3)])
    model = graph.model(graph.node("MaxPool", [graph.node("Relu", [x])], kernel_shape=[1]))
    ExtractIntegers()(model)
    assert not LiftSequences()(model).modified
