"""Proves, on the graph as it is now, what training promised about its accumulators."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from brevitas_ext.arith import IntRange
from brevitas_ext.qonnx_ops import (
    METADATA_KEY,
    AccumulatorContract,
    ContractViolationError,
    LayerContract,
    read_contract,
)
from finn_transforms.analysis.accumulators import overflow_of
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.box import Box
from finn_transforms.analysis.channel_order import in_exported_order
from finn_transforms.analysis.datatypes import named, range_of
from finn_transforms.analysis.matching import FINN_ACCUMULATOR, is_hardware, layer_type, nodes_of
from finn_transforms.analysis.ranges import final_extremes, hull, integer_ranges, sum_extremes
from finn_transforms.analysis.sparq_stream import sparq_values
from finn_transforms.analysis.weights import weight_rows
from finn_transforms.ops.sparq import UNIT as SPARQ_UNIT
from finn_transforms.ops.sparq import sparq_format
from finn_transforms.passes._base import HardwarePass, HardwarePassResult


class BrokenContractError(ValueError):
    """The graph does not keep an accumulator contract; the message names layer and channel."""


class CheckAccumulatorContract(HardwarePass):
    """Find each layer of the file's accumulator contract again by its weights and prove its promise.

    For every contract: some linear layer of the graph has exactly these weights (up to what lowering does to them); its
    input stays in the range that was promised; the exact extremes of its partial sums fit the promised P bits; and a
    hardware layer's ``accDataType`` holds those extremes.  The promise is then noted in the node's metadata.  Layers
    with equal weights have to keep one of their promises each, and all of them together.

    A file without a contract passes, with nothing to note.

    Raises:
        BrokenContractError: a promise is broken or a layer has disappeared.
        ContractViolationError: weights overflow the promised width; carries the witness input.
        ContractFormatError: the contract cannot be read.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Check every contract of ``model``; only node metadata changes."""
        contract = read_contract(model.metadata_props)
        if contract is None:
            return
        ranges = integer_ranges(model)
        known = ((node, weight_rows(node)) for node in nodes_of(model))
        layers = [(node, in_exported_order(node, rows)) for node, rows in known if rows is not None]
        found: set[LayerContract] = set()
        broken: dict[LayerContract, ValueError] = {}
        for node, rows in layers:
            kept, errors = _sort_out(node, rows, contract, ranges)
            if kept:
                self._sign(node, next((promise for promise in kept if promise not in found), kept[0]), result)
                found.update(kept)
                broken |= errors
            elif errors:
                raise next(iter(errors.values()))
        for promise in contract.layers:
            if promise not in found:
                raise broken.get(promise) or BrokenContractError(_explain(promise, contract, layers))

    def _sign(self, node: ir.Node, promise: LayerContract, result: HardwarePassResult) -> None:
        text = json.dumps(
            {"layer": promise.layer, "accumulator_bits": promise.accumulator_bits, "bound": promise.bound}
        )
        if node.metadata_props.get(METADATA_KEY) != text:
            node.metadata_props[METADATA_KEY] = text
            self.note(result, node, f"{promise.layer}: proved to fit {promise.accumulator_bits} bits")


def _sort_out(
    node: ir.Node, rows: NDArray[Any], contract: AccumulatorContract, ranges: dict[ir.Value, Box]
) -> tuple[list[LayerContract], dict[LayerContract, ValueError]]:
    """Return the promises that a layer keeps, and those for the same weights that it breaks, with the error."""
    kept: list[LayerContract] = []
    broken: dict[LayerContract, ValueError] = {}
    for promise in contract.candidates(rows):
        try:
            _prove(node, rows, promise, ranges)
        except (BrokenContractError, ContractViolationError) as error:
            broken[promise] = error
        else:
            kept.append(promise)
    return kept, broken


def _prove(node: ir.Node, rows: NDArray[Any], promise: LayerContract, ranges: dict[ir.Value, Box]) -> None:
    promised = IntRange(promise.input_low, promise.input_high)
    source = node.inputs[0]
    actual = None if source is None else ranges.get(source)
    if layer_type(node) == SPARQ_UNIT:
        # What the code is worth, not its words.
        actual = Box.uniform(sparq_values(sparq_format(attributes_of(node))), rank=1)
    if actual is None or not promised.contains(actual.hull):
        raise BrokenContractError(
            f"Layer {promise.layer!r} (node {node.name!r}): its accumulator was promised for inputs in "
            f"[{promised.low}, {promised.high}], found {'no integer input' if actual is None else actual.hull}. "
            "Quantize the input as in training, or export the model again."
        )
    promise.check(rows)
    # A layer sized for its final sum lets partial ones wrap around.
    wraps = overflow_of(node) == "wrap"
    extremes = final_extremes(node, actual) if wraps else sum_extremes(node, actual)
    if extremes is None or not is_hardware(node):
        return
    width = attributes_of(node).get("accDataType", FINN_ACCUMULATOR)
    holds = range_of(named(width))
    for channel, (low, high) in enumerate(zip(*extremes, strict=True)):
        if not holds.contains(IntRange(low, high)):
            raise BrokenContractError(
                f"Layer {promise.layer!r} (node {node.name!r}), channel {channel}: accDataType {width} holds "
                f"[{holds.low}, {holds.high}], found sums in [{low}, {high}]. Run MinimizeAccumulators after the last "
                f"pass that changes data types (all channels need {hull(extremes)})."
            )


def _explain(promise: LayerContract, contract: AccumulatorContract, layers: list[tuple[ir.Node, NDArray[Any]]]) -> str:
    for node, rows in layers:
        nearest = contract.nearest(rows)
        if nearest is not None and nearest[0].layer == promise.layer:
            channels = ", ".join(map(str, nearest[1][:8])) + (", ..." if len(nearest[1]) > 8 else "")
            return (
                f"Layer {promise.layer!r} (node {node.name!r}): expected the integer weights that were promised to fit "
                f"{promise.accumulator_bits} bits, found other ones in channel {channels}. "
                "The weights were changed after export; export the trained model again."
            )
    shapes = sorted({tuple(np.shape(rows)) for _, rows in layers})
    return (
        f"Layer {promise.layer!r}: expected a layer with its {len(promise.channel_digests)} channels of weights in the "
        f"graph, found none among integer layers of shape (C, K) in {shapes}. It was not converted (see the refusals), "
        "removed or replaced."
    )
