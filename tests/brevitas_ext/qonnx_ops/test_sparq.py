"""The `Sparq` operator: golden function, QONNX and a stock onnxruntime on all values and all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from brevitas_ext.qonnx_ops.catalogue import check_domain_version, function_body, read_sparq
from brevitas_ext.qonnx_ops.sparq import DOMAIN, DOMAIN_VERSION, WINDOW_SETS, Sparq, SparqFormat

PAIRS = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), axis=1).reshape(256, 2, 256, 1)
SCALE = np.float32(0.0371)
FORMATS = [
    *(
        SparqFormat.named(name, rounding=rounding, overflow=overflow, pairs=pairs)
        for name in WINDOW_SETS
        for rounding, overflow, pairs in ((True, "saturate", True), (False, "saturate", True), (True, "carry", False))
    ),
    SparqFormat(bits=2, shifts=(0, 1, 6), overflow="carry"),
    SparqFormat(bits=3, shifts=(0, 5), overflow="carry"),
]


def model_of(op: Sparq, shape: tuple[int | None, ...], **changed: Any) -> onnx.ModelProto:
    node = helper.make_node("Sparq", ["x", "scale"], ["y"], domain=DOMAIN, name="sparq", **{**op.attributes, **changed})
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    return helper.make_model(
        helper.make_graph([node], "single", values[:1], values[1:], [onnx.numpy_helper.from_array(SCALE, "scale")]),
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)],
        functions=[function_body("Sparq", 20)],
        ir_version=10,
    )


def run(op: Sparq, x: np.ndarray) -> np.ndarray:
    model = model_of(op, (None,) * x.ndim)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.mark.parametrize("sparq", FORMATS, ids=str)
def test_a_stock_onnxruntime_computes_all_pairs_bit_for_bit(sparq: SparqFormat) -> None:
    op, x = Sparq(format=sparq), PAIRS.astype(np.float32) * SCALE
    expected = sparq(PAIRS, axis=1).astype(np.float32) * SCALE
    assert np.array_equal(op.evaluate(x, SCALE), expected)
    assert np.array_equal(run(op, x), expected)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 1, 7)])
def test_every_axis_and_odd_tails(axis: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    integers = rng.integers(0, 256, size=shape) * (rng.random(shape) < 0.6)
    op = Sparq(format=SparqFormat.named("3b6opt"), axis=axis)
    expected = op.format(integers, axis=axis).astype(np.float32) * SCALE
    assert np.array_equal(run(op, integers.astype(np.float32) * SCALE), expected)


def test_what_is_no_8_bit_unsigned_integer_does_not_pass_as_one() -> None:
    op = Sparq(format=SparqFormat.named("4b5opt", pairs=False))
    outside = np.array([[-1, -255, -256, -300, 256, 511]], dtype=np.float32) * SCALE
    assert np.isnan(run(op, outside)).all()
    for wrong, message in (([-1.0], "got -1"), ([256.0], "got 256"), ([0.5], "got 0.5 steps at"), ([np.nan], "nan")):
        with pytest.raises(ValueError, match=message):
            op.evaluate(np.array([wrong], dtype=np.float64), np.float64(1))


def test_qonnx_finds_runs_and_types_the_operator() -> None:
    op = Sparq(format=SparqFormat.named("4b3opt"))
    model = ModelWrapper(model_of(op, (256, 2, 256, 1)))
    x = PAIRS.astype(np.float32) * SCALE
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], op.evaluate(x, SCALE))
    model = model.transform(InferShapes()).transform(InferDataTypes())
    assert model.get_tensor_shape("y") == [256, 2, 256, 1]
    custom = getCustomOp(model.graph.node[0])
    custom.verify_node()
    assert custom.get_nodeattr("shifts") == [0, 2, 4]
    custom.set_nodeattr("shifts", [1, 4])
    with pytest.raises(ValueError, match="ascending shifts"):
        custom.verify_node()


def test_shape_inference_knows_the_output() -> None:
    model = model_of(Sparq(format=SparqFormat.named("4b3opt")), (2, 4, 5, 5))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    dimensions = [dim.dim_value for dim in inferred.graph.output[0].type.tensor_type.shape.dim]
    assert dimensions == [2, 4, 5, 5]


def test_attributes_survive_a_node() -> None:
    op = Sparq(format=SparqFormat(bits=3, shifts=(0, 2, 5), rounding=False, overflow="carry", pairs=False), axis=-1)
    assert read_sparq(model_of(op, (1, 2)).graph.node[0]) == op
    bare = helper.make_node("Sparq", ["x", "scale"], ["y"], domain=DOMAIN, bits=4, shifts=[0, 4])
    assert read_sparq(bare) == Sparq(format=SparqFormat.named("4b2opt"))
    assert read_sparq(helper.make_node("Relu", ["x"], ["y"])) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bits": 9}, "bits from 2 to 7"),
        ({"shifts": [1, 4]}, "ascending shifts from 0 to 4"),
        ({"overflow": "wrap"}, "'saturate' or 'carry'"),
        ({"pairs": 2}, "pairs 0 or 1, got 2"),
    ],
)
def test_malformed_attributes_are_refused(changed: dict[str, Any], message: str) -> None:
    node = model_of(Sparq(format=SparqFormat.named("4b3opt")), (1, 2), **changed).graph.node[0]
    with pytest.raises(ValueError, match=message):
        read_sparq(node)


def test_missing_attributes_unknown_operators_and_versions_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the attribute 'bits'"):
        read_sparq(helper.make_node("Sparq", ["x", "scale"], ["y"], domain=DOMAIN))
    with pytest.raises(ValueError, match=r"expected 'Sparq' in the domain .* found 'Spark'"):
        read_sparq(helper.make_node("Spark", ["x"], ["y"], domain=DOMAIN))
    model = model_of(Sparq(format=SparqFormat.named("4b3opt")), (1, 2))
    model.opset_import[1].version = 2
    with pytest.raises(ValueError, match="Expected version 1 of the domain"):
        check_domain_version(model)
