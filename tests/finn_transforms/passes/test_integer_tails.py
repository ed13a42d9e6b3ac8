"""Values that are integers without a quantizer saying so."""

import numpy as np
import pytest

from finn_transforms.analysis.datatypes import datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import ExtractIntegers
from tests.support.graphs import QONNX, GraphBuilder, only

SHAPE = (1, 2, 3, 3)
X = np.random.default_rng(3).integers(-8, 8, size=(5, *SHAPE[1:])) / 4


@pytest.mark.parametrize(("shift", "expected"), [(1, "UINT2"), (-1, "INT2"), (3, "UINT2")])
def test_halved_signs_are_integers(shift: int, expected: str) -> None:
    graph = GraphBuilder(SHAPE)
    signs = graph.node("BipolarQuant", ["x", graph.constant(1.0)], domain=QONNX)
    bits = graph.node("Div", [graph.node("Add", [signs, graph.constant(shift)]), graph.constant(2.0)])
    output = graph.node("Conv", [bits, graph.weights(np.array([[3, -2]]).reshape(1, 2, 1, 1))])
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    assert not ExtractIntegers()(model).refusals
    found = datatype(only(model, "Quant").outputs[0])
    assert found is not None
    assert found.name == expected
    np.testing.assert_array_equal(emulate(model, {"x": X})[str(model.graph.outputs[0].name)], before)


def test_an_absent_limit_does_not_limit() -> None:
    graph = GraphBuilder(SHAPE)
    signs = graph.node("BipolarQuant", ["x", graph.constant(1.0)], domain=QONNX)
    clipped = graph.node("Clip", [signs, "", graph.constant(2.0)])
    output = graph.node("Conv", [clipped, graph.weights(np.array([[3, -2]]).reshape(1, 2, 1, 1))])
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    assert not ExtractIntegers()(model).refusals
    np.testing.assert_array_equal(emulate(model, {"x": X})[str(model.graph.outputs[0].name)], before)
