"""Sums of a matrix-vector unit that reads SPARQ's code, from the windows' own definition (arXiv 2105.11010)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from finn_transforms.certify.graph import Graph, Layer, whole
from finn_transforms.certify.sums import Ints, Unit

KIND = "SparqMVAU"
_BITS = 8
_OUTSIDE = ("external", "external_mem", "dynamic")


@dataclass(frozen=True, eq=False)
class SparqUnit:
    """The terms that a unit adds up.

    Attributes:
        weights: (C, K).
        alone: what an activation is worth in a narrow window, (256,).
        beside_zero: what it is worth where the other of its pair is zero.
        pairs: whether neighbours are pairs.
    """

    weights: Ints
    alone: list[int]
    beside_zero: list[int]
    pairs: bool

    @property
    def channels(self) -> int:
        """C."""
        return len(self.weights)

    @property
    def length(self) -> int:
        """K."""
        return int(self.weights.shape[1])

    def digest(self) -> str:
        """Return the SHA-256 of the weights as little-endian int64."""
        return hashlib.sha256(self.weights.astype("<i8").tobytes()).hexdigest()

    def sums(self) -> tuple[Ints, Ints]:
        """Return the lowest and highest sum of each channel, final or of any pairs in any order."""
        lows, highs = [], []
        for row in self.weights.tolist():
            ends = [self._ends(row[at : at + 2]) for at in range(0, len(row), 2)]
            lows.append(sum(low for low, _ in ends))
            highs.append(sum(high for _, high in ends))
        return np.array(lows, dtype=object), np.array(highs, dtype=object)

    def unpaired(self) -> Unit:
        """Return the unit as if each activation were worth anything on its own, which reaches further."""
        low, high = np.zeros(self.length, dtype=object), np.full(self.length, max(self.alone + self.beside_zero))
        everything = [np.ones(self.length, dtype=bool)]
        return Unit(self.weights, (0, 0), False, low, high, everything, True, self.channels)

    def _ends(self, weights: list[int]) -> tuple[int, int]:
        """Return the lowest and highest sum of the products of neighbours, 0 included."""
        narrow, wide = self.alone[1:], self.beside_zero[1:]
        each = [(weight * min(narrow), weight * max(narrow)) for weight in weights]
        if not self.pairs:
            return sum(min(0, *ends) for ends in each), sum(max(0, *ends) for ends in each)
        lone = [weight * end for weight in weights for end in (min(wide), max(wide))]
        both = [sum(pick(ends) for ends in each) for pick in (min, max)] if len(weights) > 1 else []
        return min(0, *lone, *both), max(0, *lone, *both)

    def worth(self, activations: list[int]) -> list[int]:
        """Return what activations are worth behind the windows."""
        if not self.pairs:
            return [self.alone[x] for x in activations]
        partners = [activations[at ^ 1] if at ^ 1 < len(activations) else 0 for at in range(len(activations))]
        return [
            self.alone[x] if partner else self.beside_zero[x] for x, partner in zip(activations, partners, strict=True)
        ]


def read_sparq_unit(graph: Graph, layer: Layer) -> SparqUnit | None:
    """Return what a ``SparqMVAU`` adds up; None where its weights are not known.

    Raises:
        KeyError: an attribute is missing.
        ValueError: windows do not reach all activations.
    """
    attributes, stored = layer.attributes, graph.constant(layer, 1)
    changes = attributes.get("runtime_writeable_weights", 0) or attributes.get("mem_mode") in _OUTSIDE
    if stored is None or changes:
        return None
    bits, shifts = int(attributes["bits"]), [int(shift) for shift in attributes["shifts"]]
    carries = attributes.get("overflow", "saturate") == "carry"
    wide_bits = min(2 * bits, _BITS)
    wide_shifts = list(range(_BITS - wide_bits + 1))
    rounds = bool(attributes.get("rounding", 1))
    return SparqUnit(
        weights=whole(stored.T),
        alone=[_window(x, bits, shifts, rounds, carries) for x in range(1 << _BITS)],
        beside_zero=[_window(x, wide_bits, wide_shifts, True, carries) for x in range(1 << _BITS)],
        pairs=bool(attributes.get("pairs", 1)),
    )


def _window(x: int, bits: int, shifts: list[int], rounds: bool, carries: bool) -> int:
    """Return an activation cut to the lowest window that has its leading bit, rounded half to even or down."""
    places = [shift for shift in shifts if x < 1 << (bits + shift)]
    if not places:
        raise ValueError(f"no window of {bits} bits at {shifts} has {x}")
    unit = 1 << places[0]
    steps, rest = divmod(x, unit)
    if rounds and (2 * rest > unit or (2 * rest == unit and steps % 2)):
        steps += 1
    if steps < 1 << bits:
        return steps * unit
    # A carry goes on to the next window, if that has a bit of its value.
    if carries and len(places) > 1 and places[1] <= bits + places[0]:
        return steps * unit
    return ((1 << bits) - 1) * unit
