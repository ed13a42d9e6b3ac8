"""Folds everything between an accumulator and the next quantizer into thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, range_of, smallest_datatype
from finn_transforms.analysis.matching import (
    NoMatchError,
    is_hardware,
    is_quantizer,
    nodes_of,
    sole_consumer,
    static_shape,
)
from finn_transforms.analysis.quantizer import read_quantizer
from finn_transforms.analysis.ranges import hull, integer_ranges, sum_extremes
from finn_transforms.analysis.tail import Tail, find_tail
from finn_transforms.analysis.thresholds import decreasing_channels, find_thresholds, fit_thresholds
from finn_transforms.analysis.weights import can_change, weight_rows
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import (
    NCHW_TO_NHWC,
    NHWC_TO_NCHW,
    Operator,
    Output,
    add_constant,
    graph_of,
    input_of,
    insert_node,
    insert_transpose,
    integer_type_of,
    replace,
)
from finn_transforms.passes._retype import set_type

# 65535 thresholds for each channel are beyond what hardware compares with.
_MOST_BITS = 16


class InferThresholding(HardwarePass):
    """Replace an element-wise tail and its quantizer by FINN's ``Thresholding``.

    Before::

        a = Conv(q, W)              # INT32
        r = Quant(Div(Relu(BatchNormalization(Mul(Mul(a, s), t), ...)), u), scale=1)    # UINT4

    After::

        a = Conv(q, W)              # INT32; rows of W negated where batch norm's scale is negative
        r = Transpose(Thresholding(Transpose(a), T))                                    # UINT4

    The thresholds are exact: for every integer that the accumulator can reach, the number of thresholds it reaches
    equals the tail evaluated in float64 with the quantizer's own rounding, ties included.  They are found by bisection,
    which is sound because every operator of the tail is monotone and IEEE rounding keeps that.

    Refused: tails with other operators or with constants that vary along another axis than the channels, and a
    decreasing tail on an accumulator whose weights cannot be negated.  Run `ExtractIntegers` first.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Convert every quantizer whose input is computed from an integer tensor."""
        ranges = integer_ranges(model)
        candidates = [
            node for node in nodes_of(model) if is_quantizer(node) and integer_datatype(node.outputs[0]) is not None
        ]
        for quantizer in candidates:
            try:
                tail = find_tail(quantizer)
                steps = _convert(quantizer, tail, ranges)
            except NoMatchError as why:
                self.refuse(result, quantizer, why)
                continue
            self.note(
                result, quantizer, f"{len(tail.nodes)} nodes became {steps} thresholds for {tail.channels} channels"
            )
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


@dataclass(frozen=True)
class _Accumulator:
    """The accumulator a tail starts from, after its decreasing channels are negated."""

    sign: NDArray[np.int64]
    reachable: IntRange
    type_range: IntRange


def _convert(quantizer: ir.Node, tail: Tail, ranges: dict[ir.Value, Box]) -> int:
    """Insert the thresholding in front of the quantizer and return its number of steps."""
    if len(static_shape(tail.source)) not in {2, 4}:
        raise NoMatchError(f"its input has shape {static_shape(tail.source)}", "Use (N, C) or (N, C, H, W)")
    function, parameters = tail.function(), read_quantizer(quantizer)
    codes = parameters.integers
    if parameters.bits > _MOST_BITS:
        raise NoMatchError(f"its {parameters.bits} bits need {codes.high - codes.low} thresholds", "Use fewer bits")
    accumulator = _orient(tail, ranges)
    values = find_thresholds(
        lambda x: function(accumulator.sign[:, None] * x), tail.channels, accumulator.type_range, codes
    )
    values = fit_thresholds(values, accumulator.reachable, accumulator.type_range)
    _refuse_rounded(values)
    producer = tail.source.producer()
    if producer is not None and (accumulator.sign < 0).any():
        _negate_weights(producer, accumulator.sign)
    old = quantizer.outputs[0]
    ranges[_insert(quantizer, tail, values, codes.low)] = ranges[old]
    return int(values.shape[1])


def _refuse_rounded(thresholds: NDArray[np.int64]) -> None:
    wrong = np.argwhere(thresholds.astype(np.float32).astype(np.int64) != thresholds)
    if wrong.size:
        channel, step = wrong[0]
        raise NoMatchError(
            f"threshold {thresholds[channel, step]} of channel {channel} is not exact in float32, in which QONNX keeps "
            "tensors",
            "Narrow the accumulator to 25 bits or fewer with narrower weights or activations",
        )


def _orient(tail: Tail, ranges: dict[ir.Value, Box]) -> _Accumulator:
    """Find the channels in which the tail falls, and the accumulator's range once their weights are negated."""
    source, producer = tail.source, tail.source.producer()
    known = ranges[source].hull
    extremes = None
    if producer is not None and producer.inputs[0] in ranges and _can_be_negated(producer):
        extremes = sum_extremes(producer, ranges[producer.inputs[0]])
    both_signs = known if extremes is None else hull(extremes).union(-hull(extremes))
    decreasing = decreasing_channels(tail.function(), tail.channels, range_of(smallest_datatype(both_signs)))
    sign = np.where(decreasing, -1, 1)
    if extremes is None:
        if decreasing.any():
            raise NoMatchError(
                f"the tail falls in channel {int(np.argmax(decreasing))} and its input does not come from weights "
                "that could be negated",
                "Keep batch norm scales positive here",
            )
        return _Accumulator(sign, known, range_of(smallest_datatype(known)))
    between = [source, *(node.outputs[0] for node in tail.nodes[:-1])]
    if decreasing.any() and not all(map(sole_consumer, between)):
        raise NoMatchError(
            f"the tail falls in channel {int(np.argmax(decreasing))} and another node reads the accumulator too",
            "Keep batch norm scales positive here, or give each branch a layer of its own",
        )
    lowest, highest = extremes
    reachable = hull((np.where(decreasing, -highest, lowest), np.where(decreasing, -lowest, highest)))
    return _Accumulator(sign, reachable, range_of(smallest_datatype(reachable)))


