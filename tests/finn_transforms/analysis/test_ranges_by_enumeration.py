"""Ranges against running a node on every input there is."""

from __future__ import annotations

from itertools import product
from math import gcd
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.ranges import final_extremes, integer_ranges, sum_extremes
from tests.support.graphs import GraphBuilder

RNG = np.random.default_rng(3)


def node_model(op_type: str, shape: tuple[int, ...], *constants: Any, **attributes: Any) -> ir.Model:
    graph = GraphBuilder(shape)
    graph.datatypes["x"] = "INT8"
    inputs = ["x"]
    for array in constants:
        array = np.asarray(array)
        is_shape = op_type in {"Reshape", "Slice", "ReduceSum", "Unsqueeze", "Squeeze", "Gather"}
        integers = is_shape or (op_type in {"Pad", "Split"} and len(inputs) == 1)
        inputs.append(graph.integers(array) if integers else graph.constant(array, "c", "INT8"))
    return graph.model(graph.node(op_type, inputs, datatype="INT32", **attributes))


def everything(model: ir.Model, box: Box, shape: tuple[int, ...]) -> np.ndarray:
    """Return the output for every input in the box."""
    axes = (np.broadcast_to(side, shape).reshape(-1) for side in (box.low, box.high, box.step))
    choices = [range(low, high + 1, step or 1) for low, high, step in zip(*axes, strict=True)]
    session = ReferenceEvaluator(onnx.ModelProto.FromString(ir.serde.serialize_model(model).SerializeToString()))
    return np.stack(
        [session.run(None, {"x": np.array(x, np.float32).reshape(shape)})[0] for x in product(*choices)]
    ).astype(np.int64)


def assert_exact(box: Box, outputs: np.ndarray) -> None:
    """Compare a box with all outputs, (n, *shape); elements that share an entry of the box count together."""
    grouped = np.arange(box.low.size).reshape(box.shape)
    groups = np.broadcast_to(grouped, outputs.shape[1:])
    for index in range(box.low.size):
        values = np.unique(outputs[:, groups == index])
        assert (box.low.flat[index], box.high.flat[index]) == (values.min(), values.max())
        assert box.step.flat[index] == gcd(*map(int, np.diff(values)))


PER_CHANNEL = Box.of([[[[-1]], [[2]]]], [[[[1]], [[4]]]], [[[[1]], [[2]]]])
AWAY_FROM_ZERO = Box.uniform(IntRange(2, 3), rank=4)
BITS = Box.uniform(IntRange(-1, 1), rank=4, step=2)


