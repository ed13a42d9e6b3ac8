"""Sliding windows as hardware: padding and the convolution input generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.ops.convolution import Window
from finn_transforms.passes._edit import Operator, Output, insert_node, integer_type_of
from finn_transforms.passes._streams import require_zero


def read_window(attributes: Mapping[str, Any], kernel: Sequence[int], source: ir.Value | None = None) -> Window:
    """Return the window of an ONNX ``Conv``, ``ConvTranspose`` or ``MaxPool``.

    Args:
        attributes: of the node.
        kernel: its height and width.
        source: what it is applied to, where its padding is that of the hardware, with zeros.

    Raises:
        NoMatchError: padding is implicit or the source has no zero to pad with, or the output size is rounded up.
    """
    if attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise NoMatchError(f"auto_pad is {attributes['auto_pad']}", "Export explicit pads")
    if attributes.get("ceil_mode", 0):
        raise NoMatchError("ceil_mode is 1", "Use ceil_mode=False and pad explicitly")
    if len(kernel) != 2:
        raise NoMatchError(f"its kernel has {len(kernel)} dimensions", "Use a two-dimensional kernel")
    if source is not None and any(attributes.get("pads", ())):
        require_zero(source)
    return Window(
        kernel=(kernel[0], kernel[1]),
        strides=tuple(attributes.get("strides", (1, 1))),
        dilations=tuple(attributes.get("dilations", (1, 1))),
        pads=tuple(attributes.get("pads", (0, 0, 0, 0))),
    )


def insert_padding(before: ir.Node, stream: ir.Value, pads: Sequence[int]) -> ir.Value:
    """Insert ``FMPadding`` by (top, left, bottom, right) for an NHWC stream, where it does something."""
    if not any(pads):
        return stream
    data_type = integer_type_of(stream)
    _, height, width, channels = static_shape(stream)
    padding = Operator.hardware(
        "FMPadding",
        ImgDim=[height, width],
        Padding=list(pads),
        NumChannels=channels,
        SIMD=1,
        inputDataType=data_type.name,
    )
    shape = (1, height + pads[0] + pads[2], width + pads[1] + pads[3], channels)
    label = before.name or before.outputs[0].name
    return insert_node(before, padding, [stream], Output(f"FMPadding_{label}", shape, data_type))


def insert_windows(before: ir.Node, stream: ir.Value, window: Window, *, depthwise: bool) -> ir.Value:
    """Insert ``FMPadding`` and ``ConvolutionInputGenerator`` for an NHWC stream, each only where it does something."""
    stream = insert_padding(before, stream, window.pads)
    _, height, width, channels = static_shape(stream)
    rows, columns = Window(kernel=window.kernel, strides=window.strides, dilations=window.dilations).output_size(
        height, width
    )
    data_type = integer_type_of(stream)
    label = before.name or before.outputs[0].name
    if window.kernel == (1, 1) and window.strides == (1, 1):
        return stream
    generator = Operator.hardware(
        "ConvolutionInputGenerator",
        ConvKernelDim=list(window.kernel),
        IFMChannels=channels,
        IFMDim=[height, width],
        OFMDim=[rows, columns],
        SIMD=1,
        Stride=list(window.strides),
        Dilation=list(window.dilations),
        inputDataType=data_type.name,
        outputDataType=data_type.name,
        depthwise=int(depthwise),
        is1D=int(height == 1 or width == 1),
    )
    size = window.kernel[0] * window.kernel[1] * channels
    output = Output(f"ConvolutionInputGenerator_{label}", (1, rows, columns, size), data_type)
    return insert_node(before, generator, [stream], output)


def insert_pool(
    before: ir.Node, stream: ir.Value, window: Window, function: str, output_type: BaseDataType
) -> ir.Value:
    """Insert a depthwise window generator and a ``Pool`` for an NHWC stream.

    Args:
        before: the node whose place they take.
        stream: what they read.
        window: the window.
        function: ``MaxPool`` or ``AccPool``, a sum.
        output_type: data type of the result, and of the running sum.
    """
    windows = insert_windows(before, stream, window, depthwise=True)
    _, rows, columns, size = static_shape(windows)
    channels = size // (window.kernel[0] * window.kernel[1])
    operator = Operator.hardware(
        "Pool",
        Channels=channels,
        PE=1,
        KernelSize=list(window.kernel),
        Function=function,
        OutImgDims=[rows, columns],
        InputDataType=integer_type_of(windows).name,
        OutputDataType=output_type.name,
        AccumBits=0 if function == "MaxPool" else int(output_type.bitwidth()),
        Size=0,
        BatchSize=1,
        cpp_interface="hls_vector",
    )
    output = Output(f"Pool_{before.name or before.outputs[0].name}", (1, rows, columns, channels), output_type)
    return insert_node(before, operator, [windows], output)
