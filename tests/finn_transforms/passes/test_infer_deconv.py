"""Transposed convolutions become convolutions of stretched images that give the same integers."""

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.emulate import emulate
from finn_transforms.passes import InferDeconv
from tests.support.graphs import GraphBuilder, copy_of, op_types
from tests.support.refusals import refusal_of
from tests.support.stages import assert_finn_agrees, assert_finn_specializes

RNG = np.random.default_rng(0)


def transposed(kernel: tuple[int, ...], *, kind: str = "UINT4", groups: int = 1, **options: object) -> ir.Model:
    graph = GraphBuilder((1, 2, *(3, 4, 5)[: len(kernel)]))
    graph.datatypes["x"] = kind
    weights = graph.constant(RNG.integers(-4, 4, size=(2, 3, *kernel)), "w", "INT3")
    node = graph.node("ConvTranspose", ["x", weights], group=groups, datatype="INT32", **options)
    return graph.model(node)


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((2, 2), {"strides": [2, 2]}),
        ((3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
        ((4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ((3, 2), {"strides": [1, 3], "pads": [2, 0, 1, 1], "output_padding": [0, 2]}),
        ((2, 3), {"dilations": [2, 1], "strides": [2, 1], "pads": [1, 0, 2, 2]}),
        ((3, 3), {"pads": [1, 1, 1, 1]}),
        ((1, 1), {"strides": [2, 2]}),
        ((1, 1), {}),
        ((3, 3), {"pads": [2, 2, 2, 2]}),
    ],
)
def test_same_integers(kernel: tuple[int, int], options: dict[str, list[int]]) -> None:
    model = transposed(kernel, **options)
    reference = copy_of(model)
    assert not InferDeconv()(model).refusals
    assert ("FMPadding_Pixel" in op_types(model)) == (options.get("strides", [1, 1]) != [1, 1])
    x = {"x": RNG.integers(0, 16, size=(3, 2, 3, 4))}
    np.testing.assert_array_equal(emulate(model, x)["convtranspose2"], emulate(reference, x)["convtranspose2"])
    assert assert_finn_agrees(model, x["x"][:1]) >= 3
    assert_finn_specializes(model)


@pytest.mark.parametrize(
    ("model", "reason", "advice"),
    [
        (transposed((2, 2), groups=2), "it has 2 groups", "Use a dense transposed convolution"),
        (
            transposed((2, 2), strides=[2, 2], pads=[2, 0, 0, 0]),
            "its pads (2, 0, 0, 0) reach beyond the kernel",
            "Use a padding of at most the kernel's size less one",
        ),
        (
            transposed((2, 2), strides=[2, 2], kind="BIPOLAR"),
            "it pads BIPOLAR values with zeros, which they do not have",
            "Use no padding, or an activation quantizer of two bits",
        ),
        (
            transposed((2, 2), output_shape=[4, 5]),
            "its output_shape leaves the pads open",
            "Export explicit pads",
        ),
        (
            transposed((2,)),
            "it convolves over 1 dimensions",
            "Use a two-dimensional convolution, e.g. kernel (k, 1)",
        ),
    ],
)
def test_refused(model: ir.Model, reason: str, advice: str) -> None:
    assert refusal_of(InferDeconv(), model, "ConvTranspose") == (reason, advice)
    assert op_types(model) == ["ConvTranspose"]
