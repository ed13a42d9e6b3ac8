"""Accumulators hold every partial sum in every order, and one bit less does not; checked by adding everything up."""

from itertools import permutations, product

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qonnx.core.datatype import DataType

from brevitas_ext.arith import datatype_bound, weight_bound
from finn_transforms.analysis.datatypes import datatype
from finn_transforms.emulate import emulate
from finn_transforms.passes import (
    CancelTransposes,
    ExtractIntegers,
    InferMVAU,
    InferPool,
    InferThresholding,
    MinimizeAccumulators,
)
from finn_transforms.passes._base import HardwarePass
from tests.support.golden import graph_text
from tests.support.graphs import GraphBuilder, array_of, attributes, copy_of, only, wrapper
from tests.support.refusals import refusal_of
from tests.support.small import hardware_layer, linear_model

EXACT = MinimizeAccumulators(byte_align_outputs=False)


def every_partial_sum(rows: np.ndarray, values: range) -> tuple[int, int]:
    """Return the extremes over all inputs, all orders and all points of time."""
    sums = {0}
    for row in rows.tolist():
        for inputs in product(values, repeat=len(row)):
            products = [w * x for w, x in zip(row, inputs, strict=True)]
            for order in permutations(products):
                total = 0
                for term in order:
                    total += term
                    sums.add(total)
    return min(sums), max(sums)


def smallest_type(low: int, high: int) -> str:
    """Return the narrowest type by trying each width."""
    kind = "INT" if low < 0 else "UINT"
    bits = next(
        bits
        for bits in range(1, 64)
        if DataType[f"{kind}{bits}"].min() <= low <= high <= DataType[f"{kind}{bits}"].max()
    )
    return str(DataType[f"{kind}{bits}"].name)


def minimized(model: ir.Model, stage: HardwarePass = EXACT) -> ir.Model:
    stage(model)
    return model


def lowered(model: ir.Model, stage: HardwarePass = EXACT) -> ir.Model:
    for each in (ExtractIntegers(), InferThresholding(), InferMVAU(), InferPool(), CancelTransposes(), stage):
        each(model)
    return model


def accumulator(model: ir.Model) -> str:
    (node,) = (node for node in model.graph if node.op_type.startswith("MVAU"))
    return str(attributes(node)["accDataType"])


@settings(max_examples=60)
@given(
    rows=st.integers(1, 3).flatmap(
        lambda k: st.lists(st.lists(st.integers(-4, 4), min_size=k, max_size=k), min_size=1, max_size=2)
    ),
    signed=st.booleans(),
    narrow=st.booleans(),
)
def test_width_is_sufficient_and_necessary(rows: list[list[int]], signed: bool, narrow: bool) -> None:
    weights = np.array(rows)
    model = lowered(linear_model(weights, bits=2, signed=signed, narrow=narrow))
    low, high = (-2 + narrow, 1) if signed else (0, 3 - narrow)
    lowest, highest = every_partial_sum(weights, range(low, high + 1))
    found = accumulator(model)
    assert found == smallest_type(lowest, highest)
    unit = only(model, "MVAU")
    assert (attributes(unit)["outputDataType"], datatype(unit.outputs[0]).name) == (found, found)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0, 0, 0]], "BINARY"),
        ([[-1, 0], [0, 0]], "INT3"),
        ([[-1, -1]], "INT4"),
        ([[1, 1]], "UINT3"),
        ([[1, -1]], "INT3"),
        ([[3, 2], [0, -1]], "INT5"),
    ],
)
def test_known_widths_for_two_bit_unsigned_inputs(rows: list[list[int]], expected: str) -> None:
    assert accumulator(lowered(linear_model(np.array(rows), bits=2))) == expected


@pytest.mark.parametrize("style", ["", "hls", "rtl"])
@pytest.mark.parametrize("accumulator_type", [None, "INT32", "INT4", "UINT6"])
def test_units_that_finn_made(style: str, accumulator_type: str | None) -> None:
    """Also where FINN left the width away, or gave one that is too narrow."""
    model = hardware_layer(
        [[3, -1], [-2, 0]], input_type="UINT2", weight_type="INT3", style=style, accumulator=accumulator_type
    )
    assert minimized(model).graph is model.graph
    assert accumulator(model) == "INT5"


