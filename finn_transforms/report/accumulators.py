"""How wide each accumulator is, how wide it has to be, and what is known about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import datatype_bound, weight_bound
from brevitas_ext.qonnx_ops import METADATA_KEY
from finn_transforms.analysis.accumulators import UNITS, Accumulator, overflow_of, read_accumulator
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.datatypes import named, smallest_datatype
from finn_transforms.analysis.matching import FINN_ACCUMULATOR, NoMatchError, is_hardware, layer_type
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.analysis.weights import weight_bits, weight_rows


@dataclass(frozen=True, kw_only=True)
class AccumulatorRow:
    """One matrix-vector or vector-vector unit.

    Attributes:
        name: Name of the node.
        layer: Name of the trained layer, where the contract of the file tells it.
        k: Length of the dot product, K.
        weight_bits: Width of the weights, M.
        input_bits: Width of the inputs, N.
        input_signed: Whether the inputs are signed.
        width: Width of the accumulator in the graph; of a graph output, rounded up to whole bytes.
        data_type: Its data type.
        needed_bits: The narrowest width that holds what ``overflow`` says, over all inputs that can occur; None where
            the weights or the inputs are not known.
        lowest: The smallest of these sums.
        highest: The largest of them.
        weight_bound: Width by A2Q Eq. 12, from the largest l1 norm of a channel.
        datatype_bound: Width by A2Q Eq. 8, from K, M and N; M with the largest shift where products are shifted.
        contract_bits: Width P that training promised, proved on this graph.
        contract_bound: Bound it was trained under, ``a2q`` or ``a2q+``.
        finn_width: Width that FINN gives it on its own, where FINN was asked.
        overflow: ``"any_order"``: every partial sum in any order fits; ``"wrap"``: the final sum does, partial ones
            wrap around.
        channel_bits: The width that each output channel alone would need; None where it is not known.
    """

    name: str
    layer: str | None
    k: int
    weight_bits: int
    input_bits: int
    input_signed: bool
    width: int
    data_type: str
    needed_bits: int | None
    lowest: int | None
    highest: int | None
    weight_bound: int | None
    datatype_bound: int
    contract_bits: int | None
    contract_bound: str | None
    finn_width: int | None = None
    overflow: str = "any_order"
    channel_bits: list[int] | None = None


def accumulator_rows(model: ir.Model, finn_widths: Mapping[str, int] | None = None) -> list[AccumulatorRow]:
    """Return a row per matrix-vector and vector-vector unit of a graph of hardware layers, in order.

    Args:
        model: the graph, after `CheckAccumulatorContract` where promises should appear.
        finn_widths: width that FINN itself gives, by node name.
    """
    ranges = integer_ranges(model)
    return [
        _row(node, ranges, finn_widths or {}) for node in model.graph if is_hardware(node) and layer_type(node) in UNITS
    ]


def _row(node: ir.Node, ranges: dict[ir.Value, Box], finn_widths: Mapping[str, int]) -> AccumulatorRow:
    accumulator, overflow = _accumulator(node, ranges), overflow_of(node)
    reached = None if accumulator is None else accumulator.hull(overflow)
    promise = json.loads(node.metadata_props.get(METADATA_KEY, "{}"))
    attributes = attributes_of(node)
    inputs, weights = named(attributes["inputDataType"]), named(attributes["weightDataType"])
    width = named(attributes.get("accDataType", FINN_ACCUMULATOR))
    k = prod(attributes["Kernel"]) if layer_type(node) == "VVAU" else attributes["MW"]
    bits = (int(inputs.bitwidth()), bool(inputs.signed()))
    return AccumulatorRow(
        name=node.name or "",
        layer=promise.get("layer"),
        k=k,
        weight_bits=int(weights.bitwidth()),
        input_bits=bits[0],
        input_signed=bits[1],
        width=int(width.bitwidth()),
        data_type=width.name,
        needed_bits=None if reached is None else int(smallest_datatype(reached).bitwidth()),
        lowest=None if reached is None else reached.low,
        highest=None if reached is None else reached.high,
        weight_bound=_weight_bound(weight_rows(node), *bits),
        datatype_bound=datatype_bound(k, weight_bits(node), bits[0], input_signed=bits[1]),
        contract_bits=promise.get("accumulator_bits"),
        contract_bound=promise.get("bound"),
        finn_width=finn_widths.get(node.name or ""),
        overflow=overflow,
        channel_bits=None if accumulator is None else accumulator.channel_bits(overflow),
    )


def _accumulator(node: ir.Node, ranges: dict[ir.Value, Box]) -> Accumulator | None:
    try:
        return read_accumulator(node, ranges)
    except NoMatchError:
        return None


def _weight_bound(rows: NDArray[np.int64] | None, input_bits: int, signed: bool) -> int | None:
    if rows is None:
        return None
    return weight_bound(int(np.abs(rows).sum(axis=1).max()), input_bits, input_signed=signed)
