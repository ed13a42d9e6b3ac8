"""Transposes that undo each other disappear, all others stay."""

from itertools import permutations

import numpy as np
import pytest

from finn_transforms.emulate import emulate
from finn_transforms.passes import CancelTransposes
from tests.support.graphs import GraphBuilder, copy_of, op_types


@pytest.mark.parametrize("first", list(permutations(range(3))))
def test_cancels_exactly_the_pairs_that_undo_each_other(first: tuple[int, ...]) -> None:
    for second in permutations(range(3)):
        graph = GraphBuilder((2, 3, 4))
        x = graph.node("Transpose", [graph.node("Transpose", ["x"], perm=list(first))], perm=list(second))
        model = graph.model(graph.node("Relu", [x]))
        reference = copy_of(model)
        result = CancelTransposes()(model)
        undone = [first[axis] for axis in second] == [0, 1, 2]
        assert (result.modified, "Transpose" in op_types(model)) == (undone, not undone)
        x = {"x": np.arange(24.0).reshape(2, 3, 4)}
        np.testing.assert_array_equal(emulate(model, x)["relu3"], emulate(reference, x)["relu3"])


def test_transposes_without_an_order_reverse_the_axes() -> None:
    graph = GraphBuilder((2, 3, 4))
    model = graph.model(graph.node("Relu", [graph.node("Transpose", [graph.node("Transpose", ["x"])])]))
    assert CancelTransposes()(model).modified
    assert op_types(model) == ["Relu"]


def test_first_transpose_stays_for_its_other_reader() -> None:
    graph = GraphBuilder((2, 3))
    first = graph.node("Transpose", ["x"], perm=[1, 0])
    back = graph.node("Relu", [graph.node("Transpose", [first], perm=[1, 0])])
    model = graph.model(back, graph.node("Neg", [first]))
    assert CancelTransposes()(model).modified
    assert sorted(op_types(model)) == ["Neg", "Relu", "Transpose"]


def test_chain_of_four_disappears() -> None:
    graph = GraphBuilder((2, 3, 4))
    x = "x"
    for perm in ([1, 2, 0], [2, 0, 1], [0, 2, 1], [0, 2, 1]):
        x = graph.node("Transpose", [x], perm=perm)
    model = graph.model(graph.node("Relu", [x]))
    CancelTransposes()(model)
    assert op_types(model) == ["Relu"]


def test_graph_output_keeps_its_name_and_node() -> None:
    graph = GraphBuilder((2, 3))
    output = graph.node("Transpose", [graph.node("Transpose", ["x"], perm=[1, 0])], perm=[1, 0])
    model = graph.model(output)
    assert not CancelTransposes()(model).modified
    assert [value.name for value in model.graph.outputs] == [output]


def test_equal_transposes_become_one() -> None:
    graph = GraphBuilder((2, 3, 4))
    perms = [[0, 2, 1], [0, 2, 1], [1, 0, 2]]
    ends = [graph.node("Relu", [graph.node("Transpose", ["x"], perm=perm)]) for perm in perms]
    model = graph.model(*ends)
    reference = copy_of(model)
    assert len(CancelTransposes()(model).rewrites) == 1
    assert sorted(op_types(model)) == ["Relu"] * 3 + ["Transpose"] * 2
    x = {"x": np.arange(-12.0, 12.0).reshape(2, 3, 4)}
    for end in ends:
        np.testing.assert_array_equal(emulate(model, x)[end], emulate(reference, x)[end])


def test_every_reader_behind_a_pair_is_served() -> None:
    graph = GraphBuilder((2, 3))
    first = graph.node("Transpose", ["x"], perm=[1, 0])
    ends = [graph.node("Relu", [graph.node("Transpose", [first], perm=[1, 0])]) for _ in range(3)]
    model = graph.model(*ends)
    CancelTransposes()(model)
    assert op_types(model) == ["Relu"] * 3


def test_equal_graph_outputs_stay_two() -> None:
    graph = GraphBuilder((2, 3))
    outputs = [graph.node("Transpose", ["x"], perm=[1, 0]) for _ in range(2)]
    model = graph.model(*outputs)
    assert not CancelTransposes()(model).modified
    assert [value.name for value in model.graph.outputs] == outputs
