"""Thresholds equal the tail for every integer in the accumulator's range, by an oracle that shares no code."""

from collections.abc import Callable
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
from finn_transforms.ops.elementwise import ELEMENTWISE
from finn_transforms.passes import ExtractIntegers, InferMVAU, InferThresholding, MinimizeAccumulators
from tests.support.graphs import QONNX, GraphBuilder, array_of, attributes, copy_of, only, op_types
from tests.support.networks import ROUNDINGS
from tests.support.refusals import refusal_of
from tests.support.tails import Step, TailSpec, tails

WEIGHTS = np.array([[3, -2, 1], [1, 1, 0], [-4, 0, -1]])


def sums_of(row: NDArray[Any], low: int, high: int) -> NDArray[Any]:
    """Return every integer between the extremes of the sum of a row."""
    products = row[:, None] * np.array([low, high])
    return np.arange(products.min(axis=1).sum(), products.max(axis=1).sum() + 1)


def behind_matmul(tail: TailSpec, *, bits: int, signed: bool, weight_scale: float = 0.5) -> ir.Model:
    graph = GraphBuilder((1, 3))
    x = graph.quant("x", 0.25, bits, signed=signed)
    x = graph.node("MatMul", [x, graph.weights(WEIGHTS.T, weight_scale)])
    return graph.model(tail.add_to(graph, x, (3,)))


def behind_conv(tail: TailSpec, *, bits: int, signed: bool, weight_scale: float = 0.5) -> ir.Model:
    graph = GraphBuilder((1, 3, 2, 2))
    x = graph.quant("x", 0.25, bits, signed=signed)
    x = graph.node("Conv", [x, graph.weights(WEIGHTS.reshape(3, 3, 1, 1), weight_scale)], kernel_shape=[1, 1])
    return graph.model(tail.add_to(graph, x, (1, 3, 1, 1)))


def assert_exact(model: ir.Model, tail: TailSpec, *, low: int, high: int, scale: float) -> None:
    """Compare the count of thresholds with the tail for each integer between the extremes of each channel."""
    threshold, layer = only(model, "Thresholding"), next(n for n in model.graph if n.op_type in {"MatMul", "Conv"})
    weights = array_of(layer.inputs[1])
    rows = weights.reshape(3, 3) if layer.op_type == "Conv" else weights.T
    sign = np.where((rows == WEIGHTS).all(axis=1), 1, -1)
    np.testing.assert_array_equal(sign[:, None] * rows, WEIGHTS)
    thresholds = array_of(threshold.inputs[1])
    assert (np.diff(thresholds, axis=1) >= 0).all()
    for channel, row in enumerate(rows):
        sums = sums_of(row, low, high)
        counts = attributes(threshold)["ActVal"] + (thresholds[channel][:, None] <= sums).sum(axis=0)
        # As the graph has them: the input's scale, then the weights'.
        real = np.tile((sign[channel] * sums).astype(np.float64) * 0.25 * np.float64(np.float32(scale)), (3, 1))
        np.testing.assert_array_equal(counts, tail.codes_of(real)[channel])
    assert 2 ** (tail.bits - 1) <= thresholds.shape[1] <= tail.codes[1] - tail.codes[0]
    name = attributes(threshold)["weightDataType"]
    kind = datatype(threshold.inputs[1])
    assert (kind.name, kind.min() <= thresholds.min(), thresholds.max() <= kind.max()) == (name, True, True)


