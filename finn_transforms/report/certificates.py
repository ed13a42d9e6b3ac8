"""Certificates: why each accumulator is wide enough, and why no narrower one would be."""

from __future__ import annotations

import hashlib
import operator
from typing import Any

import numpy as np
import onnx_ir as ir
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange
from brevitas_ext.arith.sparq import CODES
from brevitas_ext.qonnx_ops import METADATA_KEY
from finn_transforms.analysis.accumulators import (
    ELEMENTWISE,
    UNITS,
    Accumulator,
    accumulates,
    overflow_of,
    read_accumulator,
)
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.datatypes import datatype, named, smallest_datatype
from finn_transforms.analysis.matching import FINN_ACCUMULATOR, NoMatchError, is_hardware, layer_type
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.analysis.ranges_differences import counted_pair
from finn_transforms.analysis.ranges_rules import operand
from finn_transforms.analysis.weights import can_change, has_thresholds, weight_rows
from finn_transforms.ops.sparq import UNIT as SPARQ_UNIT
from finn_transforms.report.sparq_witnesses import sparq_witness
from finn_transforms.report.witnesses import (
    difference_witness,
    elementwise_witness,
    per_input,
    pool_witness,
    run_lengths,
    unit_witness,
)

CERTIFICATE_VERSION = 1

_LAYOUT = "little-endian int64, a row of K weights per output channel, in the order of the inputs"
_OPERATIONS = {"ElementwiseAdd": operator.add, "ElementwiseMul": operator.mul, "ElementwiseSub": operator.sub}


def certificates(model: ir.Model) -> dict[str, Any]:
    """Return a certificate for each accumulator of a graph of hardware layers, as a JSON document.

    Numbers that repeat are written as ``"value*count"``.  Per accumulator:

    - ``name``, ``op_type``, ``kind`` (see `Accumulator`), ``k`` terms, ``channels``;
    - ``data_type``, its type; ``overflow``, what fits it: every partial sum in any order, or (``"wrap"``) the
      final sum;
    - ``inputs``: ``low`` and ``high`` of each input before padding; of a vector-vector unit per channel; of a pool
      one per channel or for all; of an element-wise layer one per operand and channel; of a difference of two counts
      of one value those of the value, per channel or for all;
    - ``weights``: SHA-256 of the integers, shifted where a unit shifts products, and their layout; None where there
      are none or they can change;
    - ``lowest`` and ``highest``: the extremes with witnesses, see `unit_witness`;
    - ``minimal``: whether no narrower type would do; ``shown_by``: the witness that overflows one bit less;
      ``reason``: why it is wider on purpose.

    The inputs of a SPARQ unit are activations, before any window.  Layers whose inputs or weights are no integers have
    none, nor have SPARQ units whose weights can change.  ``contract`` is the SHA-256 of the accumulator contract,
    None where training promised nothing.
    """
    ranges = integer_ranges(model)
    records = []
    for node in model.graph:
        if not accumulates(node):
            continue
        try:
            accumulator = read_accumulator(node, ranges)
        except NoMatchError:
            continue
        if (record := _record(node, accumulator, ranges)) is not None:
            records.append(record)
    promises = model.metadata_props.get(METADATA_KEY)
    contract = None if promises is None else hashlib.sha256(promises.encode()).hexdigest()
    return {"version": CERTIFICATE_VERSION, "contract": contract, "accumulators": records}


