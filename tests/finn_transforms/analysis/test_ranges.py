"""Ranges hold every value that occurs, are no wider than need be, and know what they cannot know."""

from itertools import product
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.ranges import hull, integer_ranges, sum_extremes
from finn_transforms.emulate import emulate
from finn_transforms.passes import (
    CancelTransposes,
    ExtractIntegers,
    InferMVAU,
    InferPool,
    InferThresholding,
    MinimizeAccumulators,
)
from tests.support.graphs import FINN, GraphBuilder, only
from tests.support.networks import NetworkSpec, images, networks, qonnx_network
from tests.support.small import hardware_layer, linear_model


def ranges_by_name(model: ir.Model) -> dict[str, tuple[int, int]]:
    return {str(value.name): (box.hull.low, box.hull.high) for value, box in integer_ranges(model).items()}


@settings(max_examples=20)
@given(spec=networks(), stages=st.integers(0, 5))
def test_every_value_lies_in_its_range(spec: NetworkSpec, stages: int) -> None:
    model = qonnx_network(spec)
    ExtractIntegers()(model)
    for stage in (InferThresholding, InferMVAU, InferPool, CancelTransposes, MinimizeAccumulators)[:stages]:
        stage()(model)
    values = emulate(model, {"x": images(spec, 8)})
    for name, (low, high) in ranges_by_name(model).items():
        if name in values:
            assert low <= values[name].min() <= values[name].max() <= high, name


@settings(max_examples=40)
@given(
    rows=st.lists(st.lists(st.integers(-4, 4), min_size=3, max_size=3), min_size=1, max_size=3),
    signed=st.booleans(),
    narrow=st.booleans(),
)
def test_sums_and_activations_are_exact(rows: list[list[int]], signed: bool, narrow: bool) -> None:
    weights = np.array(rows)
    model = linear_model(weights, bits=2, signed=signed, narrow=narrow, act_bits=2)
    ExtractIntegers()(model)
    InferThresholding()(model)
    InferMVAU()(model)
    low, high = (-2 + narrow, 1) if signed else (0, 3 - narrow)
    inputs = np.array(list(product(range(low, high + 1), repeat=3)))
    sums = inputs @ weights.T
    found = ranges_by_name(model)
    unit, threshold = (str(only(model, op_type).outputs[0].name) for op_type in ("MVAU", "Thresholding"))
    assert found[unit] == (sums.min(), sums.max())
    # Every channel reads the hull of all channels' sums.
    codes = np.clip([sums.min(), sums.max()], 0, 3)
    assert found[threshold] == tuple(codes)


def unit(name: str, inputs: list[Any], output_type: str, **attributes: Any) -> ir.Model:
    graph = GraphBuilder((1, 2, 2, 4))
    graph.datatypes["x"] = "INT3"
    operands = ["x", *(graph.constant(array, "c", kind) for array, kind in inputs)]
    return graph.model(graph.node(name, operands, domain=FINN, datatype=output_type, **attributes))


def range_behind(model: ir.Model) -> tuple[int, int]:
    (node,) = model.graph
    return ranges_by_name(model)[str(node.outputs[0].name)]


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        ("FMPadding", {}, (-4, 3)),
        ("ConvolutionInputGenerator_rtl", {}, (-4, 3)),
        ("Pool", {"Function": "MaxPool"}, (-4, 3)),
        # What is added up or averaged leaves the range of one element; the annotation is all that is known.
        ("Pool", {"Function": "AccPool"}, (-128, 127)),
        ("Pool_hls", {"Function": "QuantAvgPool"}, (-128, 127)),
        ("SomethingNew", {}, (-128, 127)),
    ],
)
def test_layers_without_weights(name: str, attributes: dict[str, Any], expected: tuple[int, int]) -> None:
    assert range_behind(unit(name, [], "INT8", **attributes)) == expected