@settings(max_examples=100)
@given(
    tail=tails(3),
    build=st.sampled_from([behind_matmul, behind_conv]),
    bits=st.integers(1, 4),
    signed=st.booleans(),
    scale=st.sampled_from([1.0, 0.5, 0.0625, 0.3, 1e-3]),
)
# Exact ties of every second integer, in each rounding mode that treats them differently.
@example(
    tail=TailSpec(steps=(), scale=0.25, bits=4, signed=True, narrow=False, rounding="HALF_UP"),
    build=behind_conv,
    bits=3,
    signed=True,
    scale=0.5,
)
def test_equals_the_tail_over_the_whole_range(
    tail: TailSpec, build: Callable[..., ir.Model], bits: int, signed: bool, scale: float
) -> None:
    signed = signed and bits > 1
    model = build(tail, bits=bits, signed=signed, weight_scale=scale)
    ExtractIntegers()(model)
    (host, *refusals) = InferThresholding()(model).refusals
    assert host.reason == "its input is the graph's input, which is not an integer"
    if refusals:
        assert " gives NaN in channel " in refusals[0].reason
        return
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    assert_exact(model, tail, low=low, high=high, scale=scale)


@pytest.mark.parametrize(
    ("rounding", "signed", "narrow", "slope"),
    list(product(ROUNDINGS, (False, True), (False, True), (1.0, -1.0))),
)
def test_ties_in_every_rounding_mode(rounding: str, signed: bool, narrow: bool, slope: float) -> None:
    """Accumulators are multiples of a quarter step, so that every fourth is a tie."""
    tail = TailSpec(
        steps=(Step("mul", ((slope, 2 * slope, slope),)), Step("add", ((0.25,),))),
        scale=0.5,
        bits=3,
        signed=signed,
        narrow=narrow,
        rounding=rounding,
    )
    model = behind_conv(tail, bits=2, signed=True)
    ExtractIntegers()(model)
    InferThresholding()(model)
    assert_exact(model, tail, low=-2, high=1, scale=0.5)


@pytest.mark.parametrize("scale", [0.0, 1e-30, -1e-30, 1e30, -1e30, -0.0])
def test_degenerate_batch_norm(scale: float) -> None:
    steps = (Step("bn", ((scale, 1.0, -1.0), (0.3, -0.3, 0.0), (0.0, 1.0, 2.0), (1.0, 0.5, 2.0))), Step("relu"))
    tail = TailSpec(steps=steps, scale=0.25, bits=4, signed=False, narrow=False, rounding="ROUND")
    model = behind_matmul(tail, bits=3, signed=True)
    ExtractIntegers()(model)
    InferThresholding()(model)
    assert_exact(model, tail, low=-4, high=3, scale=0.5)


def test_stays_exact_after_minimization() -> None:
    """Narrowing the accumulator moves the thresholds that it cannot tell apart, and nothing else."""
    steps = (Step("mul", ((-1.0, 1.0, 4.0),)), Step("clip", ((-1.0,), (1.0,))))
    tail = TailSpec(steps=steps, scale=0.125, bits=5, signed=True, narrow=True, rounding="ROUND")
    model = behind_conv(tail, bits=3, signed=False)
    ExtractIntegers()(model)
    reference = copy_of(model)
    for stage in (InferThresholding(), InferMVAU(), MinimizeAccumulators()):
        stage(model)
    inputs = np.array(list(product(range(8), repeat=3)), np.float32).reshape(-1, 3, 1, 1) * 0.25
    x = {"x": np.tile(inputs, (1, 1, 2, 2))}
    output = str(model.graph.outputs[0].name)
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])


def test_two_quantizers_in_a_row() -> None:
    """The second one reads thresholds, which the pass has just made."""
    graph = GraphBuilder((1, 3))
    x = graph.quant("x", 0.25, 3)
    x = graph.node("MatMul", [x, graph.weights(WEIGHTS.T)])
    x = graph.quant(graph.quant(x, 0.5, 4, signed=True), 0.75, 3, signed=True)
    model = graph.model(x)
    ExtractIntegers()(model)
    reference = copy_of(model)
    result = InferThresholding()(model)
    assert (len(result.rewrites), len(result.refusals)) == (2, 1)
    inputs = np.array(list(product(range(8), repeat=3)), np.float32) * 0.25
    np.testing.assert_array_equal(emulate(model, {"x": inputs})[x], emulate(reference, {"x": inputs})[x])


