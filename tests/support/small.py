"""One small network with every kind of layer that the passes know, and its graph at each stage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import ArrayLike, NDArray

from finn_transforms.passes import (
    CancelTransposes,
    ExtractIntegers,
    InferMVAU,
    InferPool,
    InferShapes,
    InferThresholding,
    MinimizeAccumulators,
)
from finn_transforms.passes._base import HardwarePass
from tests.support.graphs import GraphBuilder

LOWERING: tuple[type[HardwarePass], ...] = (
    InferShapes,
    ExtractIntegers,
    InferThresholding,
    InferMVAU,
    InferPool,
    CancelTransposes,
    MinimizeAccumulators,
)

CONV_WEIGHTS = np.array([[[[1, -2], [3, 0]]], [[[-4, 2], [0, 1]]]])
LINEAR_WEIGHTS = np.array([[1, -1, 2, 0, 3, -3, 1, 1], [0, 2, -2, 1, 1, 0, 0, -4]])


def small_network(metadata: dict[str, str] | None = None) -> ir.Model:
    """Return a padded convolution with a falling channel, a pool and a linear layer; scales are powers of two."""
    graph = GraphBuilder((1, 1, 4, 4))
    x = graph.quant("x", 0.25, 3)
    scale = np.array([0.5, 0.25]).reshape(2, 1, 1, 1)
    weights = graph.weights(CONV_WEIGHTS, scale, bits=4)
    bias = graph.constant([0.125, -0.5], "bias")
    x = graph.node("Conv", [x, weights, bias], kernel_shape=[2, 2], pads=[1, 0, 0, 1], strides=[1, 1])
    x = graph.node("Relu", [graph.batch_norm(x, [1.0, -2.0], [0.0, 0.5])])
    x = graph.quant(x, 0.5, 2)
    x = graph.node("Flatten", [graph.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])])
    x = graph.node(
        "Gemm", [x, graph.weights(LINEAR_WEIGHTS, 0.5, bits=4), graph.constant([1.0, 2.0], "bias")], transB=1
    )
    return graph.model(x, metadata=metadata)


def lowered_until(stage: type[HardwarePass], model: ir.Model | None = None) -> ir.Model:
    """Return the network as a pass finds it: lowered by every pass in front of it."""
    model = small_network() if model is None else model
    for each in LOWERING[: LOWERING.index(stage)] if stage in LOWERING else LOWERING:
        each()(model)
    return model


def linear_model(
    weights: NDArray[np.int64],
    *,
    bits: int = 4,
    signed: bool = False,
    narrow: bool = False,
    act_bits: int | None = None,
) -> ir.Model:
    """Return a quantizer and a linear layer with weights (C, K), and a ReLU quantizer behind it if it has bits."""
    graph = GraphBuilder((1, weights.shape[1]))
    x = graph.quant("x", 1.0, bits, signed=signed, narrow=narrow)
    x = graph.node("MatMul", [x, graph.weights(weights.T, 1.0, bits=16)])
    if act_bits is not None:
        x = graph.quant(graph.node("Relu", [x]), 1.0, act_bits)
    return graph.model(x)


def hardware_layer(
    matrix: ArrayLike,
    *,
    input_type: str,
    weight_type: str,
    thresholds: ArrayLike | None = None,
    style: str = "",
    accumulator: str | None = "INT32",
    output_type: str = "INT32",
    vectors: Sequence[int] = (1,),
    **attributes: int | str,
) -> ir.Model:
    """Return a graph of one FINN `MVAU` with weights (MW, MH), as FINN's own conversion makes it."""
    array = np.asarray(matrix)
    graph = GraphBuilder((*vectors, array.shape[0]))
    graph.datatypes["x"] = input_type
    inputs = ["x", graph.constant(array, "w", weight_type)]
    if thresholds is not None:
        inputs.append(graph.constant(thresholds, "t", "INT32"))
    if accumulator is not None:
        attributes["accDataType"] = accumulator
    suffix = f".{style}" if style else ""
    y = graph.node(
        f"MVAU_{style}" if style else "MVAU",
        inputs,
        domain=f"finn.custom_op.fpgadataflow{suffix}",
        datatype=output_type,
        backend="fpgadataflow",
        MW=array.shape[0],
        MH=array.shape[1],
        SIMD=1,
        PE=1,
        inputDataType=input_type,
        weightDataType=weight_type,
        outputDataType=output_type,
        numInputVectors=list(vectors),
        noActivation=int(thresholds is None),
        **attributes,
    )
    return graph.model(y)
