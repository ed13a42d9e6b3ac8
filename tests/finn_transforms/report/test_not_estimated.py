"""Layers without constants are listed, not made up."""

from rich.console import Console

from finn_transforms.cost import estimate_all
from finn_transforms.hw_graph import read_hw_graph
from finn_transforms.passes import lower_to_hardware
from finn_transforms.report import accumulator_rows, layer_breakdown, layer_cycles, layer_table
from tests.support.graphs import GraphBuilder


def test_kinds_without_constants() -> None:
    graph = GraphBuilder((1, 4, 3, 3))
    x = graph.quant("x", 1.0, 3)
    weights = graph.weights([[[[1, -2], [3, 0]]]] * 4, bits=3)
    model = graph.model(graph.node("Conv", [x, weights], group=4), graph.node("Add", [x, x]))
    lower_to_hardware(model)
    layers = read_hw_graph(model)
    estimates = estimate_all(layers.layers)
    without = {(entry["op_type"]) for entry in layer_breakdown(layers, estimates)["not_estimated"]}
    assert without == {"VVAU", "ElementwiseAdd", "DuplicateStreams"}
    assert {estimate.name for estimate in estimates} | {
        entry["name"] for entry in layer_breakdown(layers, estimates)["not_estimated"]
    } == set(layer_cycles(layers))
    (row,) = accumulator_rows(model)
    assert (row.k, row.lowest, row.highest) == (4, -14, 28)
    console = Console(record=True, width=200)
    console.print(layer_table(layers, estimates))
    lines = [line for line in console.export_text().splitlines() if "VVAU" in line]
    assert [line.count("?") for line in lines] == [4]