def test_falling_tail_right_behind_another_layer() -> None:
    """Thresholds of the layer in front are new values; their range has to be known for the weights' extremes."""
    graph = GraphBuilder((1, 3))
    x = graph.quant("x", 0.25, 2)
    for _ in range(3):
        x = graph.node("MatMul", [x, graph.weights(WEIGHTS.T)])
        x = graph.quant(graph.batch_norm(x, [-1.0, 1.0, -0.5], [0.5, 0.0, 1.0]), 0.5, 3)
    model = graph.model(x)
    ExtractIntegers()(model)
    reference = copy_of(model)
    result = InferThresholding()(model)
    assert [refusal.reason for refusal in result.refusals] == [
        "its input is the graph's input, which is not an integer"
    ]
    inputs = np.array(list(product(range(4), repeat=3)), np.float32) * 0.25
    np.testing.assert_array_equal(emulate(model, {"x": inputs})[x], emulate(reference, {"x": inputs})[x])


def test_thresholds_of_a_channels_last_image_are_not_transposed() -> None:
    graph = GraphBuilder((1, 2, 4, 3))
    x = graph.node("MatMul", [graph.quant("x", 0.25, 2), graph.weights(WEIGHTS.T)])
    x = graph.quant(graph.node("Mul", [x, graph.constant([1.0, 0.5, 2.0])]), 0.5, 3, signed=True)
    model = graph.model(x)
    ExtractIntegers()(model)
    reference = copy_of(model)
    InferThresholding()(model)
    assert "Transpose" not in op_types(model)
    inputs = np.random.default_rng(0).integers(0, 4, size=(20, 2, 4, 3)) * 0.25
    np.testing.assert_array_equal(emulate(model, {"x": inputs})[x], emulate(reference, {"x": inputs})[x])


def test_negated_weights_may_need_a_wider_type() -> None:
    tail = TailSpec(steps=(Step("neg"),), scale=0.5, bits=3, signed=True, narrow=False, rounding="ROUND")
    model = behind_matmul(tail, bits=2, signed=False)
    ExtractIntegers()(model)
    assert datatype(only(model, "MatMul").inputs[1]).name == "INT3"
    InferThresholding()(model)
    assert datatype(only(model, "MatMul").inputs[1]).name == "INT4"


def test_works_behind_a_matrix_vector_unit_too() -> None:
    tail = TailSpec(steps=(Step("neg"),), scale=0.5, bits=3, signed=True, narrow=False, rounding="ROUND")
    model = behind_matmul(tail, bits=2, signed=False)
    ExtractIntegers()(model)
    reference = copy_of(model)
    InferMVAU()(model)
    InferThresholding()(model)
    assert op_types(model)[2:4] == ["MVAU", "Thresholding"]
    assert attributes(only(model, "MVAU"))["weightDataType"] == "INT4"
    inputs, output = np.array(list(product(range(4), repeat=3))) * 0.25, str(model.graph.outputs[0].name)
    np.testing.assert_array_equal(emulate(model, {"x": inputs})[output], emulate(reference, {"x": inputs})[output])


def branch(graph: GraphBuilder) -> tuple[str, str]:
    """Return two readers of one accumulator's scaled value: a falling quantizer and the graph's output."""
    x = graph.node("MatMul", [graph.quant("x", 0.25, 3), graph.weights(WEIGHTS.T)])
    scaled = graph.node("Mul", [x, graph.constant(0.5)])
    return graph.quant(graph.node("Neg", [scaled]), 1.0, 3), scaled


def test_another_branch_does_not_see_negated_weights() -> None:
    graph = GraphBuilder((1, 3))
    model = graph.model(*branch(graph))
    ExtractIntegers()(model)
    reference = copy_of(model)
    assert len(InferThresholding()(model).rewrites) == 1
    assert "ElementwiseSub" in op_types(model)
    inputs = np.array(list(product(range(8), repeat=3)), np.float32) * 0.25
    for output in (str(value.name) for value in model.graph.outputs):
        ours, theirs = emulate(model, {"x": inputs})[output], emulate(reference, {"x": inputs})[output]
        np.testing.assert_array_equal(ours, theirs)


