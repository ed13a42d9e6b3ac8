"""Sums over windows need no multipliers."""

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.analysis.datatypes import datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import InferSumPool
from tests.support.graphs import GraphBuilder, attributes, copy_of, only, op_types
from tests.support.stages import assert_finn_agrees, assert_finn_specializes

RNG = np.random.default_rng(0)


def sums(
    kernel: tuple[int, int],
    *,
    kind: str = "INT4",
    channels: int = 3,
    weight: int = 1,
    image: tuple[int, int] = (5, 6),
    **options: object,
) -> ir.Model:
    graph = GraphBuilder((1, channels, *image))
    graph.datatypes["x"] = kind
    weights = graph.constant(np.full((channels, 1, *kernel), weight), "w", "INT3")
    return graph.model(graph.node("Conv", ["x", weights], group=channels, datatype="INT32", **options))


@pytest.mark.parametrize(
    ("kernel", "channels", "options"),
    [
        ((2, 2), 3, {"strides": [2, 2]}),
        ((3, 2), 3, {"pads": [1, 0, 1, 1]}),
        ((2, 2), 1, {}),
        ((5, 6), 3, {"pads": [1, 0, 0, 0]}),
        ((5, 6), 3, {}),
        ((5, 6), 1, {}),
    ],
)
def test_same_integers(kernel: tuple[int, int], channels: int, options: dict[str, list[int]]) -> None:
    model = sums(kernel, channels=channels, **options)
    reference = copy_of(model)
    assert not InferSumPool()(model).refusals
    assert "Pool" in op_types(model)
    x = {"x": RNG.integers(-8, 8, size=(3, channels, 5, 6))}
    np.testing.assert_array_equal(emulate(model, x)["conv2"], emulate(reference, x)["conv2"])
    assert assert_finn_agrees(model, x["x"][:1]) >= 3
    assert_finn_specializes(model)


def test_only_a_square_image_is_summed_by_the_global_layer() -> None:
    """FINN's HLS variant takes the image's height for its width too."""
    model = sums((5, 5), image=(5, 5))
    reference = copy_of(model)
    assert not InferSumPool()(model).refusals
    assert "GlobalAccPool" in op_types(model)
    x = {"x": RNG.integers(-8, 8, size=(3, 3, 5, 5))}
    np.testing.assert_array_equal(emulate(model, x)["conv2"], emulate(reference, x)["conv2"])
    assert assert_finn_agrees(model, x["x"][:1]) >= 3
    assert_finn_specializes(model)


def test_attributes() -> None:
    model = sums((2, 3))
    InferSumPool()(model)
    found = attributes(only(model, "Pool"))
    # Six pixels of at least -8.
    assert (found["Function"], found["AccumBits"], found["OutputDataType"]) == ("AccPool", 7, "INT7")
    assert datatype(model.graph.outputs[0]).name == "INT7"
    assert attributes(only(model, "ConvolutionInputGenerator"))["depthwise"] == 1


@pytest.mark.parametrize("model", [sums((2, 2), weight=2), sums((2, 2), kind="BIPOLAR")])
def test_what_is_left_to_vector_vector_units(model: ir.Model) -> None:
    result = InferSumPool()(model)
    assert (result.rewrites, result.refusals) == ([], [])
    assert op_types(model) == ["Conv"]
