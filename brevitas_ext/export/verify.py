"""Comparing a file with the model it was exported from, integer by integer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from torch import Tensor, nn

from brevitas_ext.export.batching import input_shapes, split, with_batch
from brevitas_ext.export.checks import check_inputs, count_outputs
from brevitas_ext.export.float64_ops import Array
from brevitas_ext.export.proof import ExportMismatchError
from brevitas_ext.export.recording import record
from brevitas_ext.export.reference import Reference
from brevitas_ext.export.segments import CutGraph, OnnxRuntime, Qonnx, QuantizerNode, cut
from brevitas_ext.export.verification import (
    SHOWN,
    Difference,
    ExportVerification,
    OutputComparison,
    QuantizerComparison,
)

SAMPLES_AT_ONCE: Final = 32
"""Inputs that are run together where the file allows it: QONNX takes as long for one as for some."""

LARGEST_TOLERANCE: Final = 0.25
"""In steps of a quantizer: however coarse float32 is, a value this far from a boundary is not taken for a tie."""


def verify_export(
    model: nn.Module, path: str | os.PathLike[str], inputs: Tensor | tuple[Tensor, ...], *, ulps: float = 8
) -> ExportVerification:
    """Compares the integers after every quantizer of a model and of the file it was exported to.

    Three computations run on the inputs: Brevitas, the file in onnxruntime and the file in QONNX. All use float32 and
    round differently on the way to a quantizer, so a value next to a rounding boundary may fall to either side, and
    every value downstream changes with it. Two things keep the comparison sound:

    - *Same inputs.* Every quantizer is compared on what Brevitas's quantizers before it gave out: the file is cut
      behind its activation quantizers, and each piece is fed with Brevitas's own quantized tensors. A difference
      therefore belongs to the quantizer that shows it. By induction along the graph, if no piece differs, neither does
      the whole; where one differs by a tie, the whole computes what the model would have on the other side of it.
    - *An exact judge.* The same pieces are evaluated in float64. Let p be the float64 value just before the rounding
      and t the sum of the magnitudes of the terms that were added up to it, both in steps of the quantizer. A
      difference is a tie if all computed integers lie between those that the quantizer gives for p - d and for p + d,
      d being `ulps` units in the last place of t in float32, at most a quarter step. Everything else is a mismatch.
      The unit is that of t, not of p, because the errors of float32 are: p may be the small difference of large terms.
      The default leaves room for the roundings of a convolution's operands and of batch norm to add up. It is a
      measured choice, not a bound: small networks with up to 4,608 terms were off by at most 3.1 units of t (by
      hundreds of p), the outputs of the demonstration networks, sums of 1,024 terms on 300 images, by up to 6.7.

    Weights and biases must be equal without exception, and so must the values that stand for the integers (scale and
    zero point). Outputs that are not quantized must lie within `ulps` units of their t of the float64 value.

    Args:
        model: The model; its weights must not have changed since the export.
        path: A file that `export_qonnx` wrote.
        inputs: Inputs to compare on, any multiple of the file's batch size; a tuple holds several.
        ulps: How close to a rounding boundary a tie has to be.

    Returns:
        What was compared, with ties and mismatches per quantizer; `.ok` sums it up, `.check()` raises.

    Raises:
        ExportMismatchError: the quantizers in the file are not the model's.
        ValueError: the file was not written by `export_qonnx`, or the number of inputs does not fit.
    """
    file = onnx.load(Path(path))
    given = check_inputs(inputs)
    shapes = input_shapes(file)
    samples = max((shape[0] for shape in shapes if shape), default=1)
    at_once = max(1, SAMPLES_AT_ONCE // samples) if with_batch(file, 2) is not None else 1
    prepared: dict[int, tuple[CutGraph, tuple[OnnxRuntime, Qonnx]]] = {}
    total: ExportVerification | None = None
    first = 0
    for count, some in split(given, shapes, at_once):
        if count not in prepared:
            graph = cut(with_batch(file, count) or file)
            prepared[count] = (graph, (OnnxRuntime(graph), Qonnx(graph)))
        graph, backends = prepared[count]
        part = _Run(model, graph, some, batches=range(first, first + count), ulps=ulps).verify(backends)
        first += count
        total = part if total is None else total.merged(part)
    if total is None:
        raise ValueError("Expected at least one input, found none. Pass some inputs.")
    return total


class _Run:
    """Some batches of inputs with what Brevitas and the float64 reference compute on them."""

    def __init__(
        self, model: nn.Module, graph: CutGraph, inputs: tuple[Tensor, ...], *, batches: range, ulps: float
    ) -> None:
        recorded, output = record(model, inputs)
        self.calls = {call.name: call for call in recorded}
        self.graph, self.batches, self.ulps = graph, batches, ulps
        unknown = [node.name for node in graph.quantizers if node.name not in self.calls]
        if unknown:
            raise ExportMismatchError(
                f"Quantizer {unknown[0]!r}: expected one of the model's, found none of this name called. "
                "Verify the file as export_qonnx wrote it, with the model that it was exported from."
            )
        count_outputs(output)
        outputs = tuple(output) if type(output) in (tuple, list) else (output,)
        self.outputs = dict(zip(graph.outputs, (value.detach().cpu().numpy() for value in outputs), strict=True))
        names = [value.name for value in graph.model.graph.input]
        self.feeds = dict(zip(names, (value.detach().cpu().numpy() for value in inputs), strict=False))
        exact = dict(self.feeds)
        for node in graph.quantizers:
            if not node.is_constant:
                call = self.calls[node.name]
                self.feeds[node.forced] = call.value
                exact[node.forced] = node.op.dequantize(call.integers, node.parameters, np.float64)
        self.reference = Reference(graph.model, exact)

    def verify(self, backends: tuple[OnnxRuntime, Qonnx]) -> ExportVerification:
        names = [*{*(node.output for node in self.graph.quantizers), *self.graph.outputs}]
        results = [backend.run(self.feeds, names) for backend in backends]
        in_file = {node.name for node in self.graph.quantizers}
        return ExportVerification(
            quantizers=tuple(
                self._quantizer(node, [result[node.output] for result in results]) for node in self.graph.quantizers
            ),
            outputs=tuple(
                self._output(name, [self.outputs[name], *(result[name] for result in results)])
                for name in self.graph.outputs
                if name in self.reference.values
            ),
            # A second use of a weight may share the node of the first.
            absent=tuple(
                call.name
                for call in self.calls.values()
                if call.name not in in_file and (call.role == "activation" or ":" not in call.name)
            ),
            batches=len(self.batches),
            ulps=self.ulps,
        )

    def _quantizer(self, node: QuantizerNode, results: Sequence[Array]) -> QuantizerComparison:
        call = self.calls[node.name]
        expected = np.asarray(node.op.dequantize(call.integers, node.parameters, np.float32))
        same_parameters = expected.shape == call.value.shape and np.array_equal(expected, call.value)
        # An output that is no multiple of the scale stands for no integer.
        integers = [
            np.where(
                node.op.dequantize(rounded.astype(np.int64), node.parameters, np.float32) == result, rounded, np.nan
            )
            for result in results
            for rounded in [np.nan_to_num(node.op.requantize(result, node.parameters))]
        ]
        differs = np.any([computed != call.integers for computed in integers], axis=0)
        if node.is_constant:
            pre_rounding, tolerance = call.integers.astype(np.float64), np.zeros(call.integers.shape)
            fits = np.zeros_like(differs)
        else:
            pre_rounding, tolerance = self._pre_rounding(node)
            low, high = (node.op.to_integers(pre_rounding + side * tolerance, node.parameters) for side in (-1, 1))
            fits = np.all([(low <= part) & (part <= high) for part in (call.integers, *integers)], axis=0)
        shown = sorted(map(tuple, np.argwhere(differs)), key=lambda index: bool(fits[index]))[:SHOWN]
        return QuantizerComparison(
            name=node.name,
            role=call.role,
            elements=call.integers.size,
            ties=int(np.sum(differs & fits)),
            mismatches=int(np.sum(differs & ~fits)),
            same_parameters=same_parameters,
            differences=tuple(
                Difference(
                    quantizer=node.name,
                    batch=batch,
                    index=position,
                    brevitas=int(call.integers[index]),
                    onnxruntime=_integer(integers[0][index]),
                    qonnx=_integer(integers[1][index]),
                    pre_rounding=float(pre_rounding[index]),
                    tolerance=float(tolerance[index]),
                    is_tie=bool(fits[index]),
                )
                for index in shown
                for batch, position in [self._position(node, index, call.integers.shape)]
            ),
        )

    def _position(
        self, node: QuantizerNode, index: tuple[int, ...], shape: tuple[int, ...]
    ) -> tuple[int, tuple[int, ...]]:
        """Returns the batch that an element belongs to and its index there, as if every batch had run alone."""
        plain = tuple(int(position) for position in index)
        if node.is_constant or not plain:
            return self.batches[0], plain
        size = shape[0] // len(self.batches)
        return self.batches[plain[0] // size], (plain[0] % size, *plain[1:])

    def _pre_rounding(self, node: QuantizerNode) -> tuple[Array, Array]:
        values, magnitudes = self.reference.values[node.source], self.reference.magnitudes[node.source]
        exact = node.op.pre_rounding(values, node.parameters)
        terms = node.op.pre_rounding(magnitudes, [np.abs(parameter) for parameter in node.parameters])
        return exact, np.minimum(self.ulps * _ulp(terms), LARGEST_TOLERANCE)

    def _output(self, name: str, results: Sequence[Array]) -> OutputComparison:
        errors = [np.abs(result - self.reference.values[name]) for result in results]
        units = _ulp(self.reference.magnitudes[name])
        largest = max((float(np.max(error / units, initial=0.0)) for error in errors), default=0.0)
        return OutputComparison(name=name, elements=units.size, error=largest, tolerance=self.ulps)


def _ulp(magnitudes: Array) -> Array:
    """Returns the unit in the last place of float32 numbers of these magnitudes."""
    return np.spacing(magnitudes.astype(np.float32)).astype(np.float64)


def _integer(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None
