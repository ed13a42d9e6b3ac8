"""Structures around quantizers: after extraction every value is still the same float64 number."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper

from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import ExtractIntegers, lower_to_hardware
from tests.support.graphs import GraphBuilder, array_of, copy_of, only, op_types
from tests.support.refusals import refusal_of

SHAPE = (1, 2, 4, 4)
X = np.random.default_rng(3).integers(-40, 40, size=(5, *SHAPE[1:])) / 8
SHARE = "Quantize both branches with one shared quantizer, e.g. the same QuantIdentity"


def assert_same_values(graph: GraphBuilder, output: str, x: np.ndarray = X) -> list[str]:
    """Check that nothing is refused and the output stays; return the operators."""
    model = graph.model(output)
    before = emulate(model, {"x": x})[output]
    result = ExtractIntegers()(model)
    assert not result.refusals
    np.testing.assert_array_equal(emulate(model, {"x": x})[str(model.graph.outputs[0].name)], before)
    assert not ExtractIntegers()(copy_of(model)).modified
    return op_types(model)


@pytest.mark.parametrize("op_type", ["Add", "Sub"])
def test_branches_with_one_scale_are_combined_as_they_are(op_type: str) -> None:
    graph = GraphBuilder(SHAPE)
    first, second = (graph.quant("x", 0.3, bits, signed=signed) for bits, signed in ((4, True), (3, False)))
    operators = assert_same_values(graph, graph.node(op_type, [first, second]))
    assert operators.count("Mul") == 1


@given(
    first=st.integers(1, 2**6).map(lambda mantissa: mantissa / 16),
    second=st.integers(1, 2**6).map(lambda mantissa: mantissa / 64),
    op_type=st.sampled_from(["Add", "Sub"]),
)
@settings(max_examples=30)
def test_branches_are_aligned_to_their_common_unit(first: float, second: float, op_type: str) -> None:
    assume(first != second)
    graph = GraphBuilder(SHAPE)
    branches = [graph.quant("x", scale, 4, signed=True) for scale in (first, second)]
    output = graph.node(op_type, branches)
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    ExtractIntegers()(model)
    np.testing.assert_array_equal(emulate(model, {"x": X})[str(model.graph.outputs[0].name)], before)
    (combined,) = (node for node in model.graph if node.op_type == op_type)
    assert integer_datatype(combined.outputs[0]) is not None


def test_any_two_float32_scales_of_similar_size_have_a_common_unit() -> None:
    graph = GraphBuilder(SHAPE)
    branches = [graph.quant("x", float(np.float32(scale)), 4, signed=True) for scale in (0.1, 0.3)]
    output = graph.node("Add", branches)
    assert_same_values(graph, output)


def test_branches_whose_alignment_is_too_wide_are_refused() -> None:
    graph = GraphBuilder(SHAPE)
    branches = [graph.quant("x", float(np.float32(scale)), 8, signed=True) for scale in (0.1, 3000.3)]
    reason, advice = refusal_of(ExtractIntegers(), graph.model(graph.node("Add", branches)), "Add")
    assert advice == SHARE
    assert "aligning the scales of its branches takes" in reason


PER_CHANNEL = np.array([0.5, 0.125]).reshape(1, 2, 1, 1)


@pytest.mark.parametrize(
    ("first", "second", "multiples", "unit"),
    [
        (PER_CHANNEL, PER_CHANNEL, [None, None], [0.5, 0.125]),
        (0.25, PER_CHANNEL, [[1, 2], [2, 1]], [0.25, 0.125]),
        (PER_CHANNEL, PER_CHANNEL[:, ::-1], [[4, 1], [1, 4]], [0.125]),
        (PER_CHANNEL, 2 * PER_CHANNEL, [None, [2]], [0.5, 0.125]),
        (0.375, 3 * PER_CHANNEL, [None, [4, 1]], [0.375]),
    ],
)
@pytest.mark.parametrize("op_type", ["Add", "Sub"])
def test_branches_with_scales_per_channel_are_aligned_channel_by_channel(
    first: Any, second: Any, multiples: list[Any], unit: list[float], op_type: str
) -> None:
    """Each channel has the common unit of its own scales, so that no integer is wider than its channel needs."""
    graph = GraphBuilder(SHAPE)
    output = graph.node(op_type, [graph.quant("x", first, 4, signed=True), graph.quant("x", second, 3)])
    assert_same_values(graph, output)
    model = graph.model(output)
    ExtractIntegers()(model)
    combined = only(model, op_type)
    aligned = [None if value is None else value.producer() for value in combined.inputs]
    found = [array_of(node.inputs[1]).ravel().tolist() if node and node.op_type == "Mul" else None for node in aligned]
    assert found == multiples
    (behind,) = (reader for reader, _ in combined.outputs[0].uses())
    assert array_of(behind.inputs[1]).ravel().tolist() == unit


def test_scales_per_channel_go_through_residual_sums_to_hardware() -> None:
    graph = GraphBuilder((1, 4, 3, 3))
    exponents = np.array([0, 2, 1, 2]).reshape(1, 4, 1, 1)
    x = graph.quant("x", 2.0 ** (exponents - 4), 4, signed=True)
    weights = graph.weights(np.random.default_rng(0).integers(-7, 8, (4, 4, 3, 3)), 0.25, bits=4)
    branch = graph.quant(
        graph.node("Conv", [x, weights], pads=[1] * 4), 2.0 ** (exponents[:, ::-1] - 3), 4, signed=True
    )
    output = graph.quant(graph.node("Relu", [graph.node("Add", [branch, x])]), 2.0 ** (exponents - 2), 3)
    model = graph.model(output)
    x_ = np.random.default_rng(1).integers(-40, 40, (4, 4, 3, 3)) / 32
    before = emulate(model, {"x": x_})[output]
    (host,) = lower_to_hardware(model).refusals
    assert host.node.startswith("quant")
    assert {"ElementwiseAdd", "ElementwiseMul", "Thresholding"} <= set(op_types(model))
    np.testing.assert_array_equal(emulate(model, {"x": x_})[str(model.graph.outputs[0].name)], before)


@pytest.mark.parametrize("shape", [(1, 1, 2, 1), (1, 2, 2, 1)])
def test_a_branch_with_scales_along_other_axes_is_refused(shape: tuple[int, ...]) -> None:
    graph = GraphBuilder((1, 2, 2, 2))
    scales = 2.0 ** -np.arange(np.prod(shape)).reshape(shape)
    branches = [graph.quant("x", 0.5, 4), graph.quant("x", scales, 4)]
    reason, advice = refusal_of(ExtractIntegers(), graph.model(graph.node("Add", branches)), "Add")
    assert reason == f"a branch of shape (1, 2, 2, 2) has scales of shape {shape}"
    assert advice.startswith("Use one scale per tensor or one per channel")


def test_concatenated_branches_get_one_scale_per_channel() -> None:
    graph = GraphBuilder(SHAPE)
    branches = [graph.quant("x", scale, bits) for scale, bits in ((0.3, 4), (0.7, 2))]
    output = graph.node("Concat", branches, axis=1)
    model = graph.model(output)
    assert_same_values(graph, output)
    ExtractIntegers()(model)
    factor = array_of(only(model, "Mul").inputs[1])
    np.testing.assert_array_equal(factor.ravel(), np.float32([0.3, 0.3, 0.7, 0.7]))
    assert integer_datatype(only(model, "Concat").outputs[0]).name == "UINT4"


def test_an_unquantized_branch_of_a_concatenation_is_named() -> None:
    graph = GraphBuilder(SHAPE)
    model = graph.model(graph.node("Concat", [graph.quant("x", 0.5, 4), graph.node("Relu", ["x"])], axis=1))
    assert refusal_of(ExtractIntegers(), model, "Concat") == (
        "one of its inputs is not quantized",
        "Quantize every branch",
    )


def depthwise(graph: GraphBuilder, x: str) -> str:
    rng = np.random.default_rng(1)
    return graph.node("Conv", [x, graph.weights(rng.integers(-7, 8, (4, 1, 3, 3)))], group=2, pads=[1, 1, 1, 1])


def grouped(graph: GraphBuilder, x: str) -> str:
    doubled = graph.node("Concat", [x, x], axis=1)
    weights = graph.weights(np.random.default_rng(6).integers(-7, 8, (6, 2, 2, 2)), np.full((6, 1, 1, 1), 0.25))
    return graph.node("Conv", [doubled, weights], group=2)


def dense(graph: GraphBuilder, x: str) -> str:
    return graph.node("Conv", [x, graph.weights(np.random.default_rng(2).integers(-7, 8, (3, 2, 2, 2)))])


def transposed(graph: GraphBuilder, x: str) -> str:
    weights = graph.weights(np.random.default_rng(2).integers(-7, 8, (2, 3, 2, 2)))
    return graph.node("ConvTranspose", [x, weights], strides=[2, 2], kernel_shape=[2, 2])


def split(graph: GraphBuilder, x: str) -> str:
    output = graph.node("Slice", [x, *(graph.integers([value]) for value in (1, 2, 1))])
    return graph.node("Add", [output, output])


STRUCTURES: dict[str, Callable[[GraphBuilder, str], str]] = {
    "average pool": lambda graph, x: graph.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2]),
    "global average pool": lambda graph, x: graph.node("GlobalAveragePool", [x]),
    "mean": lambda graph, x: graph.node("ReduceMean", [x, graph.integers([-2, -1])], keepdims=1),
    "mean, axes dropped": lambda graph, x: graph.node("ReduceMean", [x, graph.integers([2, 3])], keepdims=0),
    "shuffle": lambda graph, x: graph.node("SpaceToDepth", [x], blocksize=2),
    "upsampling": lambda graph, x: graph.node(
        "Resize",
        [x, "", graph.constant([1, 1, 2, 2])],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "padding": lambda graph, x: graph.node("Pad", [x, graph.integers([0, 0, 1, 2, 0, 0, 1, 0])]),
    "slice": split,
    "dense": dense,
    "grouped": grouped,
    "depthwise": depthwise,
    "transposed": transposed,
}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("scale", [0.5, 0.125])
def test_structures(name: str, scale: float) -> None:
    graph = GraphBuilder(SHAPE)
    assert_same_values(graph, STRUCTURES[name](graph, graph.quant("x", scale, 4, signed=True)))


@pytest.mark.parametrize("name", [name for name in STRUCTURES if name != "shuffle"])
def test_structures_behind_a_scale_per_channel(name: str) -> None:
    graph = GraphBuilder(SHAPE)
    x = graph.quant("x", np.array([0.5, 0.125]).reshape(1, 2, 1, 1), 4, signed=True)
    assert_same_values(graph, STRUCTURES[name](graph, x))


def test_parts_of_a_split_have_the_scales_of_their_channels() -> None:
    graph = GraphBuilder((1, 4, 2, 2))
    x = graph.quant("x", np.array([0.5, 0.125, 0.25, 2.0]).reshape(1, 4, 1, 1), 4, signed=True)
    graph.nodes.append(helper.make_node("Split", [x, graph.integers([1, 3])], ["low", "high"], name="split", axis=1))
    outputs = [graph.node("Relu", [part]) for part in ("low", "high")]
    model = graph.model(*outputs)
    x_ = np.random.default_rng(0).integers(-40, 40, (3, 4, 2, 2)) / 8
    before = emulate(model, {"x": x_})
    assert not ExtractIntegers()(model).refusals  # type: ignore[attr-defined]
    after = emulate(model, {"x": x_})
    for old, new in zip(outputs, model.graph.outputs, strict=True):
        np.testing.assert_array_equal(after[str(new.name)], before[old])
    assert not ExtractIntegers()(copy_of(model)).modified


def test_scales_that_are_no_small_multiples_are_not_put_into_weights() -> None:
    graph = GraphBuilder(SHAPE)
    x = graph.quant("x", np.array([0.5, 0.3]).reshape(1, 2, 1, 1), 4)
    reason, advice = refusal_of(ExtractIntegers(), graph.model(dense(graph, x)), "Conv")
    assert reason.startswith("the scale of its input channel 0 is ")
    assert advice == "Use scales that are powers of two of each other, or one scale for all channels"


@pytest.mark.parametrize(("signed", "zero_point"), [(False, 3.0), (True, -2.0), (False, 0.0)])
def test_zero_points(signed: bool, zero_point: float) -> None:
    graph = GraphBuilder(SHAPE)
    x = graph.quant("x", 0.5, 4, signed=signed, zero_point=zero_point)
    assert_same_values(graph, graph.node("Conv", [x, graph.weights(np.ones((1, 2, 3, 3)))], pads=[1, 1, 1, 1]))


def test_bipolar_values() -> None:
    graph = GraphBuilder(SHAPE)
    bipolar = graph.node("BipolarQuant", ["x", graph.constant(0.75)], domain="qonnx.custom_op.general")
    weights = graph.node(
        "BipolarQuant",
        [graph.constant(np.random.default_rng(1).normal(size=(3, 2, 2, 2))), graph.constant(0.25)],
        domain="qonnx.custom_op.general",
    )
    output = graph.node("Conv", [bipolar, weights])
    model = graph.model(output)
    assert_same_values(graph, output)
    ExtractIntegers()(model)
    linear = only(model, "Conv")
    assert [integer_datatype(value).name for value in linear.inputs] == ["BIPOLAR", "BIPOLAR"]


def test_truncation_keeps_the_ratio_of_its_scales() -> None:
    graph = GraphBuilder(SHAPE)
    pooled = graph.node("AveragePool", [graph.quant("x", 0.5, 4)], kernel_shape=[2, 2], strides=[2, 2])
    summed = graph.node("Mul", [pooled, graph.constant(4.0)])
    constants = [graph.constant(value) for value in (0.5, 0.0, 6.0, 2.0, 4.0)]
    output = graph.node(
        "Trunc", [summed, *constants], domain="qonnx.custom_op.general", rounding_mode="FLOOR", signed=0
    )
    model = graph.model(output)
    assert_same_values(graph, output)
    ExtractIntegers()(model)
    assert integer_datatype(only(model, "Trunc").outputs[0]).name == "UINT4"


def test_a_tail_that_gives_only_integers_is_an_integer() -> None:
    graph = GraphBuilder((1, 4))
    graph.datatypes["x"] = "BIPOLAR"
    halved = graph.node("Div", [graph.node("Add", ["x", graph.constant([1.0])]), graph.constant(2.0)])
    weights = graph.weights(np.random.default_rng(4).integers(-2, 2, size=(4, 3)))
    output = graph.node("MatMul", [halved, weights])
    model = graph.model(output)
    x = np.random.default_rng(5).choice([-1.0, 1.0], size=(8, 4))
    before = emulate(model, {"x": x})[output]
    ExtractIntegers()(model)
    np.testing.assert_array_equal(emulate(model, {"x": x})[str(model.graph.outputs[0].name)], before)
    assert integer_datatype(only(model, "MatMul").inputs[0]).name == "UINT2"


def test_a_tail_that_gives_other_numbers_too_is_not() -> None:
    graph = GraphBuilder((1, 4))
    graph.datatypes["x"] = "INT2"
    shifted = graph.node("Add", ["x", graph.constant(0.5)])
    model = graph.model(graph.node("MatMul", [shifted, graph.weights(np.ones((4, 3)))]))
    assert not ExtractIntegers()(model).modified


def test_padded_signs_are_no_signs_any_more() -> None:
    """Found by random networks: between bipolar weights and such an input a unit must not count equal bits."""
    graph = GraphBuilder(SHAPE)
    bipolar = graph.node("BipolarQuant", ["x", graph.constant(0.75)], domain="qonnx.custom_op.general")
    padded = graph.node("Pad", [bipolar, graph.integers([0, 0, 1, 1, 0, 0, 1, 1])])
    signs = np.random.default_rng(1).normal(size=(3, 2, 2, 2))
    weights = graph.node(
        "BipolarQuant", [graph.constant(signs), graph.constant(0.25)], domain="qonnx.custom_op.general"
    )
    output = graph.node("Conv", [padded, weights])
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    lower_to_hardware(model)
    np.testing.assert_array_equal(emulate(model, {"x": X})[str(model.graph.outputs[0].name)], before)
    assert integer_datatype(only(model, "Pad").outputs[0]).name == "INT2"


@pytest.mark.parametrize("pads", [[0, 1, 0, 0, 0, 2, 0, 0], [0, 0, 1, 0, 0, 3, 0, 2]])
def test_channels_of_zeros_come_from_a_convolution_with_ones(pads: list[int]) -> None:
    graph = GraphBuilder(SHAPE)
    x = graph.quant("x", 0.25, 4, signed=True)
    output = graph.node("Pad", [x, graph.integers(pads)])
    assert assert_same_values(graph, output).count("Conv") == 1
    model = graph.model(output)
    ExtractIntegers()(model)
    convolution = only(model, "Conv")
    assert integer_datatype(convolution.outputs[0]).name == "INT4"
    weights = array_of(convolution.inputs[1])
    assert weights.shape == (2 + pads[1] + pads[5], 2, 1, 1) and weights.sum() == 2


def test_channels_of_zeros_beside_signs_stay() -> None:
    graph = GraphBuilder(SHAPE)
    signs = graph.node("BipolarQuant", ["x", graph.constant(0.5)], domain="qonnx.custom_op.general")
    assert "Conv" not in assert_same_values(graph, graph.node("Pad", [signs, graph.integers([0, 1, 0, 0, 0, 0, 0, 0])]))
