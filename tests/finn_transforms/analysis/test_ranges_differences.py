"""The difference of two counts of one value has the range of the function it stands for."""

import numpy as np
import onnx_ir as ir
import pytest

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.emulate import emulate
from finn_transforms.passes import lower_to_hardware
from tests.support.activations import ACTIVATIONS
from tests.support.graphs import GraphBuilder


def lowered(activation: str) -> ir.Model:
    graph = GraphBuilder((1, 2, 3, 3))
    graph.datatypes["x"] = "INT6"
    scaled = graph.node("Mul", ["x", graph.constant(np.array([0.1, 0.21]).reshape(1, 2, 1, 1))])
    model = graph.model(graph.quant(ACTIVATIONS[activation](graph, scaled), 0.05, 6, signed=True))
    lower_to_hardware(model)
    return model


@pytest.mark.parametrize("activation", ["Silu", "Gelu", "Mish", "HardSwish"])
def test_every_channel_is_exact(activation: str) -> None:
    model = lowered(activation)
    (node,) = (node for node in model.graph if node.op_type == "ElementwiseSub")
    x = np.broadcast_to(np.arange(-32, 32).reshape(64, 1, 1, 1), (64, 2, 3, 3))
    found = emulate(model, {"x": x})[str(node.outputs[0].name)]
    box = integer_ranges(model)[node.outputs[0]]
    low, high = box.along(3, 2)
    np.testing.assert_array_equal(low, found.min(axis=(0, 1, 2)))
    np.testing.assert_array_equal(high, found.max(axis=(0, 1, 2)))


def test_a_narrower_input_counts() -> None:
    model = lowered("Silu")
    (node,) = (node for node in model.graph if node.op_type == "ElementwiseSub")
    ranges = integer_ranges(model, {"x": IntRange(0, 0)})
    assert ranges[node.outputs[0]].hull == IntRange(0, 0)
