"""Codes that quantizers and thresholds can give, against trying every input."""

from __future__ import annotations

from math import gcd

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.custom_op.general.multithreshold import multithreshold

from brevitas_ext.arith import IntRange
from brevitas_ext.qonnx_ops.rounding import Rounding
from brevitas_ext.qonnx_ops.trunc import Trunc
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.analysis.ranges_quantizers import threshold_counts
from tests.support.graphs import QONNX, GraphBuilder


def ends(box: Box) -> list[tuple[int, int, int]]:
    return list(zip(box.low.flat, box.high.flat, box.step.flat, strict=True))


def output_box(graph: GraphBuilder, name: str, source: Box | None = None) -> Box:
    model = graph.model(name)
    (value,) = model.graph.outputs
    value.shape = value.shape or ir.Shape((1, 2))
    return integer_ranges(model, None if source is None else {"x": source})[value]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bits": 3}, [(0, 7, 1)]),
        ({"bits": 3, "narrow": True}, [(0, 6, 1)]),
        ({"bits": 3, "signed": True, "narrow": True}, [(-3, 3, 1)]),
        ({"bits": 3, "zero_point": 5.0}, [(-5, 2, 1)]),
        ({"bits": 3, "zero_point": [[1.0, 7.0]]}, [(-1, 6, 1), (-7, 0, 1)]),
        ({"bits": 1, "signed": True}, [(-1, 1, 2)]),
        ({"bits": 3, "zero_point": 0.5}, [(-128, 127, 1)]),
    ],
)
def test_quantizers(options: dict[str, object], expected: list[tuple[int, int, int]]) -> None:
    graph = GraphBuilder((1, 2))
    name = graph.quant("x", 1.0, **options)  # type: ignore[arg-type]
    graph.datatypes[name] = "INT8"
    assert ends(output_box(graph, name)) == expected


def test_bipolar_quantizer() -> None:
    graph = GraphBuilder((1, 2))
    name = graph.node("BipolarQuant", ["x", graph.constant(1.0)], domain=QONNX, datatype="BIPOLAR")
    assert ends(output_box(graph, name)) == [(-1, 1, 2)]


@pytest.mark.parametrize("rounding", ["FLOOR", "ROUND", "CEIL"])
def test_truncation(rounding: str) -> None:
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = "INT8"
    parameters = [1.0, 0.0, 8.0, 4.0, 4.0]
    constants = [graph.constant(value) for value in parameters]
    name = graph.node(
        "Trunc", ["x", *constants], domain=QONNX, datatype="INT8", signed=1, narrow=0, rounding_mode=rounding
    )
    operator, arrays = (
        Trunc(signed=True, narrow=False, rounding=Rounding.parse(rounding)),
        list(map(np.array, parameters)),
    )
    values = operator.dequantize(operator.to_integers(np.arange(-9.0, 23.0), arrays), arrays, np.float64)
    (found,) = ends(output_box(graph, name, Box.uniform(IntRange(-9, 22), rank=2)))
    assert found[:2] == (values.min(), values.max())


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (2.0, -1.0), (3.0, 4.0)])
def test_multi_threshold(scale: float, bias: float) -> None:
    thresholds = np.array([[-2.5, 0.0, 3.0], [5.0, 6.0, 7.0]])
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = "INT8"
    name = graph.node(
        "MultiThreshold",
        ["x", graph.constant(thresholds)],
        domain=QONNX,
        datatype="INT8",
        out_dtype="INT8",
        out_scale=scale,
        out_bias=bias,
    )
    x = np.stack([np.arange(-1.0, 6.0)] * 2, axis=1)
    values = multithreshold(x, thresholds, scale, bias)
    found = ends(output_box(graph, name, Box.uniform(IntRange(-1, 5), rank=2)))
    assert [end[:2] for end in found] == list(zip(values.min(axis=0), values.max(axis=0), strict=True))
    assert [end[2] for end in found] == [int(scale)] * 2


@given(
    rows=st.lists(st.lists(st.integers(-12, 24), min_size=3, max_size=3).map(sorted), min_size=1, max_size=3),
    low=st.integers(-5, 5),
    count=st.integers(0, 6),
    step=st.integers(1, 4),
    fraction=st.sampled_from([0.0, 0.5]),
)
def test_counts_of_thresholds(rows: list[list[int]], low: int, count: int, step: int, fraction: float) -> None:
    thresholds = np.array(rows) / 2 - fraction
    values = range(low, low + count * step + 1, step)
    box = threshold_counts(Box.of([low], [values[-1]], [step]), thresholds)
    for channel, row in enumerate(thresholds):
        counts = sorted({int((row <= value).sum()) for value in values})
        assert (box.low[channel], box.high[channel]) == (counts[0], counts[-1])
        assert box.step[channel] == gcd(*map(int, np.diff(counts)))