@pytest.mark.parametrize(
    ("model", "shape", "box"),
    [
        (node_model("Conv", (1, 2, 1, 2), [[[[1, -2]], [[3, 0]]]], pads=[0, 1, 0, 1]), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("Conv", (1, 1, 1, 3), [[[[4, -2]]], [[[0, 0]]]], pads=[0, 1, 0, 0]), (1, 1, 1, 3), AWAY_FROM_ZERO),
        (node_model("Conv", (1, 1, 1, 3), [[[[4, -2]]]], dilations=[1, 2]), (1, 1, 1, 3), BITS),
        (node_model("Conv", (1, 1, 1, 3), [[[[1, 2, 4]]]], pads=[0, 2, 0, 0], strides=[1, 2]), (1, 1, 1, 3), BITS),
        (node_model("Conv", (1, 2, 1, 2), [[[[1, 2]]], [[[-3, 3]]]], group=2), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("Conv", (1, 2, 1, 2), [[[[1, 2]]]] * 4, group=2), (1, 2, 1, 2), PER_CHANNEL),
        (
            node_model("ConvTranspose", (1, 1, 2, 2), RNG.integers(-3, 4, (1, 2, 2, 2)), strides=[2, 2]),
            (1, 1, 2, 2),
            AWAY_FROM_ZERO,
        ),
        (
            node_model("ConvTranspose", (1, 1, 1, 3), [[[[5, -3, 1]]]], strides=[1, 2], pads=[0, 1, 0, 1]),
            (1, 1, 1, 3),
            AWAY_FROM_ZERO,
        ),
        (
            node_model(
                "ConvTranspose", (1, 2, 1, 2), [[[[5, -3]]], [[[1, 2]]]], group=2, output_padding=[0, 1], strides=[1, 2]
            ),
            (1, 2, 1, 2),
            PER_CHANNEL,
        ),
        (
            node_model("MatMul", (1, 3), [[1, 0, 2], [-2, 0, 4], [1, 0, 6]]),
            (1, 3),
            Box.of([[0, -1, 3]], [[2, 1, 3]], 1),
        ),
        (node_model("Add", (1, 2, 1, 1), [[[3]], [[-3]]]), (1, 2, 1, 1), PER_CHANNEL),
        (node_model("Sub", (1, 2, 1, 1), [[[3]], [[-3]]]), (1, 2, 1, 1), PER_CHANNEL),
        (node_model("Mul", (1, 2, 1, 1), [[[3]], [[-3]]]), (1, 2, 1, 1), PER_CHANNEL),
        (node_model("Mul", (1, 2, 1, 1), 0), (1, 2, 1, 1), PER_CHANNEL),
        (node_model("Neg", (1, 2, 1, 1)), (1, 2, 1, 1), PER_CHANNEL),
        (node_model("Relu", (1, 1, 1, 1)), (1, 1, 1, 1), Box.uniform(IntRange(-5, 7), rank=4, step=3)),
        (node_model("Clip", (1, 1, 1, 1), 0, 4), (1, 1, 1, 1), Box.uniform(IntRange(-6, 6), rank=4, step=2)),
        (node_model("Reshape", (1, 2, 1, 2), [1, 4]), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("Flatten", (1, 2, 1, 2)), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("Transpose", (1, 2, 1, 2), perm=[0, 2, 3, 1]), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("Slice", (1, 2, 1, 2), [1], [2], [1]), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("Gather", (1, 2, 1, 2), [1, 0, 1], axis=1), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("Pad", (1, 2, 1, 2), [0, 1, 0, 0, 0, 0, 0, 0]), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("Pad", (1, 2, 1, 2), [0, 0, 0, 1, 0, 0, 0, 1]), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("MaxPool", (1, 2, 1, 2), kernel_shape=[1, 2]), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("ReduceSum", (1, 2, 1, 2), [2, 3]), (1, 2, 1, 2), PER_CHANNEL),
        (node_model("DepthToSpace", (1, 4, 1, 1), blocksize=2), (1, 4, 1, 1), BITS),
        (
            node_model("DepthToSpace", (1, 8, 1, 1), blocksize=2, mode="CRD"),
            (1, 8, 1, 1),
            Box.of(np.arange(8).reshape(1, 8, 1, 1), np.arange(8).reshape(1, 8, 1, 1)),
        ),
        (
            node_model("DepthToSpace", (1, 8, 1, 1), blocksize=2),
            (1, 8, 1, 1),
            Box.of(np.arange(8).reshape(1, 8, 1, 1), np.arange(8).reshape(1, 8, 1, 1)),
        ),
    ],
    ids=lambda part: next(iter(part.graph)).op_type if isinstance(part, ir.Model) else "",
)
def test_every_input(model: ir.Model, shape: tuple[int, ...], box: Box) -> None:
    (output,) = model.graph.outputs
    assert_exact(integer_ranges(model, {"x": box})[output], everything(model, box, shape))


@pytest.mark.parametrize(
    "attributes", [{"pads": [0, 2, 0, 0]}, {"strides": [1, 2], "pads": [0, 1, 0, 1]}, {"dilations": [1, 2]}, {}]
)
@pytest.mark.parametrize("box", [AWAY_FROM_ZERO, BITS, Box.uniform(IntRange(-2, 1), rank=4)])
def test_sums_of_padded_windows(attributes: dict[str, Any], box: Box) -> None:
    """Extremes of final sums and of partial sums; a partial sum is a final one of fewer weights."""
    weights = np.array([[[[3, -2, 5]]], [[[-1, -1, 0]]]])
    model = node_model("Conv", (1, 1, 1, 5), weights, **attributes)
    node = next(iter(model.graph))
    finals = final_extremes(node, box)
    partials = sum_extremes(node, box)
    assert finals is not None
    assert partials is not None
    lowest, highest = [], []
    for kept in product((0, 1), repeat=3):
        outputs = everything(node_model("Conv", (1, 1, 1, 5), weights * kept, **attributes), box, (1, 1, 1, 5))
        lowest.append(outputs.min(axis=(0, 1, 3, 4)))
        highest.append(outputs.max(axis=(0, 1, 3, 4)))
    assert list(finals[0]) == list(lowest[-1])
    assert list(finals[1]) == list(highest[-1])
    assert list(partials[0]) == list(np.min(lowest, axis=0))
    assert list(partials[1]) == list(np.max(highest, axis=0))


def test_the_user_knows_more() -> None:
    model = node_model("Relu", (1, 2, 1, 1))
    (output,) = model.graph.outputs
    assert integer_ranges(model)[output].hull == IntRange(0, 127)
    assert integer_ranges(model, {str(output.name): IntRange(3, 5)})[output].hull == IntRange(3, 5)
    assert list(integer_ranges(model, {"x": PER_CHANNEL})[output].low.flat) == [0, 2]
    with pytest.raises(ValueError, match=r"names of integer values of the graph, got \['y'\]"):
        integer_ranges(model, {"y": IntRange(0, 1)})
    with pytest.raises(ValueError, match=r"a box of rank 4 for 'x', got shape \(1, 1\)"):
        integer_ranges(model, {"x": Box.uniform(IntRange(0, 1), rank=2)})
