"""Files that are broken or beyond float32 are refused with a reason, not with a traceback."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from finn_transforms.passes import ExtractIntegers, InferThresholding
from tests.support.graphs import QONNX, GraphBuilder
from tests.support.refusals import refusal_of

SHAPE = (1, 2, 4, 4)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"signed": 1, "narrow": 0, "rounding_mode": "SOMEHOW"}, "found 'SOMEHOW'"),
        ({"narrow": 0}, "its attributes are incomplete or unknown: 'signed'"),
    ],
)
def test_attributes_of_a_quantizer(attributes: dict[str, object], reason: str) -> None:
    graph = GraphBuilder(SHAPE)
    parameters = [graph.constant(value) for value in (0.5, 0.0, 4.0)]
    model = graph.model(graph.node("Quant", ["x", *parameters], domain=QONNX, **attributes))
    assert reason in refusal_of(ExtractIntegers(), model, "Quant")[0]


def test_a_scale_in_float64() -> None:
    graph = GraphBuilder(SHAPE)
    graph.initializers.append(numpy_helper.from_array(np.array(0.1), "scale"))
    parameters = ["scale", graph.constant(0.0), graph.constant(4.0)]
    output = graph.node("Quant", ["x", *parameters], domain=QONNX, signed=1, narrow=0)
    reason, advice = refusal_of(ExtractIntegers(), graph.model(output), "Quant")
    assert (reason, advice) == ("float32 does not hold its scale, [0.1]", "Export the model in float32")


def test_a_bias_that_is_not_a_number() -> None:
    graph = GraphBuilder(SHAPE)
    weights = graph.weights(np.ones((2, 2, 1, 1)))
    output = graph.node("Conv", [graph.quant("x", 0.5, 4), weights, graph.constant([1.0, np.nan])])
    assert refusal_of(ExtractIntegers(), graph.model(output), "Conv")[0] == "its bias 1 is not a number"


def test_a_second_output_that_is_read() -> None:
    graph = GraphBuilder(SHAPE)
    graph.nodes.append(
        helper.make_node("MaxPool", [graph.quant("x", 0.5, 4)], ["highest", "where"], name="pool", kernel_shape=[2, 2])
    )
    model = graph.model("highest", graph.node("Cast", ["where"], to=TensorProto.FLOAT))
    assert refusal_of(ExtractIntegers(), model, "MaxPool")[0] == "its second output is read too"


def test_padding_that_an_average_leaves_out() -> None:
    graph = GraphBuilder(SHAPE)
    pooled = graph.node("AveragePool", [graph.quant("x", 0.5, 4)], kernel_shape=[3, 3], auto_pad="SAME_UPPER")
    assert refusal_of(ExtractIntegers(), graph.model(pooled), "AveragePool")[0] == "auto_pad is SAME_UPPER"


def test_statistics_of_the_batch() -> None:
    graph = GraphBuilder(SHAPE)
    constants = [graph.constant([1.0, 2.0]) for _ in range(4)]
    outputs = ["y", "mean", "variance"]
    graph.nodes.append(
        helper.make_node("BatchNormalization", [graph.quant("x", 0.5, 4), *constants], outputs, training_mode=1)
    )
    model = graph.model(graph.quant("y", 0.5, 4))
    ExtractIntegers()(model)
    reasons = [refusal.reason for refusal in InferThresholding()(model).refusals]
    assert any("expected training_mode = 0" in reason for reason in reasons)


def test_a_file_without_shapes() -> None:
    graph = GraphBuilder(SHAPE)
    proto = graph.proto(graph.quant("x", 0.5, 4))
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    reason, _ = refusal_of(ExtractIntegers(), ir.serde.deserialize_model(proto), "Quant")
    assert reason.endswith("is unknown")
