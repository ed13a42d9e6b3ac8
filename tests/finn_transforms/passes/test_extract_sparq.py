"""SPARQ's windows move onto the integers: the same numbers, and the scale behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brevitas_ext.export import export_qonnx
from brevitas_ext.qonnx_ops.sparq import DOMAIN, Sparq, SparqFormat
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.emulate import emulate
from finn_transforms.loading import load_model
from finn_transforms.passes import ExtractIntegers, Tidy
from tests.support.graphs import GraphBuilder, array_of, copy_of, only
from tests.support.refusals import refusal_of
from tests.support.sparq_networks import sparq_network

X = np.random.default_rng(3).integers(-40, 260, size=(5, 4, 3, 3)) / 8


def sparq(graph: GraphBuilder, x: str, scale: float, name: str = "4b3opt", **changed: Any) -> str:
    attributes = {**Sparq(format=SparqFormat.named(name)).attributes, **changed}
    return graph.node("Sparq", [x, graph.constant(scale, "scale")], domain=DOMAIN, **attributes)


@pytest.mark.parametrize("name", ["4b3opt", "2b7opt"])
def test_windows_and_what_follows_compute_the_same(name: str) -> None:
    graph = GraphBuilder((1, 4, 3, 3))
    kept = graph.quant("x", 0.125, 8)
    weights = graph.weights(np.random.default_rng(1).integers(-7, 8, (2, 4, 3, 3)), 0.5)
    output = graph.node("Conv", [sparq(graph, kept, 0.125, name), weights])
    model = graph.model(output)
    before = emulate(model, {"x": X})[output]
    assert not ExtractIntegers()(model).refusals
    np.testing.assert_array_equal(emulate(model, {"x": X})[str(model.graph.outputs[0].name)], before)
    node = only(model, "Sparq")
    assert array_of(node.inputs[1]) == 1
    data_type = integer_datatype(node.outputs[0])
    assert data_type is not None and data_type.name == "UINT8"
    assert not ExtractIntegers()(copy_of(model)).modified


def test_an_exported_network_keeps_its_integers(tmp_path: Path) -> None:
    x = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(3))
    model = load_model(export_qonnx(sparq_network(), x, tmp_path / "sparq.onnx"))
    (given,), (output,) = model.graph.inputs, model.graph.outputs
    Tidy()(model)
    before = emulate(model, {str(given.name): x.numpy()})[str(output.name)]
    result = ExtractIntegers()(model)
    assert {refusal.op_type for refusal in result.refusals} <= {"Add", "Gemm", "MatMul"}
    after = emulate(model, {str(given.name): x.numpy()})[str(model.graph.outputs[0].name)]
    np.testing.assert_allclose(after, before, rtol=1e-12)
    ranges = integer_ranges(model)
    boxes = [ranges[node.outputs[0]] for node in model.graph if node.op_type == "Sparq"]
    assert [box.hull.high for box in boxes][:3] == [255, 252, 255]


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda graph: sparq(graph, graph.quant("x", 0.125, 8), 0.25), "its scale [0.25] is not its input's, [0.125]"),
        (
            lambda graph: sparq(graph, graph.quant("x", 0.25, 8, signed=True), 0.25),
            "its input is INT8, expected 8 bits",
        ),
        (lambda graph: sparq(graph, graph.quant("x", 0.25, 8), 0.25, shifts=[1, 4]), "its attributes have no meaning"),
    ],
)
def test_what_is_no_sparq_of_integers_is_refused(build: Any, reason: str) -> None:
    graph = GraphBuilder((1, 4, 3, 3))
    found, _ = refusal_of(ExtractIntegers(), graph.model(build(graph)), "Sparq")
    assert found.startswith(reason)
