"""The tensors on which two graphs are compared: outputs of quantizers and thresholds, and how they are aligned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.channel_order import channel_order
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import NoMatchError, is_hardware, layer_type, nodes_of
from finn_transforms.analysis.quantizer import read_quantizer
from finn_transforms.analysis.ranges_differences import subtracted_counts

Array = NDArray[Any]

_QUANTIZERS = {"BipolarQuant", "IntQuant", "Quant", "Trunc"}
_PREFIXES, _SUFFIX = ("Thresholding_", "ElementwiseSub_"), "_int"
_IMAGE_RANK = 4


@dataclass(frozen=True, eq=False)
class Point:
    """A tensor of integers.

    Attributes:
        node: what computes it.
        scale: what an integer stands for, float64; broadcasts to the tensor.
    """

    node: ir.Node
    scale: Array

    @property
    def value(self) -> ir.Value:
        """The tensor."""
        return self.node.outputs[0]

    @property
    def name(self) -> str:
        """Its name."""
        return self.value.name or ""

    @property
    def rounds(self) -> bool:
        """Whether it comes from a quantizer, which rounds, not from thresholds."""
        return not is_hardware(self.node)

    @property
    def channels_last(self) -> bool:
        """Whether it is an image with channels last, as hardware has them."""
        return is_hardware(self.node) and self.value.shape is not None and len(self.value.shape) == _IMAGE_RANK

    def integers(self, array: Array) -> Array:
        """Return the integers of the tensor, channels second and in the order of the exported graph."""
        rounded = np.rint(np.asarray(array, dtype=np.float64) / self.scale)
        order = channel_order(self.node)
        if order is not None:
            rounded = rounded.take(np.argsort(order), axis=-1)
        return rounded.transpose(0, 3, 1, 2) if self.channels_last else rounded

    def tensor(self, integers: Array) -> Array:
        """Return the tensor of given integers; the inverse of `integers`."""
        sizes = self._sizes()
        if sizes is not None:
            # The other graph may have, or lack, axes of size 1.
            integers = integers.reshape(len(integers), *((sizes[-1], *sizes[:-1]) if self.channels_last else sizes))
        own = integers.transpose(0, 2, 3, 1) if self.channels_last else integers
        order = channel_order(self.node)
        if order is not None:
            own = own.take(order, axis=-1)
        return np.asarray(own * self.scale)

    def shape(self) -> tuple[int, ...] | None:
        """Return the shape of one sample, channels first and without axes of size 1, or None where it is not known."""
        sizes = self._sizes()
        if sizes is None:
            return None
        order = (sizes[-1], *sizes[:-1]) if self.channels_last else sizes
        return tuple(size for size in order if size != 1)

    def _sizes(self) -> tuple[int, ...] | None:
        shape = self.value.shape
        return None if shape is None or not shape.is_static() else tuple(shape.numpy()[1:])


def points_of(model: ir.Model) -> list[Point]:
    """Return the quantizers on computed tensors and what stands for them in hardware, in graph order.

    That is a layer with thresholds, or the difference of two that count one value.
    """
    points = []
    differences = {node: counts for node in nodes_of(model) if (counts := _difference(node)) is not None}
    parts = {count for counts in differences.values() for count in counts}
    whole = {node for node in differences if not _has_its_sign_made(node)}
    for node in nodes_of(model):
        if node.op_type in _QUANTIZERS and not is_hardware(node):
            scale = _scale(node)
            if constant(node.inputs[0]) is None and scale is not None:
                points.append(Point(node, scale))
        elif node in whole or (is_hardware(node) and _has_thresholds(node) and node not in parts):
            points.append(Point(node, np.ones(())))
    return points


def _scale(node: ir.Node) -> Array | None:
    try:
        return read_quantizer(node).scale.astype(np.float64)
    except NoMatchError:
        return None


def _difference(node: ir.Node) -> tuple[ir.Node, ir.Node] | None:
    """Return the two counts that a layer subtracts."""
    return subtracted_counts(node) if is_hardware(node) and layer_type(node) == "ElementwiseSub" else None


def _has_its_sign_made(node: ir.Node) -> bool:
    """Tell whether a difference is 0 or 1, of which a layer of the same quantizer makes -1 or 1."""
    name = _original(node.outputs[0].name or "")
    readers = (reader for reader, _ in node.outputs[0].uses() if layer_type(reader) == "Thresholding")
    return any(_original(reader.outputs[0].name or "") == name for reader in readers)


def _has_thresholds(node: ir.Node) -> bool:
    name = layer_type(node)
    return name == "Thresholding" or (
        name in {"MVAU", "ShiftMVAU", "VVAU"} and not attributes_of(node).get("noActivation", 0)
    )


def align(model: list[Point], reference: list[Point]) -> tuple[list[tuple[Point, Point]], list[str]]:
    """Return the pairs (model, reference) in the reference's order, and the names of what has no counterpart.

    A quantizer keeps its name from export to hardware: ``x``, ``x_int``, ``Thresholding_x_int``.  Where no more than
    the order is left, because a tool gave new names, equal numbers of tensors are paired by it.  Tensors of other
    shapes have no counterpart: something that moves data, e.g. a pixel shuffle, changed sides with the quantizer.
    """
    by_name: dict[str, Point] = {}
    for point in model:
        for key in _keys(point):
            by_name.setdefault(key, point)
    pairs, taken = [], set()
    for theirs in reference:
        ours = next((by_name[key] for key in _keys(theirs) if key in by_name), None)
        if ours is not None and id(ours) not in taken and _same_shape(ours, theirs):
            pairs.append((ours, theirs))
            taken.add(id(ours))
    if len(model) == len(reference) != len(pairs) and all(map(_same_shape, model, reference)):
        return list(zip(model, reference, strict=True)), []
    matched = {id(point) for pair in pairs for point in pair}
    return pairs, [point.name for point in (*reference, *model) if id(point) not in matched]


def _keys(point: Point) -> list[str]:
    """Return the names a point may go by, the output's first."""
    return [_original(name) for name in (point.name, point.node.name or "") if name]


def _original(name: str) -> str:
    # Slashes become underscores in hardware graphs.
    if "/" in name:
        name = "_".join(part.strip("_") for part in name.split("/") if part.strip("_"))
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name.removesuffix(_SUFFIX)


def _same_shape(one: Point, other: Point) -> bool:
    return None in (shapes := (one.shape(), other.shape())) or shapes[0] == shapes[1]
