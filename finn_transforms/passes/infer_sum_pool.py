"""Turns sums over windows into FINN's pooling layers."""

from __future__ import annotations

from typing import ClassVar

import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import static_shape
from finn_transforms.passes._edit import input_of
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import has_signs, integer_input
from finn_transforms.passes._sums import insert_sum
from finn_transforms.passes._windows import read_window


class InferSumPool(NodePass):
    """Lower depthwise ``Conv`` with no weights but ones, which is what an average pool becomes, to sums.

    Before::

        s = Conv(q, ones, group=C)                                              # NCHW

    After::

        s = Transpose(Pool(ConvolutionInputGenerator(Transpose(q))))            # function AccPool, NHWC inside
        s = Transpose(GlobalAccPool(Transpose(q)))                              # where it is the whole square image

    Neither needs weights or multipliers, and the second no lines of pixels either.  Comes in front of `InferVVAU`,
    which takes sums of bits that stand for -1 and 1.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"Conv"})

    def lower(self, node: ir.Node) -> str | None:
        """Lower one sum over windows."""
        source = node.inputs[0]
        if source is None or integer_datatype(source) is None or has_signs(source) or not _adds_windows(node):
            return None
        integer_input(node)
        window = read_window(attributes_of(node), static_shape(input_of(node, 1))[2:], source)
        return insert_sum(node, source, window)


def _adds_windows(node: ir.Node) -> bool:
    weights = constant(node.inputs[1])
    if weights is None or integer_datatype(input_of(node, 1)) is None or weights.ndim != 4 or len(node.inputs) > 2:
        return False
    return weights.shape[:2] == (attributes_of(node).get("group", 1), 1) and bool((weights == 1).all())
