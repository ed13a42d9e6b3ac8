"""Folds everything between an accumulator and the next quantizer into thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as changed

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass
from qonnx.core.datatype import BaseDataType

from finn_transforms.analysis.box import Box, Ints
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, range_of
from finn_transforms.analysis.matching import NoMatchError, is_quantizer, nodes_of, static_shape
from finn_transforms.analysis.ranges import add_ranges, hull, source_ranges
from finn_transforms.analysis.steps import Steps, find_steps
from finn_transforms.analysis.tail import Tail, find_tail
from finn_transforms.analysis.thresholds import Thresholds, arrange_thresholds
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import integer_type_of, replace
from finn_transforms.passes._negation import can_negate, negate_weights
from finn_transforms.passes._thresholding_layers import Layers, count_range_datatype

# 65535 thresholds for each channel are beyond what hardware compares with.
_MOST_STEPS = (1 << 16) - 1


class InferThresholding(HardwarePass):
    """Replace an element-wise tail and its quantizer by FINN's ``Thresholding``.

    Before::

        a = Conv(q, W)              # INT32
        r = Quant(Div(Relu(BatchNormalization(Mul(Mul(a, s), t), ...)), u), scale=1)    # UINT4

    After::

        a = Conv(q, W)              # INT32; rows of W negated where the tail falls
        r = Transpose(Thresholding(Transpose(a), T))                                    # UINT4

    A tail that rises and falls, or one that falls behind an accumulator whose weights cannot be negated, becomes the
    difference of two counts::

        r = Transpose(ElementwiseSub(Thresholding(Transpose(a), T), Thresholding(Transpose(a), U)))

    and, where the quantizer is bipolar, one more threshold behind that difference of 0 or 1.

    The thresholds are exact: for every integer that a channel of the accumulator can reach, the layers give the tail
    evaluated in float64 with the quantizer's own rounding, ties included.  Steps are found by bisection on intervals,
    which assumes nothing about the tail.  Thresholds that no channel needs are left out as far as FINN's layers allow.

    Refused: tails with other operators, with several integer tensors, or with constants that vary along another axis
    than the channels.  Run `ExtractIntegers` first.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Convert every quantizer whose input is computed from an integer tensor."""
        ranges = source_ranges(model)
        for node in nodes_of(model):
            if not _is_candidate(node):
                add_ranges(node, ranges)
                continue
            try:
                detail = _convert(find_tail(node), ranges)
            except NoMatchError as why:
                self.refuse(result, node, why)
                add_ranges(node, ranges)
                continue
            self.note(result, node, detail)
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


def _is_candidate(node: ir.Node) -> bool:
    return is_quantizer(node) and integer_datatype(node.outputs[0]) is not None and constant(node.inputs[0]) is None


def _convert(tail: Tail, ranges: dict[ir.Value, Box]) -> str:
    """Insert the layers in front of the quantizer and say what they are."""
    if len(static_shape(tail.source)) < 2:
        raise NoMatchError(f"its input has shape {static_shape(tail.source)}", "Keep the batch axis")
    span = tail.quantizer.integers
    steps = span.high - span.low
    if steps > _MOST_STEPS:
        raise NoMatchError(f"its {tail.quantizer.bits} bits need {steps} thresholds", "Use fewer bits")
    found = find_steps(tail, *_domain(tail, ranges))
    reached, bias = _box(tail, found), span.low
    if tail.quantizer.is_bipolar:
        # FINN's layer counts 0 or 1 and makes that -1 or 1 itself.
        found, bias, steps = changed(found, first=(found.first + 1) // 2, delta=found.delta // 2), 0, 1
    falling = found.falling
    if (falling & found.rising).any() or (falling.any() and not can_negate(tail)):
        new, detail = _difference(tail, found)
    else:
        new, detail = _count(tail, found, bias, steps)
    replace(tail.end.outputs[0], new)
    # Narrower than what the quantizer could give, which is what everything behind it sees.
    ranges[new] = reached
    return f"{len(tail.nodes) + 1} nodes became {detail} for {tail.channels} channels"


def _domain(tail: Tail, ranges: Mapping[ir.Value, Box]) -> tuple[Ints, Ints]:
    """Return the extremes of each channel."""
    box = ranges.get(tail.source)
    if box is None:
        box = Box.uniform(range_of(integer_type_of(tail.source)), rank=len(static_shape(tail.source)))
    return box.along(tail.channel_axis, tail.channels)


def _box(tail: Tail, steps: Steps) -> Box:
    """Return what the quantizer gives per channel."""
    shape = [1] * len(static_shape(tail.source))
    shape[tail.channel_axis] = -1
    low, high = (end.reshape(shape) for end in steps.extremes())
    return Box.of(low, high, 2 if tail.quantizer.is_bipolar else 1)


def _count(tail: Tail, steps: Steps, bias: int, most: int) -> tuple[ir.Value, str]:
    falling: NDArray[np.bool_] = steps.falling
    if falling.any():
        steps = steps.mirrored(falling)
    thresholds = _arranged(steps, bias, 1, integer_type_of(tail.end.outputs[0]))
    producer = tail.source.producer()
    if producer is not None and falling.any():
        negate_weights(producer, falling, hull((steps.low, steps.high)))
    new = Layers(tail.end, tail.source, tail.channel_axis).insert_count(thresholds)
    return new, f"{thresholds.values.shape[1]} of {most} thresholds"


def _difference(tail: Tail, steps: Steps) -> tuple[ir.Value, str]:
    rising = _arranged(steps, int(steps.first.min()), 1)
    falling = _arranged(steps, 0, -1)
    new = Layers(tail.end, tail.source, tail.channel_axis).insert_difference(rising, falling)
    return new, f"the difference of {rising.values.shape[1]} and {falling.values.shape[1]} thresholds"


def _arranged(steps: Steps, bias: int, sign: int, output_type: BaseDataType | None = None) -> Thresholds:
    """Return the rising (``sign`` 1) or falling (-1) steps; without an output type it is the narrowest."""
    rows = steps.thresholds(base=np.full_like(steps.first, bias), sign=sign)
    if output_type is None:
        output_type = count_range_datatype(bias, bias + max(1, *(row.size for row in rows)))
    return arrange_thresholds(rows, steps.low, steps.high, bias=bias, output=output_type)
