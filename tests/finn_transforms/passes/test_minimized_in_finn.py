"""FINN's own layers compute the same with minimized accumulators, within the ranges that are known."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.analysis.datatypes import datatype, range_of
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.passes import MinimizeAccumulators
from tests.support import accumulating_layers as layers
from tests.support.graphs import copy_of, wrapper

RNG = np.random.default_rng(11)

# What FINN asks for to look at a layer at all.
ASKED = {"PE": 1, "SIMD": 1, "backend": "fpgadataflow"}


def in_finn(model: ir.Model, x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return every value, computed by FINN's layers."""
    graph = wrapper(model).graph
    values = {tensor.name: np.asarray(tensor.const_value.numpy()) for tensor in model.graph.initializers.values()}
    values["x"] = x
    for node, ours in zip(graph.node, model.graph, strict=True):
        for output in ours.outputs:
            values[str(output.name)] = np.zeros(tuple(output.shape or ()), np.float32)
        getCustomOp(node).execute_node(values, graph)
    return values


@pytest.mark.parametrize("name", sorted(set(layers.ALL) - {"writable"}))
def test_results_stay(name: str) -> None:
    model = layers.ALL[name]()
    for node in model.graph:
        for key, number in ASKED.items():
            if key not in node.attributes:
                node.attributes[key] = ir.Attr(
                    key, ir.AttributeType.INT if isinstance(number, int) else ir.AttributeType.STRING, number
                )
        for value in node.outputs:
            if value.shape is None:
                value.shape = ir.Shape((1, node.attributes["MH"].as_int()))
                value.dtype = ir.DataType.FLOAT
    minimized = copy_of(model)
    MinimizeAccumulators(byte_align_outputs=False)(minimized)
    boxes = integer_ranges(minimized)
    kind = datatype(model.graph.inputs[0])
    shape = tuple(model.graph.inputs[0].shape.numpy())
    for draw in range(60):
        choices = [kind.min(), kind.max()]
        if draw % 2 and kind != DataType["BIPOLAR"]:
            choices = list(range(int(kind.min()), int(kind.max()) + 1))
        x = RNG.choice(choices, size=shape).astype(np.float32)
        before, after = in_finn(model, x), in_finn(minimized, x)
        for node in minimized.graph:
            for value in node.outputs:
                found, box = after[str(value.name)], boxes[value]
                np.testing.assert_array_equal(found, before[str(value.name)])
                assert np.all((box.low <= found) & (found <= box.high)), value.name
                holds = range_of(datatype(value))
                assert holds.low <= found.min() <= found.max() <= holds.high
