"""Tells a tie from an error: whether a quantizer may give either integer within the accuracy of float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.quantizer import read_quantizer
from finn_transforms.verify.magnitudes import magnitude_of, unit_in_last_place

Array = NDArray[Any]

LARGEST_TOLERANCE = 0.25
"""In steps of a quantizer: however coarse float32 is, a value this far from a boundary is not taken for a tie."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a quantizer may give.

    Attributes:
        pre_rounding: float64 values before the rounding, in steps.
        tolerance: how far they may be off, in steps.
        low: lowest integer within the tolerance.
        high: highest one.
    """

    pre_rounding: Array
    tolerance: Array
    low: Array
    high: Array


def judge(node: ir.Node, values: Mapping[str, Array], stops: set[ir.Value], ulps: float) -> Judgement:
    """Evaluate a quantizer at both ends of what float32 may compute for its input.

    Let p be the float64 value just before the rounding and t the sum of the magnitudes of the terms that were added up
    to it since the last quantizers, both in steps.  The integers are those for p - d and p + d, d being ``ulps`` units
    in the last place of t in float32, at most a quarter of a step.

    Args:
        node: a quantizer with constant parameters.
        values: every tensor of its graph that the input depends on, by name.
        stops: outputs of the quantizers before it.
        ulps: the tolerance.
    """
    source = node.inputs[0]
    if source is None:
        raise ValueError(f"{node.op_type} {node.name!r}: expected an input, found none; repair the file")
    quantizer = read_quantizer(node)
    operator, zero = quantizer.operator, quantizer.zero_point
    parameters = [array.astype(np.float64) for array in quantizer.parameters]
    exact = operator.pre_rounding(values[source.name or ""], parameters)
    magnitudes = np.broadcast_to(magnitude_of(source, values, stops), exact.shape)
    terms = operator.pre_rounding(magnitudes, [np.abs(parameter) for parameter in parameters])
    tolerance = np.minimum(ulps * unit_in_last_place(terms), LARGEST_TOLERANCE)
    low, high = (operator.to_integers(exact + side * tolerance, parameters) - zero for side in (-1, 1))
    return Judgement(pre_rounding=exact, tolerance=tolerance, low=low, high=high)
