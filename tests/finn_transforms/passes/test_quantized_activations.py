"""Thresholds equal every activation for every integer: roundings, ties, zero points, scales, 1 to 10 bits."""

from itertools import product
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from finn_transforms.analysis.datatypes import datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import ExtractIntegers, InferThresholding, lower_to_hardware
from tests.support.activations import ACTIVATIONS
from tests.support.graphs import QONNX, GraphBuilder, array_of, attributes, copy_of, only, op_types
from tests.support.networks import ROUNDINGS
from tests.support.quantized_tails import Function, QuantizedTail, QuantizerSpec

MORE: dict[str, Function] = {
    "Abs": lambda graph, x: graph.node("Abs", [x]),
    "Celu": lambda graph, x: graph.node("Celu", [x], alpha=0.7),
    "Identity": lambda _, x: x,
    "Negative slope": lambda graph, x: graph.node("LeakyRelu", [x], alpha=-0.3),
    "Relu": lambda graph, x: graph.node("Relu", [x]),
    "Reciprocal": lambda graph, x: graph.node("Div", [graph.constant(1.0), x]),
    "Sign": lambda graph, x: graph.node("Sign", [x]),
    "Slopes of any sign": lambda graph, x: graph.node("PRelu", [x, graph.constant([[[0.5]], [[-0.5]], [[0.0]]])]),
    "Softplus of torch": lambda graph, x: graph.node(
        "Where", [graph.node("Greater", [x, graph.constant(2.0)]), x, graph.node("Softplus", [x])]
    ),
    "Softsign": lambda graph, x: graph.node(
        "Div", [x, graph.node("Add", [graph.node("Abs", [x]), graph.constant(1.0)])]
    ),
    "Square": lambda graph, x: graph.node("Pow", [x, graph.constant(2.0)]),
    "Tanhshrink": lambda graph, x: graph.node("Sub", [x, graph.node("Tanh", [x])]),
    "Threshold": lambda graph, x: graph.node("ThresholdedRelu", [x], alpha=-0.5),
}
FUNCTIONS = ACTIVATIONS | MORE


@st.composite
def quantizers(draw: st.DrawFn) -> QuantizerSpec:
    bits = draw(st.integers(1, 10))
    signed = draw(st.booleans())
    scales = st.one_of(st.sampled_from([0.5, 0.125, 2.0**-6]), st.floats(2.0**-7, 2, width=32))
    size = draw(st.sampled_from([1, 3]))
    bipolar = signed and bits == 1
    zeros = [0.0] if bipolar else draw(st.lists(st.integers(-3, 2**bits), min_size=size, max_size=size))
    return QuantizerSpec(
        bits=bits,
        signed=signed,
        narrow=not bipolar and bits > 1 and draw(st.booleans()),
        rounding=draw(st.sampled_from(ROUNDINGS)),
        scale=tuple(draw(st.lists(scales, min_size=size, max_size=size))),
        zero_point=tuple(map(float, zeros)),
    )


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@settings(max_examples=8)
@given(quantizer=quantizers(), unit=st.sampled_from([1 / 64, 0.02, 0.3]))
@example(quantizer=QuantizerSpec(bits=4, signed=True, rounding="HALF_UP"), unit=0.125)
@example(quantizer=QuantizerSpec(bits=4, zero_point=(3.0, 0.0, 12.0)), unit=1 / 64)
@example(quantizer=QuantizerSpec(bits=1, signed=True), unit=1 / 64)
@example(quantizer=QuantizerSpec(bits=10, signed=True, scale=(2.0**-6,)), unit=1 / 64)
def test_every_integer_of_every_function(name: str, quantizer: QuantizerSpec, unit: float) -> None:
    tail = QuantizedTail(FUNCTIONS[name], (unit, -unit, 0.3 * unit), quantizer)
    integers = np.arange(-512, 512)
    model = tail.model()
    ExtractIntegers()(model)
    assert not InferThresholding()(model).refusals
    assert "Quant" not in op_types(model)
    output = str(model.graph.outputs[0].name)
    found = emulate(model, {"x": np.tile(integers[:, None, None, None], (1, 3, 1, 1))})[output]
    with np.errstate(divide="ignore"):
        expected = tail.expected(integers)
    np.testing.assert_array_equal(found[:, :, 0, 0], expected)


