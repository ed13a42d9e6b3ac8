"""Integer max pooling becomes FINN's pooling layer, or is refused where its zero padding would differ."""

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.emulate import emulate
from finn_transforms.passes import CancelTransposes, InferMVAU, InferPool, InferThresholding
from tests.support.graphs import QONNX, GraphBuilder, attributes, copy_of, only, op_types
from tests.support.refusals import refusal_of
from tests.support.stages import assert_finn_agrees, assert_finn_specializes


def pool(kind: str | None, shape: tuple[int, ...] = (1, 3, 5, 6), **options: object) -> ir.Model:
    graph = GraphBuilder(shape)
    if kind is not None:
        graph.datatypes["x"] = kind
    return graph.model(graph.node("MaxPool", ["x"], datatype=kind, **options))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("INT4", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("INT4", {"kernel_shape": [3, 2], "strides": [1, 2]}),
        ("INT4", {"kernel_shape": [2, 2], "dilations": [2, 3]}),
        ("INT4", {"kernel_shape": [1, 1]}),
        ("INT4", {"kernel_shape": [1, 1], "strides": [2, 2]}),
        ("INT4", {"kernel_shape": [5, 6]}),
        ("UINT4", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 2]}),
        ("UINT4", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}),
    ],
)
def test_pools_the_same_integers(kind: str, options: dict[str, list[int]]) -> None:
    model = pool(kind, **options)
    reference = copy_of(model)
    assert not InferPool()(model).refusals
    assert "MaxPool" not in op_types(model)
    unit = attributes(only(model, "Pool"))
    assert (unit["InputDataType"], unit["OutputDataType"], unit["Function"]) == (kind, kind, "MaxPool")
    low = -8 if kind == "INT4" else 0
    x = {"x": np.random.default_rng(0).integers(low, low + 16, size=(3, 3, 5, 6))}
    np.testing.assert_array_equal(emulate(model, x)["maxpool1"], emulate(reference, x)["maxpool1"])


def test_padding_is_harmless_where_signed_values_are_not_negative() -> None:
    """A signed type is no obstacle; what the values can be is."""
    graph = GraphBuilder((1, 2, 4, 4))
    graph.datatypes["x"] = "UINT4"
    weights = graph.constant(np.ones((2, 2, 1, 1)), "w", "INT2")
    layer = graph.node("Conv", ["x", weights], datatype="INT32")
    model = graph.model(graph.node("MaxPool", [layer], datatype="INT32", kernel_shape=[2, 2], pads=[1, 1, 0, 0]))
    reference = copy_of(model)
    assert not InferPool()(model).refusals
    x = {"x": np.random.default_rng(0).integers(0, 16, size=(3, 2, 4, 4))}
    np.testing.assert_array_equal(emulate(model, x)["maxpool3"], emulate(reference, x)["maxpool3"])


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 0, 1]])
@pytest.mark.parametrize("bits_in_front", [False, True])
def test_signs_are_taken_behind_the_pool(pads: list[int], bits_in_front: bool) -> None:
    """FINN's pool would compare bits; counts of equal bits are never negative, so that they can be padded."""
    graph = GraphBuilder((1, 3, 5, 5))
    graph.datatypes["x"] = "BIPOLAR" if bits_in_front else "UINT2"
    weights = np.random.default_rng(1).choice([-1, 1], size=(4, 3, 2, 2))
    layer = graph.node("Conv", ["x", graph.constant(weights, "w", "BIPOLAR")], datatype="INT32")
    shifted = graph.node("Add", [layer, graph.constant(0.5)])
    signs = graph.node("BipolarQuant", [shifted, graph.constant(1.0)], domain=QONNX, datatype="BIPOLAR")
    model = graph.model(graph.node("MaxPool", [signs], datatype="BIPOLAR", kernel_shape=[2, 2], pads=pads))
    output, reference = str(model.graph.outputs[0].name), copy_of(model)
    for stage in (InferThresholding, InferMVAU):
        stage()(model)
    refusals = InferPool()(model).refusals
    if any(pads) and not bits_in_front:
        assert [refusal.reason for refusal in refusals] == ["it pads signed values"]
        return
    assert not refusals
    CancelTransposes()(model)
    assert op_types(model)[-4:] == ["ConvolutionInputGenerator", "Pool", "Thresholding", "Transpose"]
    assert op_types(model).count("Thresholding") == 1
    x = {"x": np.random.default_rng(0).choice([-1, 1] if bits_in_front else range(4), size=(9, 3, 5, 5))}
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])
    assert assert_finn_agrees(model, x["x"][:1]) >= 5
    assert_finn_specializes(model)


@pytest.mark.parametrize(
    ("model", "reason", "advice"),
    [
        (
            pool(None, kernel_shape=[2, 2]),
            "its input 'x' is not an integer tensor",
            "Put an activation quantizer in front of it",
        ),
        (
            pool("INT4", kernel_shape=[2, 2], pads=[0, 0, 0, 1]),
            "it pads signed values",
            "Use unsigned activations (after a ReLU) or no padding",
        ),
        (
            pool("UINT4", kernel_shape=[2, 2], dilations=[6, 1], pads=[3, 0, 3, 0]),
            "a window of it lies in the padding (3, 0, 3, 0) only",
            "Use less padding, or a smaller dilation",
        ),
        (
            pool("UINT4", kernel_shape=[2, 2], pads=[0, 0, 0, 3], strides=[2, 2]),
            "a window of it lies in the padding (0, 0, 0, 3) only",
            "Use less padding, or a smaller dilation",
        ),
        (
            pool("BIPOLAR", kernel_shape=[2, 2]),
            "FINN's layer does not compare bits that stand for -1 and 1",
            "Put it directly behind the activation, or use an activation quantizer of two bits",
        ),
        (
            pool("INT4", kernel_shape=[2, 2], ceil_mode=1, strides=[2, 2]),
            "ceil_mode is 1",
            "Use ceil_mode=False and pad explicitly",
        ),
        (
            pool("INT4", kernel_shape=[2, 2], auto_pad="SAME_LOWER"),
            "auto_pad is SAME_LOWER",
            "Export explicit pads",
        ),
        (
            pool("INT4", (1, 3, 6), kernel_shape=[2]),
            "its kernel has 1 dimensions",
            "Use a two-dimensional kernel",
        ),
        (
            pool("INT4", (2, 3, 5, 6), kernel_shape=[2, 2]),
            "its batch size is 2",
            "Export with an example of batch size 1",
        ),
    ],
)
def test_refused(model: ir.Model, reason: str, advice: str) -> None:
    assert refusal_of(InferPool(), model, "MaxPool") == (reason, advice)
    assert op_types(model) == ["MaxPool"]