def test_padding_adds_zero() -> None:
    graph = GraphBuilder((1, 1))
    graph.datatypes["x"] = "UINT2"
    ones = graph.node("Thresholding", ["x", graph.constant([[-1, 9]], "t", "INT5")], domain=FINN, datatype="UINT2")
    model = graph.model(graph.node("FMPadding", [ones], domain=FINN, datatype="UINT2"))
    assert list(ranges_by_name(model).values())[-2:] == [(1, 1), (0, 1)]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ActVal": -2}, (-2, 0)),
        ({"ActVal": -2, "runtime_writeable_weights": 1}, (-4, 3)),
        ({"outputDataType": "BIPOLAR"}, (-1, 3)),
    ],
)
def test_thresholds(attributes: dict[str, Any], expected: tuple[int, int]) -> None:
    thresholds = np.array([[-3, 0, 9], [1, 9, 9], [9, 9, 9], [-1, 1, 9]])
    assert range_behind(unit("Thresholding", [(thresholds, "INT5")], "INT3", **attributes)) == expected


def test_activation_inside_the_unit() -> None:
    model = hardware_layer(
        [[1], [2]], input_type="UINT2", weight_type="INT3", thresholds=[[-1, 5, 10]], output_type="UINT2"
    )
    assert range_behind(model) == (1, 2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0, 9)),
        ({"runtime_writeable_weights": 1}, (-24, 18)),
        ({"mem_mode": "external"}, (-24, 18)),
        ({"binaryXnorMode": 1}, (0, 2)),
    ],
)
def test_units_whose_weights_may_change_or_that_count(options: dict[str, Any], expected: tuple[int, int]) -> None:
    model = hardware_layer([[1], [2]], input_type="UINT2", weight_type="INT3", **options)
    assert range_behind(model) == expected


@pytest.mark.parametrize(
    ("attributes", "bias", "expected"),
    [
        ({}, False, (1, 1)),
        ({"pads": [0, 1, 0, 0]}, False, (0, 1)),
        ({"auto_pad": "SAME_UPPER"}, False, (1, 1)),
        ({"auto_pad": "SAME_UPPER", "strides": [3, 3]}, False, (1, 1)),
        ({"auto_pad": "VALID"}, False, (1, 1)),
        # A bias inside the layer is not looked at.
        ({}, True, (-(2**31), 2**31 - 1)),
    ],
)
def test_convolution(attributes: dict[str, Any], bias: bool, expected: tuple[int, int]) -> None:
    graph = GraphBuilder((1, 1, 3, 3))
    graph.datatypes["x"] = "UINT2"
    inputs = ["x", graph.constant([[[[1]]]], "w", "INT2")] + [graph.constant([5.0])] * bias
    model = graph.model(graph.node("Conv", inputs, datatype="INT32", kernel_shape=[1, 1], **attributes))
    (value,) = model.graph.outputs
    assert integer_ranges(model, {"x": IntRange(1, 1)})[value].hull == IntRange(*expected)


def test_extremes_are_per_channel() -> None:
    model = hardware_layer([[1, -1, 0], [2, 3, 0]], input_type="UINT2", weight_type="INT3")
    (node,) = model.graph
    extremes = sum_extremes(node, IntRange(0, 3))
    assert extremes is not None
    assert [list(side) for side in extremes] == [[0, -3, 0], [9, 9, 0]]
    assert hull(extremes) == IntRange(-3, 9)


@pytest.mark.parametrize(("scale", "expected"), [(1.0, (-2, 13)), (0.5, (0, 15))])
def test_quantizer_with_a_zero_point(scale: float, expected: tuple[int, int]) -> None:
    """With a scale it gives no integers, whatever the annotation says; that is then all that is known."""
    graph = GraphBuilder((1, 2))
    name = graph.quant("x", scale, 4, zero_point=2.0)
    graph.datatypes[name] = "UINT4"
    assert range_behind(graph.model(name)) == expected
