"""Quantizers become integers and scales; nothing is rounded, and what cannot be taken apart is refused."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qonnx.transformation.infer_datatypes import InferDataTypes

from finn_transforms.analysis.datatypes import datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import ExtractIntegers, InferMVAU
from finn_transforms.passes._edit import add_constant, graph_of, input_of, integer_type_of, unique_name
from tests.support.graphs import GraphBuilder, array_of, copy_of, only, op_types, wrapper
from tests.support.networks import NetworkSpec, images, networks, qonnx_network
from tests.support.refusals import refusal_of
from tests.support.small import LINEAR_WEIGHTS, linear_model, small_network


def quantized(graph: GraphBuilder) -> str:
    return graph.quant("x", 0.5, 4)


def zero_point(graph: GraphBuilder) -> str:
    return graph.quant("x", 0.5, 4, zero_point=3.5)


def computed_scale(graph: GraphBuilder) -> str:
    scale = graph.node("Relu", [graph.constant(0.5)])
    return graph.node(
        "Quant",
        ["x", scale, graph.constant(0.0), graph.constant(4.0)],
        domain="qonnx.custom_op.general",
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
    )


def two_bit_widths(graph: GraphBuilder) -> str:
    return graph.quant("x", 0.5, [4.0, 5.0])


@pytest.mark.parametrize(
    ("build", "reason", "advice"),
    [
        (zero_point, "its zero point is [3.5], no integer", "Round the zero point when exporting"),
        (computed_scale, "its scale is not a constant", "Export the model in evaluation mode"),
        (
            lambda graph: graph.quant("x", 0.0, 4),
            "its scale is not positive and finite",
            "Train or calibrate the quantizer",
        ),
        (
            lambda graph: graph.quant("x", np.nan, 4),
            "its scale is not positive and finite",
            "Train or calibrate the quantizer",
        ),
        (
            lambda graph: graph.quant("x", 0.5, 3.5),
            "its bit width is 3.5",
            "Use one integer bit width for the whole tensor",
        ),
        (two_bit_widths, "its bit width is [4.0, 5.0]", "Use one integer bit width for the whole tensor"),
        (
            lambda graph: graph.quant("x", 0.5, 1, signed=True, zero_point=1.0),
            "it is bipolar and has a zero point",
            "Use two bits or more",
        ),
    ],
)
def test_refused_quantizers(build: Callable[[GraphBuilder], str], reason: str, advice: str) -> None:
    graph = GraphBuilder((1, 2))
    assert refusal_of(ExtractIntegers(), graph.model(build(graph)), "Quant") == (reason, advice)


def float_weights(graph: GraphBuilder) -> str:
    return graph.node("MatMul", [quantized(graph), graph.constant(np.ones((2, 3)))])


def computed_weights(graph: GraphBuilder) -> str:
    weights = graph.quant(graph.node("Relu", [graph.constant(np.ones((2, 3)))]), np.ones((1, 3)), 4, signed=True)
    return graph.node("MatMul", [quantized(graph), weights])


def scale_per_input(graph: GraphBuilder) -> str:
    return graph.node("MatMul", [quantized(graph), graph.weights(np.ones((2, 3)), np.ones((2, 1)))])


def batched_weights(graph: GraphBuilder) -> str:
    return graph.node("MatMul", [quantized(graph), graph.weights(np.ones((1, 2, 3)))])


def scaled_gemm(graph: GraphBuilder) -> str:
    return graph.node("Gemm", [quantized(graph), graph.weights(np.ones((2, 3)))], alpha=2.0)


def computed_bias(graph: GraphBuilder) -> str:
    bias = graph.node("Relu", [graph.constant(np.ones(3))])
    return graph.node("Gemm", [quantized(graph), graph.weights(np.ones((2, 3))), bias])


@pytest.mark.parametrize(
    ("build", "op_type", "reason", "advice"),
    [
        (float_weights, "MatMul", "its weights are not quantized constants", "Give the layer a weight quantizer"),
        (
            computed_weights,
            "MatMul",
            "its weights are computed at run time",
            "Export the model in evaluation mode; a product of two activations stays on the host",
        ),
        (
            scale_per_input,
            "MatMul",
            "its weight scale has shape (2, 1), expected one per output channel, (1, 3)",
            "Use a weight quantizer per tensor or per output channel",
        ),
        (
            batched_weights,
            "MatMul",
            "its weights have shape (1, 2, 3)",
            "Only two-dimensional weights become a layer",
        ),
        (scaled_gemm, "Gemm", "alpha or beta is not 1, or A is transposed", "Fold the factors into the weights"),
        (computed_bias, "Gemm", "its bias is not a constant", "Export the model in evaluation mode"),
    ],
)
def test_refused_layers(build: Callable[[GraphBuilder], str], op_type: str, reason: str, advice: str) -> None:
    graph = GraphBuilder((1, 2))
    assert refusal_of(ExtractIntegers(), graph.model(build(graph)), op_type) == (reason, advice)


def test_refused_unknown_shape() -> None:
    graph = GraphBuilder((1, 2))
    model = ir.serde.deserialize_model(graph.proto(quantized(graph)))
    reason, advice = refusal_of(ExtractIntegers(), model, "Quant")
    assert (reason, advice) == (
        "the shape of 'quant4' is unknown",
        "Export with an example input of batch size 1 and without dynamic axes",
    )


def test_refused_dynamic_batch() -> None:
    graph = GraphBuilder(("batch", 2))
    reason, _ = refusal_of(ExtractIntegers(), graph.model(quantized(graph)), "Quant")
    assert reason == "the shape of 'quant4' is [batch,2]"


@pytest.mark.parametrize(
    ("call", "reason", "advice"),
    [
        (
            lambda: graph_of(ir.node("Relu", [ir.val("x")])),
            "it is not part of a graph",
            "Inline the function it is in",
        ),
        (lambda: input_of(ir.node("Relu", [None]), 0), "its input 0 is absent", "Repair the file"),
        (
            lambda: integer_type_of(ir.val("x")),
            "'x' is not annotated with an integer type",
            "Run ExtractIntegers first",
        ),
    ],
)
def test_refusals_of_malformed_nodes(call: Callable[[], object], reason: str, advice: str) -> None:
    with pytest.raises(Exception, match=reason) as info:
        call()
    assert (info.value.reason, info.value.advice) == (reason, advice)


def test_means_the_same() -> None:
    """Scales, weights and inputs of the small network are powers of two and integers: nothing is rounded in float64."""
    model = small_network()
    original = copy_of(model)
    ExtractIntegers()(model)
    x = np.random.default_rng(0).integers(-2, 10, size=(50, 1, 4, 4)).astype(np.float32) / 4
    np.testing.assert_array_equal(emulate(model, {"x": x})["gemm30"], emulate(original, {"x": x})["gemm30"])


@settings(max_examples=15)
@given(spec=networks())
def test_means_the_same_up_to_float64_noise(spec: NetworkSpec) -> None:
    """A sum of scaled products is rounded otherwise than a scaled sum; behind a quantizer that can be a step."""
    model = qonnx_network(spec)
    first = next(node.outputs[0] for node in model.graph if node.op_type in {"Conv", "MatMul", "Gemm"})
    model.graph.outputs.append(first)
    name = str(first.name)
    before = emulate(model, {"x": images(spec)})[name]
    ExtractIntegers()(model)
    np.testing.assert_allclose(emulate(model, {"x": images(spec)})[name], before, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
def test_weight_integers_are_those_of_the_file(transposed: bool, per_channel: bool) -> None:
    graph = GraphBuilder((1, 8))
    scale = np.array([[0.3], [0.7]]) if per_channel else np.array(0.3)
    weights = graph.weights(LINEAR_WEIGHTS, scale, bits=4)
    weights = graph.node("Transpose", [weights], perm=[1, 0])
    if transposed:
        weights = graph.node("Transpose", [graph.node("Transpose", [weights])])
    model = graph.model(graph.node("MatMul", [graph.quant("x", 0.5, 4), weights]))
    ExtractIntegers()(model)
    value = only(model, "MatMul").inputs[1]
    np.testing.assert_array_equal(array_of(value), LINEAR_WEIGHTS.T)
    assert datatype(value).name == "INT3"


@given(data=st.data())
@settings(max_examples=30)
def test_quantized_bias_is_folded_in_float32(data: st.DataObject) -> None:
    floats = data.draw(st.lists(st.floats(-4, 4, width=32), min_size=2, max_size=2))
    scale = np.float32(data.draw(st.floats(2.0**-6, 1, width=32)))
    graph = GraphBuilder((1, 8))
    bias = graph.quant(graph.constant(floats), scale, 16, signed=True)
    model = graph.model(graph.node("Gemm", [quantized(graph), graph.weights(LINEAR_WEIGHTS), bias], transB=1))
    ExtractIntegers()(model)
    expected = np.rint(np.array(floats, np.float32) / scale).astype(np.float32) * scale
    np.testing.assert_array_equal(array_of(only(model, "Add").inputs[1]), expected.astype(np.float32))


def test_takes_over_integers_that_qonnx_has_annotated() -> None:
    """QONNX's InferDataTypes marks quantizers of scale 1, weights included, and the layers between them."""
    model = linear_model(LINEAR_WEIGHTS)
    annotated = ir.serde.deserialize_model(wrapper(model).transform(InferDataTypes()).model)
    assert datatype(only(annotated, "MatMul").outputs[0]) is not None
    ExtractIntegers()(annotated)
    result = InferMVAU()(annotated)
    assert [type(each).__name__ for each in result.refusals] == []
    x = np.arange(8, dtype=np.float32).reshape(1, 8)
    output = str(model.graph.outputs[0].name)
    np.testing.assert_array_equal(emulate(annotated, {"x": x})[output], x @ LINEAR_WEIGHTS.T)


