"""Stages of one network are equal, a planted error is found where it is, and a tie is called one."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings

from finn_transforms.loading import InputError
from finn_transforms.passes import CheckAccumulatorContract, ExtractIntegers, InferThresholding, lower_to_hardware
from finn_transforms.verify import verify
from tests.support.activations import ACTIVATIONS
from tests.support.graphs import QONNX, GraphBuilder, array_of, copy_of
from tests.support.networks import NetworkSpec, images, networks, qonnx_network
from tests.support.random_graphs import Graph, graphs, inputs_of, random_graph
from tests.support.small import lowered_until, small_network

STAGES = {
    "exported": small_network,
    "integers": lambda: lowered_until(InferThresholding),
    "hardware": lambda: lowered_until(CheckAccumulatorContract),
}
IMAGES = np.random.default_rng(0).integers(-2, 10, size=(40, 1, 4, 4)) / 4


@pytest.mark.parametrize("model", STAGES)
@pytest.mark.parametrize("reference", STAGES)
def test_all_stages_equal_each_other(model: str, reference: str) -> None:
    result = verify(STAGES[model](), STAGES[reference](), IMAGES)
    assert result.ok
    assert (result.ties, result.unaligned, result.samples) == (0, (), 40)
    assert [tensor.kind for tensor in result.tensors] == ["quantizer", "quantizer", "output"]
    assert "equal: " in str(result)


@given(networks(max_size=5))
@settings(max_examples=15, deadline=None)
def test_random_networks_are_equal_up_to_ties(spec: NetworkSpec) -> None:
    reference = qonnx_network(spec)
    model = copy_of(reference)
    lower_to_hardware(model)
    result = verify(model, reference, images(spec))
    assert result.ok, str(result)
    assert not result.unaligned


@given(graphs)
@settings(max_examples=25, deadline=None)
def test_networks_with_branches_are_equal_up_to_ties(spec: Graph) -> None:
    reference = random_graph(spec)
    model = copy_of(reference)
    lower_to_hardware(model)
    result = verify(model, reference, inputs_of(spec))
    assert result.ok, str(result)


@pytest.mark.parametrize("bipolar", [False, True])
@pytest.mark.parametrize("activation", ["Silu", "HardSwish", "Gelu", "Mish"])
def test_functions_that_rise_and_fall_are_compared(activation: str, bipolar: bool) -> None:
    """They are the difference of two counts, one of which is wrong here."""
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = "INT6"
    y = ACTIVATIONS[activation](graph, graph.node("Mul", ["x", graph.constant(0.25)]))
    if bipolar:
        shifted = graph.node("Add", [y, graph.constant(0.1)])
        reference = graph.model(graph.node("BipolarQuant", [shifted, graph.constant(0.5)], domain=QONNX))
    else:
        reference = graph.model(graph.quant(y, 0.05, 6, signed=True))
    model = copy_of(reference)
    lower_to_hardware(model)
    x = np.arange(-32, 32).repeat(2).reshape(64, 2)
    result = verify(model, reference, x)
    assert (result.ok, result.unaligned) == (True, ())
    assert [tensor.kind for tensor in result.tensors] == ["quantizer"]
    falling = next(node for node in model.graph if node.outputs[0].name.endswith("_falling"))
    falling.inputs[1].const_value = ir.tensor(array_of(falling.inputs[1]) + 2)
    wrong = verify(model, reference, x)
    assert wrong.first_error is wrong.tensors[0]


@pytest.mark.parametrize("reference", STAGES)
def test_a_planted_error_is_named_and_does_not_spread(reference: str) -> None:
    model = STAGES["hardware"]()
    nodes = [node for node in model.graph if node.op_type == "Thresholding"]
    thresholds = array_of(nodes[0].inputs[1]).copy()
    thresholds[1] += 1
    nodes[0].inputs[1].const_value = ir.tensor(thresholds)
    result = verify(model, STAGES[reference](), IMAGES)
    assert not result.ok
    assert result.first_error is result.first_difference is result.tensors[1]
    assert result.first_error.name == nodes[0].outputs[0].name
    assert result.first_error.errors > 0
    assert all(difference.index[1] == 1 for difference in result.first_error.differences)
    assert [tensor.errors for tensor in (result.tensors[0], result.tensors[2])] == [0, 0]
    assert f"DIFFERENT: {result.errors} errors" in str(result)


def test_a_wrong_weight_behind_the_last_quantizer_shows_in_the_output() -> None:
    model = STAGES["hardware"]()
    last = [node for node in model.graph if node.op_type == "MVAU"][-1]
    weights = array_of(last.inputs[1]).copy()
    weights[0, 0] += 1
    last.inputs[1].const_value = ir.tensor(weights)
    first = verify(model, STAGES["exported"](), IMAGES).first_error
    assert first is not None
    assert first.kind == "output"
    assert "ERROR at [" in str(first.differences[0])


def test_a_too_narrow_accumulator_shows_as_an_error() -> None:
    model = STAGES["hardware"]()
    node = next(node for node in model.graph if node.op_type == "MVAU")
    node.attributes.add(ir.AttrString("accDataType", "INT3"))
    first = verify(model, STAGES["exported"](), IMAGES).first_error
    assert first is not None
    assert first.layer.startswith("Thresholding")


def tie_network(bias: float) -> ir.Model:
    graph = GraphBuilder((1, 1))
    x = graph.quant("x", 1.0, 8, signed=True)
    return graph.model(graph.quant(graph.node("Add", [x, graph.constant(bias)]), 1.0, 8, signed=True))


def test_ties_are_told_from_errors() -> None:
    data = np.arange(-5.0, 6)[:, None]
    # 0.5 goes to the even neighbour, a little more goes up: what is even differs.
    result = verify(tie_network(float(np.nextafter(np.float32(0.5), np.float32(1)))), tie_network(0.5), data)
    assert result.ok
    assert (result.ties, result.errors) == (5, 0)
    assert result.first_error is None
    assert result.first_difference is not None
    assert result.first_difference.differences[0].is_tie
    assert "equal up to 5 ties" in str(result)
    result = verify(tie_network(0.501), tie_network(0.499), data)
    assert (result.ties, result.errors) == (0, 11)
    assert not result.ok


def test_the_tolerance_follows_the_terms_not_their_difference() -> None:
    """Half a unit is left of two terms of a million, which float32 does not hold to better than a sixteenth."""

    def network(rest: float) -> ir.Model:
        graph = GraphBuilder((1, 1))
        x = graph.quant("x", 1.0, 8, signed=True)
        x = graph.node("Add", [graph.node("Add", [x, graph.constant(2.0**20)]), graph.constant(rest - 2.0**20)])
        return graph.model(graph.quant(x, 1.0, 8, signed=True))

    result = verify(network(0.5625), network(0.5), np.arange(-5.0, 6)[:, None])
    assert (result.ties, result.errors) == (5, 0)
    assert verify(network(0.5625), network(0.4375), np.arange(-5.0, 6)[:, None], ulps=0.1).errors == 11


def test_tensors_are_aligned_by_order_where_a_tool_renamed_them() -> None:
    model = STAGES["hardware"]()
    for index, node in enumerate(model.graph):
        node.name = f"{node.op_type}_{index}"
        if not node.outputs[0].is_graph_output():
            node.outputs[0].name = f"{node.op_type}_{index}_out0"
    result = verify(model, STAGES["exported"](), IMAGES)
    assert result.ok
    assert not result.unaligned
    assert len(result.tensors) == 3


def test_what_has_no_counterpart_is_listed() -> None:
    graph = GraphBuilder((1, 1))
    x = graph.quant("x", 1.0, 8, signed=True)
    shorter = graph.model(graph.node("Add", [x, graph.constant(0.0)]))
    result = verify(shorter, tie_network(0.0), np.arange(3.0)[:, None])
    assert len(result.unaligned) == 1
    assert "not compared: " in str(result)


def test_more_samples_than_are_run_at_once_are_counted_once() -> None:
    result = verify(tie_network(0.501), tie_network(0.499), np.arange(100.0)[:, None] - 50)
    assert result.samples == 100
    assert result.errors == 100
    assert max(index for tensor in result.tensors for each in tensor.differences for index in each.index) < 100


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((2, 3)), r"expected shape \(N, 1, 4, 4\), found \(2, 3\)"),
        (np.zeros((0, 1, 4, 4)), "expected at least one sample"),
        (np.full((2, 1, 4, 4), np.nan), r"expected finite numbers, found nan at \[0, 0, 0, 0\]"),
        (np.full((2, 1, 4, 4), "a"), "expected numbers, found <U1"),
        ({"y": np.zeros((2, 1, 4, 4)), "z": np.zeros(2)}, r"expected arrays named \['x'\], found \['y', 'z'\]"),
    ],
)
def test_data_that_does_not_fit(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        verify(small_network(), small_network(), data)


def test_ranges_are_not_changed_by_the_comparison() -> None:
    model = lowered_until(ExtractIntegers)
    before = [node.name for node in model.graph]
    verify(model, small_network(), {"x": IMAGES})
    assert [node.name for node in model.graph] == before
