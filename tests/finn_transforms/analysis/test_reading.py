"""What is read from single values and nodes: data types, weights, quantizers, tails, transposes."""

import numpy as np
import onnx_ir as ir
import pytest
from qonnx.core.datatype import DataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype, integer_datatype, range_of, set_datatype, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, is_quantizer, layer_type, sole_consumer, static_shape
from finn_transforms.analysis.quantizer import read_quantizer
from finn_transforms.analysis.tail import find_tail
from finn_transforms.analysis.weights import can_change, counts_matches, weight_rows
from tests.support.graphs import FINN, QONNX, GraphBuilder, only
from tests.support.small import hardware_layer


@pytest.mark.parametrize("signed", [None, False, True])
def test_smallest_datatype_by_trying_every_narrower_one(signed: bool | None) -> None:
    for low in range(-20, 21):
        for high in range(low, 21):
            if signed is False and low < 0:
                continue
            found = smallest_datatype(IntRange(low, high), signed=signed)
            assert found.signed() == (low < 0 if signed is None else signed)
            assert found.min() <= low <= high <= found.max()
            if found.bitwidth() > 1:
                kind = "INT" if found.signed() else "UINT"
                narrower = DataType[f"{kind}{found.bitwidth() - 1}"]
                assert not narrower.min() <= low <= high <= narrower.max()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("INT4", (-8, 7)), ("UINT3", (0, 7)), ("BINARY", (0, 1)), ("TERNARY", (-1, 1)), ("BIPOLAR", (-1, 1))],
)
def test_ranges_of_integer_types(name: str, expected: tuple[int, int]) -> None:
    assert range_of(DataType[name]) == IntRange(*expected)


@pytest.mark.parametrize("name", ["FLOAT32", "FIXED<8,4>", "SCALEDINT<8>"])
def test_types_that_are_no_integers(name: str) -> None:
    value = ir.val("x")
    assert integer_datatype(value) is None
    set_datatype(value, name)
    assert datatype(value).name == name
    assert integer_datatype(value) is None


def test_annotation_keeps_its_other_entries_and_its_copies_apart() -> None:
    first, second = ir.val("a"), ir.val("b")
    first.meta["quant_parameter_tensor_names"] = {"tensor_layout": "NHWC"}
    second.meta.update(first.meta)
    set_datatype(first, "INT4")
    assert first.meta["quant_parameter_tensor_names"] == {"tensor_layout": "NHWC", "finn_datatype": "INT4"}
    assert datatype(second) is None


def test_constants_are_initializers_and_constant_nodes() -> None:
    graph = GraphBuilder((1,))
    name = graph.constant([1.0, 2.0])
    output = graph.node("Constant", [], value_floats=[3.0, 4.0])
    model = graph.model(graph.node("Add", ["x", graph.node("Add", [name, output])]))
    first, second = only(model, "Constant").outputs[0], model.graph.initializers[name]
    np.testing.assert_array_equal(constant(first), [3, 4])
    np.testing.assert_array_equal(constant(second), [1, 2])
    assert constant(None) is None
    assert constant(model.graph.inputs[0]) is None


def test_weight_rows_of_each_layer() -> None:
    kernel = np.arange(12).reshape(3, 2, 2, 1) - 6
    graph = GraphBuilder((1, 2, 2, 2))
    model = graph.model(graph.node("Conv", ["x", graph.constant(kernel, "w", "INT4")], kernel_shape=[2, 1]))
    np.testing.assert_array_equal(weight_rows(only(model, "Conv")), kernel.reshape(3, 4))
    for style in ("", "hls", "rtl"):
        unit = hardware_layer([[1, 2, 3], [4, 5, 6]], input_type="UINT2", weight_type="INT4", style=style)
        np.testing.assert_array_equal(weight_rows(next(iter(unit.graph))), [[1, 4], [2, 5], [3, 6]])


@pytest.mark.parametrize(
    ("op_type", "domain", "datatype_"),
    [("MatMul", "", None), ("Thresholding", FINN, "INT4"), ("Add", "", "INT4"), ("VVAU", FINN, "INT4")],
)
def test_no_weight_rows(op_type: str, domain: str, datatype_: str | None) -> None:
    """Thresholds and added constants are integers at the same place, but no weights."""
    graph = GraphBuilder((1, 2))
    name = graph.node(op_type, ["x", graph.constant([[1, 2], [3, 4]], "w", datatype_)], domain=domain)
    model = graph.model(name)
    assert weight_rows(only(model, op_type)) is None


