"""Sums of a matrix-vector or vector-vector unit, in integers that nothing can overflow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finn_transforms.certify.graph import Graph, Layer, type_range, whole

Ints = NDArray[Any]
_SHIFTING = "ShiftMVAU"
_WIDEST = 63
_OUTSIDE = ("external", "external_mem", "dynamic")


@dataclass(frozen=True, eq=False)
class Span:
    """The lowest and highest value of the elements of a tensor, as arrays of its rank with axes of size 1 for all.

    Attributes:
        derived: whether it follows from the graph; otherwise it is that of an annotated data type.
    """

    low: Ints
    high: Ints
    derived: bool = True

    def mixed(self, *axes: int) -> Span:
        """Return the span of elements that may be any of those along some axes."""
        return Span(self.low.min(axis=axes, keepdims=True), self.high.max(axis=axes, keepdims=True), self.derived)

    def last(self) -> Span:
        """Return the span of one vector along the last axis, of rank 1."""
        flat = self.mixed(*range(self.low.ndim - 1))
        return Span(flat.low.reshape(-1), flat.high.reshape(-1), self.derived)


@dataclass(frozen=True, eq=False)
class Unit:
    """The terms that a unit adds up.

    Attributes:
        weights: (C, K), None where they can change at run time.
        weight_range: lowest and highest weight of their type.
        counts: whether terms are matches of bits.
        low: of each input before padding, (K,) or (C, K).
        high: likewise.
        patterns: sets of inputs (K,) that are data at the same time.
        derived: whether the inputs' span follows from the graph.
    """

    weights: Ints | None
    weight_range: tuple[int, int]
    counts: bool
    low: Ints
    high: Ints
    patterns: list[NDArray[np.bool_]]
    derived: bool
    channels: int

    def digest(self) -> str | None:
        """Return the SHA-256 of the weights as little-endian int64."""
        return None if self.weights is None else hashlib.sha256(self.weights.astype("<i8").tobytes()).hexdigest()

    def terms(self) -> tuple[Ints, Ints]:
        """Return the lowest and highest value of each term, (C, K), in a type that holds their sums."""
        kind = self._integer_type()
        shape = (self.channels, self.low.shape[-1])
        low: Ints = np.broadcast_to(self.low.astype(kind), shape)
        high: Ints = np.broadcast_to(self.high.astype(kind), shape)
        if self.counts:
            if self.weights is None:
                return low * 0, low * 0 + 1
            at = [((self.weights > 0) == (side > 0)).astype(kind) for side in (low, high)]
            return np.minimum(*at), np.maximum(*at)
        weights = self.weight_range if self.weights is None else (self.weights.astype(kind),)
        corners = [weight * side for weight in weights for side in (low, high)]
        lowest, highest = corners[0], corners[0]
        for corner in corners[1:]:
            lowest, highest = np.minimum(lowest, corner), np.maximum(highest, corner)
        return lowest, highest

    def _integer_type(self) -> type:
        """Return int64 where no sum can leave it, else object: Python integers."""
        ends = (self.low.min(), self.high.max(), *self.weight_range)
        weights = (0, 0) if self.weights is None or not self.weights.size else (self.weights.min(), self.weights.max())
        largest = max(abs(int(end)) for end in (*ends, *weights))
        return np.int64 if largest * largest * (self.low.shape[-1] + 1) < 2**62 else object

    def sums(self, *, partial: bool) -> tuple[Ints, Ints]:
        """Return the lowest and highest sum of each channel, final or of any terms in any order."""
        low, high = self.terms()
        if partial:
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        patterns = self.patterns
        if partial or (np.all(low <= 0) and np.all(high >= 0)):
            patterns = [one for one in patterns if not any(_inside(one, other) for other in patterns)]
        sides = [(low[:, one].sum(axis=1), high[:, one].sum(axis=1)) for one in patterns]
        # Python integers from here on.
        lows, highs = ([side[end].astype(object) for side in sides] for end in (0, 1))
        return np.minimum.reduce(lows), np.maximum.reduce(highs)


def read_unit(graph: Graph, layer: Layer, spans: dict[str, Span]) -> Unit | None:
    """Return what an ``MVAU``, ``ShiftMVAU`` or ``VVAU`` adds up; None where its inputs or weights are no integers.

    Raises:
        ValueError: a ``ShiftMVAU`` has not one exponent per input, or weights that are not kept inside, or counts bits.
    """
    attributes = layer.attributes
    weight_type = type_range(attributes.get("weightDataType", ""))
    span = spans.get(layer.inputs[0])
    if span is None or weight_type is None:
        return None
    depthwise = layer.kind == "VVAU"
    k = prod(attributes["Kernel"]) if depthwise else attributes["MW"]
    image, patterns = _windows(graph, layer)
    if image is not None and image in spans and (depthwise or k % patterns.shape[1] == 0):
        taps = patterns.shape[1]
        span = spans[image].mixed(*range(spans[image].low.ndim - 1))
        low, high = (np.tile(side, taps) if side.size > 1 else side for side in (span.low, span.high))
        span = Span(low, high, span.derived)
        masks = [np.asarray(each) if depthwise else np.repeat(each, k // taps) for each in patterns]
    else:
        masks = [np.ones(k, dtype=bool)]
    bipolar = attributes.get("inputDataType") == "BIPOLAR" == attributes.get("weightDataType")
    counts = bool(attributes.get("binaryXnorMode", 0)) or bipolar
    if counts:
        # Padded bits are bits as well.
        masks = [np.ones(k, dtype=bool)]
    low, high = _per_input(graph, layer, span, k)
    channels = attributes["Channels"] if depthwise else attributes["MH"]
    weights = _weights(graph, layer)
    if layer.kind == _SHIFTING:
        if weights is None or counts:
            raise ValueError(f"{layer.name}: expected products with weights that are kept inside")
        weights = _shifted(layer, weights)
    return Unit(weights, weight_type, counts, low, high, masks, span.derived, channels)


def _weights(graph: Graph, layer: Layer) -> Ints | None:
    stored = graph.constant(layer, 1)
    changes = layer.attributes.get("runtime_writeable_weights", 0) or layer.attributes.get("mem_mode") in _OUTSIDE
    if stored is None or changes:
        return None
    rows = whole(stored.reshape(len(stored), -1) if layer.kind == "VVAU" else stored.T)
    return 2 * rows - 1 if layer.attributes.get("binaryXnorMode", 0) else rows


def _shifted(layer: Layer, rows: Ints) -> Ints:
    """Return weights (C, K), each of input k times two to the power of its exponent."""
    exponents = [int(exponent) for exponent in layer.attributes["shifts"]]
    if len(exponents) != rows.shape[1] or any(not 0 <= exponent < _WIDEST for exponent in exponents):
        raise ValueError(f"{layer.name}: expected {rows.shape[1]} exponents below {_WIDEST}, found {exponents}")
    shifted: Ints = rows.astype(object) * np.array([2**exponent for exponent in exponents], dtype=object)
    if np.any(abs(shifted) >= 2**_WIDEST):
        raise ValueError(f"{layer.name}: expected shifted weights of at most {_WIDEST} bits")
    return shifted.astype(np.int64)


def _per_input(graph: Graph, layer: Layer, span: Span, k: int) -> tuple[Ints, Ints]:
    shape = graph.shapes.get(layer.inputs[0], ())
    if layer.kind == "VVAU":
        flat = span.last()
        if flat.low.size > 1 and (k == 1 or graph.producer(layer, "ConvolutionInputGenerator") is not None):
            return flat.low.reshape(k, -1).T, flat.high.reshape(k, -1).T
        return np.full(k, flat.low.min()), np.full(k, flat.high.max())
    flat = span.last()
    if flat.low.size in (1, k) and (flat.low.size == k or shape[-1:] == (k,) or span.low.size == 1):
        return np.broadcast_to(flat.low, (k,)), np.broadcast_to(flat.high, (k,))
    if prod(shape[1:]) == k:
        spread = span.mixed(0)
        low, high = (np.broadcast_to(side, (1, *shape[1:])).reshape(-1) for side in (spread.low, spread.high))
        return low, high
    return np.full(k, span.low.min()), np.full(k, span.high.max())


def _windows(graph: Graph, layer: Layer) -> tuple[str | None, NDArray[np.bool_]]:
    """Return the image that windows are cut from, and the distinct sets of taps that hold its pixels."""
    nothing = np.ones((1, 1), dtype=bool)
    generator = graph.producer(layer, "ConvolutionInputGenerator")
    if generator is None or generator.attributes.get("dynamic_mode", 0):
        return None, nothing
    first = generator
    padding = graph.producer(first, "FMPadding")
    first = padding or first
    spreading = graph.producer(first, "FMPadding_Pixel")
    first = spreading or first
    size = (spreading or padding or generator).attributes["IFMDim" if first is generator else "ImgDim"]
    pixels = np.ones(size, dtype=bool)
    if spreading is not None:
        rows, columns = spreading.attributes["Stride"]
        spread = np.zeros(((size[0] - 1) * rows + 1, (size[1] - 1) * columns + 1), dtype=bool)
        spread[::rows, ::columns] = pixels
        pixels = spread
    if padding is not None:
        top, left, bottom, right = padding.attributes["Padding"]
        pixels = np.pad(pixels, ((top, bottom), (left, right)))
    return first.inputs[0], _cut(pixels, generator.attributes)


def _cut(pixels: NDArray[np.bool_], attributes: dict[str, Any]) -> NDArray[np.bool_]:
    kernel, strides, dilations = (attributes[key] for key in ("ConvKernelDim", "Stride", "Dilation"))
    spans = [dilation * (size - 1) + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(pixels, spans)
    picked = views[:: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]
    return np.unique(picked.reshape(-1, prod(kernel)), axis=0)


def _inside(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    return bool(np.any(one != other) and np.all(one <= other))
