"""Integer weights of a linear node as one row per output channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, named
from finn_transforms.analysis.matching import is_hardware, layer_type
from finn_transforms.ops.shift import UNIT as SHIFT_UNIT
from finn_transforms.ops.shift import folded_weights, shifts_of

_WRITTEN_FROM_OUTSIDE = {"external", "external_mem", "dynamic"}

# Operators with one matrix of weights per output channel, and the number of dimensions that their weights have.
_DIMENSIONS = {
    "Conv": {3, 4, 5},
    "ConvTranspose": {3, 4, 5},
    "MatMul": {2},
    "MVAU": {2},
    "ShiftMVAU": {2},
    "SparqMVAU": {2},
    "VVAU": {4},
}


def weight_rows(node: ir.Node) -> NDArray[np.int64] | None:
    """Return the constant integer weights of a linear node as (C, K), or None where it has none.

    Linear nodes are ``Conv``, ``ConvTranspose``, ``MatMul``, ``MVAU``, ``ShiftMVAU``, ``SparqMVAU`` and ``VVAU``.  A
    grouped convolution gives rows of K = (C / groups) * KH * KW, the products of one output.  The bits of a unit that
    counts matches are given as the -1 and 1 they stand for, the weights of one that shifts products as shifted.
    """
    if layer_type(node) not in _DIMENSIONS or len(node.inputs) < 2:
        return None
    value = node.inputs[1]
    weights = constant(value)
    if value is None or weights is None or integer_datatype(value) is None:
        return None
    if weights.ndim not in _DIMENSIONS[layer_type(node)]:
        return None
    if layer_type(node) == "ConvTranspose":
        return _transposed_rows(weights, attributes_of(node).get("group", 1))
    if layer_type(node) == SHIFT_UNIT:
        weights = folded_weights(attributes_of(node), weights.astype(np.int64))
    rows = rows_of(weights, convolution=layer_type(node) in {"Conv", "VVAU"})
    return 2 * rows - 1 if is_hardware(node) and attributes_of(node).get("binaryXnorMode", 0) else rows


def weight_bits(node: ir.Node) -> int:
    """Return the declared width M of a hardware layer's weights, as shifted by a unit that shifts products."""
    attributes = attributes_of(node)
    bits: int = named(attributes["weightDataType"]).bitwidth()
    return bits + max(shifts_of(attributes)) if layer_type(node) == SHIFT_UNIT else bits


def can_change(node: ir.Node) -> bool:
    """Tell whether a hardware layer's weights or thresholds can be other ones at run time than those in the graph."""
    attributes = attributes_of(node)
    return bool(attributes.get("runtime_writeable_weights", 0)) or attributes.get("mem_mode") in _WRITTEN_FROM_OUTSIDE


def counts_matches(node: ir.Node) -> bool:
    """Tell whether an ``MVAU`` or ``VVAU`` counts equal bits (XNOR) instead of adding products."""
    attributes = attributes_of(node)
    types = {attributes.get("inputDataType"), attributes.get("weightDataType")}
    return bool(attributes.get("binaryXnorMode", 0)) or types == {"BIPOLAR"}


def has_thresholds(node: ir.Node) -> bool:
    """Tell whether an ``MVAU`` or ``VVAU`` compares its sums with thresholds of its own."""
    return len(node.inputs) > 2 and not attributes_of(node).get("noActivation", 0)


def rows_of(weights: NDArray[Any], *, convolution: bool) -> NDArray[np.int64]:
    """Return (O, I, KH, KW) or (K, C) as (C, K) integers."""
    matrix = weights.reshape(weights.shape[0], -1) if convolution else weights.T
    return matrix.astype(np.int64)


def _transposed_rows(weights: NDArray[Any], groups: int) -> NDArray[np.int64]:
    """Return (I, O / groups, KH, KW) as (O, I / groups * KH * KW) integers."""
    inputs, outputs, *_kernel = weights.shape
    split = weights.reshape(groups, inputs // groups, outputs, -1).swapaxes(1, 2)
    return split.reshape(groups * outputs, -1).astype(np.int64)
