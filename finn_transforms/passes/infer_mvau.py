"""Turns integer linear layers and convolutions into FINN's matrix-vector units."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.passes._edit import input_of, integer_type_of
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream
from finn_transforms.passes._units import (
    dense_weights,
    flattened_image,
    insert_mvau,
    kernel_size,
    layer_input,
    layer_weights,
    rows_in_stream_order,
)
from finn_transforms.passes._windows import insert_windows, read_window


class InferMVAU(NodePass):
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

    A grouped convolution becomes a dense one, with zeros for the inputs that an output does not see: FINN has units
    for dense and for depthwise convolutions (see `InferVVAU`) only.

    Between bipolar inputs and weights FINN counts equal bits, p = (sum + K) / 2.  Thresholds behind such a unit are
    rewritten for p; where anything else reads the sum, 2 * p - K is computed behind the unit.

    Refused: batches, convolutions of other than two dimensions (see `LiftSequences`), weights or inputs that are not
    integers, padding of
    bipolar inputs, which have no zero.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"Conv", "Gemm", "MatMul"})

    def lower(self, node: ir.Node) -> str:
        """Lower a convolution or a linear layer."""
        if node.op_type == "Conv":
            return _lower_conv(node)
        if node.op_type == "MatMul":
            return _lower_matmul(node)
        layer_input(node)
        raise NoMatchError("a Gemm may scale and add a bias", "Run ExtractIntegers first, which makes it a MatMul")


def _lower_conv(node: ir.Node) -> str:
    source, grouped = layer_input(node), layer_weights(node)
    window = read_window(attributes_of(node), kernel_size(grouped), source)
    groups = attributes_of(node).get("group", 1)
    weight_type = integer_type_of(input_of(node, 1))
    weights, weight_type = dense_weights(grouped, groups, weight_type)
    stream = insert_windows(node, as_stream(node, source), window, depthwise=False)
    matrix = weights.transpose(2, 3, 1, 0).reshape(-1, weights.shape[0])
    rows, columns = window.output_size(*static_shape(source)[2:])
    insert_mvau(node, stream, matrix, (1, rows, columns), weight_type)
    detail = f"{matrix.shape[0]} x {matrix.shape[1]} matrix-vector unit, {rows * columns} vectors"
    if groups == 1:
        return detail
    return f"{detail}; a dense one for {groups} groups, {1 - 1 / groups:.0%} of its weights are zeros between them"


def _lower_matmul(node: ir.Node) -> str:
    source, matrix = layer_input(node), layer_weights(node)
    weight_type = integer_type_of(input_of(node, 1))
    flattened = flattened_image(source)
    if flattened is not None:
        # The stream arrives in the order (H, W, C); Flatten would have made it (C, H, W).
        matrix = rows_in_stream_order(matrix, flattened)
        source = as_stream(node, flattened)
        vectors: tuple[int, ...] = (1,)
    else:
        vectors = static_shape(source)[:-1]
    insert_mvau(node, source, matrix, vectors, weight_type)
    return f"{matrix.shape[0]} x {matrix.shape[1]} matrix-vector unit, {int(np.prod(vectors))} vectors"
