"""Sums of integers: residual additions and average pools."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import range_of, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, static_shape
from finn_transforms.analysis.normalization import run_time_statistics
from finn_transforms.passes._edit import (
    Operator,
    Output,
    add_constant,
    add_integers,
    graph_of,
    insert_node,
    integer_type_of,
)
from finn_transforms.passes._scaled import (
    Factor,
    Scaled,
    common_unit,
    evaluated_exactly,
    per_tensor,
    require_per_channel,
    same,
    scalar,
    total,
)

_ALIGNED_BITS = 32
_SEQUENCE_RANK = 3
_SHARE = "Quantize both branches with one shared quantizer, e.g. the same QuantIdentity"
_PER_CHANNEL = "Use one scale per tensor or one per channel, of branches that have the shape of their sum"


def extract_addition(node: ir.Node, first: Scaled, second: Scaled) -> Scaled:
    """Return the sum (or difference) of two integer tensors in their common unit.

    Branches with the same scale are added as they are.  Others are first multiplied by the integers that their scales
    are of their greatest common unit, each channel by its own where scales differ between channels; that is exact, and
    float64 gives the same values.

    Raises:
        NoMatchError: float64 would round a branch, the aligned integers need more than 32 bits, or scales differ along
            another axis than the channels.
    """
    bits = [integer_type_of(branch.integers).bitwidth() + 1 for branch in (first, second)]
    if not all(evaluated_exactly(branch.factors, each) for branch, each in zip((first, second), bits, strict=True)):
        raise NoMatchError("the value of a branch is rounded in float64, so that sums cannot be aligned", _SHARE)
    if per_tensor((*first.factors, *second.factors)) and same(first.factors, second.factors):
        return Scaled(_add(node, first.integers, second.integers), first.factors)
    scales = np.broadcast_arrays(*(_channel_scales(node, branch) for branch in (first, second)))
    shape = scales[0].shape
    units = [common_unit(pair) for pair in zip(*(scale.flat for scale in scales), strict=True)]
    multiples = ([int(value / unit) for value, unit in zip(scale.flat, units, strict=True)] for scale in scales)
    aligned = [
        _multiply(node, branch.integers, np.array(each, dtype=object).reshape(shape))
        for branch, each in zip((first, second), multiples, strict=True)
    ]
    factor = scalar(units[0]) if len(set(units)) == 1 else Factor("Mul", np.array(units, np.float32).reshape(shape))
    return Scaled(_add(node, *aligned), (factor,))


def _channel_scales(node: ir.Node, branch: Scaled) -> NDArray[Any]:
    """Return the scale of a branch, () or one per channel: along the second axis, or the last without images.

    Raises:
        NoMatchError: it differs along another axis, or the branch is repeated along one.
    """
    scale = total(branch.factors)
    if scale.size == 1:
        return scale.reshape(())
    shape = static_shape(branch.integers)
    channels = [scale.shape[1], *([] if len(shape) > _SEQUENCE_RANK else [scale.shape[-1]])] if scale.ndim > 1 else []
    if scale.size not in channels or shape != static_shape(node.outputs[0]):
        raise NoMatchError(f"a branch of shape {shape} has scales of shape {scale.shape}", _PER_CHANNEL)
    return scale


def extract_average_pool(node: ir.Node, source: Scaled) -> Scaled:
    """Return the sum over each window, a depthwise convolution with ones, divided by its size."""
    attributes = attributes_of(node)
    kernel = attributes["kernel_shape"]
    require_per_channel(source)
    if attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        raise NoMatchError(f"auto_pad is {attributes['auto_pad']}", "Export explicit pads")
    if any(attributes.get("pads", ())) and not attributes.get("count_include_pad", 0):
        raise NoMatchError(
            "windows at the border average over fewer values (count_include_pad = 0)",
            "Pad explicitly, or pool without padding",
        )
    channels = static_shape(source.integers)[1]
    ones = add_constant(graph_of(node), f"{node.outputs[0].name}_ones", np.ones((channels, 1, *kernel)), "BINARY")
    kept: dict[str, Any] = {
        name: attributes[name] for name in ("auto_pad", "dilations", "pads", "strides") if name in attributes
    }
    if attributes.get("ceil_mode", 0):
        raise NoMatchError("ceil_mode is 1", "Use ceil_mode=False and pad explicitly")
    count = int(np.prod(kernel))
    box = range_of(integer_type_of(source.integers)).union(IntRange(0, 0)).scale(count)
    output = Output(f"{node.outputs[0].name}_sum", static_shape(node.outputs[0]), smallest_datatype(box))
    operator = Operator("Conv", {**kept, "kernel_shape": kernel, "group": channels})
    return Scaled(insert_node(node, operator, [source.integers, ones], output), (*source.factors, _divided_by(count)))


def extract_global_average(node: ir.Node, source: Scaled) -> Scaled:
    """Return the sum over the image, divided by its size; for ``GlobalAveragePool`` and such a ``ReduceMean``."""
    shape = static_shape(source.integers)
    require_per_channel(source)
    if node.op_type == "ReduceMean":
        axes = _axes(node, len(shape))
        if len(shape) != 4 or axes != (2, 3):
            across_channels = run_time_statistics(node) if len(shape) != 4 or 1 in axes else None
            raise across_channels or NoMatchError(f"it averages over the axes {axes}", "Average over height and width")
    count = int(np.prod(shape[2:]))
    box = range_of(integer_type_of(source.integers)).scale(count)
    name = node.outputs[0].name
    pooled = Output(f"{name}_sum", (*shape[:2], *[1] * (len(shape) - 2)), smallest_datatype(box))
    drops_axes = len(static_shape(node.outputs[0])) != len(shape)
    axes_value = add_integers(graph_of(node), f"{name}_axes", range(2, len(shape)))
    integers = insert_node(node, Operator("ReduceSum", {"keepdims": 1}), [source.integers, axes_value], pooled)
    if drops_axes:
        target = add_integers(graph_of(node), f"{name}_shape", static_shape(node.outputs[0]))
        flat = Output(f"{name}_flat", static_shape(node.outputs[0]), smallest_datatype(box))
        integers = insert_node(node, Operator("Reshape"), [integers, target], flat)
        factors = [factor if per_tensor([factor]) else _flat(factor) for factor in source.factors]
        return Scaled(integers, (*factors, _divided_by(count)))
    return Scaled(integers, (*source.factors, _divided_by(count)))


def _flat(factor: Factor) -> Factor:
    """Return a factor per channel for values whose other axes are gone."""
    return Factor(factor.op_type, factor.array.reshape(1, -1))


def _divided_by(count: int) -> Factor:
    return Factor("Div", np.array(count, dtype=np.float32))


def _axes(node: ir.Node, rank: int) -> tuple[int, ...]:
    axes: Any = attributes_of(node).get("axes")
    if axes is None and len(node.inputs) > 1:
        axes = constant(node.inputs[1])
    return tuple(range(rank)) if axes is None else tuple(sorted(int(axis) % rank for axis in axes))


def _add(node: ir.Node, first: ir.Value, second: ir.Value) -> ir.Value:
    low, high = (range_of(integer_type_of(value)) for value in (first, second))
    total_range = low + (-high if node.op_type == "Sub" else high)
    output = Output(f"{node.outputs[0].name}_int", static_shape(node.outputs[0]), smallest_datatype(total_range))
    return insert_node(node, Operator(node.op_type), [first, second], output)


def _multiply(node: ir.Node, value: ir.Value, multiples: NDArray[Any]) -> ir.Value:
    """Multiply a value by one number, or by one per channel."""
    low, high = int(multiples.min()), int(multiples.max())
    if low == high == 1:
        return value
    held = range_of(integer_type_of(value))
    data_type = smallest_datatype(held.scale(low).union(held.scale(high)))
    if data_type.bitwidth() >= _ALIGNED_BITS:
        raise NoMatchError(
            f"aligning the scales of its branches takes {data_type.bitwidth()} bits ({value.name} times "
            f"{low if abs(low) > high else high})",
            _SHARE,
        )
    array = np.array(low) if low == high else multiples.astype(np.int64)
    factor = add_constant(graph_of(node), f"{value.name}_multiple", array, smallest_datatype(IntRange(low, high)))
    output = Output(f"{value.name}_aligned", static_shape(value), data_type)
    return insert_node(node, Operator("Mul"), [value, factor], output)


POOLS = {
    "AveragePool": extract_average_pool,
    "GlobalAveragePool": extract_global_average,
    "ReduceMean": extract_global_average,
}
