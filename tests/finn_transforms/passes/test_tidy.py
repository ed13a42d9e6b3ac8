"""Files as exporters wrote them become graphs with static shapes, and compute what they did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from finn_transforms.analysis.datatypes import datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import ExtractIntegers, Tidy
from tests.support.golden import assert_golden, graph_text
from tests.support.graphs import GraphBuilder, array_of, copy_of, only, op_types, wrapper

Constants = dict[str, NDArray[np.generic]]


def file_of(
    nodes: Sequence[onnx.NodeProto],
    constants: Constants,
    *,
    opset: int = 9,
    shape: Sequence[int | str] = ("N", 1, 2, 3),
    output: Sequence[int | str] = ("N", "M"),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(output))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def tidied(proto: onnx.ModelProto) -> ir.Model:
    model = ir.serde.deserialize_model(proto)
    assert Tidy()(model).modified
    return model


def flattening(opset: int = 9) -> onnx.ModelProto:
    """As torch exported `x.view(x.shape[0], -1)` in 2021, with an identity and a root of a constant behind it."""
    axes = {"axes": [0]} if opset < 13 else {}
    return file_of(
        [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Gather", ["shape", "zero"], ["n"], axis=0),
            helper.make_node("Unsqueeze", ["n"] if opset < 13 else ["n", "axes"], ["n1"], **axes),
            helper.make_node("Concat", ["n1", "rest"], ["target"], axis=0),
            helper.make_node("Reshape", ["x", "target"], ["flat"]),
            helper.make_node("Identity", ["flat"], ["same"]),
            helper.make_node("Pow", ["variance", "half"], ["deviation"]),
            helper.make_node("Div", ["same", "deviation"], ["divided"]),
            helper.make_node("Dropout", ["divided"], ["y"]),
        ],
        {
            "zero": np.array(0),
            "axes": np.array([0]),
            "rest": np.array([-1]),
            "variance": np.array([4.0], np.float32),
            "half": np.array(0.5, np.float32),
        },
        opset=opset,
    )


def test_golden() -> None:
    assert_golden("Tidy", graph_text(tidied(flattening())))


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 19])
def test_computed_shapes_become_constants(opset: int) -> None:
    model = tidied(flattening(opset))
    assert op_types(model) == ["Reshape", "Div"]
    assert array_of(only(model, "Reshape").inputs[1]).tolist() == [1, -1]
    assert array_of(only(model, "Div").inputs[1]).tolist() == [2.0]
    shapes = [value.shape for value in (model.graph.inputs[0], model.graph.outputs[0])]
    assert [list(shape) for shape in shapes if shape is not None] == [[1, 1, 2, 3], [1, 6]]
    assert model.graph.outputs[0].name == "y"
    onnx.checker.check_model(ir.serde.serialize_model(model), full_check=True)


def test_the_values_stay() -> None:
    proto = flattening()
    x = np.random.default_rng(0).normal(size=(1, 1, 2, 3)).astype(np.float32)
    (expected,) = ReferenceEvaluator(proto).run(None, {"x": x})
    np.testing.assert_allclose(emulate(tidied(proto), {"x": x})["y"], expected, rtol=1e-6)


def test_second_run_changes_nothing() -> None:
    model = tidied(flattening())
    text = graph_text(model)
    assert not Tidy()(model).modified
    assert graph_text(model) == text


def test_in_qonnx() -> None:
    ours, theirs = tidied(flattening()), wrapper(ir.serde.deserialize_model(flattening())).transform(Tidy())
    assert sorted(graph_text(ours).splitlines()) == sorted(
        graph_text(ir.serde.deserialize_model(theirs.model)).splitlines()
    )


def test_a_target_that_needs_a_folded_shape_first() -> None:
    """The size of a Resize is computed from the shape of what a Reshape with a computed target gives."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Mul", ["shape", "twice"], ["sizes"]),
        helper.make_node("Resize", ["x", "", "", "sizes"], ["large"], mode="nearest"),
        helper.make_node("Shape", ["large"], ["large_shape"]),
        helper.make_node("ReduceProd", ["large_shape"], ["count"], keepdims=1),
        helper.make_node("Reshape", ["large", "count"], ["y"]),
    ]
    model = tidied(file_of(nodes, {"twice": np.array([1, 1, 2, 2])}, opset=18, output=("M",)))
    assert op_types(model) == ["Resize", "Reshape"]
    assert array_of(only(model, "Reshape").inputs[1]).tolist() == [24]


