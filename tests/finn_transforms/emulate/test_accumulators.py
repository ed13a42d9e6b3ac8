"""A declared accumulator that is too narrow raises, or gives the wrong answer that hardware would give."""

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.emulate import AccumulatorOverflowError, emulate
from finn_transforms.emulate.accumulators import accumulate, has_accumulator
from finn_transforms.passes import CheckAccumulatorContract
from tests.support.graphs import FINN, GraphBuilder
from tests.support.small import hardware_layer, lowered_until

WEIGHTS = [[1, 3], [1, 3]]
VECTORS = np.array([[1, 1], [3, 3], [0, 2]])


def run(accumulator: str, overflow: str = "error", **options: object) -> np.ndarray:
    model = hardware_layer(
        WEIGHTS, input_type="UINT2", weight_type="INT3", accumulator=accumulator, output_type=accumulator, **options
    )
    return emulate(model, {"x": VECTORS}, overflow=overflow, keep="outputs")[str(model.graph.outputs[0].name)]


def test_sums_that_fit_are_the_same_either_way() -> None:
    np.testing.assert_array_equal(run("INT6"), VECTORS @ WEIGHTS)
    np.testing.assert_array_equal(run("INT6", "wrap"), VECTORS @ WEIGHTS)


def test_too_narrow_wraps_as_twos_complement() -> None:
    np.testing.assert_array_equal(run("INT5", "wrap"), [[2, 6], [6, 18 - 32], [2, 6]])
    np.testing.assert_array_equal(run("UINT4", "wrap"), [[2, 6], [6, 18 - 16], [2, 6]])
    with pytest.raises(AccumulatorOverflowError, match=r"channel 1: accDataType INT5 holds \[-16, 15\]"):
        run("INT5")


def test_wrapped_sums_reach_the_thresholds_inside_the_layer() -> None:
    thresholds = [[-20, 3, 7], [-20, 3, 7]]
    np.testing.assert_array_equal(run("INT6", thresholds=thresholds), [[1, 2], [2, 3], [1, 2]])
    np.testing.assert_array_equal(run("INT5", "wrap", thresholds=thresholds), [[1, 2], [2, 1], [1, 2]])
    with pytest.raises(AccumulatorOverflowError, match="found a sum in"):
        run("INT5", thresholds=thresholds)


def test_a_network_with_one_narrow_layer_is_wrong_only_when_it_wraps() -> None:
    model = lowered_until(CheckAccumulatorContract)
    images = np.random.default_rng(0).integers(0, 9, size=(20, 1, 4, 4)) / 4
    right = emulate(model, {"x": images}, keep="outputs")
    np.testing.assert_equal(emulate(model, {"x": images}, overflow="wrap", keep="outputs"), right)
    first = next(node for node in model.graph if node.op_type == "MVAU")
    first.attributes.add(ir.AttrString("accDataType", "INT3"))
    with pytest.raises(AccumulatorOverflowError):
        emulate(model, {"x": images}, keep="outputs")
    wrong = emulate(model, {"x": images}, overflow="wrap", keep="outputs")
    (name,) = right
    assert (wrong[name] != right[name]).any()


@pytest.mark.parametrize("attribute", ["out_dtype", "outputDataType", None])
def test_additions_wrap_by_their_output_type(attribute: str | None) -> None:
    graph = GraphBuilder((1, 2))
    options = {} if attribute is None else {attribute: "INT4"}
    node_name = graph.node("ElementwiseAdd", ["x", "x"], domain=FINN, datatype="INT4", **options)
    node = next(iter(ir.serde.deserialize_model(graph.proto(node_name)).graph))
    assert has_accumulator(node)
    sums = np.array([[7.0, 12.0]])
    np.testing.assert_array_equal(accumulate(node, options, sums, "wrap"), [[7, 12 - 16]])
    with pytest.raises(AccumulatorOverflowError, match=f"{attribute or 'its annotation'} INT4 holds"):
        accumulate(node, options, sums, "error")
