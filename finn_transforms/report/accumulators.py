"""How wide each accumulator is, how wide it has to be, and what is known about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import datatype_bound, weight_bound
from brevitas_ext.qonnx_ops import METADATA_KEY
from finn_transforms.analysis.datatypes import smallest_datatype
from finn_transforms.analysis.matching import is_hardware
from finn_transforms.analysis.ranges import hull, integer_ranges, sum_extremes
from finn_transforms.analysis.weights import weight_rows
from finn_transforms.hw_graph import MvauParams, read_layer


@dataclass(frozen=True, kw_only=True)
class AccumulatorRow:
    """One matrix-vector unit.

    Attributes:
        name: Name of the node.
        layer: Name of the trained layer, where the contract of the file tells it.
        k: Length of the dot product, K.
        weight_bits: Width of the weights, M.
        input_bits: Width of the inputs, N.
        input_signed: Whether the inputs are signed.
        width: Width of the accumulator in the graph; of a graph output, rounded up to whole bytes.
        data_type: Its data type.
        needed_bits: The narrowest width that holds every partial sum in any order, over all inputs that can occur;
            None where the weights or the inputs are not known.
        lowest: The smallest of these sums.
        highest: The largest of them.
        weight_bound: Width by A2Q Eq. 12, from the largest l1 norm of a channel.
        datatype_bound: Width by A2Q Eq. 8, from K, M and N.
        contract_bits: Width P that training promised, proved on this graph.
        contract_bound: Bound it was trained under, ``a2q`` or ``a2q+``.
        finn_width: Width that FINN gives it on its own, where FINN was asked.
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


def accumulator_rows(model: ir.Model, finn_widths: Mapping[str, int] | None = None) -> list[AccumulatorRow]:
    """Return a row per matrix-vector unit of a graph of hardware layers, in order.

    Args:
        model: the graph, after `CheckAccumulatorContract` where promises should appear.
        finn_widths: width that FINN itself gives, by node name.
    """
    ranges = integer_ranges(model)
    rows = []
    for node in model.graph:
        layer = read_layer(node) if is_hardware(node) else None
        if not isinstance(layer, MvauParams):
            continue
        source = ranges.get(node.inputs[0]) if node.inputs[0] is not None else None
        extremes = None if source is None else sum_extremes(node, source)
        reached = None if extremes is None else hull(extremes)
        promise = json.loads(node.metadata_props.get(METADATA_KEY, "{}"))
        input_bits, signed = int(layer.input_type.bitwidth()), bool(layer.input_type.signed())
        weight_bits = int(layer.weight_type.bitwidth())
        rows.append(
            AccumulatorRow(
                name=layer.name,
                layer=promise.get("layer"),
                k=layer.mw,
                weight_bits=weight_bits,
                input_bits=input_bits,
                input_signed=signed,
                width=layer.accumulator_bits,
                data_type=layer.accumulator_type.name,
                needed_bits=None if reached is None else int(smallest_datatype(reached).bitwidth()),
                lowest=None if reached is None else reached.low,
                highest=None if reached is None else reached.high,
                weight_bound=_weight_bound(weight_rows(node), input_bits, signed),
                datatype_bound=datatype_bound(layer.mw, weight_bits, input_bits, input_signed=signed),
                contract_bits=promise.get("accumulator_bits"),
                contract_bound=promise.get("bound"),
                finn_width=None if finn_widths is None else finn_widths.get(layer.name),
            )
        )
    return rows


def _weight_bound(rows: NDArray[np.int64] | None, input_bits: int, signed: bool) -> int | None:
    if rows is None:
        return None
    return weight_bound(int(np.abs(rows).sum(axis=1).max()), input_bits, input_signed=signed)
