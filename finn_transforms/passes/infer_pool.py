"""Turns integer max pooling into FINN's pooling layer."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.datatypes import integer_datatype, range_of
from finn_transforms.analysis.matching import NoMatchError, nodes_of, static_shape
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import (
    NCHW_TO_NHWC,
    NHWC_TO_NCHW,
    Operator,
    Output,
    insert_node,
    insert_transpose,
    replace,
)
from finn_transforms.passes._windows import insert_windows, read_window


class InferPool(HardwarePass):
    """Lower integer ``MaxPool`` to a depthwise input generator and ``Pool``.

    Before::

        p = MaxPool(q)                                                          # NCHW

    After::

        p = Transpose(Pool(ConvolutionInputGenerator(Transpose(q))))            # NHWC inside

    Refused: padding of signed values, for which the hardware's zeros are not the lowest ones; rounded-up output sizes.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Lower every integer max pool."""
        for node in nodes_of(model):
            if node.op_type != "MaxPool" or node.domain != "":
                continue
            try:
                self._lower(node)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            self.note(result, node, "depthwise input generator and Pool")

    def _lower(self, node: ir.Node) -> None:
        source, attributes = node.inputs[0], attributes_of(node)
        data_type = None if source is None else integer_datatype(source)
        if source is None or data_type is None:
            raise NoMatchError("its input is not an integer tensor", "Put an activation quantizer in front of it")
        window = read_window(attributes, attributes["kernel_shape"])
        batch, channels, height, width = static_shape(source)
        if batch != 1:
            raise NoMatchError(f"its batch size is {batch}", "Export with an example of batch size 1")
        if any(window.pads) and range_of(data_type).low < 0:
            raise NoMatchError("it pads signed values", "Use unsigned activations (after a ReLU) or no padding")
        old = node.outputs[0]
        stream = insert_transpose(node, source, NCHW_TO_NHWC, f"{source.name}_nhwc")
        stream = insert_windows(node, stream, window, depthwise=True)
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
        pooled = insert_node(node, operator, [stream], output)
        replace(old, insert_transpose(node, pooled, NHWC_TO_NCHW, f"{old.name}_nchw"))
