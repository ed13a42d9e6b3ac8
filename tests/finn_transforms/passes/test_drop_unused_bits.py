"""A common factor of a channel's weights goes into the thresholds; contracts and integer sums stay."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brevitas_ext.qonnx_ops import METADATA_KEY, AccumulatorContract, LayerContract, channel_digests
from finn_transforms.analysis.weights import weight_rows
from finn_transforms.emulate import emulate
from finn_transforms.passes import DropUnusedBits, ExtractIntegers, InferThresholding
from tests.support.graphs import GraphBuilder, array_of, copy_of, only, op_types


def layer(integers: np.ndarray, *, convolution: bool = False) -> ir.Model:
    graph = GraphBuilder((1, integers.shape[1], 3, 3) if convolution else (1, integers.shape[1]))
    x = graph.quant("x", 0.5, 4, signed=True)
    weights = graph.weights(integers.reshape(*integers.shape, 1, 1) if convolution else integers.T)
    sums = graph.node("Conv" if convolution else "MatMul", [x, weights])
    model = graph.model(graph.quant(graph.node("Relu", [sums]), 1.5, 4))
    ExtractIntegers()(model)
    return model


@pytest.mark.parametrize("convolution", [False, True])
def test_each_channel_is_divided_by_its_own_factor(convolution: bool) -> None:
    model = layer(np.array([[6, -3], [4, 0], [0, 0], [5, 2]]), convolution=convolution)
    result = DropUnusedBits()(model)
    assert [rewrite.detail for rewrite in result.rewrites] == ["common factors up to 4 divided out of 2 channels"]
    linear = only(model, "Conv" if convolution else "MatMul")
    np.testing.assert_array_equal(weight_rows(linear), [[2, -1], [1, 0], [0, 0], [5, 2]])
    assert not DropUnusedBits()(model).modified


@settings(max_examples=20)
@given(
    base=st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=2), min_size=1, max_size=3),
    factors=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    data=st.data(),
)
def test_every_value_stays(base: list[list[int]], factors: list[int], data: st.DataObject) -> None:
    integers = np.array(base) * np.array(factors[: len(base)])[:, None]
    model = layer(integers)
    seed = data.draw(st.integers(0, 2**31))
    x = np.random.default_rng(seed).integers(-9, 9, size=(16, 2)) * np.float32(0.5)
    output = str(model.graph.outputs[0].name)
    before = emulate(model, {"x": x})[output]
    for stage in (DropUnusedBits(), InferThresholding()):
        stage(model)
        np.testing.assert_array_equal(emulate(model, {"x": x})[output], before)


def test_layers_with_a_contract_stay() -> None:
    model = layer(np.array([[6, -3], [4, 0]]))
    rows = weight_rows(only(model, "MatMul"))
    promise = LayerContract(
        layer="fc",
        accumulator_bits=8,
        bound="a2q",
        overflow="any_order",
        input_low=-8,
        input_high=7,
        channel_digests=channel_digests(rows),
    )
    model.metadata_props[METADATA_KEY] = AccumulatorContract(layers=(promise,)).to_json()
    assert not DropUnusedBits()(model).modified


def test_sums_that_are_added_as_integers_stay() -> None:
    graph = GraphBuilder((1, 2))
    x = graph.quant("x", 0.5, 4)
    branches = [graph.node("MatMul", [x, graph.weights(np.array([[2, 4], [6, 8]]))]) for _ in range(2)]
    model = graph.model(graph.quant(graph.node("Add", branches), 1.5, 4))
    ExtractIntegers()(model)
    assert op_types(model).count("Add") == 1
    assert not DropUnusedBits()(model).modified


def test_shared_weights_are_left_to_the_other_layer() -> None:
    model = layer(np.array([[6, -3]]))
    before = array_of(only(copy_of(model), "MatMul").inputs[1])
    kept = only(model, "MatMul").inputs[1]
    DropUnusedBits()(model)
    np.testing.assert_array_equal(array_of(kept), before)
