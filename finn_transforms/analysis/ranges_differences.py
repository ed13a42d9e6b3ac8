"""Range of the difference of two threshold counts of one value, which its two sides alone do not tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import is_hardware, layer_type
from finn_transforms.analysis.ranges_elementwise import subtraction
from finn_transforms.analysis.ranges_rules import Known, Rule
from finn_transforms.analysis.weights import can_change

_COPIES = {"DuplicateStreams", "Transpose"}


class CountedPair(NamedTuple):
    """Two layers of thresholds that count one and the same value, of which one count is taken from the other."""

    rising: ir.Node
    falling: ir.Node
    source: Box


class Differences(NamedTuple):
    """Everything that the difference of two counts of one channel can be: it changes nowhere but at thresholds."""

    points: NDArray[Any]
    rising: NDArray[Any]
    falling: NDArray[Any]


def counted_pair(node: ir.Node, known: Known) -> CountedPair | None:
    """Return the two counts that a subtraction takes from each other, None where they are not of one value."""
    counts = subtracted_counts(node)
    if counts is None:
        return None
    rising, falling = counts
    source = None if rising.inputs[0] is None else known.get(rising.inputs[0])
    return None if source is None else CountedPair(rising, falling, source)


def subtracted_counts(node: ir.Node) -> tuple[ir.Node, ir.Node] | None:
    """Return the two layers whose counts of one value a subtraction takes from each other, None where it has others."""
    counts = [_counting(value) for value in node.inputs]
    rising, falling = counts if len(counts) == 2 else (None, None)
    if rising is None or falling is None or _origin(rising.inputs[0]) is not _origin(falling.inputs[0]):
        return None
    return rising, falling


def differences_of(pair: CountedPair) -> Iterator[Differences]:
    """Yield, for each channel, the codes of both sides at every value where either changes."""
    nodes = (pair.rising, pair.falling)
    channels = int(attributes_of(pair.rising)["NumChannels"])
    sides = [np.asarray(constant(node.inputs[1]), dtype=np.float64) for node in nodes]
    rows = [np.broadcast_to(side, (channels, side.shape[1])) for side in sides]
    biases = [int(attributes_of(node).get("ActVal", 0)) for node in nodes]
    ends = [end.astype(np.float64) for end in pair.source.along(pair.source.low.ndim - 1, channels)]
    for up, down, low, high in zip(*rows, *ends, strict=True):
        changes = np.ceil(np.concatenate([up, down]))
        points = np.concatenate([[low], changes[(changes > low) & (changes <= high)]])
        codes = [
            np.searchsorted(row, points, side="right") + bias for row, bias in zip((up, down), biases, strict=True)
        ]
        yield Differences(points, *codes)


def difference(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a difference; exact where it stands for a function that rises and falls."""
    pair = counted_pair(node, known)
    if pair is None:
        return subtraction(node, known)
    found = [each.rising - each.falling for each in differences_of(pair)]
    shape = (1,) * (pair.source.low.ndim - 1) + (-1,)
    low, high = (np.array([int(end(each)) for each in found], dtype=object) for end in (np.min, np.max))
    return Box.of(low.reshape(shape), high.reshape(shape))


def _counting(value: ir.Value | None) -> ir.Node | None:
    """Return the hardware layer that counts the constant thresholds behind a value."""
    node = None if value is None else value.producer()
    if node is None or layer_type(node) != "Thresholding" or not is_hardware(node) or can_change(node):
        return None
    if constant(node.inputs[1]) is None or attributes_of(node).get("outputDataType") == "BIPOLAR":
        return None
    return node


def _origin(value: ir.Value | None) -> ir.Value | None:
    """Return the value that another one is a copy of; transposes of one value are the same to thresholds."""
    node = None if value is None else value.producer()
    while node is not None and layer_type(node) in _COPIES:
        value = node.inputs[0]
        node = None if value is None else value.producer()
    return value


DIFFERENCES: dict[str, Rule] = {"ElementwiseSub": difference}
