"""Depthwise convolutions become vector-vector units that give the same integers."""

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.emulate import emulate
from finn_transforms.passes import CancelTransposes, InferMVAU, InferVVAU
from tests.support.graphs import GraphBuilder, array_of, attributes, copy_of, only, op_types
from tests.support.refusals import refusal_of
from tests.support.stages import assert_finn_agrees, assert_finn_specializes

RNG = np.random.default_rng(0)


def depthwise(
    channels: int,
    kernel: tuple[int, ...],
    *,
    outputs: int | None = None,
    kinds: tuple[str, str] = ("UINT4", "INT3"),
    **options: object,
) -> ir.Model:
    """Return a grouped convolution of a 5 x 6 image as ExtractIntegers leaves it."""
    graph = GraphBuilder((1, channels, 5, 6))
    graph.datatypes["x"] = kinds[0]
    weights = graph.constant(draw(kinds[1], outputs or channels, 1, *kernel), "w", kinds[1])
    return graph.model(graph.node("Conv", ["x", weights], group=channels, datatype="INT32", **options))


def draw(kind: str, *shape: int) -> np.ndarray:
    values = {"BIPOLAR": [-1, 1], "INT3": range(-4, 4), "INT4": range(-8, 8), "UINT4": range(16)}[kind]
    return RNG.choice(values, size=shape)


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((3, 3), {"pads": [1, 1, 1, 1]}),
        ((3, 2), {"strides": [2, 1], "pads": [0, 1, 2, 0]}),
        ((2, 2), {"dilations": [2, 3]}),
        ((1, 1), {}),
        ((1, 1), {"strides": [2, 2]}),
        ((5, 6), {}),
    ],
)
def test_same_integers(kernel: tuple[int, int], options: dict[str, list[int]]) -> None:
    model = depthwise(4, kernel, **options)
    reference = copy_of(model)
    assert not InferVVAU()(model).refusals
    assert "Conv" not in op_types(model)
    x = {"x": draw("UINT4", 3, 4, 5, 6)}
    np.testing.assert_array_equal(emulate(model, x)["conv2"], emulate(reference, x)["conv2"])
    assert assert_finn_agrees(model, x["x"][:1]) >= 3
    assert_finn_specializes(model)


def test_attributes() -> None:
    model = depthwise(4, (3, 2))
    InferVVAU()(model)
    unit = only(model, "VVAU")
    found = attributes(unit)
    assert (found["Dim"], found["Channels"], found["Kernel"]) == ((3, 5), 4, (3, 2))
    assert (found["accDataType"], found["outputDataType"], found["noActivation"]) == ("INT32", "INT32", 1)
    assert array_of(unit.inputs[1]).shape == (4, 1, 3, 2)
    assert attributes(only(model, "ConvolutionInputGenerator"))["depthwise"] == 1


@pytest.mark.parametrize("kinds", [("BIPOLAR", "INT3"), ("INT4", "BIPOLAR"), ("BIPOLAR", "BIPOLAR")])
def test_bits(kinds: tuple[str, str]) -> None:
    model = depthwise(3, (2, 3), kinds=kinds)
    reference = copy_of(model)
    assert not InferVVAU()(model).refusals
    x = {"x": draw(kinds[0], 3, 3, 5, 6)}
    np.testing.assert_array_equal(emulate(model, x)["conv2"], emulate(reference, x)["conv2"])
    assert assert_finn_agrees(model, x["x"][:1]) >= 3
    assert_finn_specializes(model)


def test_two_in_a_row_share_a_layout() -> None:
    graph = GraphBuilder((1, 3, 5, 6))
    graph.datatypes["x"] = "UINT4"
    x = "x"
    for _ in range(2):
        weights = graph.constant(draw("INT3", 3, 1, 2, 2), "w", "INT3")
        x = graph.node("Conv", [x, weights], group=3, datatype="INT16")
    model = graph.model(x)
    InferVVAU()(model)
    CancelTransposes()(model)
    units = ["ConvolutionInputGenerator", "VVAU"] * 2
    assert op_types(model) == ["Transpose", *units, "Transpose"]


@pytest.mark.parametrize("model", [depthwise(1, (2, 2)), depthwise(2, (2, 2), outputs=4)])
def test_others_are_left_to_the_matrix_vector_unit(model: ir.Model) -> None:
    assert not InferVVAU()(model).refusals
    assert op_types(model) == ["Conv"]
    assert not InferMVAU()(model).refusals
    assert "MVAU" in op_types(model)


def test_bits_have_no_zero_to_pad_with() -> None:
    model = depthwise(3, (2, 3), kinds=("BIPOLAR", "INT3"), pads=[0, 0, 0, 1])
    assert refusal_of(InferVVAU(), model, "Conv") == (
        "it pads BIPOLAR values with zeros, which they do not have",
        "Use no padding, or an activation quantizer of two bits",
    )
    assert op_types(model) == ["Conv"]
