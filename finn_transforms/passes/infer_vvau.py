"""Turns depthwise convolutions into FINN's vector-vector units."""

from __future__ import annotations

from typing import ClassVar

import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.matching import static_shape
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream
from finn_transforms.passes._units import insert_vvau, kernel_size, layer_input, layer_weights
from finn_transforms.passes._windows import insert_windows, read_window


class InferVVAU(NodePass):
    """Lower integer ``Conv`` with one kernel per channel to a depthwise input generator and ``VVAU``.

    Before::

        a = Conv(q, W, group=C)                             # W (C, 1, KH, KW), NCHW

    After::

        a = Transpose(VVAU(ConvolutionInputGenerator(FMPadding(Transpose(q))), W))      # NHWC inside

    Comes in front of `InferMVAU`, which takes the other convolutions, those with several outputs per channel included.
    Bipolar inputs and weights are counted as there.

    Refused: what `InferMVAU` refuses.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"Conv"})

    def lower(self, node: ir.Node) -> str | None:
        """Lower a depthwise convolution."""
        groups = attributes_of(node).get("group", 1)
        weight_shape = () if node.inputs[1] is None else static_shape(node.inputs[1])
        if groups == 1 or weight_shape[:2] != (groups, 1):
            return None
        source, kernels = layer_input(node), layer_weights(node)
        window = read_window(attributes_of(node), kernel_size(kernels), source)
        stream = insert_windows(node, as_stream(node, source), window, depthwise=True)
        rows, columns = window.output_size(*static_shape(source)[2:])
        insert_vvau(node, stream, kernels, (rows, columns))
        height, width = window.kernel
        return f"{height} x {width} vector-vector unit, {groups} channels, {rows * columns} vectors"