def behind_weights(name: str, quantizer: QuantizerSpec, weights: NDArray[Any]) -> tuple[ir.Model, ir.Model]:
    """Return a 1x1 convolution of a 3-bit image with an activation, before and after the pass."""
    graph = GraphBuilder((1, 3, 1, 1))
    graph.datatypes["x"] = "UINT3"
    kernel = graph.constant(weights.reshape(3, 3, 1, 1), datatype="INT4")
    sums = graph.node("Conv", ["x", kernel], kernel_shape=[1, 1], datatype="INT32")
    x = graph.node("Mul", [sums, graph.constant(np.reshape([0.25, -0.25, 0.25], (3, 1, 1)))])
    model = graph.model(quantizer.add_to(graph, FUNCTIONS[name](graph, x)))
    ExtractIntegers()(model)
    before = copy_of(model)
    assert len(InferThresholding()(model).rewrites) == 1
    return before, model


WEIGHTS = np.array([[3, -2, 1], [1, 1, 0], [-4, 0, -1]])


@pytest.mark.parametrize(
    ("name", "quantizer", "difference", "sign"),
    [
        ("Sigmoid", QuantizerSpec(bits=4, scale=(1 / 15,)), False, -1),
        ("Tanh", QuantizerSpec(bits=1, signed=True), False, -1),
        ("Identity", QuantizerSpec(bits=1, signed=True, scale=(0.5,)), False, -1),
        ("Silu", QuantizerSpec(bits=4, signed=True, scale=(0.125,)), True, 1),
        # The channel that would fall stays below half a step.
        ("Silu", QuantizerSpec(bits=4, signed=True, scale=(1.0,)), False, 1),
    ],
)
def test_weights_of_falling_channels_are_negated(
    name: str, quantizer: QuantizerSpec, difference: bool, sign: int
) -> None:
    before, after = behind_weights(name, quantizer, WEIGHTS)
    assert ("ElementwiseSub" in op_types(after)) is difference
    weights = array_of(only(after, "Conv").inputs[1]).reshape(3, 3)
    np.testing.assert_array_equal(weights, np.array([[1], [sign], [1]]) * WEIGHTS)
    x = {"x": np.array(list(product(range(8), repeat=3)), np.float64).reshape(-1, 3, 1, 1)}
    output = str(before.graph.outputs[0].name)
    np.testing.assert_array_equal(emulate(after, x)[output], emulate(before, x)[output])


@pytest.mark.parametrize("signed", [False, True])
def test_negated_sums_of_an_average_get_a_type_that_holds_them(signed: bool) -> None:
    graph = GraphBuilder((1, 2, 4, 4))
    pooled = graph.node("AveragePool", [graph.quant("x", 0.5, 4, signed=signed)], kernel_shape=[2, 2], strides=[2, 2])
    output = graph.quant(graph.node("Neg", [pooled]), 0.5, 3, signed=True)
    model = graph.model(output)
    x = np.array([-4.0, 7.5]).repeat(32).reshape(2, 2, 4, 4)
    before = emulate(model, {"x": x})[output]
    assert not lower_to_hardware(model, bound=None).refusals[1:]
    np.testing.assert_array_equal(emulate(model, {"x": x})[output], before)


def test_negated_bipolar_weights_stay_bipolar() -> None:
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = "BIPOLAR"
    sums = graph.node("MatMul", ["x", graph.constant([[1, -1], [1, 1]], datatype="BIPOLAR")], datatype="INT32")
    y = graph.node("Mul", [sums, graph.constant([-1.0, 1.0])])
    model = graph.model(graph.node("BipolarQuant", [y, graph.constant(1.0)], domain=QONNX, datatype="BIPOLAR"))
    assert not InferThresholding()(model).refusals
    weights = only(model, "MatMul").inputs[1]
    np.testing.assert_array_equal(array_of(weights), [[-1, -1], [-1, 1]])
    assert datatype(weights).name == "BIPOLAR"
    layer = only(model, "Thresholding")
    assert (attributes(layer)["outputDataType"], attributes(layer)["ActVal"]) == ("BIPOLAR", 0)
    x = {"x": np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])}
    # Exactly zero gives 1.
    np.testing.assert_array_equal(emulate(model, x)[y_name(model)], [[1, 1], [1, 1], [1, -1], [-1, 1]])


