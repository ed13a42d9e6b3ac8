"""Ranges of sums: linear layers, and pools that add."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import named
from finn_transforms.analysis.linear import products_of, windows_of
from finn_transforms.analysis.matching import is_hardware, static_shape
from finn_transforms.analysis.products import Products
from finn_transforms.analysis.ranges_quantizers import activation
from finn_transforms.analysis.ranges_rules import Known, Rule, operand
from finn_transforms.analysis.weights import has_thresholds
from finn_transforms.ops.tensors import reduce_axes


def known_products(node: ir.Node, known: Known) -> Products | None:
    """Return the sums of a linear node over what is known about its input, or None where they are not known."""
    source = operand(node, 0, known)
    if source is None:
        return None
    windows = windows_of(node) if is_hardware(node) else None
    return products_of(node, source, None if windows is None else known.get(windows.image))


def linear(node: ir.Node, known: Known) -> Box | None:
    """Return the final sums of a linear node, or what its own thresholds make of them."""
    products, source = known_products(node, known), operand(node, 0, known)
    if products is None or source is None:
        return None
    sums: Box | None = products.box()
    if is_hardware(node) and has_thresholds(node):
        sums = activation(node, products.box(), constant(node.inputs[2]))
    output = node.outputs[0]
    # FINN's vectors keep their rank.
    rank = source.low.ndim if output.shape is None else len(static_shape(output))
    shape = [1] * rank
    shape[rank - 1 if is_hardware(node) or node.op_type == "MatMul" else 1] = -1
    return None if sums is None else sums.map(lambda array: array.reshape(shape))


def reduce_sum(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a ``ReduceSum`` over constant axes."""
    source, attributes = operand(node, 0, known), attributes_of(node)
    if source is None or node.inputs[0] is None:
        return None
    shape = static_shape(node.inputs[0])
    axes = list(reduce_axes(attributes, len(shape), constant(node.inputs[1]) if len(node.inputs) > 1 else None))
    summed = _sum_over(source, axes, shape)
    if attributes.get("keepdims", 1):
        return summed
    return summed.map(lambda array: array.reshape([size for axis, size in enumerate(array.shape) if axis not in axes]))


def global_sum(node: ir.Node, known: Known) -> Box | None:
    """Return the range of FINN's ``GlobalAccPool`` of (N, H, W, C)."""
    source = operand(node, 0, known)
    if source is None or node.inputs[0] is None:
        return None
    shape = static_shape(node.inputs[0])
    return _sum_over(source, list(range(1, len(shape) - 1)), shape)


def pool(node: ir.Node, known: Known) -> Box | None:
    """Return the range of FINN's ``Pool``, which reads windows (N, H, W, KH * KW * C)."""
    source, attributes = operand(node, 0, known), attributes_of(node)
    if source is None:
        return None
    if source.is_uniform:
        taps = source
    else:
        channels = attributes["Channels"]
        taps = source.reduced(*range(source.low.ndim - 1)).map(lambda array: array.reshape(-1, channels))
    if attributes.get("Function") == "MaxPool":
        # The highest of several elements is one of them, and at least the highest of their lowest values.
        low, high = taps.low.max(axis=0, keepdims=True), taps.high.max(axis=0, keepdims=True)
        found = taps.reduced(0)
        return _last_axis(Box.of(low, high, found.step), source.low.ndim)
    sums = pool_sums(node, source)
    if sums is None or attributes["Function"] not in {"AccPool", "QuantAvgPool"}:
        return None
    shift = 0 if attributes["Function"] == "AccPool" else _shift(attributes)
    low, high = sums.low >> shift, sums.high >> shift
    return _last_axis(Box.of(low, high, sums.step if shift == 0 else 1), source.low.ndim)


def pool_sums(node: ir.Node, source: Box) -> Box | None:
    """Return the sums (C,) that a ``Pool`` which adds accumulates over what is known about its input."""
    attributes = attributes_of(node)
    if attributes.get("Function") not in {"AccPool", "AvgPool", "QuantAvgPool"} or "KernelSize" not in attributes:
        return None
    size = int(np.prod(attributes["KernelSize"]))
    if source.is_uniform:
        return Box.of(source.low.reshape(-1) * size, source.high.reshape(-1) * size, source.step.reshape(-1))
    channels = attributes["Channels"]
    taps = source.reduced(*range(source.low.ndim - 1)).map(lambda array: array.reshape(size, channels))
    return Box.of(taps.low.sum(axis=0), taps.high.sum(axis=0), np.gcd.reduce(taps.step, axis=0))


def _shift(attributes: dict[str, Any]) -> int:
    """Return how many bits a ``QuantAvgPool`` drops, as FINN derives it from its data types."""
    highest: int = (2 ** named(attributes["InputDataType"]).bitwidth() - 1) * prod(attributes["KernelSize"])
    width: int = named(attributes["OutputDataType"]).bitwidth()
    return max(0, highest.bit_length() - width)


def _last_axis(box: Box, rank: int) -> Box:
    return box.map(lambda array: array.reshape((1,) * (rank - 1) + (-1,)))


def _sum_over(source: Box, axes: list[int], shape: tuple[int, ...]) -> Box:
    result = source
    for axis in axes:
        if result.shape[axis] == 1:
            # Elements along an axis change on their own, one step at a time.
            result = Box.of(result.low * shape[axis], result.high * shape[axis], result.step)
        else:
            result = Box.of(
                result.low.sum(axis=axis, keepdims=True),
                result.high.sum(axis=axis, keepdims=True),
                np.gcd.reduce(result.step, axis=axis, keepdims=True),
            )
    return result


SUMS: dict[str, Rule] = {
    "Conv": linear,
    "ConvTranspose": linear,
    "GlobalAccPool": global_sum,
    "MVAU": linear,
    "MatMul": linear,
    "Pool": pool,
    "ReduceSum": reduce_sum,
    "ShiftMVAU": linear,
    "SparqMVAU": linear,
    "VVAU": linear,
}
