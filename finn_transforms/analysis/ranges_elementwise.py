"""Ranges of integer arithmetic element by element, of ONNX and of FINN."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import static_shape
from finn_transforms.analysis.ranges_rules import Known, Rule, operand, with_rank


def addition(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a sum of two or more tensors."""
    operands = _operands(node, known)
    if operands is None:
        return None
    if _same_twice(node):
        return operands[0].times(2)
    result = operands[0]
    for each in operands[1:]:
        result = result + each
    return result


def subtraction(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a difference."""
    operands = _operands(node, known)
    if operands is None:
        return None
    if _same_twice(node):
        return operands[0].times(0)
    return operands[0] + -operands[1]


def multiplication(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a product; exact where one factor is constant."""
    operands = _operands(node, known)
    if operands is None:
        return None
    left, right = operands
    for box, factor in ((left, right), (right, left)):
        if np.all(factor.low == factor.high):
            return box.times(factor.low)
    if _same_twice(node):
        return None
    corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
    low, high = (side.reduce(corners) for side in (np.minimum, np.maximum))
    # (a + i s)(b + j t) = ab + i s b + j t a + i j s t
    steps = np.gcd(np.gcd(left.step * right.low, right.step * left.low), left.step * right.step)
    return Box.of(low, high, np.abs(steps))


def clip(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a ``Clip`` with integer bounds."""
    source, attributes = operand(node, 0, known), attributes_of(node)
    if source is None:
        return None
    bounds: list[int | None] = []
    for index, name in ((1, "min"), (2, "max")):
        given = constant(node.inputs[index]) if index < len(node.inputs) else None
        if given is None and index < len(node.inputs) and node.inputs[index] is not None:
            return None
        bound = attributes.get(name) if given is None else float(given.item())
        if bound is not None and np.isfinite(bound) and bound != round(bound):
            return None
        bounds.append(None if bound is None or not np.isfinite(bound) else int(bound))
    return source.clipped(bounds[0], bounds[1])


def rectifier(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a ``Relu`` of integers."""
    source = operand(node, 0, known)
    return None if source is None else source.clipped(0, None)


def negation(node: ir.Node, known: Known) -> Box | None:
    """Return the range of a ``Neg``."""
    source = operand(node, 0, known)
    return None if source is None else -source


def channelwise(node: ir.Node, known: Known) -> Box | None:
    """Return the range of FINN's ``ChannelwiseOp``, which adds or multiplies one constant per channel."""
    rule = {"add": addition, "mul": multiplication}.get(attributes_of(node).get("Func", ""))
    return None if rule is None else rule(node, known)


def _operands(node: ir.Node, known: Known) -> list[Box] | None:
    rank = len(static_shape(node.outputs[0]))
    result = []
    for index in range(len(node.inputs)):
        box = operand(node, index, known)
        box = None if box is None else with_rank(box, rank)
        if box is None:
            return None
        result.append(box)
    return result


def _same_twice(node: ir.Node) -> bool:
    return len(node.inputs) == 2 and node.inputs[0] is node.inputs[1]


ELEMENTWISE_RANGES: dict[str, Rule] = {
    "Add": addition,
    "AddStreams": addition,
    "ChannelwiseOp": channelwise,
    "Clip": clip,
    "ElementwiseAdd": addition,
    "ElementwiseMul": multiplication,
    "Mul": multiplication,
    "Neg": negation,
    "Relu": rectifier,
    "Sub": subtraction,
}
