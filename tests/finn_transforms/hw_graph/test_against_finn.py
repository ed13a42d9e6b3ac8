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
    inputs = ["x", "w"] if op_type in {"MVAU", "Thresholding", "VVAU"} or "lhs_shape" in attributes else ["x"]
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


def vvaus() -> Iterator[NodeProto]:
    for simd, pe, image in product(divisors(6), divisors(4), ([1, 1], [5, 3])):
        yield hardware("VVAU", "hls", {
            "Channels": 4, "Kernel": [2, 3], "Dim": image, "SIMD": simd, "PE": pe, "noActivation": 1,
            "inputDataType": "UINT4", "weightDataType": "INT4", "outputDataType": "INT12", "accDataType": "INT12",
        })  # fmt: skip


def elementwise() -> Iterator[NodeProto]:
    shapes = (([1, 6], [1, 6]), ([1, 3, 5, 6], [1, 3, 5, 6]), ([1, 3, 5, 6], [1, 1, 1, 6]), ([1, 3, 5, 6], [1]))
    for operation, pe, (stream, other) in product(("Add", "Sub", "Mul"), divisors(6), shapes):
        yield hardware(f"Elementwise{operation}", "hls", {
            "PE": pe, "lhs_shape": stream, "rhs_shape": other, "out_shape": stream, "lhs_dtype": "INT4",
            "rhs_dtype": "INT4", "out_dtype": "INT8", "rhs_style": "input" if other == stream else "const",
        })  # fmt: skip


def copies() -> Iterator[NodeProto]:
    for pe, vectors in product(divisors(6), ([1], [1, 4, 3])):
        yield hardware("DuplicateStreams", "hls", {
            "NumChannels": 6, "PE": pe, "NumOutputStreams": 3, "inputDataType": "UINT4", "numInputVectors": vectors,
        })  # fmt: skip


def concats() -> Iterator[NodeProto]:
    for simd, vectors in product(divisors(2), ([1], [1, 4, 3])):
        yield hardware("StreamingConcat", "hls", {
            "SIMD": simd, "ChannelsPerStream": [4, 6], "inputDataTypes": ["UINT4", "INT4"], "numInputVectors": vectors,
        })  # fmt: skip


def splits() -> Iterator[NodeProto]:
    for simd, vectors in product(divisors(2), ([1], [1, 4, 3])):
        yield hardware("StreamingSplit", "hls", {
            "SIMD": simd, "ChannelsPerStream": [4, 6], "inputDataType": "UINT4", "numInputVectors": vectors,
        })  # fmt: skip


def upsamplings() -> Iterator[NodeProto]:
    for simd in divisors(6):
        yield hardware("UpsampleNearestNeighbour", "hls", {
            "SIMD": simd, "HI": 3, "WI": 2, "HO": 9, "WO": 4, "NumChannels": 6, "inputDataType": "UINT4",
        })  # fmt: skip


def pixel_paddings() -> Iterator[NodeProto]:
    for simd, stride in product(divisors(6), ([2, 2], [1, 3])):
        yield hardware("FMPadding_Pixel", "hls", {
            "SIMD": simd, "ImgDim": [3, 4], "Stride": stride, "NumChannels": 6, "inputDataType": "UINT4",
        })  # fmt: skip


def global_sums() -> Iterator[NodeProto]:
    for pe in divisors(6):
        yield hardware("GlobalAccPool", "hls", {
            "NumChannels": 6, "PE": pe, "inputDataType": "UINT4", "numInputVectors": [1, 4, 3],
        })  # fmt: skip


KINDS = [
    mvaus,
    vvaus,
    thresholdings,
    paddings,
    pools,
    window_generators,
    elementwise,
    copies,
    concats,
    splits,
    upsamplings,
    pixel_paddings,
    global_sums,
]


def ours(node: NodeProto) -> HwLayer:
    layer = read_layer(ir.serde.deserialize_node(node))
    assert layer is not None
    return layer


@pytest.mark.parametrize("nodes", KINDS)
def test_cycles_and_shapes_are_finns(nodes: Any) -> None:
    compared = 0
    for node in nodes():
        finn, layer = getCustomOp(node), ours(node)
        assert layer.cycles() == finn.get_exp_cycles(), node
        assert list(layer.input_shape) == list(finn.get_normal_input_shape()), node
        assert list(layer.output_shape) == list(finn.get_normal_output_shape()), node
        compared += 1
    assert compared > 3