def test_rising_branches_share_an_accumulator() -> None:
    graph = GraphBuilder((1, 3))
    x = graph.node("MatMul", [graph.quant("x", 0.25, 3), graph.weights(WEIGHTS.T)])
    outputs = [graph.quant(x, 1.0, 3), graph.quant(graph.node("Relu", [x]), 0.5, 4)]
    model = graph.model(*outputs)
    ExtractIntegers()(model)
    reference = copy_of(model)
    assert len(InferThresholding()(model).rewrites) == 2
    inputs = np.array(list(product(range(8), repeat=3)), np.float32) * 0.25
    for output in outputs:
        ours, theirs = emulate(model, {"x": inputs})[output], emulate(reference, {"x": inputs})[output]
        np.testing.assert_array_equal(ours, theirs)


def integers(shape: tuple[int, ...], kind: str = "INT4") -> GraphBuilder:
    graph = GraphBuilder(shape)
    graph.datatypes["x"] = kind
    return graph


def refusal_behind(graph: GraphBuilder, y: str) -> tuple[str, str]:
    model = graph.model(graph.quant(y, 1.0, 3))
    # The quantizer's integers are its output, as after ExtractIntegers.
    only(model, "Quant").outputs[0].meta["quant_parameter_tensor_names"] = {"finn_datatype": "UINT3"}
    return refusal_of(InferThresholding(), model, "Quant")


def sine(graph: GraphBuilder) -> str:
    return graph.node("Sin", ["x"])


def residual(graph: GraphBuilder) -> str:
    return graph.node("Add", [graph.node("Relu", ["x"]), graph.node("Relu", ["x"], datatype="UINT3")])


def odd_power(graph: GraphBuilder) -> str:
    return graph.node("Pow", ["x", graph.constant(2.5)])


def per_row(graph: GraphBuilder) -> str:
    return graph.node("Mul", ["x", graph.constant(np.ones((5, 1)))])


def nan_in_the_middle(graph: GraphBuilder) -> str:
    return graph.node("Mul", ["x", graph.constant(np.inf)])


@pytest.mark.parametrize(
    ("build", "reason", "advice"),
    [
        (
            sine,
            "Sin 'sin1' between the accumulator and the quantizer is no known element-wise function",
            f"Known are {', '.join(sorted(ELEMENTWISE))}; quantize the input of Sin as well",
        ),
        (
            residual,
            "it depends on 2 integer tensors ('x', 'relu2')",
            "Only constants may be combined with the accumulator; quantize both with one shared quantizer",
        ),
        (
            odd_power,
            "Pow 'pow2': expected Pow with one constant exponent out of [0.5, 1.0, 2.0, 3.0], got [2.5]",
            "Use another activation",
        ),
        (
            per_row,
            "a constant of Mul 'mul2' varies along another axis than the channels",
            "Use one value per channel",
        ),
        (
            nan_in_the_middle,
            "Mul 'mul2' gives NaN in channel 0 where the accumulator is 0",
            "Check scales and batch norm statistics of that channel for zeros, infinities and NaN",
        ),
    ],
)
def test_refused_tails(build: Callable[[GraphBuilder], str], reason: str, advice: str) -> None:
    graph = integers((1, 2, 5, 5), "UINT4" if build is nan_in_the_middle else "INT4")
    assert refusal_behind(graph, build(graph)) == (reason, advice)


def test_refused_nan_of_negative_variance() -> None:
    graph = integers((1, 2))
    y = graph.batch_norm("x", [1.0, 1.0], [0.0, 0.0], variance=[1.0, -1.0])
    assert refusal_behind(graph, y)[0] == (
        f"BatchNormalization '{y}' gives NaN in channel 1 where the accumulator is -8"
    )


