"""Translates a lowered graph, layer by layer, for onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.accumulators import Accumulator, accumulates, read_accumulator
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, range_of
from finn_transforms.analysis.matching import (
    NoMatchError,
    is_hardware,
    is_quantizer,
    layer_type,
    nodes_of,
    sole_consumer,
)
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.emulate.accumulators import declared_type
from finn_transforms.emulate.compiled.builder import Builder
from finn_transforms.emulate.compiled.host import ARITHMETIC, MOVES, SELECTING, arithmetic, moved, quantizer, selecting
from finn_transforms.emulate.compiled.layers import Dot, plain_dot, thresholded_dot, with_offset
from finn_transforms.emulate.compiled.sparq import encoder
from finn_transforms.emulate.compiled.steps import Steps
from finn_transforms.emulate.compiled.stream import CannotCompileError, Stream, ends, float32, settled
from finn_transforms.emulate.compiled.stream_layers import STREAM_LAYERS, constant_stream
from finn_transforms.emulate.compiled.thresholds import thresholded
from finn_transforms.ops.hardware import counts_equal_bits
from finn_transforms.ops.shift import UNIT as SHIFT_UNIT
from finn_transforms.ops.shift import folded_weights
from finn_transforms.ops.sparq import ENCODER
from finn_transforms.ops.sparq import UNIT as SPARQ_UNIT

Ints = NDArray[np.int64]
Layer: TypeAlias = Callable[["Translator", ir.Node], list[Stream]]


class Translator:
    """Holds the streams that the values of a graph have become.

    Attributes:
        builder: the graph that is written.
        ranges: the integers that each value of the graph can be.
        sums: what the layers that add can reach.
        streams: by value.
    """

    def __init__(self, model: ir.Model) -> None:
        self.builder = Builder()
        self.ranges = integer_ranges(model)
        self.sums: dict[ir.Node, Accumulator] = {}
        self.streams: dict[ir.Value, Stream] = {}
        for value in model.graph.inputs:
            if value.const_value is None:
                self.streams[value] = _input_stream(value)
        for node in nodes_of(model):
            if node.outputs[0] not in self.streams and constant(node.outputs[0]) is None:
                self._add(node)

    def output(self, value: ir.Value) -> str:
        """Return the name of the float64 tensor that holds a graph output."""
        stream = settled(self.builder, self.streams[value])
        if stream.kind == "float64":
            return stream.name
        return self.builder.cast(float32(self.builder, stream).name, np.float64)

    def _add(self, node: ir.Node) -> None:
        if is_quantizer(node):
            self.streams[node.outputs[0]] = self._quantizer(node)
            return
        if node.domain == "" and node.op_type in MOVES:
            self.streams[node.outputs[0]] = moved(self.builder, node, self.source(node))
            return
        if node.domain == "" and node.op_type in SELECTING:
            self.streams[node.outputs[0]] = selecting(self.builder, node, self.source(node))
            return
        if node.domain == "" and node.op_type in ARITHMETIC:
            operands = [None if value is None else self.streams.get(value) for value in node.inputs]
            self.streams[node.outputs[0]] = arithmetic(self.builder, node, operands)
            return
        layer = _LAYERS.get(layer_type(node)) if is_hardware(node) else None
        if layer is None:
            raise CannotCompileError(
                f"{node.op_type} {node.name!r}: no kernel is known for it; known are {sorted(_LAYERS)} and, around "
                f"them, quantizers, {sorted(ARITHMETIC | SELECTING | MOVES)}; "
                f"{'' if is_hardware(node) else 'lower the graph to hardware, or '}use emulate"
            )
        if accumulates(node):
            self.sums[node] = _accumulator(node, self.ranges)
        for output, stream in zip(node.outputs, layer(self, node), strict=True):
            self.streams[output] = stream

    def source(self, node: ir.Node, index: int = 0) -> Stream:
        """Return a computed input of a node."""
        value = node.inputs[index]
        if value is None or value not in self.streams:
            raise CannotCompileError(f"{node.op_type} {node.name!r}: its input {index} is not computed")
        return self.streams[value]

    def _quantizer(self, node: ir.Node) -> Stream:
        source = settled(self.builder, self.source(node))
        producer = node.inputs[0].producer() if node.inputs[0] is not None else None
        if producer is not None and producer.op_type == "Div" and producer.domain == "":
            numerator, divisor = producer.inputs[0], constant(producer.inputs[1])
            stream = None if numerator is None else self.streams.get(numerator)
            if stream is not None and divisor is not None and stream.kind == "float32" and stream.low is None:
                return quantizer(self.builder, node, source, (stream, divisor))
        return quantizer(self.builder, node, source, None)

    def sources(self, node: ir.Node) -> list[Stream]:
        """Return the inputs of a node; constants become streams of integers."""
        return [
            self.source(node, index) if (array := constant(value)) is None else constant_stream(self.builder, array)
            for index, value in enumerate(node.inputs)
        ]

    def dot(self, node: ir.Node, source: Stream, weights: Ints) -> Stream:
        """Add a matrix-vector unit, and the thresholds that alone read its sums where one kernel does both."""
        attributes = attributes_of(node)
        matches = counts_equal_bits(attributes)
        if attributes.get("binaryXnorMode", 0) and not matches:
            raise CannotCompileError(f"{node.op_type} {node.name!r}: expected -1 and 1 where equal bits are counted")
        low, high = (np.asarray(end, dtype=np.int64) for end in self.sums[node].final)
        dot = Dot(
            name=node.name or "",
            source=source,
            weights=weights,
            low=low,
            high=high,
            depthwise=layer_type(node) == "VVAU",
            counts_matches=matches,
        )
        follower = _only_reader(node)
        inside = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        if inside is not None:
            return self._thresholds_of(node, dot, inside)
        if follower is not None and is_hardware(follower) and layer_type(follower) == "Thresholding":
            fused = self._fused(follower, dot)
            if fused is not None:
                self.streams[follower.outputs[0]] = fused
                return fused
        return plain_dot(self.builder, dot)

    def _thresholds_of(self, node: ir.Node, dot: Dot, values: NDArray[Any]) -> Stream:
        thresholds = _integer_thresholds(values, dot.weights.shape[1])
        counts = thresholded_dot(self.builder, dot, thresholds)
        if counts is None:
            steps = Steps(thresholds=thresholds, low=dot.low, high=dot.high)
            counts = thresholded(self.builder, plain_dot(self.builder, dot), steps, node.name or "")
        return _activated(node, counts)

    def _fused(self, node: ir.Node, dot: Dot) -> Stream | None:
        values = constant(node.inputs[1])
        if values is None:
            return None
        counts = thresholded_dot(self.builder, dot, _integer_thresholds(values, dot.weights.shape[1]))
        return None if counts is None else _activated(node, counts)


def _input_stream(value: ir.Value) -> Stream:
    shape = value.shape
    if shape is None:
        raise CannotCompileError(f"{value.name}: expected an input of known shape, found none; infer shapes first")
    data_type = integer_datatype(value)
    low, high = (None, None) if data_type is None else ends(range_of(data_type))
    return Stream(name=value.name or "", kind="float32", rank=len(shape), low=low, high=high)


def _only_reader(node: ir.Node) -> ir.Node | None:
    output = node.outputs[0]
    return next(iter(output.uses())).node if sole_consumer(output) else None


def _accumulator(node: ir.Node, ranges: dict[ir.Value, Box]) -> Accumulator:
    """Return what a layer's accumulator can reach.

    Raises:
        CannotCompileError: its declared data type does not hold that, or it is not known.
    """
    try:
        accumulator = read_accumulator(node, ranges)
    except NoMatchError as why:
        raise CannotCompileError(f"{node.op_type} {node.name!r}: {why.reason}; use emulate") from why
    needed = accumulator.hull("wrap")
    attribute, declared = declared_type(node, attributes_of(node))
    if declared is not None and not range_of(declared).contains(needed):
        raise CannotCompileError(
            f"{node.op_type} {node.name!r}: expected {attribute} to hold [{needed.low}, {needed.high}], found "
            f"{declared.name}; use emulate, which wraps around"
        )
    return accumulator


def _integer_thresholds(values: NDArray[Any], channels: int) -> Ints:
    rows = np.broadcast_to(np.ceil(values.astype(np.float64)), (channels, values.shape[1]))
    thresholds: Ints = np.clip(rows, -(2**62), 2**62).astype(np.int64)
    return thresholds


def _activated(node: ir.Node, counts: Stream) -> Stream:
    attributes = attributes_of(node)
    if attributes.get("outputDataType") == "BIPOLAR":
        return with_offset(counts, factor=2, offset=-1)
    return with_offset(counts, factor=1, offset=int(attributes.get("ActVal", 0)))


def _mvau(translator: Translator, node: ir.Node) -> list[Stream]:
    source, weights = translator.source(node), constant(node.inputs[1])
    if weights is None:
        raise CannotCompileError(f"{node.op_type} {node.name!r}: its weights are not constants")
    if source.window is None and len(attributes_of(node).get("numInputVectors", [1])) == 1 and source.rank != 2:
        # The layer reads a whole image as one vector.
        shape = translator.builder.constant(np.array([-1, len(weights)], np.int64))
        source = settled(translator.builder, source)
        source = source.renamed(translator.builder.node("Reshape", [source.name, shape]))
        source = replace(source, rank=2)
    whole = weights.astype(np.int64)
    return [
        translator.dot(
            node, source, folded_weights(attributes_of(node), whole) if layer_type(node) == SHIFT_UNIT else whole
        )
    ]


def _vvau(translator: Translator, node: ir.Node) -> list[Stream]:
    source, weights = translator.source(node), constant(node.inputs[1])
    if weights is None:
        raise CannotCompileError(f"{node.op_type} {node.name!r}: its weights are not constants")
    if source.window is None:
        # A kernel of one pixel: there is no window that could read the zeros.
        source = settled(translator.builder, source)
    return [translator.dot(node, source, weights.reshape(len(weights), -1).T.astype(np.int64))]


def _thresholding(translator: Translator, node: ir.Node) -> list[Stream]:
    source = float32(translator.builder, settled(translator.builder, translator.source(node)))
    values, channels = constant(node.inputs[1]), int(attributes_of(node)["NumChannels"])
    if values is None:
        raise CannotCompileError(f"{node.op_type} {node.name!r}: its thresholds are not constants")
    low, high = (np.broadcast_to(end, (channels,)) for end in source.extremes())
    steps = Steps(thresholds=_integer_thresholds(values, channels), low=low, high=high)
    return [_activated(node, thresholded(translator.builder, source, steps, node.name or ""))]


def _streamed(function: Callable[[Builder, ir.Node, list[Stream]], list[Stream]]) -> Layer:
    return lambda translator, node: function(translator.builder, node, translator.sources(node))


_LAYERS: dict[str, Layer] = {
    **{name: _streamed(function) for name, function in STREAM_LAYERS.items()},
    "MVAU": _mvau,
    SHIFT_UNIT: _mvau,
    ENCODER: _streamed(encoder),
    SPARQ_UNIT: _mvau,
    "Thresholding": _thresholding,
    "VVAU": _vvau,
}