def test_narrow_inputs_from_a_threshold_that_is_never_reached() -> None:
    """The activation's type is UINT2, but its highest code needs a sum that no input reaches."""
    graph = GraphBuilder((1, 2))
    x = graph.node("MatMul", [graph.quant("x", 1.0, 1), graph.weights([[1], [1]])])
    x = graph.quant(x, 1.0, 2)
    model = graph.model(graph.node("MatMul", [x, graph.weights([[4]])]))
    lowered(model)
    assert [attributes(node)["accDataType"] for node in model.graph if node.op_type == "MVAU"] == ["UINT2", "UINT4"]


@pytest.mark.parametrize(
    "options",
    [
        {"runtime_writeable_weights": 1},
        {"mem_mode": "external"},
        {"mem_mode": "external_mem"},
        {"mem_mode": "dynamic"},
    ],
)
def test_weights_that_can_change_count_with_their_type(options: dict[str, int | str]) -> None:
    model = hardware_layer([[0, 1], [0, 0]], input_type="INT3", weight_type="INT4", **options)
    # Two products of at most -8 * -4 = 32, and at least -8 * 3 = -24.
    lowest, highest = every_partial_sum(np.array([[-8, -8], [7, 7]]), range(-4, 4))
    assert accumulator(minimized(model)) == smallest_type(lowest, highest) == "INT8"


def test_weights_that_can_change_widen_the_layers_behind_them() -> None:
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = "UINT2"
    domain = "finn.custom_op.fpgadataflow"
    unit = {"PE": 1, "SIMD": 1, "noActivation": 1, "numInputVectors": [1], "accDataType": "INT32"}
    first = graph.node(
        "MVAU",
        ["x", graph.constant([[0], [0]], "w", "INT3")],
        domain=domain,
        datatype="INT32",
        MW=2,
        MH=1,
        runtime_writeable_weights=1,
        inputDataType="UINT2",
        weightDataType="INT3",
        outputDataType="INT32",
        **unit,
    )
    second = graph.node(
        "MVAU",
        [first, graph.constant([[1]], "w", "INT3")],
        domain=domain,
        datatype="INT32",
        MW=1,
        MH=1,
        inputDataType="INT32",
        weightDataType="INT3",
        outputDataType="INT32",
        **unit,
    )
    model = minimized(graph.model(second))
    assert [attributes(node)["accDataType"] for node in model.graph] == ["INT6", "INT6"]
    assert attributes(list(model.graph)[1])["inputDataType"] == "INT6"


@pytest.mark.parametrize(("weight_type", "input_type"), list(product(("INT4", "UINT4", "BIPOLAR"), ("UINT3", "INT3"))))
def test_closed_forms_are_those_of_the_paper(weight_type: str, input_type: str) -> None:
    matrix = np.ones((5, 2)) if weight_type == "BIPOLAR" else np.array([[1, 2], [3, 4], [5, 6], [7, 0], [1, 1]])
    signed = input_type == "INT3"
    by_weights = hardware_layer(matrix, input_type=input_type, weight_type=weight_type)
    minimized(by_weights, MinimizeAccumulators("weights", byte_align_outputs=False))
    l1_norm = int(np.abs(matrix).sum(axis=0).max())
    assert accumulator(by_weights) == f"INT{weight_bound(l1_norm, 3, input_signed=signed)}"
    by_type = hardware_layer(matrix, input_type=input_type, weight_type=weight_type)
    minimized(by_type, MinimizeAccumulators("datatype", byte_align_outputs=False))
    bits = {"INT4": 4, "UINT4": 5, "BIPOLAR": 1}[weight_type]
    assert accumulator(by_type) == f"INT{datatype_bound(5, bits, 3, input_signed=signed)}"


def test_datatype_bound_holds_the_largest_unsigned_weights() -> None:
    matrix = np.full((3, 1), 255)
    model = hardware_layer(matrix, input_type="UINT8", weight_type="UINT8")
    minimized(model, MinimizeAccumulators("datatype", byte_align_outputs=False))
    assert DataType[accumulator(model)].max() >= 3 * 255 * 255


def test_closed_form_of_weights_that_can_change_is_the_one_of_types() -> None:
    model = hardware_layer([[1], [1]], input_type="UINT3", weight_type="INT4", mem_mode="external")
    minimized(model, MinimizeAccumulators("weights", byte_align_outputs=False))
    assert accumulator(model) == f"INT{datatype_bound(2, 4, 3, input_signed=False)}"


