"""Gives every accumulator the narrowest width that provably holds it."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from qonnx.core.datatype import BaseDataType

from brevitas_ext.arith import IntRange, datatype_bound, weight_bound
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.datatypes import named, range_of, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, is_hardware, layer_type, nodes_of
from finn_transforms.analysis.ranges import hull, integer_ranges, sum_extremes
from finn_transforms.analysis.weights import can_change, counts_matches, weight_rows
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._retype import fit, retype, set_type

Bound: TypeAlias = Literal["exact", "weights", "datatype"]


class MinimizeAccumulators(HardwarePass):
    """Narrow the accumulator of every ``MVAU``, and tell the layers that read it.

    Before::

        MVAU(x, W): accDataType = INT32, 4-bit weights, K = 288             Thresholding: inputDataType = INT32

    After::

        MVAU(x, W): accDataType = INT12                                     Thresholding: inputDataType = INT12

    Works on the layers of `InferMVAU` and on FINN's own, specialized or not, with or without thresholds inside.  Widths
    hold every partial sum in any order of accumulation, so they are safe for saturating as well as for wrapping
    accumulators, and for any folding.  Weights that can be written at run time, or that are not in the graph, count
    with the range of their data type.

    Args:
        bound: ``"exact"``: the extremes of these weights over the range of this input; no narrower width is safe for
            all inputs in that range.  ``"weights"``: A2Q Eq. 12, from the l1 norm (post-training minimization).
            ``"datatype"``: A2Q Eq. 8, from the data types alone.
        byte_align_outputs: round the accumulator of an MVAU that is read by no further layer up to whole bytes, as
            FINN's output DMA requires.

    Refused: XNOR (bipolar) units, whose popcount is not a sum of products.
    """

    def __init__(self, bound: Bound = "exact", *, byte_align_outputs: bool = True) -> None:
        """Check the options."""
        super().__init__()
        if bound not in get_args(Bound):
            raise ValueError(f"bound: expected one of {get_args(Bound)}, got {bound!r}")
        self.bound = bound
        self.byte_align_outputs = byte_align_outputs

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Minimize every accumulator; ranges are computed once, before the first change."""
        ranges = integer_ranges(model)
        for node in nodes_of(model):
            if not is_hardware(node) or layer_type(node) != "MVAU":
                continue
            try:
                reachable, data_type = self._accumulator(node, ranges)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            if (written := self._apply(node, reachable, data_type)) is not None:
                self.note(result, node, f"accumulator {written.name}, reaches [{reachable.low}, {reachable.high}]")
        if result.rewrites:
            RemoveUnusedNodesPass()(model)

    def _accumulator(self, node: ir.Node, ranges: dict[ir.Value, IntRange]) -> tuple[IntRange, BaseDataType]:
        """Return what the accumulator can reach and the data type that the bound gives it."""
        source, attributes = node.inputs[0], attributes_of(node)
        if counts_matches(node):
            raise NoMatchError(
                "it counts XNOR matches instead of adding products", "Use two-bit weights and activations"
            )
        if source is None or source not in ranges:
            raise NoMatchError("its input is not an integer tensor", "Annotate the input's data type")
        extremes = sum_extremes(node, ranges[source])
        if extremes is None:
            raise NoMatchError(f"its weights are {attributes['weightDataType']}", "Quantize the weights to integers")
        reachable = hull(extremes)
        if self.bound == "exact":
            data_type = smallest_datatype(reachable)
        else:
            data_type = named(f"INT{self._closed_form(node)}")
        is_last = not any(is_hardware(reader) for reader, _ in node.outputs[0].uses())
        if self.byte_align_outputs and is_last and not _has_thresholds(node):
            data_type = named(f"{'INT' if data_type.signed() else 'UINT'}{-(-data_type.bitwidth() // 8) * 8}")
        return reachable, data_type

    def _closed_form(self, node: ir.Node) -> int:
        attributes = attributes_of(node)
        inputs, weights = (named(attributes[key]) for key in ("inputDataType", "weightDataType"))
        rows = None if can_change(node) else weight_rows(node)
        if self.bound == "datatype" or rows is None:
            # The bound is stated for signed weights; unsigned ones are as large as signed ones of one bit more.
            weight_bits = weights.bitwidth() + (not weights.signed())
            return datatype_bound(attributes["MW"], weight_bits, inputs.bitwidth(), input_signed=inputs.signed())
        l1_norm = int(np.abs(rows).sum(axis=1).max())
        return weight_bound(l1_norm, inputs.bitwidth(), input_signed=inputs.signed())

    def _apply(self, node: ir.Node, reachable: IntRange, data_type: BaseDataType) -> BaseDataType | None:
        """Write the data type to the unit and to what reads it; return the type if anything changed."""
        if _has_thresholds(node):
            # FINN keeps thresholds inside the unit in the accumulator's own type, so it has to hold them too.
            fitted, changed = fit(node, 2, reachable, data_type)
            data_type = smallest_datatype(range_of(data_type).union(fitted), signed=data_type.signed())
            changed |= set_type(node, "accDataType", data_type)
        else:
            changed = retype(node.outputs[0], reachable, data_type)
            changed |= set_type(node, "accDataType", data_type)
            changed |= set_type(node, "outputDataType", data_type)
        return data_type if changed else None


def _has_thresholds(node: ir.Node) -> bool:
    return len(node.inputs) > 2 and not attributes_of(node).get("noActivation", 0)
