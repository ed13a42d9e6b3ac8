"""Builds graphs of hardware layers with the shapes that FINN's own conversion writes down."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from tests.support.graphs import FINN, GraphBuilder


class Streams(GraphBuilder):
    """Hardware layers with the shapes that FINN's own conversion writes down."""

    def __init__(self, shape: tuple[int, ...], datatype: str) -> None:
        super().__init__(shape)
        self.datatypes["x"] = datatype
        self.shapes: dict[str, tuple[int, ...]] = {}

    def layer(self, op_type: str, inputs: list[str], shape: tuple[int, ...], datatype: str, **options: Any) -> str:
        name = self.node(op_type, inputs, domain=FINN, datatype=datatype, **options)
        self.shapes[name] = shape
        return name

    def done(self, *outputs: str) -> ir.Model:
        model = self.model(*outputs)
        for node in model.graph:
            for value in node.outputs:
                value.shape, value.dtype = ir.Shape(self.shapes[str(value.name)]), ir.DataType.FLOAT
        return model


def unit(op_type: str, stream: Streams, source: str, weights: Any, kind: str, **options: Any) -> str:
    array = np.asarray(weights)
    if op_type == "VVAU":
        shape = {"Channels": len(array), "Kernel": list(array.shape[2:]), "Dim": [1, 1], "PE": 1, "SIMD": 1}
        size = len(array)
    else:
        shape = {"MW": array.shape[0], "MH": array.shape[1], "PE": 1, "SIMD": 1, "numInputVectors": [1, 1, 1]}
        size = array.shape[1]
    settings = {"noActivation": 1, "accDataType": "INT32", "outputDataType": "INT32", "weightDataType": kind}
    return stream.layer(
        op_type, [source, stream.constant(array, "w", kind)], (1, 1, 1, size), "INT32", **(shape | settings | options)
    )


def windows(stream: Streams, source: str, size: int, channels: int, kernel: int, out: int) -> str:
    return stream.layer(
        "ConvolutionInputGenerator",
        [source],
        (1, out, out, kernel * kernel * channels),
        "UINT2",
        ConvKernelDim=[kernel, kernel],
        IFMDim=[size, size],
        OFMDim=[out, out],
        IFMChannels=channels,
        Stride=[1, 1],
        Dilation=[1, 1],
        inputDataType="UINT2",
        outputDataType="UINT2",
    )
