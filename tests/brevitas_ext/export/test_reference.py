"""The float64 reference: right values, and magnitudes that bound what float32 can get wrong."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from brevitas_ext.export.float64_ops import run_node
from brevitas_ext.export.reference import CONTRACTING, LINEAR, REARRANGING, SELECTING, Reference
from brevitas_ext.qonnx_ops.catalogue import DOMAIN

OPSET = 20
RNG = np.random.default_rng(0)


def by_onnx(node, *inputs):
    """ONNX's own reference implementation, without the shortcuts."""
    names = [name for name in node.input if name]
    graph = helper.make_graph(
        [node],
        "single",
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in names],
        [helper.make_tensor_value_info(node.output[0], TensorProto.DOUBLE, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    return ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))[0]


def spatial(op_type, **attributes):
    return helper.make_node(op_type, ["x", "w", "b"] if op_type.startswith("Conv") else ["x"], ["y"], **attributes)


NODES = {
    "conv": (spatial("Conv", pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2]), (3, 4, 3, 2)),
    "grouped": (spatial("Conv", group=2, kernel_shape=[3, 3]), (6, 2, 3, 3)),
    "same": (spatial("Conv", auto_pad="SAME_UPPER", kernel_shape=[3, 3]), (3, 4, 3, 3)),
    "transposed": (spatial("ConvTranspose", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 0]), (4, 3, 3, 3)),
    "max": (spatial("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 0, 1]), None),
    "max_ceil": (spatial("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), None),
    "average": (spatial("AveragePool", kernel_shape=[2, 3], strides=[1, 2]), None),
    "average_padded": (spatial("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1), None),
    "average_excluding": (spatial("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), None),
}


@pytest.mark.parametrize("name", NODES)
def test_shortcuts_equal_the_reference_implementation(name):
    node, weight_shape = NODES[name]
    inputs = [RNG.standard_normal((2, 4, 7, 6))]
    if weight_shape is not None:
        channels = weight_shape[1] if node.op_type == "ConvTranspose" else weight_shape[0]
        inputs += [RNG.standard_normal(weight_shape), RNG.standard_normal(channels)]
    found = run_node(node, inputs, OPSET)[0]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, by_onnx(node, *inputs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("factors", "nearest_mode"), [((2, 3), "floor"), ((1, 2), "floor"), ((2, 2), "ceil"), ((1.5, 2), "floor")]
)
def test_nearest_resize_equals_the_reference_implementation(factors, nearest_mode):
    """Whole factors are repetitions; the others are left to ONNX's own implementation."""
    attributes = {"coordinate_transformation_mode": "asymmetric", "mode": "nearest", "nearest_mode": nearest_mode}
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], **attributes)
    x, scales = RNG.standard_normal((2, 3, 4, 2)), np.array([1, 1, *factors])
    np.testing.assert_array_equal(run_node(node, [x, None, scales], OPSET)[0], by_onnx(node, x, scales))


def test_other_operators_and_missing_inputs():
    x = RNG.standard_normal((2, 3))
    clip = helper.make_node("Clip", ["x", "", "high"], ["y"])
    np.testing.assert_array_equal(run_node(clip, [x, None, np.array(0.5)], OPSET)[0], np.minimum(x, 0.5))


def graph_of(nodes, inputs, initializers=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in dict(initializers).items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 2)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def test_magnitude_is_the_sum_of_the_magnitudes_of_all_terms():
    weight, bias = RNG.standard_normal((5, 4)).astype(np.float32), RNG.standard_normal(5).astype(np.float32)
    x = RNG.standard_normal((3, 4)).astype(np.float32)
    model = graph_of(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["g"], transB=1),
            helper.make_node("Sub", ["g", "c"], ["s"]),
            helper.make_node("Relu", ["s"], ["y"]),
        ],
        {"x": (3, 4)},
        {"w": weight, "b": bias, "c": -2.5},
    )
    found = Reference(model, {"x": x})
    terms = np.abs(x.astype(np.float64)) @ np.abs(weight.astype(np.float64)).T + np.abs(bias.astype(np.float64))
    np.testing.assert_allclose(found.magnitudes["g"], terms, rtol=1e-12)
    np.testing.assert_allclose(found.magnitudes["s"], terms + 2.5, rtol=1e-12)
    np.testing.assert_array_equal(found.magnitudes["y"], found.magnitudes["s"])
    expected = x.astype(np.float64) @ weight.T.astype(np.float64) + bias + 2.5
    np.testing.assert_allclose(found.values["y"], np.maximum(expected, 0), rtol=1e-12)


def test_batch_normalization_and_division():
    x = RNG.standard_normal((2, 3, 4)).astype(np.float32)
    constants = {"g": [2, -1, 0.5], "b": [1, -1, 0], "m": [3, 0, -2], "v": [1, 4, 0.25], "d": -4.0}
    nodes = [
        helper.make_node("BatchNormalization", ["x", "g", "b", "m", "v"], ["n"], epsilon=0.0),
        helper.make_node("Div", ["n", "d"], ["y"]),
    ]
    found = Reference(graph_of(nodes, {"x": x.shape}, constants), {"x": x})
    column = {name: np.array(value).reshape(1, -1, 1) for name, value in constants.items() if name != "d"}
    deviation = np.sqrt(column["v"])
    terms = (np.abs(x) + np.abs(column["m"])) * np.abs(column["g"]) / deviation + np.abs(column["b"])
    np.testing.assert_allclose(found.magnitudes["n"], terms, rtol=1e-6)
    np.testing.assert_allclose(found.magnitudes["y"], terms / 4, rtol=1e-6)
    expected = ((x - column["m"]) * column["g"] / deviation + column["b"]) / -4
    np.testing.assert_allclose(found.values["y"], expected, rtol=1e-6)


def test_what_no_rule_covers_is_judged_by_its_value():
    x = np.array([[1.0, 3.0]], np.float32)
    found = Reference(graph_of([helper.make_node("Softmax", ["x"], ["y"])], {"x": (1, 2)}), {"x": x})
    np.testing.assert_array_equal(found.magnitudes["y"], found.values["y"])


def test_a_cast_to_float32_does_not_round():
    third = np.array([1.0], np.float32)
    nodes = [helper.make_node("Div", ["x", "c"], ["d"]), helper.make_node("Cast", ["d"], ["y"], to=TensorProto.FLOAT)]
    found = Reference(graph_of(nodes, {"x": (1,)}, {"c": 3.0}), {"x": third})
    assert found.values["y"][0] == 1 / 3 != float(np.float32(1 / 3))


def test_quantized_weights_are_exact_products_and_other_quantizers_end_the_graph():
    parameters = {"s": 0.1, "z": 0.0, "b": 4.0}
    nodes = [
        helper.make_node("Quant", ["w", "s", "z", "b"], ["q"], domain=DOMAIN, signed=1, narrow=1),
        helper.make_node("MatMul", ["x", "q"], ["p"]),
        helper.make_node("Quant", ["p", "s", "z", "b"], ["y"], domain=DOMAIN, signed=1, narrow=1),
    ]
    model = graph_of(nodes, {"x": (1, 2)}, parameters | {"w": [[0.31], [-9.0]]})
    found = Reference(model, {"x": np.ones((1, 2), np.float32)})
    step = np.float64(np.float32(0.1))
    np.testing.assert_array_equal(found.values["q"], [[3 * step], [-7 * step]])
    np.testing.assert_allclose(found.values["p"], [[-4 * step]], rtol=1e-15)
    np.testing.assert_allclose(found.magnitudes["p"], [[10 * step]], rtol=1e-15)
    assert "y" not in found.values


def test_classes_do_not_overlap():
    classes = [LINEAR, REARRANGING, SELECTING, CONTRACTING]
    assert sum(map(len, classes)) == len(frozenset().union(*classes))
    assert all(onnx.defs.has(name) for group in classes for name in group)


@settings(max_examples=30)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_float32_stays_within_a_few_units_of_the_magnitude(terms, seed):
    """The law that the tolerance rests on; in units of the value itself it does not hold."""
    rng = np.random.default_rng(seed)
    x = (rng.integers(-8, 8, (4, terms)) * np.float32(rng.uniform(0.01, 1))).astype(np.float32)
    weight = (rng.integers(-8, 8, (terms, 3)) * np.float32(rng.uniform(0.01, 1))).astype(np.float32)
    model = graph_of([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": x.shape}, {"w": weight})
    found = Reference(model, {"x": x})
    units = np.spacing(np.maximum(found.magnitudes["y"], 1e-30).astype(np.float32))
    assert (np.abs((x @ weight).astype(np.float64) - found.values["y"]) <= 4 * units).all()
