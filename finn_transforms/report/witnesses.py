"""Inputs that drive an accumulator to its extremes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.analysis.accumulators import Accumulator, Overflow
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.datatypes import named, range_of
from finn_transforms.analysis.ranges_differences import CountedPair, differences_of
from finn_transforms.analysis.taps import Pattern
from finn_transforms.analysis.weights import can_change, weight_rows

Witness: TypeAlias = dict[str, Any]


def run_lengths(values: Iterable[Any]) -> str:
    """Return integers or truth values as text, runs counted: ``[0, 0, 3]`` is ``"0*2 3"``."""
    runs = ((int(value), sum(1 for _ in run)) for value, run in groupby(values))
    return " ".join(f"{value}*{count}" if count > 1 else str(value) for value, count in runs)


def per_input(side: NDArray[Any], k: int) -> NDArray[Any]:
    """Return one end of a box, (1,), (K,) or (C, K), for each input: (K,) or (C, K)."""
    return np.broadcast_to(side, (k,)) if side.ndim == 1 else side


def unit_witness(node: ir.Node, accumulator: Accumulator, overflow: Overflow, *, upward: bool) -> Witness:
    """Return the inputs of an MVAU or VVAU that reach its highest or lowest sum.

    Returns:
        ``value`` and ``channel``; ``inputs``, one per term; ``first``, 1 for the terms that have been added when the
        extreme is reached; ``padding``, 1 for the inputs that are padding then, where there are some; ``weights``
        where they can be changed at run time.
    """
    low, high = accumulator.extremes(overflow)
    channel = int(np.argmax(high) if upward else np.argmin(low))
    value = int((high if upward else low)[channel])
    products = accumulator.products
    if products is None:
        raise ValueError(f"expected a layer with weights, got {node.name!r}")
    weights = None if can_change(node) else weight_rows(node)
    box = products.read if products.read is not None else products.inputs
    ends = [_row(per_input(side, accumulator.k), channel) for side in (box.low, box.high)]
    if weights is not None:
        choices = [[weights[channel][tap]] for tap in range(accumulator.k)]
    else:
        kind = range_of(named(attributes_of(node)["weightDataType"]))
        choices = [[kind.low, kind.high]] * accumulator.k
    count_bits = accumulator.kind == "matches"
    best = [
        _best(options, (low, high), upward=upward, matches=count_bits)
        for options, low, high in zip(choices, *ends, strict=True)
    ]
    for pattern in products.patterns or (np.ones(accumulator.k, dtype=bool),):
        found = _sum(best, pattern, overflow, upward=upward)
        if sum(term for term, added in zip((term for term, *_ in best), found, strict=True) if added) == value:
            break
    witness = {
        "value": value,
        "channel": channel,
        "inputs": run_lengths(x if real else 0 for (_, x, _), real in zip(best, pattern, strict=True)),
        "first": run_lengths(found),
    }
    if not pattern.all():
        witness["padding"] = run_lengths(~pattern)
    if weights is None:
        witness["weights"] = run_lengths(weight for *_, weight in best)
    return witness


def pool_witness(accumulator: Accumulator, overflow: Overflow, *, upward: bool) -> Witness:
    """Return the inputs of a pool that reach its highest or lowest sum."""
    low, high = accumulator.extremes(overflow)
    channel = int(np.argmax(high) if upward else np.argmin(low))
    value = int((high if upward else low)[channel])
    box = accumulator.inputs
    if box is None:
        raise ValueError("expected a pool's accumulator")
    element = (box.high if upward else box.low)[channel]
    added = value != 0 or element == 0
    return {
        "value": value,
        "channel": channel,
        "inputs": run_lengths([element] * accumulator.k),
        "first": run_lengths([added] * accumulator.k),
    }


def elementwise_witness(boxes: Sequence[Box], operation: Any, *, upward: bool) -> Witness:
    """Return two operands, each of a box (C,), whose combination is highest or lowest."""
    size = max(box.low.size for box in boxes)
    sides = [[np.broadcast_to(side, (size,)) for side in (box.low, box.high)] for box in boxes]
    corners = [(a, b, operation(a, b)) for a in sides[0] for b in sides[1]]
    pick = max if upward else min
    value, channel, left, right = pick(
        ((result[index], index, a[index], b[index]) for a, b, result in corners for index in range(size)),
        key=lambda candidate: candidate[0],
    )
    return {"value": int(value), "channel": channel, "inputs": run_lengths([left, right]), "first": "1*2"}


def difference_witness(pair: CountedPair, *, upward: bool) -> Witness:
    """Return the value whose two counts differ most, upwards or downwards, as ``source``, and the counts."""
    found = [(each, each.rising - each.falling) for each in differences_of(pair)]
    ends = [values.max() if upward else values.min() for _, values in found]
    channel = int(np.argmax(ends) if upward else np.argmin(ends))
    codes, values = found[channel]
    at = int(np.argmax(values) if upward else np.argmin(values))
    return {
        "value": int(values[at]),
        "channel": channel,
        "inputs": run_lengths([codes.rising[at], codes.falling[at]]),
        "first": "1*2",
        "source": int(codes.points[at]),
    }


def _row(side: NDArray[Any], channel: int) -> NDArray[Any]:
    return side if side.ndim == 1 else side[channel]


def _best(weights: Sequence[int], ends: tuple[int, int], *, upward: bool, matches: bool) -> tuple[int, int, int]:
    """Return the highest or lowest term with one of some weights and ends of a range, the input and the weight."""
    terms = (
        (int((weight > 0) == (end > 0)) if matches else int(weight) * int(end), int(end), int(weight))
        for weight in weights
        for end in ends
    )
    return max(terms, key=lambda term: term[0]) if upward else min(terms, key=lambda term: term[0])


def _sum(best: Sequence[tuple[int, int, int]], pattern: Pattern, overflow: Overflow, *, upward: bool) -> list[bool]:
    """Return which terms are added: with any order those that bring the sum nearer to its extreme."""
    if overflow == "wrap":
        return [bool(real) for real in pattern]
    return [bool(real) and (term > 0 if upward else term < 0) for (term, *_), real in zip(best, pattern, strict=True)]