def test_scale_moves_through_layers_that_commute_with_it() -> None:
    graph = GraphBuilder((1, 2, 4, 4))
    x = graph.node("MaxPool", [quantized(graph)], kernel_shape=[2, 2])
    x = graph.node("Transpose", [x], perm=[0, 2, 3, 1])
    x = graph.node("Reshape", [graph.node("Identity", [graph.node("Dropout", [x])]), graph.integers([1, -1])])
    model = graph.model(graph.node("Unsqueeze", [x, graph.integers([0])]))
    ExtractIntegers()(model)
    assert op_types(model) == ["Div", "Quant", "MaxPool", "Transpose", "Reshape", "Unsqueeze", "Mul"]


def test_scale_per_channel_moves_through_a_flatten() -> None:
    graph = GraphBuilder((1, 1, 2, 2))
    x = graph.node("Conv", [quantized(graph), graph.weights(np.ones((2, 1, 1, 1)), np.full((2, 1, 1, 1), 0.5))])
    model = graph.model(graph.node("Flatten", [x]))
    ExtractIntegers()(model)
    assert op_types(model)[-4:] == ["Conv", "Flatten", "Mul", "Mul"]


def test_accumulators_beyond_32_bits_get_a_wider_type() -> None:
    model = linear_model(np.full((1, 4), 2**15 - 1), bits=16)
    ExtractIntegers()(model)
    assert datatype(only(model, "MatMul").outputs[0]).name == "INT34"


