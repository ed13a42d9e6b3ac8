"""Ranges behind SPARQ, against trying every pair."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest

from brevitas_ext.qonnx_ops.sparq import DOMAIN, WINDOW_SETS, Sparq, SparqFormat
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.ranges import integer_ranges
from tests.support.graphs import GraphBuilder


def box_of(windows: SparqFormat, source: Box, datatype: str = "UINT8", scale: float = 1.0) -> Box:
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = datatype
    name = graph.node(
        "Sparq", ["x", graph.constant(scale)], domain=DOMAIN, datatype="UINT8", **Sparq(format=windows).attributes
    )
    model = graph.model(name)
    return integer_ranges(model, {"x": source})[model.graph.outputs[0]]


def enumerated(windows: SparqFormat, low: int, high: int) -> tuple[int, int, int]:
    values = np.arange(low, high + 1)
    pairs = np.stack(np.meshgrid(values, [0, 1], indexing="ij"), axis=-1)
    reached = np.unique(windows(pairs)[..., 0])
    return int(reached[0]), int(reached[-1]), gcd(*map(int, reached - reached[0]))


@pytest.mark.parametrize("name", WINDOW_SETS)
@pytest.mark.parametrize("pairs", [True, False])
def test_each_channel_reaches_the_ends_of_its_box(name: str, pairs: bool) -> None:
    windows = SparqFormat.named(name, pairs=pairs)
    for low, high in ((0, 255), (0, 3), (17, 201), (250, 255), (128, 131)):
        box = box_of(windows, Box.of([[low, 0]], [[high, 9]]))
        expected = [enumerated(windows, low, high), enumerated(windows, 0, 9)]
        assert list(zip(box.low.flat, box.high.flat, box.step.flat, strict=True)) == expected


def test_single_windows_do_not_reach_255() -> None:
    assert box_of(SparqFormat.named("4b5opt", pairs=False), Box.of([[0]], [[255]])).hull.high == 240
    assert box_of(SparqFormat.named("2b7opt", pairs=False), Box.of([[0]], [[255]])).hull.high == 192
    assert box_of(SparqFormat.named("2b7opt"), Box.of([[0]], [[255]])).hull.high == 240


def test_what_no_rule_is_for_has_the_range_of_its_type() -> None:
    windows = SparqFormat.named("4b5opt", pairs=False)
    assert box_of(windows, Box.of([[0]], [[255]]), scale=0.5).hull.high == 255
    assert box_of(windows, Box.of([[-3]], [[9]]), datatype="INT8").hull.high == 255
