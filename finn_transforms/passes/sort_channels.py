"""Puts channels with equal exponents side by side, so that a unit that shifts products shifts many at once."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.channel_order import reorder
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype
from finn_transforms.analysis.matching import (
    NoMatchError,
    is_hardware,
    layer_type,
    nodes_of,
    sole_consumer,
    static_shape,
)
from finn_transforms.analysis.weights import can_change, has_thresholds
from finn_transforms.ops.shift import UNIT, shifts_of
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import add_constant, graph_of, input_of
from finn_transforms.passes._units import channels_of

_PRODUCERS: Final = frozenset({"MVAU", UNIT, "SparqMVAU"})
_WINDOWS: Final = frozenset({"ConvolutionInputGenerator", "FMPadding"})
_ADVICE: Final = "Its channels stay as they are; lanes with different exponents are shifted one by one"


class SortChannels(HardwarePass):
    """Sort the channels in front of a unit that shifts products by their exponents.

    Before::

        a = ShiftMVAU(Thresholding(MVAU(x, V), T), W, shifts=[1, 0, 1, 0])

    After::

        a = ShiftMVAU(Thresholding(MVAU(x, V[:, order]), T[order]), W[order], shifts=[0, 0, 1, 1])

    with order = [1, 3, 0, 2].  The hardware then shifts the sum of a word whose inputs share an exponent, instead of
    each product.  Nothing else sees the other order: each layer from the matrix that makes the channels to the unit,
    windows and padding included, is read by the next one alone.  It is noted at the matrix and at the thresholds, for
    those who compare them with the exported graph or with the promises of training.

    Refused: channels that come from elsewhere, that something else reads too, or whose exponents differ between pixels.

    Args:
        names: of the units to sort for; None for all.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        super().__init__()
        self.names = None if names is None else frozenset(names)

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Sort in front of every unit that shifts and is not specialized yet."""
        for node in nodes_of(model):
            if (
                not is_hardware(node)
                or node.op_type != UNIT
                or (self.names is not None and node.name not in self.names)
            ):
                continue
            shifts = np.array(shifts_of(attributes_of(node)), dtype=np.int64).reshape(-1, channels_of(node))
            order = np.argsort(shifts[0], kind="stable")
            if (np.diff(order) == 1).all():
                continue
            try:
                thresholding, producer = _source(node, shifts)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            _permute(producer, 1, order, axis=1)
            if static_shape(input_of(thresholding, 1))[0] > 1:  # else all channels share their thresholds
                _permute(thresholding, 1, order, axis=0)
            for made in (producer, thresholding):
                reorder(made, order)
            rows = (np.arange(len(shifts))[:, np.newaxis] * order.size + order).reshape(-1)
            _permute(node, 1, rows, axis=0)
            node.attributes["shifts"] = ir.AttrInt64s("shifts", shifts[:, order].reshape(-1).tolist())
            runs = " + ".join(f"{sum(1 for _ in run)} << {shift}" for shift, run in groupby(shifts[0][order].tolist()))
            self.note(result, node, f"channels sorted: {runs}")
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


def _source(node: ir.Node, shifts: NDArray[np.int64]) -> tuple[ir.Node, ir.Node]:
    """Return the thresholds and the matrix that a unit's channels come from.

    Raises:
        NoMatchError: they cannot be sorted.
    """
    if (shifts != shifts[0]).any():
        raise NoMatchError("the exponents of its channels differ between pixels", _ADVICE)
    thresholding = _only_source(node)
    while layer_type(thresholding) in _WINDOWS:
        if attributes_of(thresholding).get("depthwise", 0):
            raise NoMatchError(f"{thresholding.name!r} sends its windows channel by channel", _ADVICE)
        thresholding = _only_source(thresholding)
    producer = _only_source(thresholding) if layer_type(thresholding) == "Thresholding" else thresholding
    if layer_type(thresholding) != "Thresholding" or layer_type(producer) not in _PRODUCERS:
        raise NoMatchError(f"its channels come from {producer.op_type} {producer.name!r}", _ADVICE)
    for each in (thresholding, producer):
        if constant(each.inputs[1]) is None or can_change(each) or has_thresholds(each):
            raise NoMatchError(f"{each.op_type} {each.name!r} has other constants at run time, or thresholds", _ADVICE)
    if attributes_of(producer)["MH"] != shifts.shape[1]:
        raise NoMatchError(f"it takes {attributes_of(producer)['MH']} channels as {shifts.shape[1]}", _ADVICE)
    return thresholding, producer


def _only_source(node: ir.Node) -> ir.Node:
    value = input_of(node, 0)
    producer = value.producer()
    if producer is None or not is_hardware(producer) or not sole_consumer(value):
        raise NoMatchError(f"{value.name!r} is read by others too, or comes from the host", _ADVICE)
    return producer


def _permute(node: ir.Node, index: int, order: NDArray[Any], *, axis: int) -> None:
    old = input_of(node, index)
    array = constant(old)
    if array is None:
        raise ValueError(f"expected a constant {old.name!r}, found none; lower the model again")
    sorted_ = add_constant(graph_of(node), f"{old.name}_sorted", array.take(order, axis=axis), datatype(old))
    node.replace_input_with(index, sorted_)
