"""Integer layers become matrix-vector units that give the same integers; what has no unit is refused."""

from collections.abc import Callable
from itertools import product

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.analysis.datatypes import datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import CancelTransposes, ExtractIntegers, InferMVAU, lower_to_hardware
from tests.support.graphs import GraphBuilder, array_of, attributes, copy_of, only, op_types
from tests.support.refusals import refusal_of
from tests.support.stages import assert_finn_agrees

RNG = np.random.default_rng(0)


def integer_layer(
    op_type: str,
    shape: tuple[int, ...],
    weights: tuple[int, ...],
    *,
    bias: bool = False,
    output: str | None = "INT32",
    **options: object,
) -> ir.Model:
    """Return a layer with integer input and weights, as ExtractIntegers leaves it."""
    graph = GraphBuilder(shape)
    graph.datatypes["x"] = "UINT4"
    inputs = ["x", graph.constant(RNG.integers(-3, 4, size=weights), "w", "INT3")]
    if bias:
        inputs.append(graph.constant(np.ones(weights[0]), "b"))
    return graph.model(graph.node(op_type, inputs, datatype=output, **options))


@pytest.mark.parametrize(
    ("kernel", "strides", "dilations", "pads", "size"),
    [
        ((1, 1), (1, 1), (1, 1), (0, 0, 0, 0), (5, 6)),
        ((1, 1), (2, 3), (1, 1), (0, 0, 0, 0), (5, 6)),
        ((1, 1), (1, 1), (1, 1), (1, 0, 2, 1), (5, 6)),
        ((3, 2), (1, 1), (1, 1), (0, 0, 0, 0), (5, 6)),
        ((3, 2), (2, 1), (1, 2), (1, 2, 0, 1), (5, 6)),
        ((2, 2), (2, 2), (2, 2), (0, 0, 0, 0), (5, 6)),
        ((3, 1), (1, 1), (1, 1), (1, 0, 1, 0), (6, 1)),
        ((1, 3), (1, 2), (1, 1), (0, 0, 0, 0), (1, 7)),
        ((5, 6), (1, 1), (1, 1), (0, 0, 0, 0), (5, 6)),
    ],
)
def test_convolution(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    size: tuple[int, int],
) -> None:
    model = integer_layer(
        "Conv", (1, 2, *size), (3, 2, *kernel), strides=list(strides), dilations=list(dilations), pads=list(pads)
    )
    reference = copy_of(model)
    assert not InferMVAU()(model).refusals
    expected = ["Transpose"] + ["FMPadding"] * any(pads)
    expected += ["ConvolutionInputGenerator"] * (kernel != (1, 1) or strides != (1, 1)) + ["MVAU", "Transpose"]
    assert op_types(model) == expected
    x = {"x": RNG.integers(0, 16, size=(4, 2, *size))}
    np.testing.assert_array_equal(emulate(model, x)["conv2"], emulate(reference, x)["conv2"])
    assert [value.name for value in model.graph.outputs] == ["conv2"]


@pytest.mark.parametrize("shape", [(1, 6), (1, 5, 6), (1, 2, 5, 6)])
def test_matmul_takes_vectors_as_they_are(shape: tuple[int, ...]) -> None:
    model = integer_layer("MatMul", shape, (6, 4))
    reference = copy_of(model)
    assert not InferMVAU()(model).refusals
    assert op_types(model) == ["MVAU"]
    assert attributes(only(model, "MVAU"))["numInputVectors"] == shape[:-1]
    x = {"x": RNG.integers(0, 16, size=(3, *shape[1:]))}
    np.testing.assert_array_equal(emulate(model, x)["matmul2"], emulate(reference, x)["matmul2"])


