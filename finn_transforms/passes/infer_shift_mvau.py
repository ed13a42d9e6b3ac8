"""Takes powers of two that the weights of an input channel share out of them, for a unit that shifts products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from brevitas_ext.arith import IntRange
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.datatypes import named, smallest_datatype
from finn_transforms.analysis.matching import FINN_ACCUMULATOR, is_hardware, nodes_of
from finn_transforms.analysis.weights import can_change, counts_matches, has_thresholds, weight_rows
from finn_transforms.ops.shift import UNIT
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import add_constant, graph_of, input_of
from finn_transforms.passes._units import channels_of, turn_unit

Ints: TypeAlias = NDArray[np.int64]

# What FINN may choose for its own unit; this one has one variant.
_OF_FINNS_UNIT: Final = frozenset({"binaryXnorMode", "preferred_impl_style", "resType"})


class InferShiftMVAU(HardwarePass):
    """Let matrix-vector units whose input channels differ by powers of two keep narrow weights and shift products.

    Before::

        a = MVAU(x, [[3, -2], [4, 8], [0, 12]])             # INT5

    After::

        a = ShiftMVAU(x, [[3, -2], [1, 2], [0, 3]], shifts=[0, 2, 2])       # INT3

    `ExtractIntegers` folds ratios of the scales of a layer's input channels into its weights; where these ratios are
    powers of two, as those of ShiftQuant, the weights are ``W << shifts[:, None]`` of narrower ones.  The exponent of
    a row is the highest that leaves integers, one for all pixels of a channel where that costs no bit.  Name, output
    and accumulator stay: the sums are the same.

    Which form takes fewer LUTs is a matter of the folding: `finn_transforms.folding.forms` chooses with it, and gives
    this pass the units that it chose.  `FoldShifts` goes back.

    Left as they are: units whose weights get no narrower, or whose rows share one power alone, which belongs to the
    scale (see `DropUnusedBits`); those with signs as inputs or weights, with thresholds inside or with weights that can
    change.

    Args:
        names: of the units to look at; None for all.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        super().__init__()
        self.names = None if names is None else frozenset(names)

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Look at every unit that is not specialized yet."""
        for node in nodes_of(model):
            rows = _rows(node) if self.names is None or node.name in self.names else None
            if rows is None:
                continue
            weights = rows.T
            shifts = _exponents(weights, channels_of(node))
            narrow = weights >> shifts[:, np.newaxis]
            before, after = _bits(weights), _bits(narrow)
            holds = named(attributes_of(node).get("accDataType", FINN_ACCUMULATOR))
            if after >= before or len(set(shifts.tolist())) == 1 or shifts.max() >= holds.bitwidth():
                continue
            _replace(node, narrow, shifts)
            counts = Counter(shifts.tolist())
            detail = ", ".join(f"{counts[shift]} << {shift}" for shift in sorted(counts))
            self.note(result, node, f"weights of {after} bits instead of {before}, rows shifted: {detail}")
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


def _rows(node: ir.Node) -> Ints | None:
    """Return the weights (MH, MW) of a unit that may shift, None for others."""
    if not is_hardware(node) or node.op_type != "MVAU" or can_change(node) or has_thresholds(node):
        return None
    attributes = attributes_of(node)
    signs = "BIPOLAR" in (attributes["inputDataType"], attributes["weightDataType"])
    return None if signs or counts_matches(node) else weight_rows(node)


def _replace(node: ir.Node, weights: Ints, shifts: Ints) -> None:
    old = input_of(node, 1)
    data_type = smallest_datatype(IntRange(int(weights.min()), int(weights.max())), signed=True)
    stored = add_constant(graph_of(node), f"{old.name}_unshifted", weights, data_type)
    attributes = {name: value for name, value in attributes_of(node).items() if name not in _OF_FINNS_UNIT}
    turn_unit(node, UNIT, {**attributes, "weightDataType": data_type.name, "shifts": shifts.tolist()}, stored)


def _bits(weights: Ints) -> int:
    return IntRange(int(weights.min()), int(weights.max())).bits(signed=True)


def _exponents(weights: Ints, channels: int) -> Ints:
    """Return the highest exponent (MW,) of each row; one for all pixels of a channel where the weights stay as narrow.

    A row of zeros has that of a neighbour, so that it parts no run of equal ones.
    """
    found = _common_powers(weights)
    pixels = np.where(found < 0, np.iinfo(np.int64).max, found).reshape(-1, channels).min(axis=0)
    shared = np.tile(np.where(pixels == np.iinfo(np.int64).max, -1, pixels), len(weights) // channels)
    each, together = _filled(found), _filled(shared)
    return together if _bits(weights >> together[:, np.newaxis]) == _bits(weights >> each[:, np.newaxis]) else each


def _common_powers(weights: Ints) -> Ints:
    """Return the largest k such that 2^k divides a row, for each of them; -1 for rows of zeros."""
    lowest = np.bitwise_or.reduce(np.abs(weights), axis=1)
    lowest = lowest & -lowest
    return np.array([int(bit).bit_length() - 1 for bit in lowest], dtype=np.int64)


def _filled(exponents: Ints) -> Ints:
    """Return exponents with those of the nearest earlier row, or of the first that has one, in the place of -1."""
    known = np.flatnonzero(exponents >= 0)
    if not known.size:
        return np.zeros_like(exponents)
    nearest = np.searchsorted(known, np.arange(exponents.size), side="right") - 1
    return exponents[known[np.maximum(nearest, 0)]]
