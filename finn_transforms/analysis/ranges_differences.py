"""Range of the difference of two threshold counts of one value, which its two sides alone do not tell."""

from __future__ import annotations

from typing import Any

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


def difference(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a difference; exact where it stands for a function that rises and falls."""
    counts = [_counting(value) for value in node.inputs]
    rising, falling = counts if len(counts) == 2 else (None, None)
    if rising is None or falling is None or _origin(rising.inputs[0]) is not _origin(falling.inputs[0]):
        return subtraction(node, known)
    source = None if rising.inputs[0] is None else known.get(rising.inputs[0])
    if source is None:
        return subtraction(node, known)
    low, high = _extremes(source, rising, falling)
    return Box.of(*(end.reshape((1,) * (source.low.ndim - 1) + (-1,)) for end in (low, high)))


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


def _extremes(source: Box, rising: ir.Node, falling: ir.Node) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lowest and highest difference (C,): it changes nowhere but at thresholds."""
    sides = [np.asarray(constant(node.inputs[1]), dtype=np.float64) for node in (rising, falling)]
    bias = int(attributes_of(rising).get("ActVal", 0)) - int(attributes_of(falling).get("ActVal", 0))
    channels = int(attributes_of(rising)["NumChannels"])
    rows = [np.broadcast_to(side, (channels, side.shape[1])) for side in sides]
    ends = [end.astype(np.float64) for end in source.along(source.low.ndim - 1, channels)]
    found = np.empty((2, channels), dtype=np.int64)
    for channel, (up, down, low, high) in enumerate(zip(*rows, *ends, strict=True)):
        changes = np.ceil(np.concatenate([up, down]))
        points = np.concatenate([[low], changes[(changes > low) & (changes <= high)]])
        differences = np.searchsorted(up, points, side="right") - np.searchsorted(down, points, side="right")
        found[:, channel] = differences.min(), differences.max()
    return found[0] + bias, found[1] + bias


DIFFERENCES: dict[str, Rule] = {"ElementwiseSub": difference}
