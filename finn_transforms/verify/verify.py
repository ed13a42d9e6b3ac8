"""Walks two graphs of one network and compares every quantizer on the same tensors before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from finn_transforms.emulate import emulate
from finn_transforms.loading import InputError
from finn_transforms.verify.comparison import SHOWN, Difference, TensorComparison, Verification
from finn_transforms.verify.data import feeds
from finn_transforms.verify.judge import judge
from finn_transforms.verify.magnitudes import magnitude_of, unit_in_last_place
from finn_transforms.verify.points import Point, align, points_of

Array = NDArray[Any]

SAMPLES_AT_ONCE = 32
"""Samples that are run together: all tensors of a graph are kept."""


def verify(model: ir.Model, reference: ir.Model, data: Array | Mapping[str, Array], *, ulps: float = 8) -> Verification:
    """Compare two graphs of one network, each exported, with integers separated, or lowered to hardware layers.

    Every quantizer of the model is computed from what the *reference's* quantizers before it gave out, so that a
    difference belongs to the layer that shows it and does not spread: if no tensor differs, neither do the networks.
    Both are emulated exactly, with their declared accumulators wrapping around.  A difference is a tie if both integers
    lie between those that the quantizer gives for p - d and p + d, see `judge`; everything else is an error.  Outputs
    that are not quantized are real numbers: they are equal within the accuracy of float32, ``ulps`` units in the last
    place.

    Args:
        model: the graph to check.
        reference: the graph it should equal.
        data: samples for the inputs, samples first; by name where there are several inputs.
        ulps: how close to a rounding boundary a tie has to be, in float32 units in the last place of the sum of the
            magnitudes that were added up.

    Raises:
        InputError: the data does not fit, or the graphs have nothing in common that could be compared.
        UnsupportedOperatorError: an operator has no golden function.
    """
    ours, theirs = feeds(model, data, reference), feeds(reference, data, model)
    pairs, unaligned = align(points_of(model), points_of(reference))
    _check_outputs(model, reference)
    samples = min(len(array) for array in theirs.values())
    result: Verification | None = None
    for start in range(0, samples, SAMPLES_AT_ONCE):
        part = slice(start, min(start + SAMPLES_AT_ONCE, samples))
        inputs = [{name: array[part] for name, array in each.items()} for each in (ours, theirs)]
        batch = _Batch((model, reference), pairs, (inputs[0], inputs[1]), ulps=ulps, first=start)
        tensors = (*batch.quantizers(), *batch.outputs())
        found = Verification(tensors=tensors, unaligned=tuple(unaligned), samples=part.stop - start, ulps=ulps)
        result = found if result is None else result.merged(found)
    if result is None or not result.tensors:
        raise InputError("expected two graphs of one network, found no quantizer or output that both have")
    return result


def _check_outputs(model: ir.Model, reference: ir.Model) -> None:
    counts = len(model.graph.outputs), len(reference.graph.outputs)
    if counts[0] != counts[1]:
        raise InputError(f"expected graphs with equally many outputs, found {counts[0]} and {counts[1]}")


class _Batch:
    """Some samples, with what the reference computes on them."""

    def __init__(
        self,
        graphs: tuple[ir.Model, ir.Model],
        pairs: list[tuple[Point, Point]],
        inputs: tuple[dict[str, Array], dict[str, Array]],
        *,
        ulps: float,
        first: int,
    ) -> None:
        self.model, self.reference = graphs
        self.pairs = pairs
        self.ours, theirs = inputs
        self.ulps, self.first = ulps, first
        self.expected = emulate(self.reference, theirs, overflow="wrap")
        self.given = {ours.name: ours.tensor(other.integers(self.expected[other.name])) for ours, other in pairs}

    def quantizers(self) -> list[TensorComparison]:
        return [self._quantizer(ours, theirs) for ours, theirs in self.pairs]

    def outputs(self) -> list[TensorComparison]:
        compared = {id(point.value) for pair in self.pairs for point in pair}
        return [
            self._output(ours, theirs)
            for ours, theirs in zip(self.model.graph.outputs, self.reference.graph.outputs, strict=True)
            if id(ours) not in compared and id(theirs) not in compared
        ]

    def _quantizer(self, ours: Point, theirs: Point) -> TensorComparison:
        expected = theirs.integers(self.expected[theirs.name])
        found = ours.integers(self._computed(ours.value)).reshape(expected.shape)
        differs = expected != found
        result = TensorComparison(
            name=ours.name,
            reference=theirs.name,
            layer=f"{ours.node.op_type} {ours.node.name}",
            kind="quantizer",
            elements=expected.size,
        )
        if not differs.any():
            return result
        tie, pre_rounding, tolerance = self._judged(ours, theirs, expected, found)
        return self._counted(result, (expected, found), differs, tie, (pre_rounding, tolerance))

    def _judged(self, ours: Point, theirs: Point, expected: Array, found: Array) -> tuple[Array, Array | None, Array]:
        """Return which values may be either, the values before rounding where there are such, and the tolerance."""
        if theirs.rounds:
            stops = {other.value for _, other in self.pairs}
            verdict = judge(theirs.node, self.expected, stops, self.ulps)
        elif ours.rounds:
            stops = {point.value for point, _ in self.pairs}
            verdict = judge(ours.node, self._everything_before(ours.value), stops, self.ulps)
        else:
            # Thresholds compare integers: nothing is rounded.
            return np.zeros(expected.shape, bool), None, np.zeros(expected.shape)
        low, high = (np.broadcast_to(end, verdict.pre_rounding.shape) for end in (verdict.low, verdict.high))
        low, high = low.reshape(expected.shape), high.reshape(expected.shape)
        tie = (low <= expected) & (expected <= high) & (low <= found) & (found <= high)
        return tie, verdict.pre_rounding.reshape(expected.shape), verdict.tolerance.reshape(expected.shape)

    def _output(self, ours: ir.Value, theirs: ir.Value) -> TensorComparison:
        expected, found = self.expected[theirs.name or ""], self._computed(ours)
        if expected.size != found.size:
            raise InputError(
                f"output {ours.name!r}: expected the reference's shape {expected.shape}, found {found.shape}; compare "
                "two graphs of one network"
            )
        found = found.reshape(expected.shape)
        producer = ours.producer()
        result = TensorComparison(
            name=ours.name or "",
            reference=theirs.name or "",
            layer="" if producer is None else f"{producer.op_type} {producer.name}",
            kind="output",
            elements=expected.size,
        )
        if np.array_equal(expected, found):
            return result
        magnitudes = magnitude_of(theirs, self.expected, {other.value for _, other in self.pairs})
        tolerance = np.broadcast_to(self.ulps * unit_in_last_place(magnitudes), expected.shape)
        differs = np.abs(expected - found) > tolerance
        return self._counted(result, (expected, found), differs, np.zeros_like(differs), (None, tolerance))

    def _computed(self, value: ir.Value) -> Array:
        name = value.name or ""
        given = {key: array for key, array in self.given.items() if key != name}
        return emulate(self.model, {**self.ours, **given}, overflow="wrap", keep=[name])[name]

    def _everything_before(self, value: ir.Value) -> dict[str, Array]:
        given = {key: array for key, array in self.given.items() if key != value.name}
        return emulate(self.model, {**self.ours, **given}, overflow="wrap")

    def _counted(
        self,
        result: TensorComparison,
        values: tuple[Array, Array],
        differs: Array,
        tie: Array,
        accuracy: tuple[Array | None, Array],
    ) -> TensorComparison:
        expected, found = values
        pre_rounding, tolerance = accuracy
        shown = sorted(map(tuple, np.argwhere(differs)), key=lambda index: bool(tie[index]))[:SHOWN]
        differences = tuple(
            Difference(
                index=(int(index[0]) + self.first, *(int(position) for position in index[1:])),
                expected=float(expected[index]),
                found=float(found[index]),
                pre_rounding=None if pre_rounding is None else float(pre_rounding[index]),
                tolerance=float(tolerance[index]),
                is_tie=bool(tie[index]),
            )
            for index in shown
        )
        return TensorComparison(
            name=result.name,
            reference=result.reference,
            layer=result.layer,
            kind=result.kind,
            elements=result.elements,
            ties=int((differs & tie).sum()),
            errors=int((differs & ~tie).sum()),
            differences=differences,
        )
