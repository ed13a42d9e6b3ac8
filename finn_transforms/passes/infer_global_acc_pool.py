"""Turns sums over all pixels into FINN's layer."""

from __future__ import annotations

from typing import ClassVar

import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.ops.convolution import Window
from finn_transforms.ops.tensors import reduce_axes
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import integer_input
from finn_transforms.passes._sums import insert_sum


class InferGlobalAccPool(NodePass):
    """Lower ``ReduceSum`` of an integer image over height and width.

    Before::

        s = ReduceSum(q, axes=(2, 3), keepdims=1)           # NCHW

    After::

        s = Transpose(GlobalAccPool(Transpose(q)))          # NHWC inside
        s = Transpose(Pool(ConvolutionInputGenerator(Transpose(q))))        # where the image is not square

    FINN gives the sum the type that holds as many pixels at the end of their type, the lower end of a signed one; the
    pass does as well, and tells the sum's readers.

    Refused: other axes, dropped dimensions, batches, bits that stand for -1 and 1.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"ReduceSum"})

    def lower(self, node: ir.Node) -> str | None:
        """Lower one sum, unless it has nothing to do with integers."""
        if node.inputs[0] is None or integer_datatype(node.inputs[0]) is None:
            return None
        source = integer_input(node)
        rank = len(static_shape(source))
        given = None if len(node.inputs) < 2 else constant(node.inputs[1])
        axes = sorted(reduce_axes(attributes_of(node), rank, given))
        if rank != 4 or axes != [2, 3]:
            raise NoMatchError(f"it sums {rank} dimensions over {axes}", "Sum images (1, C, H, W) over axes 2 and 3")
        if not attributes_of(node).get("keepdims", 1):
            raise NoMatchError("it drops the dimensions it sums over", "Keep them, and flatten afterwards")
        height, width = static_shape(source)[2:]
        return insert_sum(node, source, Window(kernel=(height, width)))
