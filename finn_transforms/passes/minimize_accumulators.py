"""Gives every accumulator the narrowest width that provably holds it."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange, datatype_bound, weight_bound
from finn_transforms.analysis.accumulators import (
    ELEMENTWISE,
    OVERFLOW_KEY,
    UNITS,
    Accumulator,
    Overflow,
    accumulates,
    overflow_of,
    read_accumulator,
)
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.datatypes import integer_datatype, named, range_of, readable, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, is_hardware, layer_type, nodes_of
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.analysis.weights import can_change, has_thresholds, weight_bits, weight_rows
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._retype import derived_type, fit, refuse_fixed_readers, retype, set_integer, set_type

Bound: TypeAlias = Literal["exact", "weights", "datatype"]


class MinimizeAccumulators(HardwarePass):
    """Narrow the accumulator of every layer that adds, and tell the layers that read it.

    Before::

        MVAU(x, W): accDataType = INT32, 4-bit weights, K = 288             Thresholding: inputDataType = INT32

    After::

        MVAU(x, W): accDataType = INT12                                     Thresholding: inputDataType = INT12

    Works on our own layers and on FINN's, specialized or not: ``MVAU`` and ``VVAU`` with or without thresholds inside,
    products as well as XNOR popcounts; sums, differences and products element by element; pools that add.  Where FINN
    derives a type from the types of the inputs (``GlobalAccPool``, ``StreamingConcat``), it follows from them.

    By default widths hold every partial sum in any order of accumulation, so they are safe for saturating as well as
    for wrapping accumulators, and for any folding.  Weights that can be written at run time, or that are not in the
    graph, count with the range of their data type.

    Args:
        bound: ``"exact"``: the extremes of these weights over the range of this input; no narrower width is safe for
            all inputs in that range.  ``"weights"``: A2Q Eq. 12, from the l1 norm (post-training minimization).
            ``"datatype"``: A2Q Eq. 8, from the data types alone.  Weights count there with the type they have in the
            graph, the narrowest that holds them; the width M they were trained with is larger where they do not use
            it, and is no longer known.
        overflow: ``"any_order"``: see above.  ``"wrap"``: only the final sum fits; partial sums may leave the
            accumulator as long as it wraps around (two's complement), which leaves the final sum right.  Noted in the
            node's metadata.
        byte_align_outputs: round the accumulator of an MVAU or VVAU that is read by no further layer up to whole
            bytes, as FINN's output DMA requires.

    Refused: layers whose weights or inputs are no integers, and those read by a pool that takes the number of bits to
    drop from the data type it reads.
    """

    def __init__(
        self, bound: Bound = "exact", *, overflow: Overflow = "any_order", byte_align_outputs: bool = True
    ) -> None:
        """Check the options."""
        super().__init__()
        if bound not in get_args(Bound):
            raise ValueError(f"bound: expected one of {get_args(Bound)}, got {bound!r}")
        if overflow not in get_args(Overflow):
            raise ValueError(f"overflow: expected one of {get_args(Overflow)}, got {overflow!r}")
        if overflow == "wrap" and bound != "exact":
            raise ValueError(
                f"overflow: expected 'any_order' with bound {bound!r}, which holds every partial sum, got 'wrap'; use "
                "bound 'exact'"
            )
        self.bound = bound
        self.overflow: Overflow = overflow
        self.byte_align_outputs = byte_align_outputs

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Minimize every accumulator; ranges are computed once, before the first change."""
        ranges = integer_ranges(model)
        for node in nodes_of(model):
            if not accumulates(node) or (layer_type(node) in ELEMENTWISE and not _is_integer(node)):
                continue
            try:
                written = self._minimize(node, ranges)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            if written is not None:
                self.note(result, node, written)
        if result.rewrites:
            RemoveUnusedNodesPass()(model)

    def _minimize(self, node: ir.Node, ranges: dict[ir.Value, Box]) -> str | None:
        """Narrow one accumulator; return what was done, None where nothing had to be."""
        accumulator = read_accumulator(node, ranges)
        if not (layer_type(node) in UNITS and has_thresholds(node)):
            refuse_fixed_readers(node.outputs[0])
        reachable = accumulator.hull(self.overflow)
        if layer_type(node) in UNITS:
            data_type = self._unit_type(node, accumulator)
            written = _write_unit(node, reachable, data_type)
            changed = written is not None
            data_type = written or data_type
        else:
            data_type = derived_type(node) or readable(smallest_datatype(reachable))
            changed = _write_other(node, reachable, data_type)
        changed |= self._state_overflow(node)
        if not changed:
            return None
        order = "" if self.overflow == "any_order" else " at the end, wrapping around before"
        return f"accumulator {data_type.name}, reaches [{reachable.low}, {reachable.high}]{order}"

    def _state_overflow(self, node: ir.Node) -> bool:
        if overflow_of(node) == self.overflow:
            return False
        if self.overflow == "wrap":
            node.metadata_props[OVERFLOW_KEY] = self.overflow
        else:
            del node.metadata_props[OVERFLOW_KEY]
        return True

    def _unit_type(self, node: ir.Node, accumulator: Accumulator) -> BaseDataType:
        """Return the data type that the bound gives the accumulator of an MVAU or VVAU."""
        if self.bound == "exact" or accumulator.kind == "matches":
            data_type = smallest_datatype(accumulator.hull(self.overflow))
        else:
            data_type = named(f"INT{self._closed_form(node, accumulator.k)}")
        is_last = not any(is_hardware(reader) for reader, _ in node.outputs[0].uses())
        if self.byte_align_outputs and is_last and not has_thresholds(node):
            data_type = named(f"{'INT' if data_type.signed() else 'UINT'}{-(-data_type.bitwidth() // 8) * 8}")
        return data_type

    def _closed_form(self, node: ir.Node, k: int) -> int:
        attributes = attributes_of(node)
        inputs, weights = (named(attributes[key]) for key in ("inputDataType", "weightDataType"))
        rows = None if can_change(node) else weight_rows(node)
        if self.bound == "datatype" or rows is None:
            # The bound is stated for signed weights; unsigned ones are as large as signed ones of one bit more.
            bits = weight_bits(node) + (not weights.signed())
            return datatype_bound(k, bits, inputs.bitwidth(), input_signed=inputs.signed())
        l1_norm = int(np.abs(rows).sum(axis=1).max())
        return weight_bound(l1_norm, inputs.bitwidth(), input_signed=inputs.signed())


def _is_integer(node: ir.Node) -> bool:
    return all(value is not None and integer_datatype(value) is not None for value in (*node.inputs, *node.outputs))


def _write_unit(node: ir.Node, reachable: IntRange, data_type: BaseDataType) -> BaseDataType | None:
    """Write the data type to an MVAU or VVAU and to what reads it; return the type if anything changed."""
    if has_thresholds(node):
        # The accumulator and the thresholds inside the unit have one type, which holds both.
        fitted, changed = fit(node, 2, reachable, data_type)
        data_type = smallest_datatype(range_of(data_type).union(fitted), signed=data_type.signed())
        changed |= set_type(node, "accDataType", data_type)
    else:
        changed = retype(node.outputs[0], reachable, data_type)
        changed |= set_type(node, "accDataType", data_type)
        changed |= set_type(node, "outputDataType", data_type)
    return data_type if changed else None


def _write_other(node: ir.Node, reachable: IntRange, data_type: BaseDataType) -> bool:
    """Write the data type to a layer without weights, as far as FINN lets it be chosen; tell if anything changed."""
    kind, attributes = layer_type(node), attributes_of(node)
    if kind in ELEMENTWISE:
        changed = set_type(node, "out_dtype", data_type)
        return retype(node.outputs[0], reachable, data_type) or changed
    if kind == "Pool":
        # The accumulator has the sign of the input's type.
        bits = reachable.bits(signed=named(attributes["InputDataType"]).signed())
        changed = set_integer(node, "AccumBits", bits)
        if attributes["Function"] == "AccPool":
            changed |= set_type(node, "OutputDataType", data_type)
            changed |= retype(node.outputs[0], reachable, data_type)
        return changed
    # FINN derives the type of a GlobalAccPool, which cannot be chosen.
    derived = derived_type(node)
    return derived is not None and retype(node.outputs[0], reachable, derived)
