"""Turns integer max pooling into FINN's pooling layer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.matching import NoMatchError, layer_type, static_shape
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.ops.convolution import Window
from finn_transforms.passes._edit import Operator, Output, input_of, insert_node, integer_type_of
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream, has_signs, integer_input, replace_by_stream
from finn_transforms.passes._windows import insert_pool, read_window


class InferPool(NodePass):
    """Lower integer ``MaxPool`` to a depthwise input generator and ``Pool``.

    Before::

        p = MaxPool(q)                                                          # NCHW

    After::

        p = Transpose(Pool(ConvolutionInputGenerator(Transpose(q))))            # NHWC inside

    Signs of an activation, which FINN keeps as bits that its pool does not compare, are taken behind the pool instead
    of in front of it: they are a nondecreasing function, so that the largest sign is the sign of the largest value.

    Refused: signs from elsewhere; padding of values that can be negative, for which the hardware's zeros are not the
    lowest ones; windows in nothing but padding; rounded-up output sizes.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"MaxPool"})

    def prepare(self, model: ir.Model) -> None:
        """Find out which padded values can be negative."""
        padded = any(node.op_type in self.op_types and any(attributes_of(node).get("pads", ())) for node in model.graph)
        ranges = integer_ranges(model) if padded else {}
        self._lowest = {value: int(np.min(known.low)) for value, known in ranges.items()}

    def lower(self, node: ir.Node) -> str:
        """Lower a max pool."""
        source, attributes = integer_input(node), attributes_of(node)
        window = read_window(attributes, attributes["kernel_shape"])
        height, width = static_shape(source)[2:]
        activation = _activation_in_front(source) if has_signs(source) else None
        values = source if activation is None else input_of(activation, 0)
        if any(window.pads):
            self._require_harmless_padding(values, window, (height, width))
        stream = as_stream(node, source) if activation is None else values
        pooled = insert_pool(node, stream, window, "MaxPool", integer_type_of(stream))
        if activation is None:
            replace_by_stream(node, node.outputs[0], pooled)
            return "depthwise input generator and Pool"
        replace_by_stream(node, node.outputs[0], _insert_activation(node, activation, pooled))
        return f"depthwise input generator and Pool, in front of the activation {activation.name}"

    def _require_harmless_padding(self, values: ir.Value, window: Window, image: tuple[int, int]) -> None:
        if self._lowest.get(values, -1) < 0:
            raise NoMatchError("it pads signed values", "Use unsigned activations (after a ReLU) or no padding")
        if any(_sees_padding_only(axis, size, window) for axis, size in enumerate(image)):
            raise NoMatchError(
                f"a window of it lies in the padding {window.pads} only", "Use less padding, or a smaller dilation"
            )


def _activation_in_front(signs: ir.Value) -> ir.Node:
    """Return the ``Thresholding`` whose transposed output the signs are."""
    transpose = signs.producer()
    source = None if transpose is None or transpose.op_type != "Transpose" else transpose.inputs[0]
    activation = None if source is None else source.producer()
    if activation is None or layer_type(activation) != "Thresholding":
        raise NoMatchError(
            "FINN's layer does not compare bits that stand for -1 and 1",
            "Put it directly behind the activation, or use an activation quantizer of two bits",
        )
    return activation


def _insert_activation(before: ir.Node, activation: ir.Node, stream: ir.Value) -> ir.Value:
    """Insert an activation once more, for a stream of another size."""
    shape = static_shape(stream)
    attributes = {**attributes_of(activation), "numInputVectors": list(shape[:-1])}
    operator = Operator(activation.op_type, attributes, activation.domain)
    output = Output(f"{activation.name}_pooled", shape, integer_type_of(activation.outputs[0]))
    return insert_node(before, operator, [stream, input_of(activation, 1)], output)


def _sees_padding_only(axis: int, size: int, window: Window) -> bool:
    """Tell whether at some output position no tap of the kernel falls on the image, along one axis."""
    padded = size + window.pads[axis] + window.pads[axis + 2]
    taps = np.arange(window.kernel[axis]) * window.dilations[axis]
    starts = np.arange(0, padded - taps[-1], window.strides[axis]) - window.pads[axis]
    positions = np.add.outer(starts, taps)
    return not ((positions >= 0) & (positions < size)).any(axis=1).all()