@pytest.mark.parametrize(
    ("flatten", "image"), list(product(("Flatten", "Reshape"), ((3, 2, 4), (3, 1, 1), (1, 2, 2), (4, 1, 3))))
)
def test_flattened_image_becomes_an_order_of_the_weights(flatten: str, image: tuple[int, int, int]) -> None:
    features = int(np.prod(image))
    graph = GraphBuilder((1, *image))
    x = graph.quant("x", 1.0, 4)
    operands = [x] if flatten == "Flatten" else [x, graph.integers([1, -1])]
    flat = graph.node(flatten, operands)
    model = graph.model(graph.node("MatMul", [flat, graph.weights(RNG.integers(-3, 4, size=(features, 5)))]))
    ExtractIntegers()(model)
    reference = copy_of(model)
    InferMVAU()(model)
    assert flatten not in op_types(model)
    inputs, output = {"x": RNG.integers(0, 16, size=(4, *image))}, str(model.graph.outputs[0].name)
    np.testing.assert_array_equal(emulate(model, inputs)[output], emulate(reference, inputs)[output])


def test_flatten_that_others_read_stays() -> None:
    graph = GraphBuilder((1, 2, 2, 2))
    graph.datatypes["x"] = "UINT4"
    flat = graph.node("Flatten", ["x"], datatype="UINT4")
    layers = [
        graph.node("MatMul", [flat, graph.constant(RNG.integers(-3, 4, size=(8, 2)), "w", "INT3")], datatype="INT32")
        for _ in range(2)
    ]
    model = graph.model(*layers, flat)
    reference = copy_of(model)
    InferMVAU()(model)
    CancelTransposes()(model)
    assert sorted(op_types(model)) == ["Flatten", "MVAU", "MVAU", "Transpose"]
    x = {"x": RNG.integers(0, 16, size=(1, 2, 2, 2))}
    for name in (*layers, flat):
        np.testing.assert_array_equal(emulate(model, x)[name], emulate(reference, x)[name])


def test_types_follow_the_layer() -> None:
    model = integer_layer("MatMul", (1, 6), (6, 4), output="INT20")
    InferMVAU()(model)
    found = attributes(only(model, "MVAU"))
    assert {key: value for key, value in found.items() if key.endswith("DataType")} == {
        "inputDataType": "UINT4",
        "weightDataType": "INT3",
        "accDataType": "INT20",
        "outputDataType": "INT20",
    }
    assert datatype(model.graph.outputs[0]).name == "INT20"


def test_old_weights_do_not_stay_in_the_file() -> None:
    model = integer_layer("MatMul", (1, 6), (6, 4))
    InferMVAU()(model)
    (only_constant,) = model.graph.initializers.values()
    assert array_of(only_constant).shape == (6, 4)


def float_input(graph: GraphBuilder) -> str:
    return graph.node("MatMul", ["x", graph.constant(np.ones((4, 2)), "w", "INT2")], datatype="INT32")


def float_weights(graph: GraphBuilder) -> str:
    graph.datatypes["x"] = "UINT4"
    return graph.node("MatMul", ["x", graph.constant(np.ones((4, 2)))], datatype="INT32")


@pytest.mark.parametrize(
    ("model", "op_type", "reason", "advice"),
    [
        (
            integer_layer("Conv", (1, 2, 6), (3, 2, 2)),
            "Conv",
            "it convolves over 1 dimensions",
            "Use a two-dimensional convolution, e.g. kernel (k, 1)",
        ),
        (
            integer_layer("Conv", (1, 2, 6, 6), (3, 2, 2, 2), bias=True),
            "Conv",
            "it adds a bias",
            "Run ExtractIntegers first, which puts the bias behind the layer",
        ),
        (
            integer_layer("Conv", (1, 2, 6, 6), (3, 2, 2, 2), auto_pad="SAME_UPPER"),
            "Conv",
            "auto_pad is SAME_UPPER",
            "Export explicit pads",
        ),
        (
            integer_layer("Conv", (2, 2, 6, 6), (3, 2, 2, 2)),
            "Conv",
            "its batch size is 2",
            "Export with an example of batch size 1",
        ),
        (
            integer_layer("Gemm", (1, 6), (6, 4)),
            "Gemm",
            "a Gemm may scale and add a bias",
            "Run ExtractIntegers first, which makes it a MatMul",
        ),
        (
            integer_layer("MatMul", (1, 6), (6, 4), output=None),
            "MatMul",
            "'matmul2' is not annotated with an integer type",
            "Run ExtractIntegers first",
        ),
    ],
)
def test_refused_layers(model: ir.Model, op_type: str, reason: str, advice: str) -> None:
    assert refusal_of(InferMVAU(), model, op_type) == (reason, advice)
    assert op_types(model) == [op_type]


