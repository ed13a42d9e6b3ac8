"""Units shift products where that is cheaper in their folding, and what was chosen is what the model has then."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.build import lower
from finn_transforms.cost import estimate_graph
from finn_transforms.emulate import emulate
from finn_transforms.folding import (
    CostModel,
    FoldingOptions,
    cheaper_forms,
    fold,
    fold_by_cost,
    read_forms,
    write_folding,
    write_forms,
)
from finn_transforms.folding.costs import Cost
from finn_transforms.hw_graph import HwLayer, MvauParams, ShiftMvauParams, read_hw_graph
from finn_transforms.impl_style import choose_impl_style
from finn_transforms.passes import InferShiftMVAU, SortChannels
from tests.support.graphs import copy_of
from tests.support.shift_networks import HIDDEN_EXPONENTS, images, shift_network

CONV, LINEAR = "MVAU_conv10_acc", "MVAU_matmul22_acc"


class Prices(CostModel):
    """Made-up costs: of a unit that shifts from so many inputs a cycle on it is cheaper, sorted ones by one more."""

    from_simd = 1

    def layer(self, layer: HwLayer) -> Cost:
        if not isinstance(layer, MvauParams):
            return Cost(1)
        lut = 100 * layer.pe * layer.simd
        if isinstance(layer, ShiftMvauParams):
            lut += -10 if layer.simd >= self.from_simd else 10
            lut -= layer.shifts[: len(HIDDEN_EXPONENTS)] == tuple(sorted(HIDDEN_EXPONENTS))
        return Cost(lut)


def lowered() -> ir.Model:
    return lower(shift_network()).model


def kinds(layers: tuple[HwLayer, ...]) -> dict[str, str]:
    return {layer.name: type(layer).__name__ for layer in layers if isinstance(layer, MvauParams)}


def test_forms_of_every_unit() -> None:
    model = lowered()
    text = ir.serde.serialize_model(model)
    graph = read_forms(model)
    assert ir.serde.serialize_model(model) == text
    assert kinds(graph.layers) == {CONV: "MvauParams", LINEAR: "MvauParams"}
    forms = {name: [type(form).__name__ for form in each] for name, each in graph.alternatives.items()}
    # The channels of the image come from the host, in their order.
    assert forms == {CONV: ["MvauParams", "ShiftMvauParams"], LINEAR: ["MvauParams", *["ShiftMvauParams"] * 2]}
    assert [form.weight_type.name for form in graph.alternatives[CONV]] == ["INT7", "INT4"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("from_simd", "expected"),
    [(1, ["ShiftMvauParams", "ShiftMvauParams"]), (4, ["ShiftMvauParams", "MvauParams"]), (9, ["MvauParams"] * 2)],
)
@pytest.mark.parametrize("method", ["cost", "finn"])
def test_the_cheaper_form_is_chosen_with_the_folding(from_simd: int, expected: list[str], method: str) -> None:
    """The convolution takes 4 or 8 inputs a cycle at its target, the linear layer 1."""
    costs = Prices()
    object.__setattr__(costs, "from_simd", from_simd)
    choices = read_forms(lowered())
    if method == "cost":
        graph = fold_by_cost(choices, 900, costs).graph
    else:
        graph = cheaper_forms(fold(choices, FoldingOptions(target_cycles=900)), costs)
    found = kinds(graph.layers)
    assert [found[CONV], found[LINEAR]] == expected


@pytest.mark.parametrize("folding", [{CONV: (1, 1), LINEAR: (1, 1)}, {CONV: (2, 8), LINEAR: (1, 2)}])
@pytest.mark.parametrize("in_luts", [True, False])
def test_what_is_written_is_the_cheapest_with_the_weights_there_are(
    folding: dict[str, tuple[int, int]], in_luts: bool
) -> None:
    model = lowered()
    choose_impl_style(model, "lut" if in_luts else "finn")
    before, choices, costs = copy_of(model), read_forms(model), CostModel(in_luts=in_luts)
    widths = {layer.name: folding.get(layer.name) for layer in choices.layers}
    layers = (
        replace(each, pe=width[0], simd=width[1]) if (width := widths[each.name]) else each for each in choices.layers
    )
    graph, notes = write_forms(model, replace(choices, layers=tuple(layers)), costs)
    write_folding(model, graph)
    assert read_hw_graph(model).layers == graph.layers
    assert [note.node for note in notes] == [CONV, LINEAR]
    estimates = {each.name: each.lut for each in estimate_graph(read_hw_graph(model), model)}
    for note in notes:
        prices = [int(found) for found in re.findall(r": (\d+) LUTs", note.detail)]
        assert len(prices) == len(choices.alternatives[note.node])
        assert f"at PE {folding[note.node][0]} and SIMD {folding[note.node][1]} (" in note.detail
        assert estimates[note.node] == min(prices)
    x, name = images(), str(model.graph.outputs[0].name)
    assert np.array_equal(emulate(model, {"x": x})[name], emulate(before, {"x": x})[name])


def test_no_choice_changes_nothing() -> None:
    """Also not a unit that shifts already."""
    model = lowered()
    graph = read_forms(model)
    for change in (InferShiftMVAU(), SortChannels()):
        change(model)
    again = read_forms(model)
    assert again.alternatives == {}
    assert again.layers == tuple(graph.alternatives.get(each.name, (each,))[-1] for each in graph.layers)
    assert cheaper_forms(again, Prices()) == again
    assert write_forms(model, again, CostModel()) == (again, [])
    assert read_hw_graph(model).layers == again.layers