def _can_be_negated(producer: ir.Node) -> bool:
    """Tell whether a node gives sums of products with weights that are known and stay."""
    if weight_rows(producer) is None:
        return False
    return not is_hardware(producer) or (len(producer.inputs) == 2 and not can_change(producer))


def _negate_weights(producer: ir.Node, sign: NDArray[np.int64]) -> None:
    weights = np.asarray(constant(producer.inputs[1]))
    shaped = sign.reshape(-1, *[1] * (weights.ndim - 1)) if producer.op_type == "Conv" else sign
    negated = weights * shaped + 0.0  # which turns -0.0 into 0.0
    weight_type = smallest_datatype(IntRange(int(negated.min()), int(negated.max())), signed=True)
    name = f"{input_of(producer, 1).name}_signed"
    producer.replace_input_with(1, add_constant(graph_of(producer), name, negated, weight_type))
    if is_hardware(producer):
        set_type(producer, "weightDataType", weight_type)


def _insert(quantizer: ir.Node, tail: Tail, values: NDArray[np.int64], lowest: int) -> ir.Value:
    old, source = quantizer.outputs[0], tail.source
    input_type, output_type = integer_type_of(source), integer_type_of(old)
    threshold_type = smallest_datatype(IntRange(int(values.min()), int(values.max())), signed=input_type.signed())
    parameters = add_constant(graph_of(quantizer), f"{old.name}_thresholds", values, threshold_type)
    spatial = tail.channel_axis != len(static_shape(source)) - 1
    stream = insert_transpose(quantizer, source, NCHW_TO_NHWC, f"{source.name}_nhwc") if spatial else source
    shape = static_shape(stream)
    operator = Operator.hardware(
        "Thresholding",
        NumChannels=tail.channels,
        PE=1,
        numSteps=values.shape[1],
        inputDataType=input_type.name,
        weightDataType=threshold_type.name,
        outputDataType=output_type.name,
        numInputVectors=list(shape[:-1]),
        ActVal=lowest,
    )
    output = Output(f"Thresholding_{quantizer.name or old.name}", shape, output_type)
    counted = insert_node(quantizer, operator, [stream, parameters], output)
    new = insert_transpose(quantizer, counted, NHWC_TO_NCHW, f"{old.name}_nchw") if spatial else counted
    replace(old, new)
    return new
