"""Reading of hardware nodes: defaults, specialization, and what is refused."""

from typing import Any

import onnx_ir as ir
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.hw_graph import HwGraphError, MvauParams, read_hw_graph, read_layer

DOMAIN = "finn.custom_op.fpgadataflow"
MVAU = {
    "MW": 12, "MH": 6, "SIMD": 3, "PE": 2, "noActivation": 1,
    "inputDataType": "UINT4", "weightDataType": "INT3", "outputDataType": "INT12", "accDataType": "INT12",
}  # fmt: skip
THRESHOLDING = {
    "NumChannels": 6, "PE": 2, "numSteps": 3,
    "inputDataType": "INT12", "weightDataType": "INT13", "outputDataType": "UINT2",
}  # fmt: skip


def value(name: str, *shape: int) -> ir.Value:
    return ir.Value(name=name, shape=ir.Shape(shape))


def node(op_type: str, inputs: list[ir.Value], attributes: dict[str, Any], name: str, domain: str = DOMAIN) -> ir.Node:
    return ir.node(op_type, inputs, attributes=attributes, name=name, domain=domain)


def mvau(op_type: str = "MVAU", domain: str = DOMAIN, name: str = "MVAU_0", **changes: Any) -> ir.Node:
    attributes = {key: given for key, given in (MVAU | changes).items() if given is not None}
    return node(op_type, [value("x", 1, 12), value("w", 12, 6)], attributes, name, domain)


def read(target: ir.Node) -> MvauParams:
    layer = read_layer(target)
    assert isinstance(layer, MvauParams)
    return layer


def test_mvau_is_read_with_finns_defaults() -> None:
    layer = read(mvau())
    assert (layer.mw, layer.mh, layer.simd, layer.pe, layer.weight_words) == (12, 6, 3, 2, 12)
    assert (layer.weight_type, layer.accumulator_bits, layer.num_vectors) == (DataType["INT3"], 12, (1,))
    assert (layer.mem_mode, layer.ram_style, layer.style, layer.dsp) == ("internal_decoupled", "auto", "", False)
    assert read(mvau(accDataType=None)).accumulator_bits == 32


def test_the_rtl_variant_computes_in_dsp_slices() -> None:
    assert read(mvau("MVAU_rtl", f"{DOMAIN}.rtl")).dsp
    assert read(mvau(preferred_impl_style="rtl")).dsp
    assert read(mvau(resType="dsp")).dsp
    assert not read(mvau("MVAU_hls", f"{DOMAIN}.hls")).dsp


def test_thresholds_inside_an_mvau_are_counted() -> None:
    inputs = [value("x", 1, 12), value("w", 12, 6), value("t", 6, 15)]
    assert read(node("MVAU", inputs, MVAU | {"noActivation": 0}, "MVAU_0")).threshold_steps == 15
    assert read(mvau()).threshold_steps == 0


def test_compared_width_is_the_wider_of_input_and_threshold() -> None:
    layer = read_layer(node("Thresholding", [value("x", 1, 6), value("t", 1, 3)], THRESHOLDING, "Thresholding_0"))
    assert layer is not None
    assert (layer.compared_bits, layer.shared) == (13, True)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SIMD": 5}, "expected SIMD to divide MW = 12, found SIMD = 5"),
        ({"PE": 0}, "expected PE to divide MH = 6, found PE = 0"),
        ({"MW": None}, "expected attribute 'MW' to be a value, found 'none'"),
        ({"MW": "twelve"}, "expected attribute 'MW' to be int, found 'twelve'"),
        ({"inputDataType": "INTEGER"}, "expected attribute 'inputDataType' to be a QONNX data type"),
    ],
)
def test_impossible_attributes_are_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(HwGraphError, match=expected):
        read_layer(mvau(**changes))


def test_a_window_larger_than_the_image_and_a_folded_parallel_window_are_refused() -> None:
    attributes = {
        "ConvKernelDim": [3, 3], "IFMChannels": 4, "IFMDim": [6, 6], "OFMDim": [4, 4], "Stride": [1, 1],
        "Dilation": [1, 1], "SIMD": 2, "inputDataType": "UINT4", "outputDataType": "UINT4",
    }  # fmt: skip
    for changes, expected in (
        ({"IFMDim": [2, 6]}, "expected a window of at most"),
        ({"parallel_window": 1}, "SIMD = 2"),
    ):
        with pytest.raises(HwGraphError, match=expected):
            read_layer(node("ConvolutionInputGenerator", [value("x", 1, 6, 6, 4)], attributes | changes, "SWG_0"))


def test_the_graph_knows_its_order_and_what_it_cannot_read() -> None:
    first = mvau()
    second = node("Thresholding", [first.outputs[0], value("t", 6, 3)], THRESHOLDING, "Thresholding_0")
    third = node("LabelSelect", [second.outputs[0]], {"Labels": 6}, "LabelSelect_0")
    host = node("Mul", [third.outputs[0], value("s")], {}, "Mul_0", domain="")
    graph = read_hw_graph(model_of(first, second, third, host))
    assert [layer.name for layer in graph.layers] == ["MVAU_0", "Thresholding_0"]
    assert graph.feeders == {"MVAU_0": (), "Thresholding_0": ("MVAU_0",), "LabelSelect_0": ("Thresholding_0",)}
    assert [(unread.name, unread.op_type) for unread in graph.unread] == [("LabelSelect_0", "LabelSelect")]
    assert graph.layer("Thresholding_0").cycles() == 3
    with pytest.raises(KeyError, match="no hardware layer is named 'Mul_0'"):
        graph.layer("Mul_0")


def test_layers_need_names_of_their_own() -> None:
    with pytest.raises(HwGraphError, match="found 'MVAU_0'"):
        read_hw_graph(model_of(mvau(), mvau()))
    with pytest.raises(HwGraphError, match="found ''"):
        read_hw_graph(model_of(mvau(name="")))


def model_of(*nodes: ir.Node) -> ir.Model:
    return ir.Model(ir.Graph([], [nodes[-1].outputs[0]], nodes=nodes), ir_version=10)