def y_name(model: ir.Model) -> str:
    return str(model.graph.outputs[0].name)


@pytest.mark.parametrize("rounding", ["FLOOR", "ROUND", "CEIL"])
@pytest.mark.parametrize("zero_point", [0.0, 8.0])
def test_truncation(rounding: str, zero_point: float) -> None:
    """An average pool's sum is cut to its highest bits."""
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = "INT8"
    values = (0.25, zero_point, 8.0, 1.0, 4.0)
    model = graph.model(
        graph.node(
            "Trunc",
            [graph.node("Mul", ["x", graph.constant(0.25)]), *(graph.constant(value) for value in values)],
            domain=QONNX,
            rounding_mode=rounding,
            signed=1,
            narrow=0,
            datatype="INT5",
        )
    )
    x = {"x": np.tile(np.arange(-128, 128)[:, None], (1, 2))}
    before = emulate(model, x)[y_name(model)]
    assert len(InferThresholding()(model).rewrites) == 1
    np.testing.assert_array_equal(emulate(model, x)[y_name(model)], before)


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 4), (1, 4, 3), (1, 3, 2, 2), (1, 2, 2, 3)])
def test_channels_are_where_constants_vary(shape: tuple[int, ...]) -> None:
    graph = GraphBuilder(shape)
    graph.datatypes["x"] = "INT6"
    axis = shape.index(3)
    factors = np.array([0.25, -0.5, 0.125]).reshape([3 if index == axis else 1 for index in range(len(shape))])
    y = graph.quant(graph.node("Mul", ["x", graph.constant(factors)]), 0.5, 3, signed=True)
    model = graph.model(y)
    ExtractIntegers()(model)
    x = {"x": np.random.default_rng(0).integers(-32, 32, size=(40, *shape[1:]))}
    before = emulate(model, x)[y_name(model)]
    assert len(InferThresholding()(model).rewrites) == 1
    assert ("Transpose" in op_types(model)) is (axis != len(shape) - 1)
    np.testing.assert_array_equal(emulate(model, x)[y_name(model)], before)


def test_what_a_tail_shares_with_others_stays() -> None:
    """A value inside the tail is read by a second quantizer and is an output."""
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = "INT6"
    y = graph.node("Tanh", [graph.node("Mul", ["x", graph.constant(0.1)])])
    first, second = graph.quant(y, 0.25, 3, signed=True), graph.quant(graph.node("Abs", [y]), 0.125, 3)
    model = graph.model(first, second, y)
    ExtractIntegers()(model)
    x = {"x": np.tile(np.arange(-32, 32)[:, None], (1, 2))}
    outputs = [str(value.name) for value in model.graph.outputs]
    before = emulate(model, x)
    result = InferThresholding()(model)
    assert [rewrite.detail for rewrite in result.rewrites] == [
        "4 nodes became 7 of 7 thresholds for 2 channels",
        "5 nodes became the difference of 8 and 7 thresholds for 2 channels",
    ]
    after = emulate(model, x)
    for output in outputs:
        np.testing.assert_array_equal(after[output], before[output])


def test_the_saving_is_reported() -> None:
    """A ReLU in front of a signed quantizer: half of its codes never occur, but the search is as deep."""
    tail = QuantizedTail(FUNCTIONS["Relu"], (0.25,), QuantizerSpec(bits=4, signed=True))
    model = tail.model()
    ExtractIntegers()(model)
    (rewrite,) = InferThresholding()(model).rewrites
    assert rewrite.detail == "4 nodes became 8 of 15 thresholds for 1 channels"
