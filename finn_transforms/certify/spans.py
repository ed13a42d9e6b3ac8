"""What a graph says about the integers on its wires, walked from the inputs on."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finn_transforms.certify.counts import read_pair
from finn_transforms.certify.graph import Graph, Layer, integers, type_range
from finn_transforms.certify.sparq import read_sparq_unit
from finn_transforms.certify.sums import Span, read_unit

Spans = dict[str, Span]
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "ElementwiseAdd": operator.add,
    "ElementwiseMul": operator.mul,
    "ElementwiseSub": operator.sub,
}
_OUTSIDE = ("external", "external_mem", "dynamic")


def find_spans(graph: Graph) -> Spans:
    """Return the span of each value that is annotated with an integer type."""
    spans: Spans = {}
    for name in graph.inputs:
        _annotate(graph, name, spans)
    for layer in graph.layers:
        rule = _RULES.get(layer.kind)
        found = None if rule is None else rule(graph, layer, spans)
        for index, output in enumerate(layer.outputs):
            each = found[index] if isinstance(found, list) else found
            if each is not None and type_range(graph.types.get(output, "")) is not None:
                spans[output] = each
            else:
                _annotate(graph, output, spans)
    return spans


def operand_spans(graph: Graph, layer: Layer, spans: Spans) -> list[Span] | None:
    """Return the spans of an element-wise layer's operands, constants included."""
    result = []
    rank = len(graph.shapes.get(layer.outputs[0], ()))
    for index, name in enumerate(layer.inputs):
        stored = graph.constant(layer, index)
        if stored is not None and np.any(stored != np.rint(stored)):
            # FINN also scales real numbers in such layers.
            return None
        span = spans.get(name) if stored is None else Span(integers(stored), integers(stored))
        if span is None or span.low.ndim > rank:
            return None
        shape = (1,) * (rank - span.low.ndim) + span.low.shape
        result.append(Span(span.low.reshape(shape), span.high.reshape(shape), span.derived))
    return result


