"""Sums over windows of an image in FINN's pooling layers."""

from __future__ import annotations

import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.datatypes import range_of, smallest_datatype
from finn_transforms.analysis.matching import static_shape
from finn_transforms.ops.convolution import Window
from finn_transforms.passes._edit import Operator, Output, insert_node, integer_type_of
from finn_transforms.passes._retype import retype
from finn_transforms.passes._streams import as_stream, replace_by_stream, require_numbers
from finn_transforms.passes._windows import insert_pool


def insert_sum(node: ir.Node, source: ir.Value, window: Window) -> str:
    """Let sums over windows of an image (1, C, H, W) take the place of a node; return what became of it.

    Of the whole image a ``GlobalAccPool`` adds up the pixels as they come.  FINN tells its HLS function one side of the
    image only, so that other than square ones take the way of smaller windows.

    Raises:
        NoMatchError: the image is of bits that stand for -1 and 1.
    """
    require_numbers(source)
    rows, columns = static_shape(source)[2:]
    is_whole = window.kernel == (rows, columns) and not any(window.pads)
    data_type, pixels = integer_type_of(source), window.kernel[0] * window.kernel[1]
    ends = range_of(data_type)
    reachable = IntRange(min(0, pixels * ends.low), pixels * ends.high)
    sum_type = smallest_datatype(reachable)
    stream = as_stream(node, source)
    if is_whole and rows == columns:
        result = _insert_global_sum(node, stream, sum_type)
        detail = f"GlobalAccPool of {rows} x {columns} pixels"
    else:
        result = insert_pool(node, stream, window, "AccPool", sum_type)
        detail = f"depthwise input generator and Pool, sums of {pixels} pixels"
    replace_by_stream(node, node.outputs[0], result)
    retype(result, reachable, sum_type)
    return detail


def _insert_global_sum(node: ir.Node, stream: ir.Value, sum_type: BaseDataType) -> ir.Value:
    _, rows, columns, channels = static_shape(stream)
    operator = Operator.hardware(
        "GlobalAccPool",
        NumChannels=channels,
        PE=1,
        inputDataType=integer_type_of(stream).name,
        numInputVectors=[1, rows, columns],
    )
    output = Output(f"GlobalAccPool_{node.name or node.outputs[0].name}", (1, 1, 1, channels), sum_type)
    return insert_node(node, operator, [stream], output)