def test_only_the_batch_is_bound() -> None:
    proto = file_of([helper.make_node("Relu", ["x"], ["y"])], {}, opset=19, shape=("N", 3, "H", "W"), output=("N", 3))
    model = ir.serde.deserialize_model(proto)
    Tidy()(model)
    shape = model.graph.inputs[0].shape
    assert shape is not None
    assert not shape.is_static()


def quantized(*, identity_of_output: bool = False) -> ir.Model:
    """A network in the domain of early exporters, without its opset import; weights pass a transpose and a factor."""
    graph = GraphBuilder(("N", 4))  # type: ignore[arg-type]
    x = graph.quant("x", 0.5, 4)
    raw = graph.node("Mul", [graph.constant(np.arange(8).reshape(2, 4) - 4.0, "w"), graph.constant(0.5)])
    weights = graph.quant(raw, 0.5, 4, signed=True)
    x = graph.node("MatMul", [x, graph.node("Transpose", [weights], perm=[1, 0])], datatype="INT32")
    x = graph.node("Identity", [x], datatype="INT9") if identity_of_output else x
    proto = graph.proto(x)
    for node in proto.graph.node:
        node.domain = "onnx.brevitas" if node.domain else ""
    del proto.opset_import[1:]
    return ir.serde.deserialize_model(proto)


def test_quantized_constants_stay() -> None:
    model = quantized()
    Tidy()(model)
    assert op_types(model) == ["Quant", "Quant", "Transpose", "MatMul"]
    assert model.graph.opset_imports["onnx.brevitas"] == 1
    stored = model.graph.node(1).inputs[0]
    assert array_of(stored).tolist() == [[-2.0, -1.5, -1.0, -0.5], [0.0, 0.5, 1.0, 1.5]]
    assert not ExtractIntegers()(copy_of(model)).refusals


@pytest.mark.parametrize("identity_of_output", [False, True])
def test_data_types_survive(identity_of_output: bool) -> None:
    model = quantized(identity_of_output=identity_of_output)
    model.graph.opset_imports[""] = 13
    assert Tidy()(model).modified
    assert model.graph.opset_imports[""] == 19
    kept = datatype(model.graph.outputs[0])
    assert kept is not None
    assert kept.name == "INT32"


def test_an_output_that_is_an_input_stays() -> None:
    proto = file_of([helper.make_node("Identity", ["x"], ["y"])], {}, opset=19, output=("N", 1, 2, 3))
    assert op_types(tidied(proto)) == ["Identity"]


def test_random_constants_and_branches_are_not_evaluated() -> None:
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["b"], value_float=1.0)],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [])],
    )
    nodes = [
        helper.make_node("RandomNormalLike", ["c"], ["noise"]),
        helper.make_node("If", ["condition"], ["chosen"], then_branch=branch, else_branch=branch),
        helper.make_node("Add", ["x", "noise"], ["sum"]),
        helper.make_node("Add", ["sum", "chosen"], ["y"]),
    ]
    constants: Constants = {"c": np.ones(3, np.float32), "condition": np.array(True)}
    model = tidied(file_of(nodes, constants, opset=19, output=(1, 1, 2, 3)))
    assert op_types(model) == ["RandomNormalLike", "If", "Add", "Add"]


def test_an_operator_without_a_newer_form_is_refused() -> None:
    constants = {name: np.ones(1, np.float32) for name in ("scale", "bias", "mean", "variance")}
    outputs = ["y", "new_mean", "new_variance", "saved_mean", "saved_variance"]
    proto = file_of(
        [helper.make_node("BatchNormalization", ["x", *constants], outputs)], constants, output=("N", 1, 2, 3)
    )
    result = Tidy()(ir.serde.deserialize_model(proto))
    (refusal,) = result.refusals
    assert refusal.reason.startswith("ONNX does not convert opset 9 to 19: BatchNormalization outputs 4 and 5")
