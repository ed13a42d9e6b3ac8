"""Between ONNX's tensors, channels second, and FINN's streams, channels last."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.passes._edit import (
    NCHW_TO_NHWC,
    NHWC_TO_NCHW,
    graph_of,
    insert_transpose,
    integer_type_of,
    redirect,
)


def integer_input(node: ir.Node, advice: str = "Put an activation quantizer in front of it") -> ir.Value:
    """Return the first input of a node, an integer tensor for one image.

    Raises:
        NoMatchError: it is not an integer tensor, or for a batch.
    """
    source = node.inputs[0]
    if source is None or integer_datatype(source) is None:
        raise NoMatchError(f"its input {source.name if source else ''!r} is not an integer tensor", advice)
    require_one_image(source)
    return source


def require_one_image(value: ir.Value) -> None:
    """Raise unless a value's first dimension is 1.

    Raises:
        NoMatchError: it is another one.
    """
    if static_shape(value)[:1] != (1,):
        raise NoMatchError(f"its batch size is {static_shape(value)[0]}", "Export with an example of batch size 1")


def require_zero(value: ir.Value) -> None:
    """Raise unless a value's data type has a zero, which is what the hardware pads with.

    Raises:
        NoMatchError: it has none.
    """
    data_type = integer_type_of(value)
    if not data_type.allowed(0):
        raise NoMatchError(
            f"it pads {data_type.name} values with zeros, which they do not have",
            "Use no padding, or an activation quantizer of two bits",
        )


def has_signs(value: ir.Value) -> bool:
    """Tell whether a value is -1 or 1, kept as one bit: most of FINN's layers read that bit as 0 or -1.

    Layers that move bits, and units that multiply, take them for what they are.
    """
    return integer_type_of(value).name == "BIPOLAR"


def require_numbers(value: ir.Value) -> None:
    """Raise where a layer would compute with a bit that stands for -1 or 1.

    Raises:
        NoMatchError: it would.
    """
    if has_signs(value):
        raise NoMatchError(
            "FINN's layer does not compute with bits that stand for -1 and 1", "Use an activation quantizer of two bits"
        )


def channel_axis(value: ir.Value) -> int:
    """Return the axis of a value that is the channels of its stream.

    Raises:
        NoMatchError: it is neither (1, C) nor (1, C, H, W).
    """
    rank = len(static_shape(value))
    if rank not in {2, 4}:
        raise NoMatchError(f"it works on a tensor with {rank} dimensions", "Use images (1, C, H, W) or vectors (1, C)")
    return 1


def as_stream(before: ir.Node, value: ir.Value) -> ir.Value:
    """Return a value with its channels last; an image (1, C, H, W) is transposed in front of a node."""
    if len(static_shape(value)) != 4:
        return value
    return insert_transpose(before, value, NCHW_TO_NHWC, f"{value.name}_nhwc")


def redirect_to_stream(before: ir.Node, old: ir.Value, stream: ir.Value) -> None:
    """Let every reader of ``old`` read a stream instead; an image is transposed back in front of a node."""
    if len(static_shape(stream)) == 4:
        stream = insert_transpose(before, stream, NHWC_TO_NCHW, f"{old.name}_nchw")
    redirect(old, stream)


def replace_by_stream(node: ir.Node, old: ir.Value, stream: ir.Value) -> None:
    """Let every reader of a node's one output read a stream instead, and remove the node."""
    redirect_to_stream(node, old, stream)
    graph_of(node).remove(node, safe=True)
