"""Integer weights of a linear node as one row per output channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import layer_type

_WRITTEN_FROM_OUTSIDE = {"external", "external_mem", "dynamic"}


def weight_rows(node: ir.Node) -> NDArray[np.int64] | None:
    """Return the constant integer weights of a ``Conv``, ``MatMul`` or ``MVAU`` as (C, K), or None where it has none.

    A grouped convolution gives rows of K = (C / groups) * KH * KW, the products of one output.
    """
    if layer_type(node) not in {"Conv", "MatMul", "MVAU"} or len(node.inputs) < 2:
        return None
    value = node.inputs[1]
    weights = constant(value)
    if value is None or weights is None or integer_datatype(value) is None:
        return None
    return rows_of(weights, convolution=node.op_type == "Conv")


def can_change(node: ir.Node) -> bool:
    """Tell whether a hardware layer's weights or thresholds can be other ones at run time than those in the graph."""
    attributes = attributes_of(node)
    return bool(attributes.get("runtime_writeable_weights", 0)) or attributes.get("mem_mode") in _WRITTEN_FROM_OUTSIDE


def counts_matches(node: ir.Node) -> bool:
    """Tell whether an ``MVAU`` counts equal bits (XNOR) instead of adding products."""
    attributes = attributes_of(node)
    types = {attributes.get("inputDataType"), attributes.get("weightDataType")}
    return bool(attributes.get("binaryXnorMode", 0)) or types == {"BIPOLAR"}


def rows_of(weights: NDArray[Any], *, convolution: bool) -> NDArray[np.int64]:
    """Return (O, I, KH, KW) or (K, C) as (C, K) integers."""
    matrix = weights.reshape(weights.shape[0], -1) if convolution else weights.T
    return matrix.astype(np.int64)
