"""Ranges of what quantizers and thresholds give."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.trunc import Trunc
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import static_shape
from finn_transforms.analysis.ranges_rules import Known, Rule, exact_integers, operand, with_rank
from finn_transforms.analysis.weights import can_change
from finn_transforms.ops.quantizers import quantizer_operator


def quantizer(node: ir.Node, _known: Known) -> Box | None:
    """Return the codes of a ``Quant`` with scale 1, minus its zero point."""
    parameters = [constant(value) for value in node.inputs[1:4]]
    if any(array is None for array in parameters):
        return None
    scale, zero_point, bit_width = (np.asarray(array) for array in parameters)
    zero = exact_integers(zero_point)
    if np.any(scale != 1) or zero is None or bit_width.size != 1:
        return None
    operator, bits = quantizer_operator(node.op_type, attributes_of(node)), int(bit_width.item())
    if not isinstance(operator, Quant):
        return None
    if bits == 1 and operator.signed:
        codes, step = IntRange(-1, 1), 2
    else:
        codes, step = IntRange.of_bits(bits, signed=operator.signed, narrow=operator.narrow), 1
    box = Box.of(codes.low - zero, codes.high - zero, step)
    return with_rank(box, len(static_shape(node.outputs[0])))


def bipolar(node: ir.Node, _known: Known) -> Box | None:
    """Return -1 and 1 for a ``BipolarQuant`` with scale 1."""
    scale = constant(node.inputs[1])
    if scale is None or np.any(scale != 1):
        return None
    return Box.uniform(IntRange(-1, 1), rank=len(static_shape(node.outputs[0])), step=2)


def truncation(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a ``Trunc`` of integers, which is monotone."""
    source, attributes = operand(node, 0, known), attributes_of(node)
    parameters = [constant(value) for value in node.inputs[1:6]]
    if source is None or len(parameters) < 5 or any(array is None for array in parameters):
        return None
    operator = quantizer_operator(node.op_type, attributes)
    if not isinstance(operator, Trunc):
        return None
    arrays = [np.asarray(array, dtype=np.float64) for array in parameters]
    ends = []
    for end in (source.low, source.high):
        scaled = operator.pre_rounding(end.astype(np.float64), arrays)
        values = exact_integers(operator.dequantize(operator.to_integers(scaled, arrays), arrays, np.float64))
        if values is None:
            return None
        ends.append(values)
    return Box.of(*ends)


def multi_threshold(node: ir.Node, known: Known) -> Box | None:
    """Return the range of QONNX's ``MultiThreshold`` with an integer scale and bias."""
    source, attributes = operand(node, 0, known), attributes_of(node)
    thresholds = constant(node.inputs[1])
    if source is None or thresholds is None:
        return None
    parameters = np.array([attributes.get("out_scale", 1.0), attributes.get("out_bias", 0.0)])
    integers = exact_integers(parameters)
    if integers is None or integers[0] < 1:
        return None
    shape = static_shape(node.outputs[0])
    last = attributes.get("data_layout", "NCHW") == "NHWC" or len(shape) < 2
    axis = len(shape) - 1 if last else 1
    counted = threshold_counts(_channels(source, axis), thresholds)
    return _along_axis(counted.times(integers[0]) + Box.of(integers[1], integers[1], 0), axis, len(shape))


def thresholding(node: ir.Node, known: Known) -> Box | None:
    """Return the range of FINN's ``Thresholding``, channels last."""
    source = operand(node, 0, known)
    if source is None:
        return None
    rank = source.low.ndim
    codes = activation(node, _channels(source, rank - 1), constant(node.inputs[1]))
    return None if codes is None else _along_axis(codes, rank - 1, rank)


def activation(node: ir.Node, sums: Box, thresholds: NDArray[Any] | None) -> Box | None:
    """Return the codes (C,) that a hardware layer's thresholds (C or 1, steps) give for sums (C,) or (1,)."""
    attributes = attributes_of(node)
    if thresholds is None or can_change(node):
        return None
    counts = threshold_counts(sums, thresholds)
    if attributes.get("outputDataType") == "BIPOLAR":
        return counts.times(2) + Box.of(-1, -1, 0)
    bias = int(attributes.get("ActVal", 0))
    return counts + Box.of(bias, bias, 0)


def threshold_counts(source: Box, thresholds: NDArray[Any]) -> Box:
    """Return how many thresholds (C or 1, steps), ascending in each row, values of a box (C,) or (1,) reach."""
    rows = thresholds.astype(np.float64)
    channels = max(len(rows), source.low.size)
    low, high, step = (np.broadcast_to(side, (channels,)) for side in (source.low, source.high, source.step))
    rows = np.broadcast_to(rows, (channels, rows.shape[1]))
    at_low, at_high = (_counts(rows, end) for end in (low, high))
    steps = np.ones(channels, dtype=object)
    for channel in np.flatnonzero(_may_skip(rows, low, high, step)):
        steps[channel] = _count_step(rows[channel], low[channel], high[channel], step[channel])
    return Box.of(at_low, at_high, steps)


def _may_skip(
    rows: NDArray[np.float64], low: NDArray[Any], high: NDArray[Any], step: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return the channels (C,) in which some count between the lowest and the highest may not occur."""
    inside = (rows > low[:, None].astype(np.float64)) & (rows <= high[:, None].astype(np.float64))
    together = np.diff(np.ceil(rows), axis=1) <= 0
    return np.asarray((step > 1) | np.any(together & inside[:, 1:] & inside[:, :-1], axis=1), dtype=bool)


def _counts(rows: NDArray[np.float64], values: NDArray[Any]) -> NDArray[Any]:
    if int(np.abs(values).max()).bit_length() <= 53:
        values = values.astype(np.float64)
    else:
        # Python compares an int of any size with a float exactly.
        rows = rows.astype(object)
    return np.asarray((rows <= values[:, None]).sum(axis=1)).astype(object)


def _count_step(row: NDArray[np.float64], low: int, high: int, step: int) -> int:
    """Return the greatest common divisor of the differences between the counts that occur."""
    reached = row[(row > low) & (row <= high)]
    if not step or not reached.size:
        return 1
    # The first value of the box at or above each threshold.
    first = [low + -((low - int(np.ceil(threshold))) // step) * step for threshold in reached]
    counts = np.searchsorted(row, [float(value) for value in [low, *first, high] if value <= high], side="right")
    return int(np.gcd.reduce(np.diff(counts)))


def _channels(box: Box, axis: int) -> Box:
    others = [other for other in range(box.low.ndim) if other != axis]
    return box.reduced(*others).map(lambda array: array.reshape(-1))


def _along_axis(box: Box, axis: int, rank: int) -> Box:
    shape = [1] * rank
    shape[axis] = -1
    return box.map(lambda array: array.reshape(shape))


QUANTIZERS: dict[str, Rule] = {
    "BipolarQuant": bipolar,
    "IntQuant": quantizer,
    "MultiThreshold": multi_threshold,
    "Quant": quantizer,
    "Thresholding": thresholding,
    "Trunc": truncation,
}