def combine(kind: str, left: Span, right: Span) -> Span:
    """Return the span of two operands combined."""
    function = _ARITHMETIC[kind]
    corners = [function(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
    return Span(np.minimum.reduce(corners), np.maximum.reduce(corners), left.derived and right.derived)


def pool_elements(layer: Layer, spans: Spans) -> tuple[Span, int] | None:
    """Return the span (C,) or (1,) of one element that a pool adds, and how many it adds."""
    span = spans.get(layer.inputs[0])
    if span is None:
        return None
    flat = span.last()
    if layer.kind == "GlobalAccPool":
        return flat, prod(layer.attributes["numInputVectors"][1:])
    size = prod(layer.attributes["KernelSize"])
    if flat.low.size == 1:
        return flat, size
    low, high = (side.reshape(size, -1) for side in (flat.low, flat.high))
    return Span(low.min(axis=0), high.max(axis=0), flat.derived), size


def _annotate(graph: Graph, name: str, spans: Spans) -> None:
    ends = type_range(graph.types.get(name, ""))
    if ends is not None:
        shape = (1,) * max(1, len(graph.shapes.get(name, ())))
        spans[name] = Span(np.full(shape, ends[0], object), np.full(shape, ends[1], object), derived=False)


def _along(low: NDArray[Any], high: NDArray[Any], rank: int, derived: bool) -> Span:
    shape = (1,) * (rank - 1) + (-1,)
    return Span(low.reshape(shape), high.reshape(shape), derived)


def _quantizer(graph: Graph, layer: Layer, _spans: Spans) -> Span | None:
    scale, zero, width = (graph.constant(layer, index) for index in (1, 2, 3))
    if scale is None or zero is None or width is None or np.any(scale != 1) or np.any(zero != np.rint(zero)):
        return None
    bits, narrow = int(width.item()), int(layer.attributes["narrow"])
    if layer.attributes["signed"]:
        low, high = (-1, 1) if bits == 1 else (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1)
    else:
        low, high = 0, 2**bits - 1 - narrow
    zeros = integers(zero).reshape((1,) * (len(graph.shapes[layer.outputs[0]]) - zero.ndim) + zero.shape)
    return Span(low - zeros, high - zeros)


def _bipolar(graph: Graph, layer: Layer, _spans: Spans) -> Span | None:
    scale = graph.constant(layer, 1)
    if scale is None or np.any(scale != 1):
        return None
    shape = (1,) * len(graph.shapes[layer.outputs[0]])
    return Span(np.full(shape, -1, object), np.full(shape, 1, object))


def _keep(_graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    return spans.get(layer.inputs[0])


def _transpose(_graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    span, perm = spans.get(layer.inputs[0]), layer.attributes.get("perm")
    return None if span is None else Span(span.low.transpose(perm), span.high.transpose(perm), span.derived)


def _mix_stream(_graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    span = spans.get(layer.inputs[0])
    return None if span is None else span.mixed(*range(span.low.ndim - 1))


def _mix_image(_graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    span = spans.get(layer.inputs[0])
    return None if span is None else span.mixed(0, *range(2, span.low.ndim))


def _pad(graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    span = _mix_stream(graph, layer, spans)
    return None if span is None else Span(np.minimum(span.low, 0), np.maximum(span.high, 0), span.derived)


def _cut_windows(graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    span = _mix_stream(graph, layer, spans)
    if span is None or span.low.size == 1:
        return span
    taps = prod(layer.attributes["ConvKernelDim"])
    return Span(np.tile(span.low, taps), np.tile(span.high, taps), span.derived)


def _thresholding(graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    span = spans.get(layer.inputs[0])
    return None if span is None else _codes(graph, layer, 1, span.last(), span.low.ndim)


def _codes(graph: Graph, layer: Layer, index: int, sums: Span, rank: int) -> Span | None:
    """Return what a layer's thresholds make of sums (C,)."""
    thresholds, attributes = graph.constant(layer, index), layer.attributes
    changes = attributes.get("runtime_writeable_weights", 0) or attributes.get("mem_mode") in _OUTSIDE
    if thresholds is None or changes:
        return None
    channels = max(len(thresholds), sums.low.size)
    ends = []
    for side in (sums.low, sums.high):
        values = np.broadcast_to(side, (channels,))
        rows = np.broadcast_to(thresholds, (channels, thresholds.shape[1]))
        counts = [sum(bool(level <= value) for level in row) for row, value in zip(rows.tolist(), values, strict=True)]
        if attributes.get("outputDataType") == "BIPOLAR":
            ends.append(np.array([2 * count - 1 for count in counts], dtype=object))
        else:
            ends.append(np.array([count + attributes.get("ActVal", 0) for count in counts], dtype=object))
    return _along(ends[0], ends[1], rank, sums.derived)


def _unit(graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    unit = read_unit(graph, layer, spans)
    if unit is None:
        return None
    low, high = unit.sums(partial=False)
    rank = max(1, len(graph.shapes.get(layer.outputs[0], ())))
    if len(layer.inputs) > 2 and not layer.attributes.get("noActivation", 0):
        return _codes(graph, layer, 2, Span(low, high, unit.derived), rank)
    return _along(low, high, rank, unit.derived)


def _sparq_unit(graph: Graph, layer: Layer, _spans: Spans) -> Span | None:
    unit = read_sparq_unit(graph, layer)
    if unit is None:
        return None
    # All activations are among its inputs, whatever the graph says of them.
    return _along(*unit.sums(), max(1, len(graph.shapes.get(layer.outputs[0], ()))), True)


def _pool(_graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    span, function = spans.get(layer.inputs[0]), layer.attributes.get("Function")
    if span is None:
        return None
    flat = span.last()
    size = prod(layer.attributes["KernelSize"])
    low, high = (np.broadcast_to(side, (size,)) if side.size == 1 else side for side in (flat.low, flat.high))
    low, high = (side.reshape(size, -1) for side in (low, high))
    if function == "MaxPool":
        return _along(low.max(axis=0, keepdims=True), high.max(axis=0, keepdims=True), span.low.ndim, span.derived)
    if function != "AccPool":
        return None
    return _along(low.sum(axis=0, keepdims=True), high.sum(axis=0, keepdims=True), span.low.ndim, span.derived)


def _global_sum(graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    found = pool_elements(layer, spans)
    if found is None:
        return None
    elements, count = found
    return _along(elements.low * count, elements.high * count, len(graph.shapes[layer.inputs[0]]), elements.derived)


def _elementwise(graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    operands = operand_spans(graph, layer, spans)
    pair = read_pair(graph, layer, spans)
    if pair is not None and operands is not None:
        found = pair.span()
        return _along(found.low, found.high, operands[0].low.ndim, found.derived)
    if operands is None or len(operands) != 2 or layer.inputs[0] == layer.inputs[1]:
        return None
    return combine(layer.kind, *operands)


def _join(graph: Graph, layer: Layer, spans: Spans) -> Span | None:
    found = [spans.get(name) for name in layer.inputs]
    flat = [span.last() for span in found if span is not None]
    if len(flat) != len(found):
        return None
    sizes = [graph.shapes[name][-1] for name in layer.inputs]
    low, high = (
        np.concatenate([np.broadcast_to(side, (size,)) for side, size in zip(sides, sizes, strict=True)])
        for sides in ([span.low for span in flat], [span.high for span in flat])
    )
    rank = len(graph.shapes[layer.inputs[0]])
    return _along(low, high, rank, all(span.derived for span in flat))


def _split(graph: Graph, layer: Layer, spans: Spans) -> list[Span] | None:
    span = spans.get(layer.inputs[0])
    if span is None or span.low.shape[-1] == 1:
        return None if span is None else [span] * len(layer.outputs)
    ends = np.cumsum([graph.shapes[name][-1] for name in layer.outputs])[:-1]
    parts = zip(np.split(span.low, ends, axis=-1), np.split(span.high, ends, axis=-1), strict=True)
    return [Span(low, high, span.derived) for low, high in parts]


_RULES: dict[str, Callable[[Graph, Layer, Spans], Span | list[Span] | None]] = {
    "BipolarQuant": _bipolar,
    "ConvolutionInputGenerator": _cut_windows,
    "DuplicateStreams": _keep,
    "ElementwiseAdd": _elementwise,
    "ElementwiseMul": _elementwise,
    "ElementwiseSub": _elementwise,
    "FMPadding": _pad,
    "FMPadding_Pixel": _pad,
    "GlobalAccPool": _global_sum,
    "Identity": _keep,
    "IntQuant": _quantizer,
    "MVAU": _unit,
    "ShiftMVAU": _unit,
    "SparqMVAU": _sparq_unit,
    "MaxPool": _mix_image,
    "Pool": _pool,
    "Quant": _quantizer,
    "StreamingConcat": _join,
    "StreamingSplit": _split,
    "Thresholding": _thresholding,
    "Transpose": _transpose,
    "UpsampleNearestNeighbour": _mix_stream,
    "VVAU": _unit,
}
