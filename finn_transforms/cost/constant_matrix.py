"""Matrix-vector units with constant weights: signed digits, pairs of inputs, adders of planes and of their sums."""

from __future__ import annotations

from typing import Final

from finn_transforms.cost.dot_product import Adders, combining_adders, tree_adders
from finn_transforms.cost.structure import Structure
from finn_transforms.cost.terms import Term
from finn_transforms.rtl.constant_matrix import ConstantMatrix

MVAU_CONSTANT: Final = "mvau_constant"


def constant_matrix_structure(matrix: ConstantMatrix, channels: int | None = None) -> Structure:
    """Return the structure of products by constants: zeros take nothing, powers of two and pairs of inputs are shared.

    Constants, per bit of an adder: ``pair`` for the sum or difference of two inputs, ``three`` and ``two`` in the trees
    of planes, ``combine``, ``combine_again`` and ``combine_gap`` for their shifted sums (see `dot_product`), ``last``
    behind them; ``unit`` per unit.

    Args:
        matrix: the constants.
        channels: outputs, where the matrix has only some of them and the others are alike.
    """
    adders = Adders()
    times = (channels or len(matrix.offsets)) / len(matrix.offsets)
    last = depth = 0
    pairs = {
        leaf.signal
        for planes in matrix._planes
        for leaves in planes.values()
        for leaf in leaves
        if leaf.width > matrix.width
    }
    adders.add("pair", matrix.width + 1, matrix.width + 1, len(pairs))
    for channel, planes in enumerate(matrix._planes):
        for place, leaves in planes.items():
            largest = (1 << max(leaf.width for leaf in leaves)) - 1
            bits = min((len(leaves) * largest).bit_length(), matrix.bits - place)
            tree_adders(adders, len(leaves), largest, bits)
        operands = [(width, shift) for shift, width, _ in matrix._operands(channel)]
        combining, rest = combining_adders(operands, matrix.bits)
        adders.merge(combining)
        depth = max(depth, combining.levels)
        if len(rest) > 1:
            last += matrix.bits - max(shift for _, shift in rest)
            adders.registers += matrix.bits
    terms = [
        Term("pair", adders.bits["pair"], "multipliers"),
        Term("combine", times * adders.bits["combine"], "multipliers"),
        Term("combine_again", times * adders.bits["combine_again"], "multipliers"),
        Term("combine_gap", times * adders.bits["combine_gap"], "multipliers"),
        Term("three", times * adders.bits["three"], "adder_tree"),
        Term("two", times * adders.bits["two"], "adder_tree"),
        Term("last", times * last, "accumulator"),
        Term("unit", 1, "control"),
    ]
    return Structure(
        kind=MVAU_CONSTANT,
        terms=tuple(terms),
        ff={"sum": times * adders.registers, "input": len(matrix.coefficients) * matrix.width, "unit": 1},
        delay={"unit": 1, "carry": matrix.bits},
    )
