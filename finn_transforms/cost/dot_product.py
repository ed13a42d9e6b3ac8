"""Adders of a dot product by planes: which there are, and how many bits each has, as ``bfx_dot.sv`` builds them.

The widths follow from the largest values, cut to P bits: a narrower accumulator makes narrower adders everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True, kw_only=True)
class DotShape:
    """One dot product.

    Attributes:
        simd: Terms per cycle.
        planes: Bits of the factor that selects.
        value_bits: Bits of the factor that is selected.
        scale: Bits by which the planes' sum is shifted.
        shared_bits: Bits of an operand that all dot products share, 0 for none.
        accumulator_bits: P.
    """

    simd: int
    planes: int
    value_bits: int
    scale: int
    shared_bits: int
    accumulator_bits: int

    @property
    def kept_planes(self) -> int:
        """Planes below 2^P; the others do not matter."""
        return min(self.planes, max(0, self.accumulator_bits - self.scale))

    @property
    def plane_bits(self) -> int:
        """Bits of the sum of a plane."""
        return (self.simd * ((1 << self.value_bits) - 1)).bit_length()

    def bits_of_plane(self, plane: int) -> int:
        """Return the bits of a plane's sum that matter."""
        return min(self.plane_bits, self.accumulator_bits - self.scale - plane)

    @property
    def operands(self) -> list[tuple[int, int]]:
        """Width and shift of what the shifted sum adds: the shared operand, then the planes."""
        shared = [(min(self.shared_bits, self.accumulator_bits), 0)] if self.shared_bits else []
        return shared + [(self.bits_of_plane(plane), self.scale + plane) for plane in range(self.kept_planes)]


@dataclass
class Adders:
    """Bits of carry chains, by what adders are for and how many operands they have, and bits of registers."""

    bits: Counter[str] = field(default_factory=Counter)
    registers: int = 0
    levels: int = 0

    def add(self, name: str, exact_bits: int, room: int, count: int = 1, passed: int = 0) -> None:
        """Count adders and the registers behind them.

        Args:
            name: what for.
            exact_bits: bits of the exact sum, whose highest is the carry that leaves the chain and takes no LUT.
            room: bits that matter.
            count: how many equal ones.
            passed: lowest bits that are not added to anything.
        """
        bits = min(exact_bits, room)
        self.bits[name] += (bits - passed - (exact_bits <= room)) * count
        self.registers += bits * count

    def merge(self, other: Adders, times: int = 1) -> None:
        """Count all of another's so many times; levels are not added up."""
        for name, bits in other.bits.items():
            self.bits[name] += bits * times
        self.registers += other.registers * times


def plane_adders(simd: int, value_bits: int, out_bits: int, prefix: str = "") -> Adders:
    """Return the adders of one plane (``bfx_plane``): pairs of terms, then a tree of adders of three.

    Names: ``leaf`` for two terms and their sum, ``lone`` for a term that is left, ``count`` for three terms of one bit,
    ``three``, ``two`` in the tree.
    """
    found = Adders()
    leaf = 3 if value_bits == 1 else 2
    full, left = divmod(simd, leaf)
    if leaf == 3:
        # Three bits are counted in two LUTs.
        found.bits[f"{prefix}count"] += min(2, out_bits) * full
        found.registers += min(2, out_bits) * full
    else:
        found.add(f"{prefix}leaf", value_bits + 1, out_bits, full)
    if left == 1:
        found.bits[f"{prefix}lone"] += value_bits
        found.registers += value_bits + 1
    elif left == 2:
        found.add(f"{prefix}leaf", value_bits + 1, out_bits)
    tree_adders(found, -(-simd // leaf), leaf * ((1 << value_bits) - 1), out_bits, prefix)
    return found


def tree_adders(found: Adders, operands: int, largest: int, out_bits: int, prefix: str = "") -> None:
    """Count the adders of a tree of threes (``bfx_adder_tree``) over operands of at most `largest`."""
    while operands > 1:
        full, left = divmod(operands, 3)
        found.add(f"{prefix}three", (3 * largest).bit_length(), out_bits, full)
        if left == 2:
            found.add(f"{prefix}two", (2 * largest).bit_length(), out_bits)
        elif left == 1:
            found.registers += min(out_bits, largest.bit_length())
        operands, largest = full + (left > 0), 3 * largest
        found.levels += 1


def combining_adders(operands: Sequence[tuple[int, int]], out_bits: int) -> tuple[Adders, list[tuple[int, int]]]:
    """Return the adders that reduce shifted operands to two (``bfx_shift_tree``), and what is left.

    Names: ``combine``, and ``combine_again`` where sums of different lengths meet; ``combine_gap`` for bits of adders
    whose operands are more than one place apart, on top: their carries pack worse.

    Args:
        operands: width and shift of each.
        out_bits: P.
    """
    found = Adders()
    rest = list(operands)
    while len(rest) > 2:
        threes = len(rest) // 3
        following = []
        for index in range(threes):
            group = rest[3 * index : 3 * index + 3]
            shift = group[0][1]
            most = sum(((1 << width) - 1) << (at - shift) for width, at in group)
            room = out_bits - shift
            name = "combine_again" if found.levels else "combine"
            found.add(name, most.bit_length(), room, passed=group[1][1] - shift)
            bits = min(most.bit_length(), room)
            if any(high[1] - low[1] > 1 for low, high in pairwise(group)):
                found.bits["combine_gap"] += max(0, bits - (group[2][1] - shift))
            following.append((bits, shift))
        for width, at in rest[3 * threes :]:
            found.registers += width
            following.append((width, at))
        rest = following
        found.levels += 1
    return found, rest


def dot_adders(shape: DotShape) -> Adders:
    """Return the adders of one dot product whose factors are not known, accumulator left out."""
    found = Adders()
    for plane in range(shape.kept_planes):
        one = plane_adders(shape.simd, shape.value_bits, shape.bits_of_plane(plane))
        found.merge(one)
        found.levels = max(found.levels, one.levels)
    combining, _ = combining_adders(shape.operands, shape.accumulator_bits)
    found.merge(combining)
    found.levels += combining.levels
    return found