@pytest.mark.parametrize(
    ("build", "reason", "advice"),
    [
        (
            float_input,
            "its input 'x' is not an integer tensor",
            "Put an activation quantizer in front of the layer",
        ),
        (float_weights, "its weights are not integer constants", "Give the layer a weight quantizer"),
    ],
)
def test_refused_floats(build: Callable[[GraphBuilder], str], reason: str, advice: str) -> None:
    graph = GraphBuilder((1, 4))
    assert refusal_of(InferMVAU(), graph.model(build(graph)), "MatMul") == (reason, advice)


@pytest.mark.parametrize(("groups", "outputs"), [(2, 4), (2, 6), (4, 8)])
def test_groups_become_a_dense_unit(groups: int, outputs: int) -> None:
    model = integer_layer("Conv", (1, 4, 5, 5), (outputs, 4 // groups, 3, 2), group=groups, pads=[1, 0, 1, 1])
    reference = copy_of(model)
    (rewrite,) = InferMVAU()(model).rewrites
    assert rewrite.detail.endswith(
        f"a dense one for {groups} groups, {1 - 1 / groups:.0%} of its weights are zeros between them"
    )
    x = {"x": RNG.integers(0, 16, size=(3, 4, 5, 5))}
    np.testing.assert_array_equal(emulate(model, x)["conv2"], emulate(reference, x)["conv2"])


def test_zeros_between_bipolar_groups_need_another_type() -> None:
    graph = GraphBuilder((1, 4, 3, 3))
    graph.datatypes["x"] = "BIPOLAR"
    weights = graph.constant(RNG.choice([-1, 1], size=(4, 2, 2, 2)), "w", "BIPOLAR")
    model = graph.model(graph.node("Conv", ["x", weights], group=2, datatype="INT32"))
    reference = copy_of(model)
    InferMVAU()(model)
    assert attributes(only(model, "MVAU"))["weightDataType"] == "INT2"
    x = {"x": RNG.choice([-1, 1], size=(3, 4, 3, 3))}
    np.testing.assert_array_equal(emulate(model, x)["conv2"], emulate(reference, x)["conv2"])
    assert assert_finn_agrees(model, x["x"][:1]) > 3


def test_single_unsigned_bits_get_a_second_one() -> None:
    """FINN's HLS units refuse them, and its RTL units want two bits as well."""
    graph = GraphBuilder((1, 6))
    bits = graph.quant(graph.node("Relu", ["x"]), 2.0, 1, signed=False)
    model = graph.model(graph.node("MatMul", [bits, graph.weights(np.arange(6).reshape(3, 2).repeat(2, 0) - 2)]))
    lower_to_hardware(model)
    assert attributes(only(model, "MVAU"))["inputDataType"] == "UINT2"


def test_single_unsigned_bits_from_outside_are_refused() -> None:
    graph = GraphBuilder((1, 6))
    graph.datatypes["x"] = "BINARY"
    weights = graph.constant(np.ones((6, 2)), "w", "INT2")
    model = graph.model(graph.node("MatMul", ["x", weights], datatype="INT32"))
    assert refusal_of(InferMVAU(), model, "MatMul")[0] == "FINN's units read no single unsigned bits"
