"""Turns integer linear layers and convolutions into FINN's matrix-vector units."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, nodes_of, static_shape
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import (
    NCHW_TO_NHWC,
    NHWC_TO_NCHW,
    Operator,
    Output,
    add_constant,
    graph_of,
    input_of,
    insert_node,
    insert_transpose,
    integer_type_of,
    replace,
)
from finn_transforms.passes._windows import insert_windows, read_window


class InferMVAU(HardwarePass):
    """Lower integer ``Conv`` and ``MatMul`` to FINN's hardware layers.

    Before::

        a = Conv(q, W)                                      # NCHW
        b = MatMul(Reshape(r, (1, C * H * W)), V)

    After::

        a = Transpose(MVAU(ConvolutionInputGenerator(FMPadding(Transpose(q))), W'))     # NHWC inside
        b = MVAU(Transpose(r), V')                          # rows of V' in the order of the NHWC stream

    ``FMPadding`` and the input generator appear only where there is padding or a window.  The MVAU has no activation
    inside (``noActivation=1``) and starts unfolded in time (PE = SIMD = 1); its accumulator has the width its output
    is annotated with until `MinimizeAccumulators` narrows it.

    Refused: batches, one- and three-dimensional or grouped convolutions, inputs or weights that are not integers.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Lower every integer layer, and name the linear layers that stay."""
        for node in nodes_of(model):
            rule = _RULES.get(node.op_type) if node.domain == "" else None
            if rule is None:
                continue
            try:
                detail = rule(node)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            self.note(result, node, detail)
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


def _lower_conv(node: ir.Node) -> str:
    source, weights = _integer_input(node), _weights(node)
    shape, attributes = static_shape(source), attributes_of(node)
    if weights.ndim != 4:
        raise NoMatchError(
            f"it convolves over {weights.ndim - 2} dimensions", "Use a two-dimensional convolution, e.g. kernel (k, 1)"
        )
    if attributes.get("group", 1) != 1:
        raise NoMatchError(
            f"it has {attributes['group']} groups, which needs a vector-vector unit", "Use a dense convolution"
        )
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        raise NoMatchError("it adds a bias", "Run ExtractIntegers first, which puts the bias behind the layer")
    window = read_window(attributes, weights.shape[2:])
    stream = insert_transpose(node, source, NCHW_TO_NHWC, f"{source.name}_nhwc")
    stream = insert_windows(node, stream, window, depthwise=False)
    matrix = weights.transpose(2, 3, 1, 0).reshape(-1, weights.shape[0])
    rows, columns = window.output_size(*shape[2:])
    sums = _insert_mvau(node, stream, matrix, (1, rows, columns))
    replace(node.outputs[0], insert_transpose(node, sums, NHWC_TO_NCHW, f"{node.outputs[0].name}_nchw"))
    return f"{matrix.shape[0]} x {matrix.shape[1]} matrix-vector unit, {rows * columns} vectors"


def _lower_matmul(node: ir.Node) -> str:
    source, matrix = _integer_input(node), _weights(node)
    flattened = _flattened_image(source)
    if flattened is not None:
        # The stream arrives in the order (H, W, C); Flatten would have made it (C, H, W).
        _, channels, rows, columns = static_shape(flattened)
        matrix = matrix.reshape(channels, rows, columns, -1).transpose(1, 2, 0, 3).reshape(matrix.shape)
        source = insert_transpose(node, flattened, NCHW_TO_NHWC, f"{flattened.name}_nhwc")
        vectors: tuple[int, ...] = (1,)
    else:
        vectors = static_shape(source)[:-1]
    replace(node.outputs[0], _insert_mvau(node, source, matrix, vectors))
    return f"{matrix.shape[0]} x {matrix.shape[1]} matrix-vector unit, {int(np.prod(vectors))} vectors"


def _flattened_image(source: ir.Value) -> ir.Value | None:
    """Return the integer (1, C, H, W) that a (1, C * H * W) is a view of, or None."""
    producer = source.producer()
    if producer is None or producer.op_type not in {"Flatten", "Reshape"} or len(static_shape(source)) != 2:
        return None
    image = input_of(producer, 0)
    return image if integer_datatype(image) is not None and len(static_shape(image)) == 4 else None


def _refuse_gemm(node: ir.Node) -> str:
    _integer_input(node)
    _weights(node)
    raise NoMatchError("a Gemm may scale and add a bias", "Run ExtractIntegers first, which makes it a MatMul")


def _refuse_transposed(_node: ir.Node) -> str:
    raise NoMatchError("transposed convolutions are not lowered", "Use upsampling followed by a convolution")


def _insert_mvau(node: ir.Node, stream: ir.Value, matrix: NDArray[Any], vectors: tuple[int, ...]) -> ir.Value:
    old = node.outputs[0]
    input_type, weight_type, sum_type = (integer_type_of(value) for value in (stream, input_of(node, 1), old))
    parameters = add_constant(graph_of(node), f"{old.name}_matrix", matrix, weight_type)
    operator = Operator.hardware(
        "MVAU",
        MW=matrix.shape[0],
        MH=matrix.shape[1],
        SIMD=1,
        PE=1,
        inputDataType=input_type.name,
        weightDataType=weight_type.name,
        outputDataType=sum_type.name,
        accDataType=sum_type.name,
        ActVal=0,
        binaryXnorMode=0,
        noActivation=1,
        numInputVectors=list(vectors),
        mem_mode="internal_decoupled",
    )
    output = Output(f"MVAU_{node.name or old.name}", (*vectors, matrix.shape[1]), sum_type)
    return insert_node(node, operator, [stream, parameters], output)


def _integer_input(node: ir.Node) -> ir.Value:
    source = node.inputs[0]
    if source is None or integer_datatype(source) is None:
        raise NoMatchError(
            f"its input {source.name if source else ''!r} is not an integer tensor",
            "Put an activation quantizer in front of the layer",
        )
    integer_type_of(node.outputs[0])
    if static_shape(source)[0] != 1:
        raise NoMatchError(f"its batch size is {static_shape(source)[0]}", "Export with an example of batch size 1")
    return source


def _weights(node: ir.Node) -> NDArray[Any]:
    value = node.inputs[1]
    weights = constant(value)
    if value is None or weights is None or integer_datatype(value) is None:
        raise NoMatchError("its weights are not integer constants", "Give the layer a weight quantizer")
    return weights


_RULES = {"Conv": _lower_conv, "ConvTranspose": _refuse_transposed, "Gemm": _refuse_gemm, "MatMul": _lower_matmul}
