"""Differences of two threshold counts of one value."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finn_transforms.certify.graph import Graph, Layer
from finn_transforms.certify.sums import Span

_OUTSIDE = ("external", "external_mem", "dynamic")


@dataclass(frozen=True, eq=False)
class Pair:
    """Two rows of thresholds per channel and the range of the value that both count.

    Attributes:
        thresholds: of the count that is taken and of the one taken from it, (C, steps) each.
        biases: what is added to each count.
        source: range of the value, (C,) or (1,).
    """

    thresholds: tuple[NDArray[Any], NDArray[Any]]
    biases: tuple[int, int]
    source: Span

    @property
    def channels(self) -> int:
        """Number of channels."""
        return max(len(self.thresholds[0]), len(self.thresholds[1]), self.source.low.size)

    def codes(self, channel: int, value: int) -> tuple[int, int]:
        """Return both counts of a value."""
        first, second = (
            bias + sum(level <= value for level in rows[channel if len(rows) > 1 else 0].tolist())
            for rows, bias in zip(self.thresholds, self.biases, strict=True)
        )
        return first, second

    def span(self) -> Span:
        """Return the exact range (C,) of the difference, from the values at which either count changes."""
        lows, highs = [], []
        for channel in range(self.channels):
            low, high = self.range_of(channel)
            levels = [level for rows in self.thresholds for level in rows[channel if len(rows) > 1 else 0].tolist()]
            points = {low, *(ceil(level) for level in levels if -inf < level < inf and low < ceil(level) <= high)}
            found = [first - second for first, second in (self.codes(channel, point) for point in points)]
            lows.append(min(found))
            highs.append(max(found))
        return Span(np.array(lows, dtype=object), np.array(highs, dtype=object), self.source.derived)

    def range_of(self, channel: int) -> tuple[int, int]:
        """Return the lowest and highest value of the source."""
        index = channel if self.source.low.size > 1 else 0
        return int(self.source.low[index]), int(self.source.high[index])


def read_pair(graph: Graph, layer: Layer, spans: dict[str, Span]) -> Pair | None:
    """Return the two counts of one value that a subtraction combines, None where it does something else."""
    counting = [graph.producers.get(name) for name in layer.inputs]
    if layer.kind != "ElementwiseSub" or len(counting) != 2:
        return None
    found = [each for each in counting if each is not None and _counts(each)]
    if len(found) != 2 or _origin(graph, found[0]) != _origin(graph, found[1]):
        return None
    source = spans.get(found[0].inputs[0])
    thresholds = [graph.constant(each, 1) for each in found]
    first, second = thresholds
    if source is None or first is None or second is None:
        return None
    biases = (found[0].attributes.get("ActVal", 0), found[1].attributes.get("ActVal", 0))
    return Pair((first, second), biases, source.last())


def _counts(layer: Layer) -> bool:
    attributes = layer.attributes
    changes = attributes.get("runtime_writeable_weights", 0) or attributes.get("mem_mode") in _OUTSIDE
    is_bipolar = attributes.get("outputDataType") == "BIPOLAR"
    return layer.hardware and layer.kind == "Thresholding" and not changes and not is_bipolar


def _origin(graph: Graph, layer: Layer) -> tuple[str, list[Any]]:
    """Return the value that a layer's input is a copy of, and how it was transposed on the way."""
    name, turned = layer.inputs[0], []
    while (producer := graph.producers.get(name)) is not None and producer.kind in ("DuplicateStreams", "Transpose"):
        if producer.kind == "Transpose":
            turned.append(producer.attributes.get("perm"))
        name = producer.inputs[0]
    return name, turned
