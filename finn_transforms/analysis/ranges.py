"""Exact integer ranges of values, element by element where they differ, from what produces them.

An annotated data type says what a wire can carry; the producer often says more (a narrow-range quantizer, weights that
bound their sum, thresholds that are never reached).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, range_of
from finn_transforms.analysis.linear import products_of
from finn_transforms.analysis.matching import NoMatchError, layer_type, nodes_of
from finn_transforms.analysis.products import Extremes
from finn_transforms.analysis.ranges_differences import DIFFERENCES
from finn_transforms.analysis.ranges_elementwise import ELEMENTWISE_RANGES
from finn_transforms.analysis.ranges_moves import MOVES
from finn_transforms.analysis.ranges_quantizers import QUANTIZERS
from finn_transforms.analysis.ranges_rules import Known, Rule, exact_integers
from finn_transforms.analysis.ranges_sparq import SPARQ
from finn_transforms.analysis.ranges_sums import SUMS

_RULES: dict[str, Rule] = {**ELEMENTWISE_RANGES, **DIFFERENCES, **MOVES, **QUANTIZERS, **SPARQ, **SUMS}


def integer_ranges(model: ir.Model, inputs: Mapping[str, IntRange | Box] | None = None) -> dict[ir.Value, Box]:
    """Return the box of every value of the main graph that is annotated with an integer data type.

    A value whose producer has no rule, or one that says nothing here, has the range of its data type.

    Args:
        model: a graph of integers, at any stage between `ExtractIntegers` and hardware.
        inputs: what is known beyond the graph, by name of a graph input or of any other integer value, for all
            elements or, as a box of the value's rank, e.g. per channel.

    Raises:
        ValueError: a name in ``inputs`` is no integer value of the graph, or its box has another rank.
    """
    given = dict(inputs or {})
    known = source_ranges(model, given)
    for node in nodes_of(model):
        add_ranges(node, known, given)
    if given:
        raise ValueError(f"inputs: expected names of integer values of the graph, got {sorted(given)}")
    return known


def source_ranges(model: ir.Model, given: dict[str, IntRange | Box] | None = None) -> dict[ir.Value, Box]:
    """Return the boxes of the graph's integer inputs and constants, from which `add_ranges` goes on.

    Args:
        model: the graph.
        given: what the user knows; entries that are used are taken out.
    """
    known: dict[ir.Value, Box] = {}
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        if integer_datatype(value) is not None:
            known[value] = _given(value, given or {}) or _constant_box(value) or _annotated(value)
    return known


def add_ranges(node: ir.Node, known: dict[ir.Value, Box], given: dict[str, IntRange | Box] | None = None) -> None:
    """Add the boxes of a node's integer outputs to those of everything in front of it.

    Args:
        node: the next node in topological order.
        known: boxes so far.
        given: what the user knows; entries that are used are taken out.
    """
    outputs = [value for value in node.outputs if integer_datatype(value) is not None]
    if not outputs:
        return
    boxes = _apply(node, known)
    for value in outputs:
        known[value] = _given(value, given or {}) or boxes.get(value) or _annotated(value)


def sum_extremes(node: ir.Node, inputs: Box | IntRange) -> Extremes | None:
    """Return the extremes, per output channel, of every partial sum of a linear node, in any order.

    Args:
        node: a ``Conv``, ``ConvTranspose``, ``MatMul``, ``MVAU`` or ``VVAU``; weights of a hardware layer that are
            not in the graph, or that can change at run time, count with the range of their data type.  A layer that
            counts equal bits adds up matches.
        inputs: range of its input; padding that the node does itself is taken into account here.

    Returns:
        Two object arrays (C,), or None where the weights are not integer constants or nothing is added.
    """
    products = products_of(node, _box(node, inputs))
    return None if products is None else products.partial_sums()


def final_extremes(node: ir.Node, inputs: Box | IntRange) -> Extremes | None:
    """Return the extremes, per output channel, of the final sum of a linear node; see `sum_extremes`."""
    products = products_of(node, _box(node, inputs))
    return None if products is None else products.final_sums()


def hull(extremes: tuple[NDArray[Any], NDArray[Any]]) -> IntRange:
    """Return the range of all channels together."""
    return IntRange(int(np.min(extremes[0])), int(np.max(extremes[1])))


def _box(node: ir.Node, inputs: Box | IntRange) -> Box:
    return inputs if isinstance(inputs, Box) else Box.uniform(inputs, rank=_rank(node.inputs[0]))


def _rank(value: ir.Value | None) -> int:
    return 1 if value is None or value.shape is None else value.shape.rank()


def _given(value: ir.Value, given: dict[str, IntRange | Box]) -> Box | None:
    """Take what the user knows about a value, if anything."""
    user = given.pop(value.name or "", None)
    if user is None:
        return None
    box = user if isinstance(user, Box) else Box.uniform(user, rank=_rank(value))
    if box.low.ndim != _rank(value):
        raise ValueError(f"inputs: expected a box of rank {_rank(value)} for {value.name!r}, got shape {box.shape}")
    return box


def _constant_box(value: ir.Value) -> Box | None:
    array = constant(value)
    if array is None or not array.size:
        return None
    ends = exact_integers(np.array([array.min(), array.max()]))
    return None if ends is None else Box.uniform(IntRange(ends[0], ends[1]), rank=array.ndim)


def _annotated(value: ir.Value) -> Box:
    data_type = integer_datatype(value)
    if data_type is None:
        raise ValueError(f"expected an integer value, got {value.name!r}")
    step = 2 if data_type.name == "BIPOLAR" else 1
    return Box.uniform(range_of(data_type), rank=_rank(value), step=step)


def _apply(node: ir.Node, known: Known) -> dict[ir.Value, Box]:
    """Return the boxes that a node's rule gives."""
    rule = _RULES.get(layer_type(node))
    if rule is None:
        return {}
    try:
        found = rule(node, known)
    except NoMatchError:
        # A shape is not known; neither is then where channels are.
        return {}
    boxes = [found] * len(node.outputs) if found is None or isinstance(found, Box) else list(found)
    return {
        value: box
        for value, box in zip(node.outputs, boxes, strict=True)
        if box is not None and (value.shape is None or box.low.ndim == _rank(value))
    }
