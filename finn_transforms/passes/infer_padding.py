"""Turns zero padding of images into FINN's layer."""

from __future__ import annotations

from typing import ClassVar

import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.passes._nodes import NodePass
from finn_transforms.passes._streams import as_stream, integer_input, replace_by_stream, require_zero
from finn_transforms.passes._windows import insert_padding


class InferPadding(NodePass):
    """Lower ``Pad`` of integer images with zeros.

    Before::

        p = Pad(q, (0, 0, 1, 1, 0, 0, 1, 1))                # NCHW

    After::

        p = Transpose(FMPadding(Transpose(q)))              # NHWC inside

    Refused: other modes and values, cropping, padding of channels, inputs without a zero, batches.
    """

    op_types: ClassVar[frozenset[str]] = frozenset({"Pad"})

    def lower(self, node: ir.Node) -> str | None:
        """Lower one padding, unless it has nothing to do with integers."""
        if node.inputs[0] is None or integer_datatype(node.inputs[0]) is None:
            return None
        source = integer_input(node)
        rank = len(static_shape(source))
        pads = _pads(node, rank)
        begins, ends = pads[:rank], pads[rank:]
        if rank != 4 or any((*begins[:2], *ends[:2])) or min(pads) < 0:
            raise NoMatchError(f"it pads by {pads}", "Pad height and width of images (1, C, H, W)")
        if any(pads):
            require_zero(source)
        stream = insert_padding(node, as_stream(node, source), (*begins[2:], *ends[2:]))
        replace_by_stream(node, node.outputs[0], stream)
        return f"FMPadding by {(*begins[2:], *ends[2:])}"


def _pads(node: ir.Node, rank: int) -> list[int]:
    """Return all begins, then all ends, of constant padding with zeros."""
    attributes = attributes_of(node)
    if (mode := attributes.get("mode", "constant")) != "constant":
        raise NoMatchError(f"its mode is {mode!r}", "Pad with zeros")
    parameters = [constant(value) for value in node.inputs[1:]]
    if any(array is None and value is not None for array, value in zip(parameters, node.inputs[1:], strict=True)):
        raise NoMatchError("its pads are computed", "Use constant pads")
    given, value, axes = (*parameters, None, None, None)[:3]
    number = attributes.get("value", 0) if value is None or not value.size else value.item()
    if number != 0:
        raise NoMatchError(f"it pads with {number}", "Pad with zeros")
    amounts = [int(amount) for amount in (attributes.get("pads", ()) if given is None else given)]
    where = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    pads = [0] * (2 * rank)
    for place, axis in enumerate(where):
        pads[axis], pads[rank + axis] = amounts[place], amounts[len(where) + place]
    return pads
