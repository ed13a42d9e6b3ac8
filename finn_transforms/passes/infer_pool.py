"""Turns integer max pooling into FINN's pooling layer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.ops.convolution import Window
from finn_transforms.passes._edit import Operator, Output, insert_node, integer_type_of
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream, integer_input, replace_by_stream
from finn_transforms.passes._windows import insert_windows, read_window


class InferPool(NodePass):
    """Lower integer ``MaxPool`` to a depthwise input generator and ``Pool``.

    Before::

        p = MaxPool(q)                                                          # NCHW

    After::

        p = Transpose(Pool(ConvolutionInputGenerator(Transpose(q))))            # NHWC inside

    Refused: padding of values that can be negative, for which the hardware's zeros are not the lowest ones; windows
    in nothing but padding; rounded-up output sizes.
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
        _, channels, height, width = static_shape(source)
        if any(window.pads):
            self._require_harmless_padding(source, window)
        data_type, old = integer_type_of(source), node.outputs[0]
        stream = insert_windows(node, as_stream(node, source), window, depthwise=True)
        rows, columns = window.output_size(height, width)
        operator = Operator.hardware(
            "Pool",
            Channels=channels,
            PE=1,
            KernelSize=list(window.kernel),
            Function="MaxPool",
            OutImgDims=[rows, columns],
            InputDataType=data_type.name,
            OutputDataType=data_type.name,
            AccumBits=0,
            Size=0,
            BatchSize=1,
            cpp_interface="hls_vector",
        )
        output = Output(f"Pool_{node.name or old.name}", (1, rows, columns, channels), data_type)
        replace_by_stream(node, old, insert_node(node, operator, [stream], output))
        return "depthwise input generator and Pool"

    def _require_harmless_padding(self, source: ir.Value, window: Window) -> None:
        if self._lowest.get(source, -1) < 0:
            raise NoMatchError("it pads signed values", "Use unsigned activations (after a ReLU) or no padding")
        if not integer_type_of(source).allowed(0):
            raise NoMatchError("it pads values that have no zero", "Use no padding")
        if any(_sees_padding_only(axis, size, window) for axis, size in enumerate(static_shape(source)[2:])):
            raise NoMatchError(
                f"a window of it lies in the padding {window.pads} only", "Use less padding, or a smaller dilation"
            )


def _sees_padding_only(axis: int, size: int, window: Window) -> bool:
    """Tell whether at some output position no tap of the kernel falls on the image, along one axis."""
    padded = size + window.pads[axis] + window.pads[axis + 2]
    taps = np.arange(window.kernel[axis]) * window.dilations[axis]
    starts = np.arange(0, padded - taps[-1], window.strides[axis]) - window.pads[axis]
    positions = np.add.outer(starts, taps)
    return not ((positions >= 0) & (positions < size)).any(axis=1).all()