@pytest.mark.parametrize(
    ("attributes", "changes", "counts"),
    [
        ({}, False, False),
        ({"runtime_writeable_weights": 1}, True, False),
        ({"mem_mode": "internal_embedded"}, False, False),
        ({"mem_mode": "dynamic"}, True, False),
        ({"binaryXnorMode": 1}, False, True),
        ({"inputDataType": "BIPOLAR", "weightDataType": "BIPOLAR"}, False, True),
        ({"inputDataType": "BIPOLAR", "weightDataType": "INT2"}, False, False),
    ],
)
def test_how_a_unit_uses_its_weights(attributes: dict[str, int | str], changes: bool, counts: bool) -> None:
    node = ir.node("MVAU", [], attributes=attributes, domain=FINN)
    assert (can_change(node), counts_matches(node)) == (changes, counts)


@pytest.mark.parametrize(
    ("op_type", "domain", "expected"),
    [("MVAU_hls", f"{FINN}.hls", "MVAU"), ("MVAU", FINN, "MVAU"), ("Mine_hls", "my.domain", "Mine_hls")],
)
def test_layer_type(op_type: str, domain: str, expected: str) -> None:
    assert layer_type(ir.node(op_type, [], domain=domain)) == expected


@pytest.mark.parametrize(
    ("op_type", "domain", "expected"),
    [
        ("Quant", QONNX, True),
        ("IntQuant", QONNX, True),
        ("BipolarQuant", QONNX, True),
        ("Trunc", QONNX, True),
        ("FloatQuant", QONNX, False),
        ("Quant", "", False),
    ],
)
def test_is_quantizer(op_type: str, domain: str, expected: bool) -> None:
    assert is_quantizer(ir.node(op_type, [], domain=domain)) is expected


@pytest.mark.parametrize("op_type", ["Quant", "IntQuant"])
@pytest.mark.parametrize(
    ("signed", "narrow", "codes", "name"),
    [(0, 0, (0, 15), "UINT4"), (0, 1, (0, 14), "UINT4"), (1, 0, (-8, 7), "INT4"), (1, 1, (-7, 7), "INT4")],
)
def test_reads_a_quantizer(op_type: str, signed: int, narrow: int, codes: tuple[int, int], name: str) -> None:
    graph = GraphBuilder((1, 2))
    parameters = [graph.constant(0.5), graph.constant(0.0), graph.constant(4.0)]
    options = {"signed": signed, "narrow": narrow, "rounding_mode": "FLOOR"}
    model = graph.model(graph.node(op_type, ["x", *parameters], domain=QONNX, **options))
    quantizer = read_quantizer(only(model, op_type))
    assert (quantizer.bits, quantizer.integers, quantizer.datatype.name) == (4, IntRange(*codes), name)
    np.testing.assert_array_equal(quantizer.integers_of(np.array([-9, 1.75, 9], np.float32)), [codes[0], 3, codes[1]])


def test_constants_are_quantized_in_float32() -> None:
    """0.7 / 0.2 is a tie in float32, 3.5, and not in float64, where it is 3.4999998."""
    graph = GraphBuilder((1, 2))
    model = graph.model(graph.quant("x", 0.2, 8, rounding="HALF_UP"))
    quantizer = read_quantizer(only(model, "Quant"))
    assert np.float64(np.float32(0.7)) / np.float64(np.float32(0.2)) < 3.5
    assert quantizer.integers_of(np.array([0.7], np.float32))[0] == 4


def test_quantizer_without_input_has_no_tail() -> None:
    node = ir.node("Quant", [None, ir.val("s"), ir.val("z"), ir.val("b")], domain=QONNX)
    with pytest.raises(NoMatchError, match="it has no input"):
        find_tail(node)


def test_sole_consumer() -> None:
    graph = GraphBuilder((1, 2))
    a, b = graph.node("Relu", ["x"]), graph.node("Neg", ["x"])
    model = graph.model(graph.node("Add", [a, b]), a)
    values = {str(value.name): value for node in model.graph for value in node.outputs}
    assert [sole_consumer(value) for value in (model.graph.inputs[0], values[a], values[b])] == [False, False, True]


def test_static_shape() -> None:
    value = ir.val("x", shape=ir.Shape([1, 2]))
    assert static_shape(value) == (1, 2)
    value.shape = ir.Shape([1, "n"])
    with pytest.raises(NoMatchError, match=r"the shape of 'x' is \[1,n\]"):
        static_shape(value)
