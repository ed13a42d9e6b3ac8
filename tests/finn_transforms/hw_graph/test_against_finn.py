"""Shapes and cycles equal those of FINN's own layers, for every legal folding of small layers."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import onnx_ir as ir
import pytest
from onnx import NodeProto, helper
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.hw_graph import HwLayer, read_layer

DOMAIN = "finn.custom_op.fpgadataflow"


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def hardware(op_type: str, suffix: str, attributes: dict[str, Any]) -> NodeProto:
    inputs = ["x"] if op_type in {"FMPadding", "Pool", "ConvolutionInputGenerator"} else ["x", "w"]
    return helper.make_node(
        f"{op_type}_{suffix}",
        inputs,
        ["y"],
        name=f"{op_type}_0",
        domain=f"{DOMAIN}.{suffix}",
        backend="fpgadataflow",
        **attributes,
    )


def mvaus() -> Iterator[NodeProto]:
    for simd, pe, vectors in product(divisors(12), divisors(6), ([1], [1, 5, 5])):
        yield hardware("MVAU", "rtl", {
            "MW": 12, "MH": 6, "SIMD": simd, "PE": pe, "numInputVectors": vectors, "noActivation": 1,
            "inputDataType": "UINT4", "weightDataType": "INT4", "outputDataType": "INT12", "accDataType": "INT12",
        })  # fmt: skip


def thresholdings() -> Iterator[NodeProto]:
    for pe, vectors in product(divisors(12), ([1], [1, 4, 4])):
        yield hardware("Thresholding", "rtl", {
            "NumChannels": 12, "PE": pe, "numSteps": 15, "numInputVectors": vectors,
            "inputDataType": "INT12", "weightDataType": "INT12", "outputDataType": "UINT4",
        })  # fmt: skip


def paddings() -> Iterator[NodeProto]:
    for simd in divisors(6):
        yield hardware("FMPadding", "rtl", {
            "ImgDim": [7, 5], "Padding": [1, 2, 0, 1], "NumChannels": 6, "SIMD": simd, "inputDataType": "UINT4",
        })  # fmt: skip


def pools() -> Iterator[NodeProto]:
    for pe in divisors(6):
        yield hardware("Pool", "hls", {
            "Channels": 6, "PE": pe, "KernelSize": [2, 2], "Function": "MaxPool", "OutImgDims": [4, 3],
            "InputDataType": "UINT4", "OutputDataType": "UINT4",
        })  # fmt: skip


def window_generators() -> Iterator[NodeProto]:
    images = [
        ((9, 8), (3, 3)),
        ((1, 9), (1, 3)),
        ((9, 1), (3, 1)),
        ((8, 8), (2, 2)),
        ((5, 5), (1, 1)),
        ((6, 6), (6, 6)),
    ]
    for (image, kernel), stride, dilation, simd, depthwise in product(images, (1, 2, 3), (1, 2), divisors(4), (0, 1)):
        strides = [1 if size == 1 else stride for size in image]
        dilations = [1 if size == 1 else dilation for size in image]
        extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        if any(e > size for e, size in zip(extent, image, strict=True)):
            continue
        output = [(size - e) // s + 1 for size, e, s in zip(image, extent, strides, strict=True)]
        for parallel in (0, 1) if depthwise or simd == 4 else (0,):
            yield hardware("ConvolutionInputGenerator", "rtl", {
                "ConvKernelDim": list(kernel), "IFMChannels": 4, "IFMDim": list(image), "OFMDim": output,
                "Stride": strides, "Dilation": dilations, "SIMD": simd, "depthwise": depthwise,
                "parallel_window": parallel, "inputDataType": "UINT4", "outputDataType": "UINT4",
            })  # fmt: skip


def ours(node: NodeProto) -> HwLayer:
    layer = read_layer(ir.serde.deserialize_node(node))
    assert layer is not None
    return layer


@pytest.mark.parametrize("nodes", [mvaus, thresholdings, paddings, pools, window_generators])
def test_cycles_and_shapes_are_finns(nodes: Any) -> None:
    compared = 0
    for node in nodes():
        finn, layer = getCustomOp(node), ours(node)
        assert layer.cycles() == finn.get_exp_cycles(), node
        assert list(layer.input_shape) == list(finn.get_normal_input_shape()), node
        assert list(layer.output_shape) == list(finn.get_normal_output_shape()), node
        compared += 1
    assert compared > 3
