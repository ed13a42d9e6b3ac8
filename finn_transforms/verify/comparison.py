"""The outcome of comparing two graphs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

from rich.markup import escape
from rich.table import Table

SHOWN = 4
"""Differences kept per tensor, errors before ties."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One value that the graphs do not agree on.

    Attributes:
        index: into the tensor, channels second; the first number is the sample.
        expected: the reference's value; an integer behind a quantizer.
        found: the model's.
        pre_rounding: float64 value before the reference's rounding, in steps; None where it rounds nothing.
        tolerance: how far from a rounding boundary a tie may lie, in steps; for an output, how far it may be off.
        is_tie: whether both values lie within the tolerance.
    """

    index: tuple[int, ...]
    expected: float
    found: float
    pre_rounding: float | None
    tolerance: float
    is_tie: bool

    def __str__(self) -> str:
        before = "" if self.pre_rounding is None else f", float64 before rounding {self.pre_rounding!r}"
        return (
            f"{'tie' if self.is_tie else 'ERROR'} at {list(self.index)}: expected {self.expected:.17g}, "
            f"found {self.found:.17g}{before} +- {self.tolerance:.2g}"
        )


@dataclass(frozen=True, kw_only=True)
class TensorComparison:
    """The comparison of one tensor, computed by both graphs from the same tensors before it.

    Attributes:
        name: the model's tensor.
        reference: the reference's.
        layer: the model's layer that computes it.
        kind: ``"quantizer"`` where integers are compared, ``"output"`` where real numbers are, within the accuracy of
            float32.
        elements: values compared.
        ties: integers that differ because the reference lies at a rounding boundary.
        errors: values that differ otherwise.
        differences: some of the values that differ.
    """

    name: str
    reference: str
    layer: str
    kind: Literal["quantizer", "output"]
    elements: int
    ties: int = 0
    errors: int = 0
    differences: tuple[Difference, ...] = ()

    def merged(self, other: Self) -> Self:
        """Return the comparison on the samples of both."""
        differences = sorted((*self.differences, *other.differences), key=lambda difference: difference.is_tie)
        return replace(
            self,
            elements=self.elements + other.elements,
            ties=self.ties + other.ties,
            errors=self.errors + other.errors,
            differences=tuple(differences[:SHOWN]),
        )


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes:
        tensors: in the order of the reference.
        unaligned: quantizers of either graph that the other one has no counterpart for.
        samples: number of samples compared.
        ulps: how close to a rounding boundary a tie is, in units in the last place of float32.
    """

    tensors: tuple[TensorComparison, ...]
    unaligned: tuple[str, ...]
    samples: int
    ulps: float

    @property
    def ok(self) -> bool:
        """Whether nothing differs but ties."""
        return self.errors == 0

    @property
    def errors(self) -> int:
        """Values that differ and are no ties."""
        return sum(tensor.errors for tensor in self.tensors)

    @property
    def ties(self) -> int:
        """Values that differ at a rounding boundary."""
        return sum(tensor.ties for tensor in self.tensors)

    @property
    def first_error(self) -> TensorComparison | None:
        """The first tensor that differs by more than ties, or None."""
        return next((tensor for tensor in self.tensors if tensor.errors), None)

    @property
    def first_difference(self) -> TensorComparison | None:
        """The first tensor that differs, ties included, or None."""
        return next((tensor for tensor in self.tensors if tensor.errors or tensor.ties), None)

    def merged(self, other: Self) -> Self:
        """Return the verification on the samples of both."""
        tensors = (mine.merged(theirs) for mine, theirs in zip(self.tensors, other.tensors, strict=True))
        return replace(self, tensors=tuple(tensors), samples=self.samples + other.samples)

    def summary(self) -> str:
        """Return the verdict in one line."""
        values = sum(tensor.elements for tensor in self.tensors)
        compared = f"{values} values in {len(self.tensors)} tensors, {self.samples} samples"
        first = self.first_error
        if first is not None:
            return f"DIFFERENT: {self.errors} errors and {self.ties} ties in {compared}; first: {first.name}"
        if self.ties:
            return f"equal up to {self.ties} ties: {compared}, ties within {self.ulps:g} ulps of float32"
        return f"equal: {compared}"

    def __str__(self) -> str:
        lines = [f"{each.name} ({each.layer}): {each.ties} ties, {each.errors} errors" for each in self.tensors]
        lines += [f"  {each.name}: {difference}" for each in self.tensors for difference in each.differences]
        lines += [f"not compared: {name}" for name in self.unaligned]
        return "\n".join([*lines, self.summary()])

    def __rich__(self) -> Table:
        table = Table()
        for column in ("tensor", "reference", "layer", "values", "ties", "errors"):
            table.add_column(column, justify="right" if column in {"values", "ties", "errors"} else "left")
        for each in self.tensors:
            style = "bold red" if each.errors else "yellow" if each.ties else None
            texts = (escape(text) for text in (each.name, each.reference, each.layer))
            table.add_row(*texts, str(each.elements), str(each.ties), str(each.errors), style=style)
        return table
