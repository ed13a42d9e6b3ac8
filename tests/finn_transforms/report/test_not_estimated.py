"""Every kind of layer has an estimate; nodes that cannot be read are listed, not made up."""

from dataclasses import replace

from rich.console import Console

from finn_transforms.cost import estimate_all
from finn_transforms.hw_graph import UnreadNode, read_hw_graph
from finn_transforms.passes import lower_to_hardware
from finn_transforms.report import accumulator_rows, layer_breakdown, layer_cycles, layer_table
from tests.support.graphs import GraphBuilder


def test_all_kinds_are_estimated_and_what_cannot_be_read_is_listed() -> None:
    graph = GraphBuilder((1, 4, 3, 3))
    x = graph.quant("x", 1.0, 3)
    weights = graph.weights([[[[1, -2], [3, 0]]]] * 4, bits=3)
    model = graph.model(graph.node("Conv", [x, weights], group=4), graph.node("Add", [x, x]))
    lower_to_hardware(model)
    layers = read_hw_graph(model)
    estimates = estimate_all(layers.layers)
    assert layer_breakdown(layers, estimates)["not_estimated"] == []
    assert {estimate.name for estimate in estimates} == set(layer_cycles(layers))
    assert all(estimate.lut > 0 for estimate in estimates)
    (row,) = accumulator_rows(model)
    assert (row.k, row.lowest, row.highest) == (4, -14, 28)
    other = replace(layers, unread=(UnreadNode(name="Lookup_0", op_type="Lookup"),))
    assert layer_breakdown(other, estimates)["not_estimated"] == [{"name": "Lookup_0", "op_type": "Lookup"}]
    console = Console(record=True, width=200)
    console.print(layer_table(other, estimates))
    lines = [line for line in console.export_text().splitlines() if "Lookup" in line]
    assert [line.count("?") for line in lines] == [9]
