"""Gives every reader of a stream a copy of its own."""

from __future__ import annotations

from itertools import pairwise

import onnx_ir as ir

from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, is_hardware, static_shape
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import Operator, Output, graph_of, hand_over_output, insert_nodes, integer_type_of


class InsertDuplicateStreams(HardwarePass):
    """Put ``DuplicateStreams`` behind every stream that is read more than once.

    Before::

        y = MVAU(q, W)
        a, b = Thresholding(y, S), ElementwiseAdd(y, r)

    After::

        y0, y1 = DuplicateStreams(MVAU(q, W))
        a, b = Thresholding(y0, S), ElementwiseAdd(y1, r)

    A wire of the hardware has one end.  What a hardware layer computes is copied for every reader, nodes of the host
    and the graph's outputs included; what the host computes, for every hardware layer that reads it, where there are
    several.

    Comes behind `CancelTransposes`, which lets readers share a transpose.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Copy each stream that has several readers."""
        nodes = tuple(model.graph)
        inputs = [value for value in model.graph.inputs if constant(value) is None and integer_datatype(value)]
        for value in inputs:
            self._duplicate(result, nodes[0], value)
        # A value that is read has a node behind the one that computes it.
        for node, following in pairwise(nodes):
            for value in node.outputs:
                self._duplicate(result, following, value)

    def _duplicate(self, result: HardwarePassResult, before: ir.Node, value: ir.Value) -> None:
        if not (readers := _readers(value)):
            return
        try:
            count = _insert(before, value, readers)
        except NoMatchError as why:
            self.refuse(result, value.producer() or before, why)
            return
        self.note(result, value.producer() or before, f"{count} copies of {value.name}")


def _readers(value: ir.Value) -> list[tuple[ir.Node, int]]:
    """Return the inputs that need copies of a value; none where one wire does."""
    uses = [(reader, index) for reader, index in value.uses()]
    if is_hardware(value.producer()):
        return uses if len(uses) + value.is_graph_output() > 1 else []
    hardware = [(reader, index) for reader, index in uses if is_hardware(reader)]
    return hardware if len(hardware) > 1 else []


def _insert(before: ir.Node, value: ir.Value, readers: list[tuple[ir.Node, int]]) -> int:
    data_type = integer_type_of(value)
    *vectors, channels = static_shape(value)
    copies_output = is_hardware(value.producer()) and value.is_graph_output()
    count = len(readers) + copies_output
    operator = Operator.hardware(
        "DuplicateStreams",
        NumChannels=channels,
        PE=1,
        NumOutputStreams=count,
        inputDataType=data_type.name,
        numInputVectors=vectors,
        outFIFODepths=[2] * count,
        cpp_interface="hls_vector",
        hls_style="freerunning",
    )
    outputs = [Output(f"DuplicateStreams_{value.name}", static_shape(value), data_type) for _ in range(count)]
    copies = insert_nodes(before, operator, [value], outputs)
    for (reader, index), copy in zip(readers, copies, strict=False):
        reader.replace_input_with(index, copy)
    if copies_output:
        hand_over_output(graph_of(before), value, copies[-1])
    return count
