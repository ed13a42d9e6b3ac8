"""Ranges behind SPARQ: what its windows can hold, not all of 8 bits."""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np
import onnx_ir as ir

from brevitas_ext.arith import IntRange, SparqFormat
from brevitas_ext.qonnx_ops.sparq import DOMAIN, Sparq
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import NoMatchError
from finn_transforms.analysis.ranges_rules import Known, Rule, operand
from finn_transforms.ops.quantizers import sparq_operator

WHOLE: Final = IntRange(0, 255)
"""The integers that SPARQ takes."""


def is_sparq(node: ir.Node | None) -> bool:
    """Tell whether a node is our ``Sparq``."""
    return node is not None and node.domain == DOMAIN and node.op_type == Sparq.op_type


def read_sparq(node: ir.Node) -> Sparq:
    """Read a ``Sparq`` node.

    Raises:
        NoMatchError: an attribute is missing or has no meaning.
    """
    try:
        return sparq_operator(attributes_of(node))
    except (KeyError, TypeError, ValueError) as error:
        raise NoMatchError(f"its attributes have no meaning: {error}", "Export the model again") from error


def sparq(node: ir.Node, known: Known) -> Box | None:
    """Return the hull and step of the window values that the integers in front can become."""
    source, scale = operand(node, 0, known), constant(node.inputs[1])
    if not is_sparq(node) or source is None or scale is None or np.any(scale != 1) or not WHOLE.contains(source.hull):
        return None
    ends = {
        (low, high): _reached(read_sparq(node).format, low, high)
        for low, high in set(zip(source.low.flat, source.high.flat, strict=True))
    }
    boxes = [ends[pair] for pair in zip(source.low.flat, source.high.flat, strict=True)]
    low, high, step = (np.array(side, dtype=object).reshape(source.shape) for side in zip(*boxes, strict=True))
    return Box.of(low, high, step)


def _reached(windows: SparqFormat, low: int, high: int) -> tuple[int, int, int]:
    """Return lowest, highest and step of what integers from `low` to `high` can be worth, beside zeros or not."""
    reached = set(windows.narrow_values[low : high + 1].tolist())
    if windows.pairs:
        reached |= set(windows.wide_values[low : high + 1].tolist())
    first = min(reached)
    return first, max(reached), gcd(*(value - first for value in reached))


SPARQ: dict[str, Rule] = {"Sparq": sparq}
