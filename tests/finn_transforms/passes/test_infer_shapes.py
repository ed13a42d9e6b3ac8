"""Shapes that a file lacks are filled in, QONNX's quantizers and graph outputs included, and reach the next file."""

import onnx_ir as ir
import pytest

from finn_transforms.passes import InferShapes
from tests.support.graphs import GraphBuilder, copy_of
from tests.support.small import small_network


def without_shapes() -> ir.Model:
    model = small_network()
    for node in model.graph:
        for value in node.outputs:
            value.shape = None
    return model


def shapes(model: ir.Model) -> dict[str, list[object]]:
    values = [value for node in model.graph for value in node.outputs]
    return {str(value.name): list(value.shape) for value in values if value.shape is not None}


def test_every_value_gets_its_shape() -> None:
    model = without_shapes()
    assert shapes(model) == {}
    result = InferShapes()(model)
    assert shapes(model) == shapes(small_network())
    assert len(result.rewrites) == len(list(model.graph))


def test_shapes_reach_the_file() -> None:
    model = without_shapes()
    InferShapes()(model)
    assert shapes(copy_of(model)) == shapes(model)


@pytest.mark.parametrize("op_type", ["Quant", "IntQuant"])
def test_graph_output_behind_a_quantizer(op_type: str) -> None:
    graph = GraphBuilder((1, 3, 2))
    parameters = [graph.constant(1.0), graph.constant(0.0), graph.constant(4.0)]
    output = graph.node(op_type, ["x", *parameters], domain="qonnx.custom_op.general", signed=1, narrow=0)
    model = ir.serde.deserialize_model(graph.proto(output))
    assert InferShapes()(model).modified
    assert shapes(model) == {output: [1, 3, 2]}


def test_unknown_operators_are_left_without_shape() -> None:
    graph = GraphBuilder((1, 3))
    output = graph.node("Mystery", ["x"], domain="some.domain")
    model = ir.serde.deserialize_model(graph.proto(output))
    assert not InferShapes()(model).modified
    assert shapes(model) == {}