@pytest.mark.parametrize("bound", ["exact", "weights", "datatype"])
def test_every_bound_gives_the_same_results(bound: str) -> None:
    model = linear_model(np.array([[3, -2, 1], [-1, 0, 2]]), bits=3, act_bits=3)
    reference = lowered(copy_of(model))
    lowered(model, MinimizeAccumulators(bound))
    x = {"x": np.array(list(product(range(8), repeat=3)))}
    output = str(model.graph.outputs[0].name)
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])


def test_unknown_bound() -> None:
    with pytest.raises(ValueError, match=r"bound: expected one of \('exact', 'weights', 'datatype'\), got 'best'"):
        MinimizeAccumulators("best")


@pytest.mark.parametrize(
    ("rows", "aligned"), [([[0, 0]], "UINT8"), ([[1, 1]], "UINT8"), ([[-1, 1]], "INT8"), ([[100, -100]], "INT16")]
)
def test_accumulators_that_leave_the_accelerator_are_whole_bytes(rows: list[list[int]], aligned: str) -> None:
    model = lowered(linear_model(np.array(rows), bits=2), MinimizeAccumulators())
    assert accumulator(model) == aligned
    assert datatype(only(model, "MVAU").outputs[0]).name == aligned


def test_accumulators_inside_the_accelerator_are_not_aligned() -> None:
    model = lowered(linear_model(np.array([[3, -2, 1]]), bits=3, act_bits=3), MinimizeAccumulators())
    assert accumulator(model) == "INT6"


@settings(max_examples=40)
@given(
    thresholds=st.lists(st.integers(-40, 40), min_size=3, max_size=3).map(sorted),
    rows=st.lists(st.integers(-3, 3), min_size=2, max_size=2),
    fraction=st.sampled_from([0.0, 0.25, 0.5]),
)
def test_thresholds_inside_the_unit(thresholds: list[int], rows: list[int], fraction: float) -> None:
    """They are kept in the accumulator's type, so it holds them too; the unit computes the same."""
    matrix = np.array([rows]).T
    model = hardware_layer(
        matrix,
        input_type="UINT2",
        weight_type="INT3",
        output_type="UINT2",
        thresholds=[np.array(thresholds) - fraction],
    )
    reference = copy_of(model)
    minimized(model)
    unit = only(model, "MVAU")
    kind, fitted = DataType[accumulator(model)], array_of(unit.inputs[2])
    lowest, highest = every_partial_sum(matrix.T, range(4))
    assert kind.min() <= min(lowest, fitted.min()) <= max(highest, fitted.max()) <= kind.max()
    assert kind.bitwidth() <= DataType[smallest_type(lowest, highest)].bitwidth() + 1
    assert (attributes(unit)["outputDataType"], datatype(unit.outputs[0]).name) == ("UINT2", "UINT2")
    x = {"x": np.array(list(product(range(4), repeat=2)))}
    np.testing.assert_array_equal(emulate(model, x)["mvau3"], emulate(reference, x)["mvau3"])
    text = graph_text(model)
    assert not EXACT(model).modified
    assert graph_text(model) == text


def test_thresholds_inside_a_unit_whose_weights_can_change() -> None:
    model = minimized(
        hardware_layer(
            [[0], [0]],
            input_type="UINT2",
            weight_type="INT2",
            output_type="UINT2",
            thresholds=[[-100, 3, 100]],
            runtime_writeable_weights=1,
        )
    )
    assert accumulator(model) == "INT5"
    np.testing.assert_array_equal(array_of(only(model, "MVAU").inputs[2]), [[-16, 3, 7]])


def standalone(thresholds: object, *, writable: int = 0, kind: str = "INT32") -> ir.Model:
    """Return an MVAU of sums in -3..6 and a Thresholding, as FINN makes them."""
    graph = GraphBuilder((1, 2))
    graph.datatypes["x"] = "UINT2"
    domain = "finn.custom_op.fpgadataflow"
    sums = graph.node(
        "MVAU",
        ["x", graph.constant([[2], [-1]], "w", "INT3")],
        domain=domain,
        datatype="INT32",
        MW=2,
        MH=1,
        PE=1,
        SIMD=1,
        noActivation=1,
        numInputVectors=[1],
        accDataType=kind,
        inputDataType="UINT2",
        weightDataType="INT3",
        outputDataType="INT32",
    )
    y = graph.node(
        "Thresholding_rtl",
        [sums, graph.constant(thresholds, "t", "INT32")],
        domain=f"{domain}.rtl",
        datatype="UINT2",
        NumChannels=1,
        PE=1,
        numSteps=3,
        inputDataType="INT32",
        weightDataType="INT32",
        outputDataType="UINT2",
        numInputVectors=[1],
        runtime_writeable_weights=writable,
    )
    return graph.model(y)