def _record(node: ir.Node, accumulator: Accumulator, ranges: dict[ir.Value, Box]) -> dict[str, Any] | None:
    data_type, overflow = _accumulator_type(node), overflow_of(node)
    if data_type is None:
        return None
    kind, rows = layer_type(node), None if can_change(node) else weight_rows(node)
    if kind in UNITS:
        products = accumulator.products
        if products is None:
            return None
        if products.sparq is not None and rows is not None:
            inputs = {"low": f"0*{accumulator.k}", "high": f"{CODES - 1}*{accumulator.k}"}
            lowest, highest = (sparq_witness(node, accumulator, overflow, rows, upward=up) for up in (False, True))
        elif kind == SPARQ_UNIT:
            return None
        else:
            inputs = _ends(products.inputs if products.read is None else products.read, accumulator.k)
            lowest, highest = (unit_witness(node, accumulator, overflow, upward=up) for up in (False, True))
    elif kind == "ElementwiseSub" and (pair := counted_pair(node, ranges)) is not None:
        source = _channels(pair.source)
        inputs = {side: run_lengths(getattr(source, side)) for side in ("low", "high")}
        lowest, highest = (difference_witness(pair, upward=up) for up in (False, True))
    elif kind in ELEMENTWISE:
        operands = [operand(node, index, ranges) for index in (0, 1)]
        boxes = [_channels(box) for box in operands if box is not None]
        if len(boxes) < 2 or node.inputs[0] is node.inputs[1]:
            return None
        sizes = max(box.low.size for box in boxes)
        inputs = {
            side: " | ".join(run_lengths(np.broadcast_to(getattr(box, side), (sizes,))) for box in boxes)
            for side in ("low", "high")
        }
        lowest, highest = (elementwise_witness(boxes, _OPERATIONS[kind], upward=up) for up in (False, True))
    else:
        inputs = {} if accumulator.inputs is None else _ends(accumulator.inputs, accumulator.inputs.low.size)
        lowest, highest = (pool_witness(accumulator, overflow, upward=up) for up in (False, True))
    digest = None if rows is None else hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").tobytes()).hexdigest()
    return {
        "name": node.name or "",
        "op_type": node.op_type,
        "kind": accumulator.kind,
        "k": accumulator.k,
        "channels": len(accumulator.final[0]),
        "data_type": data_type.name,
        "overflow": overflow,
        "inputs": inputs,
        "weights": None if digest is None else {"sha256": digest, "layout": _LAYOUT},
        "lowest": lowest,
        "highest": highest,
        **_minimality(node, data_type, IntRange(lowest["value"], highest["value"])),
    }


def _accumulator_type(node: ir.Node) -> BaseDataType | None:
    kind, attributes = layer_type(node), attributes_of(node)
    if kind in UNITS:
        return named(attributes.get("accDataType", FINN_ACCUMULATOR))
    if kind in ELEMENTWISE:
        return named(attributes["out_dtype"])
    if kind == "Pool" and attributes["Function"] != "AccPool":
        bits, signed = attributes.get("AccumBits", 0), named(attributes["InputDataType"]).signed()
        return named(f"{'INT' if signed else 'UINT'}{bits}") if bits else None
    return datatype(node.outputs[0])


def _ends(box: Box, k: int) -> dict[str, str]:
    return {side: run_lengths(per_input(getattr(box, side), k).reshape(-1)) for side in ("low", "high")}


def _channels(box: Box) -> Box:
    return box.reduced(*range(box.low.ndim - 1)).map(lambda array: array.reshape(-1))


def _minimality(node: ir.Node, data_type: BaseDataType, reached: IntRange) -> dict[str, Any]:
    """Tell whether a type is the narrowest, which witness shows it, or why it is not."""
    # The lowest and highest sum need not be of one channel; the accumulator holds both.
    needed = smallest_datatype(reached)
    if data_type == needed:
        bits = int(needed.bitwidth())
        if bits == 1:
            return {"minimal": True, "shown_by": None, "reason": None}
        limit = (1 << (bits - 2 if needed.signed() else bits - 1)) - 1
        return {"minimal": True, "shown_by": "highest" if reached.high > limit else "lowest", "reason": None}
    return {"minimal": False, "shown_by": None, "reason": _reason(node, data_type, needed)}


def _reason(node: ir.Node, data_type: BaseDataType, needed: BaseDataType) -> str:
    if layer_type(node) == "GlobalAccPool":
        return "FINN derives its type from the type of its input"
    if needed.name == "BINARY" and layer_type(node) not in UNITS:
        return "FINN's units read no single unsigned bits"
    if layer_type(node) in UNITS and has_thresholds(node):
        return "it has the type of the thresholds inside the unit, which it holds as well"
    is_last = not any(is_hardware(reader) for reader, _ in node.outputs[0].uses())
    if is_last and data_type.bitwidth() == -(-needed.bitwidth() // 8) * 8:
        return "it leaves the accelerator, whose output has whole bytes"
    return f"{needed.name} is enough; it was sized by another bound"