def test_constants_have_to_be_exact_in_float32() -> None:
    graph = GraphBuilder((1, 1))
    model = graph.model(quantized(graph))
    with pytest.raises(ValueError, match=r"t: expected values that float32 holds exactly, got 16777217 at \[1\]"):
        add_constant(model.graph, "t", np.array([1, 2**24 + 1]))


def test_names_stay_unique() -> None:
    graph = GraphBuilder((1, 1))
    model = graph.model(quantized(graph))
    assert unique_name(model.graph, "x") == "x_1"
    assert unique_name(model.graph, "x") == "x_2"
    assert unique_name(model.graph, "quant4") == "quant4_1"


def test_graph_output_keeps_its_name() -> None:
    graph = GraphBuilder((1, 2))
    output = quantized(graph)
    model = graph.model(output)
    ExtractIntegers()(model)
    assert [value.name for value in model.graph.outputs] == [output]
    values = emulate(model, {"x": np.array([[0.2, 3.0]], np.float32)})
    np.testing.assert_array_equal(values[output], [[0.0, 3.0]])


def test_layer_is_named_after_its_weight_quantizer() -> None:
    graph = GraphBuilder((1, 8))
    weights = graph.weights(LINEAR_WEIGHTS, 0.5, bits=4)
    graph.nodes[-1].name = "features.0.weight_quant"
    model = graph.model(graph.node("MatMul", [quantized(graph), graph.node("Transpose", [weights], perm=[1, 0])]))
    ExtractIntegers()(model)
    assert str(only(model, "MatMul").outputs[0].name).startswith("features.0")


def test_slashes_do_not_reach_hardware_names() -> None:
    graph = GraphBuilder((1, 2))
    model = graph.model(quantized(graph))
    assert unique_name(model.graph, "/features/0/Conv_output_0") == "features_0_Conv_output_0"
    assert unique_name(model.graph, "features/0/Conv_output_0") == "features_0_Conv_output_0_1"