def test_thresholds_behind_the_unit() -> None:
    model = minimized(standalone([[-1e30, 0.5, np.inf]]))
    threshold = only(model, "Thresholding_rtl")
    found = attributes(threshold)
    assert (found["inputDataType"], found["weightDataType"]) == ("INT4", "INT4")
    np.testing.assert_array_equal(array_of(threshold.inputs[1]), [[-8, 1, 7]])


def test_thresholds_that_can_change_are_left_alone() -> None:
    model = minimized(standalone([[-50, 0, 50]], writable=1))
    threshold = only(model, "Thresholding_rtl")
    found = attributes(threshold)
    assert (found["inputDataType"], found["weightDataType"]) == ("INT4", "INT32")
    np.testing.assert_array_equal(array_of(threshold.inputs[1]), [[-50, 0, 50]])


def test_thresholds_are_fitted_where_the_width_was_right_already() -> None:
    """Then the pass has changed the model and says so, or QONNX would drop the change."""
    model = standalone([[-50, 0, 50]], kind="INT4")
    transformed = ir.serde.deserialize_model(wrapper(model).transform(EXACT).model)
    np.testing.assert_array_equal(array_of(only(transformed, "Thresholding_rtl").inputs[1]), [[-8, 0, 7]])


def test_layers_that_only_move_the_accumulator_get_its_type() -> None:
    """A pool between the convolution and its activation carries the accumulator in the middle of the accelerator."""
    graph = GraphBuilder((1, 1, 5, 5))
    x = graph.quant("x", 0.5, 2)
    x = graph.node("Conv", [x, graph.weights(np.ones((2, 1, 2, 2)))], kernel_shape=[2, 2])
    x = graph.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    model = graph.model(graph.quant(x, 1.0, 3))
    reference = copy_of(model)
    lowered(model)
    types = {
        f"{node.op_type}.{name}": value
        for node in model.graph
        for name, value in attributes(node).items()
        if name.endswith("DataType") and node.op_type in {"MVAU", "Pool", "Thresholding"}
    }
    assert types == {
        "MVAU.accDataType": "UINT4",
        "MVAU.inputDataType": "UINT2",
        "MVAU.outputDataType": "UINT4",
        "MVAU.weightDataType": "INT2",
        "Pool.InputDataType": "UINT4",
        "Pool.OutputDataType": "UINT4",
        "Thresholding.inputDataType": "UINT4",
        "Thresholding.outputDataType": "UINT3",
        "Thresholding.weightDataType": "UINT4",
    }
    values = [value for node in model.graph for value in node.outputs if datatype(value) is not None]
    assert "INT32" not in {datatype(value).name for value in values}
    ExtractIntegers()(reference)
    inputs, output = (
        {"x": np.random.default_rng(0).integers(0, 4, size=(9, 1, 5, 5)) * 0.5},
        str(model.graph.outputs[0].name),
    )
    np.testing.assert_array_equal(emulate(model, inputs)[output], emulate(reference, inputs)[output])


@pytest.mark.parametrize(
    ("model", "reason", "advice"),
    [
        (
            hardware_layer([[1], [-1]], input_type="FLOAT32", weight_type="INT2"),
            "its input is not an integer tensor",
            "Annotate the input's data type",
        ),
        (
            hardware_layer([[0.5], [-1]], input_type="INT2", weight_type="FLOAT32"),
            "its weights are FLOAT32",
            "Quantize the weights to integers",
        ),
    ],
)
def test_refused(model: ir.Model, reason: str, advice: str) -> None:
    assert refusal_of(EXACT, model, "MVAU") == (reason, advice)
    assert accumulator(model) == "INT32"


def test_bipolar_weights_with_integer_inputs_add_products() -> None:
    model = hardware_layer([[1], [-1]], input_type="UINT2", weight_type="BIPOLAR")
    assert accumulator(minimized(model)) == "INT3"
