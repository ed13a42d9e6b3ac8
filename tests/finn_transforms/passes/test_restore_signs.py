"""FINN's minimal weight types change what units with weights of -1 compute; that is undone."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.infer_datatypes import InferDataTypes

from finn_transforms.finn_compat import prepare_finn
from finn_transforms.passes import (
    ExtractIntegers,
    InferMVAU,
    InferThresholding,
    InferVVAU,
    MinimizeAccumulators,
    RestoreSigns,
)
from tests.support.graphs import GraphBuilder, wrapper
from tests.support.small import hardware_layer
from tests.support.specialized import specialized

RNG = np.random.default_rng(0)


def network(weights: object, weight_type: str, shape: tuple[int, ...]) -> ir.Model:
    """Return a layer of signs and weights with thresholds behind it, as hardware."""
    graph = GraphBuilder(shape)
    graph.datatypes["x"] = "BIPOLAR"
    op_type, options = ("MatMul", {}) if len(shape) == 2 else ("Conv", {"group": shape[1]})
    total = graph.node(op_type, ["x", graph.constant(weights, "w", weight_type)], datatype="INT32", **options)
    model = graph.model(graph.quant(graph.node("Mul", [total, graph.constant(0.61)]), 1.0, 3))
    for stage in (ExtractIntegers, InferThresholding, InferVVAU, InferMVAU, MinimizeAccumulators):
        stage()(model)
    return model


def minimized_by_finn(model: ir.Model) -> ModelWrapper:
    prepare_finn()
    from finn.transformation.fpgadataflow.minimize_accumulator_width import MinimizeAccumulatorWidth
    from finn.transformation.fpgadataflow.minimize_weight_bit_width import MinimizeWeightBitWidth

    return (wrapper(model).transform(MinimizeWeightBitWidth()).transform(MinimizeAccumulatorWidth())).transform(
        InferDataTypes()
    )


NETWORKS = {
    "signs": (RNG.choice([-1, 1], size=(12, 3)), "BIPOLAR", (1, 12), "INT2"),
    "depthwise signs": (RNG.choice([-1, 1], size=(3, 1, 4, 3)), "BIPOLAR", (1, 3, 5, 6), "INT2"),
    "no positive weight": (RNG.choice([-1, 0], size=(12, 3)), "INT2", (1, 12), "BIPOLAR"),
    "bits, which FINN refuses as such": (RNG.choice([0, 1], size=(12, 3)), "BINARY", (1, 12), "BINARY"),
    "all signs positive": (np.ones((12, 3)), "BIPOLAR", (1, 12), "BINARY"),
    "all weights negative": (-np.ones((12, 3)), "INT2", (1, 12), "BIPOLAR"),
}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_outputs_survive_finns_minimal_types(name: str) -> None:
    weights, weight_type, shape, finns_type = NETWORKS[name]
    model = network(weights, weight_type, shape)
    theirs = minimized_by_finn(model)
    unit = next(node for node in theirs.graph.node if node.op_type in {"MVAU", "VVAU"})
    assert getCustomOp(unit).get_nodeattr("weightDataType") == finns_type
    restored = theirs.transform(RestoreSigns()).transform(MinimizeAccumulators())
    unit = next(node for node in restored.graph.node if node.op_type in {"MVAU", "VVAU"})
    assert getCustomOp(unit).get_nodeattr("weightDataType") == ("INT2" if weight_type == "BINARY" else weight_type)
    output = str(model.graph.outputs[0].name)
    for _ in range(8):
        x = {"x": RNG.choice([-1, 1], size=shape).astype(np.float32)}
        np.testing.assert_array_equal(execute_onnx(restored, x)[output], execute_onnx(wrapper(model), x)[output])


def test_an_rtl_unit_keeps_signed_weights() -> None:
    """Chosen for weights of four bits and a sign; as three unsigned bits it would take 7 for -1."""
    model = hardware_layer([[7, 0], [2, 7]], input_type="UINT4", weight_type="INT4", accumulator="INT12")
    theirs = minimized_by_finn(ir.serde.deserialize_model(specialized(model).model))
    (unit,) = theirs.graph.node
    assert (unit.op_type, getCustomOp(unit).get_nodeattr("weightDataType")) == ("MVAU_rtl", "UINT3")
    (unit,) = theirs.transform(RestoreSigns()).graph.node
    assert getCustomOp(unit).get_nodeattr("weightDataType") == "INT4"


def test_other_weights_keep_the_type_that_finn_gives_them() -> None:
    model = network(RNG.choice([-1, 0, 1], size=(12, 3)), "INT4", (1, 12))
    restored = minimized_by_finn(model).transform(RestoreSigns())
    unit = next(node for node in restored.graph.node if node.op_type == "MVAU")
    assert getCustomOp(unit).get_nodeattr("weightDataType") == "INT2"
