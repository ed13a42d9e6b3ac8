"""The outcome of comparing a model with its file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

from rich.table import Table

from brevitas_ext.export.proof import ExportMismatchError

SHOWN = 4
"""Differences kept per quantizer, mismatches before ties."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One value that was not quantized to the same integer everywhere.

    Attributes:
        quantizer: Name of the quantizer.
        batch: Which batch of the inputs it was, from 0.
        index: Index into the quantized tensor.
        brevitas: Integer that Brevitas computed.
        onnxruntime: Integer in onnxruntime; None for an output that stands for no integer.
        qonnx: Integer in QONNX, likewise.
        pre_rounding: Float64 value before the rounding, in steps of the quantizer; for a weight or bias the expected
            integer.
        tolerance: How far from a rounding boundary a tie may lie, in steps.
        is_tie: Whether all integers lie within the tolerance.
    """

    quantizer: str
    batch: int
    index: tuple[int, ...]
    brevitas: int
    onnxruntime: int | None
    qonnx: int | None
    pre_rounding: float
    tolerance: float
    is_tie: bool

    def __str__(self) -> str:
        kind = "tie" if self.is_tie else "MISMATCH"
        return (
            f"{kind} at {self.quantizer}{list(self.index)}, batch {self.batch}: Brevitas {self.brevitas}, "
            f"onnxruntime {self.onnxruntime}, QONNX {self.qonnx}; float64 before rounding {self.pre_rounding!r} "
            f"+- {self.tolerance:.2g}"
        )


@dataclass(frozen=True, kw_only=True)
class QuantizerComparison:
    """The comparison of one quantizer.

    Attributes:
        name: Name of the quantizer.
        role: `"weight"`, `"bias"` or `"activation"`.
        elements: Values compared.
        ties: Values that differ because they lie at a rounding boundary.
        mismatches: Values that differ otherwise.
        same_parameters: Whether scale and zero point in the file give the same floats for the same integers.
        differences: Some of the values that differ.
    """

    name: str
    role: Literal["weight", "bias", "activation"]
    elements: int
    ties: int = 0
    mismatches: int = 0
    same_parameters: bool = True
    differences: tuple[Difference, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing differs but ties."""
        return self.mismatches == 0 and self.same_parameters

    def merged(self, other: Self) -> Self:
        """Returns the comparison on the inputs of both."""
        differences = sorted((*self.differences, *other.differences), key=lambda difference: difference.is_tie)
        return replace(
            self,
            elements=self.elements + other.elements,
            ties=self.ties + other.ties,
            mismatches=self.mismatches + other.mismatches,
            same_parameters=self.same_parameters and other.same_parameters,
            differences=tuple(differences[:SHOWN]),
        )


@dataclass(frozen=True, kw_only=True)
class OutputComparison:
    """The comparison of one output that is not quantized.

    Attributes:
        name: Name of the output.
        elements: Values compared.
        error: Largest deviation of a float32 result from the float64 one, in units in the last place, see
            `verify_export`.
        tolerance: Largest one allowed.
    """

    name: str
    elements: int
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.error <= self.tolerance

    def merged(self, other: Self) -> Self:
        """Returns the comparison on the inputs of both."""
        return replace(self, elements=self.elements + other.elements, error=max(self.error, other.error))


@dataclass(frozen=True, kw_only=True)
class ExportVerification:
    """What `verify_export` found.

    Attributes:
        quantizers: Comparison of every quantizer in the file, in its order.
        outputs: Comparison of every output that is not quantized itself.
        absent: Quantizers of the model that are not in the file because nothing depends on them.
        batches: Batches compared.
        ulps: Tolerance in units in the last place.
    """

    quantizers: tuple[QuantizerComparison, ...]
    outputs: tuple[OutputComparison, ...]
    absent: tuple[str, ...]
    batches: int
    ulps: float

    @property
    def ok(self) -> bool:
        """Whether nothing differs but ties."""
        return all(quantizer.ok for quantizer in self.quantizers) and all(output.ok for output in self.outputs)

    @property
    def elements(self) -> int:
        """Values compared after quantizers."""
        return sum(quantizer.elements for quantizer in self.quantizers)

    @property
    def ties(self) -> int:
        """Values that differ because they lie at a rounding boundary."""
        return sum(quantizer.ties for quantizer in self.quantizers)

    @property
    def mismatches(self) -> int:
        """Values that differ otherwise."""
        return sum(quantizer.mismatches for quantizer in self.quantizers)

    def merged(self, other: Self) -> Self:
        """Returns the verification on the inputs of both; weights and biases count once."""
        later = {quantizer.name: quantizer for quantizer in other.quantizers}
        return replace(
            self,
            quantizers=tuple(
                mine.merged(later[mine.name]) if mine.role == "activation" else mine for mine in self.quantizers
            ),
            outputs=tuple(mine.merged(theirs) for mine, theirs in zip(self.outputs, other.outputs, strict=True)),
            batches=self.batches + other.batches,
        )

    def check(self) -> None:
        """Raises ExportMismatchError unless `ok`, with the first mismatch."""
        for quantizer in self.quantizers:
            if not quantizer.same_parameters:
                raise ExportMismatchError(
                    f"Quantizer {quantizer.name!r}: expected the model's scale and zero point, found others in the "
                    "file. Export the model again."
                )
            if quantizer.mismatches:
                raise ExportMismatchError(
                    f"Quantizer {quantizer.name!r}: expected equal integers up to ties, found {quantizer.mismatches} "
                    f"other differences in {quantizer.elements} values. {quantizer.differences[0]}. "
                    "Export the model again, unless it changed on purpose."
                )
        for output in self.outputs:
            if not output.ok:
                raise ExportMismatchError(
                    f"Output {output.name!r}: expected at most {output.tolerance:g} units in the last place of "
                    f"deviation, found {output.error:.3g}. Export the model again, unless it changed on purpose."
                )

    def __str__(self) -> str:
        lines = [
            f"{quantizer.name} ({quantizer.role}): {quantizer.elements} values, {quantizer.ties} ties, "
            f"{quantizer.mismatches} mismatches" + ("" if quantizer.same_parameters else ", OTHER SCALE OR ZERO POINT")
            for quantizer in self.quantizers
        ]
        lines += [f"  {difference}" for quantizer in self.quantizers for difference in quantizer.differences]
        lines += [f"{output.name} (output): at most {output.error:.3g} ulps off" for output in self.outputs]
        lines += [f"not in the file, since nothing depends on them: {', '.join(self.absent)}"] if self.absent else []
        verdict = "equal" if self.ok and not self.ties else f"equal up to {self.ties} ties" if self.ok else "DIFFERENT"
        lines.append(f"{verdict}: {self.elements} values in {self.batches} batches, ties within {self.ulps:g} ulps")
        return "\n".join(lines)

    def __rich__(self) -> Table:
        table = Table(title=str(self).splitlines()[-1])
        for column in ("quantizer", "role", "values", "ties", "mismatches"):
            table.add_column(column, justify="left" if column in ("quantizer", "role") else "right")
        for item in self.quantizers:
            style = None if item.ok else "bold red"
            table.add_row(item.name, item.role, str(item.elements), str(item.ties), str(item.mismatches), style=style)
        for output in self.outputs:
            deviation = f"{output.error:.2g} ulps off"
            table.add_row(
                output.name, "output", str(output.elements), "", deviation, style=None if output.ok else "bold red"
            )
        return table
