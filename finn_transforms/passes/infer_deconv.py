"""Turns transposed convolutions into convolutions of stretched images."""

from __future__ import annotations

from typing import ClassVar

import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.ops.convolution import Window
from finn_transforms.passes._edit import Operator, Output, input_of, insert_node, integer_type_of
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream, require_zero
from finn_transforms.passes._units import insert_mvau, kernel_size, layer_input, layer_weights
from finn_transforms.passes._windows import insert_windows, read_window


class InferDeconv(NodePass):
    """Lower integer ``ConvTranspose`` to zeros between the pixels and a convolution with the kernels turned around.

    Before::

        a = ConvTranspose(q, W)                             # W (C, O, KH, KW), NCHW

    After::

        s = FMPadding(FMPadding_Pixel(Transpose(q)))        # NHWC inside
        a = Transpose(MVAU(ConvolutionInputGenerator(s), W'))

    Most products of the unit are with zeros: stride * stride - 1 of stride * stride.

    Refused: groups, pads that reach beyond the kernel, inputs without a zero, and what `InferMVAU` refuses.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"ConvTranspose"})

    def lower(self, node: ir.Node) -> str:
        """Lower a transposed convolution."""
        source, weights = layer_input(node), layer_weights(node)
        attributes = attributes_of(node)
        kernel = kernel_size(weights)
        given = read_window(attributes, kernel)
        if attributes.get("group", 1) != 1:
            raise NoMatchError(f"it has {attributes['group']} groups", "Use a dense transposed convolution")
        if attributes.get("output_shape"):
            raise NoMatchError("its output_shape leaves the pads open", "Export explicit pads")
        window = _of_stretched(given, attributes.get("output_padding", (0, 0)))
        if any(window.pads) or given.strides != (1, 1):
            require_zero(source)
        stream = _insert_stretch(node, as_stream(node, source), given.strides)
        _, height, width, _ = static_shape(stream)
        stream = insert_windows(node, stream, window, depthwise=False)
        turned = weights[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
        matrix = turned.reshape(-1, weights.shape[1])
        rows, columns = window.output_size(height, width)
        insert_mvau(node, stream, matrix, (1, rows, columns), integer_type_of(input_of(node, 1)))
        return (
            f"{matrix.shape[0]} x {matrix.shape[1]} matrix-vector unit, {rows * columns} vectors of a stretched image"
        )


def _of_stretched(given: Window, output_padding: tuple[int, int]) -> Window:
    """Return the window over the stretched image that gives what the transposed convolution gives."""
    reach = [dilation * (size - 1) for dilation, size in zip(given.dilations, given.kernel, strict=True)]
    top, left, bottom, right = (
        size - pad + extra
        for size, pad, extra in zip((*reach, *reach), given.pads, (0, 0, *output_padding), strict=True)
    )
    if min(top, left, bottom, right) < 0:
        raise NoMatchError(
            f"its pads {given.pads} reach beyond the kernel", "Use a padding of at most the kernel's size less one"
        )
    return Window(kernel=given.kernel, dilations=given.dilations, pads=(top, left, bottom, right))


def _insert_stretch(before: ir.Node, stream: ir.Value, strides: tuple[int, int]) -> ir.Value:
    if strides == (1, 1):
        return stream
    _, height, width, channels = static_shape(stream)
    data_type = integer_type_of(stream)
    operator = Operator.hardware(
        "FMPadding_Pixel",
        ImgDim=[height, width],
        Stride=list(strides),
        NumChannels=channels,
        SIMD=1,
        inputDataType=data_type.name,
        numInputVectors=1,
    )
    shape = (1, (height - 1) * strides[0] + 1, (width - 1) * strides[1] + 1, channels)
    label = before.name or before.outputs[0].name
    return insert_node(before, operator, [stream], Output(f"FMPadding_Pixel_{label}", shape, data_type))