def test_refused_without_a_batch_axis() -> None:
    graph = integers((3,))
    assert refusal_behind(graph, graph.node("Relu", ["x"])) == ("its input has shape (3,)", "Keep the batch axis")


def test_refused_range_beyond_float64() -> None:
    graph = integers((1, 2), "INT55")
    assert refusal_behind(graph, graph.node("Relu", ["x"])) == (
        "the accumulator's range [-18014398509481984, 18014398509481983] exceeds 2**53, where float64 is no longer "
        "exact",
        "Narrow the weights or the input of this layer",
    )


def test_refused_thresholds_beyond_float32() -> None:
    graph = integers((1, 2), "INT32")
    y = graph.node("Sub", [graph.node("Mul", ["x", graph.constant(1.0)]), graph.constant([0.0, 2.0**25])])
    assert refusal_behind(graph, y) == (
        "threshold 33554433 of channel 1 is not exact in float32, in which QONNX keeps tensors",
        "Narrow it to 25 bits: narrower weights or activations, or one shared quantizer for what is added",
    )


def test_thresholds_that_are_never_reached_stay_exact_in_float32() -> None:
    graph = integers((1, 2), "INT32")
    y = graph.node("Clip", ["x", graph.constant(-4.0), graph.constant(2.0)])
    model = graph.model(graph.quant(y, 1.0, 3))
    only(model, "Quant").outputs[0].meta["quant_parameter_tensor_names"] = {"finn_datatype": "UINT3"}
    assert not InferThresholding()(model).refusals
    np.testing.assert_array_equal(array_of(only(model, "Thresholding").inputs[1])[0], [1, 2] + [2.0**31] * 2)


def test_refused_too_many_thresholds() -> None:
    graph = integers((1, 2))
    model = graph.model(graph.quant("x", 1.0, 24))
    only(model, "Quant").outputs[0].meta["quant_parameter_tensor_names"] = {"finn_datatype": "UINT24"}
    assert refusal_of(InferThresholding(), model, "Quant") == ("its 24 bits need 16777215 thresholds", "Use fewer bits")


def test_refused_graph_input() -> None:
    graph = GraphBuilder((1, 2))
    model = graph.model(graph.quant("x", 1.0, 3))
    ExtractIntegers()(model)
    assert refusal_of(InferThresholding(), model, "Quant") == (
        "its input is the graph's input, which is not an integer",
        "It runs on the host, before the accelerator",
    )


def test_a_quantizer_in_floats_is_left_to_extract_integers() -> None:
    graph = integers((1, 2))
    model = graph.model(graph.quant("x", 0.5, 3))
    result = InferThresholding()(model)
    assert (result.modified, result.refusals) == (False, [])


def test_later_tails_see_the_range_that_earlier_thresholds_leave() -> None:
    """Found by random networks: behind a ReLU, HardSwish only rises, though the quantizer's type is signed."""
    graph = GraphBuilder((1, 3))
    graph.datatypes["x"] = "INT8"
    rectified = graph.quant(graph.node("Relu", [graph.node("Mul", ["x", graph.constant(0.1)])]), 0.5, 4, signed=True)
    swish = graph.node("Sub", [graph.node("HardSwish", [rectified]), graph.constant(0.25)])
    output = graph.node("BipolarQuant", [swish, graph.constant(1.0)], domain=QONNX)
    model = graph.model(output)
    x = np.arange(-128, 128).reshape(-1, 1).repeat(3, axis=1)
    before = emulate(model, {"x": x})[output]
    ExtractIntegers()(model)
    result = InferThresholding()(model)
    assert not result.refusals
    assert not InferThresholding()(model).modified
    np.testing.assert_array_equal(emulate(model, {"x": x})[str(model.graph.outputs[0].name)], before)
