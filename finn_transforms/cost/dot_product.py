"""Adders of a dot product by planes: which there are, and how many bits each has, as ``bfx_dot.sv`` builds them.

The widths follow from the largest values, cut to P bits, so that a narrower accumulator makes narrower adders everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


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
    """Bits of adders, by what they are for and how many operands they have, and bits of registers."""

    bits: Counter[str] = field(default_factory=Counter)
    registers: int = 0
    levels: int = 0

    def add(self, name: str, bits: int, count: int = 1) -> None:
        """Count an adder and the register behind it."""
        self.bits[name] += bits * count
        self.registers += bits * count

    def merge(self, other: Adders, times: int = 1) -> None:
        """Count all of another's."""
        for name, bits in other.bits.items():
            self.bits[name] += bits * times
        self.registers += other.registers * times


def plane_adders(simd: int, value_bits: int, out_bits: int, prefix: str = "") -> Adders:
    """Return the adders of one plane (``bfx_plane``): pairs of terms, then a tree of adders of three.

    Names: ``leaf`` for two terms and their sum, ``count`` for three terms of one bit, ``three`` and ``two`` in the tree.
    """
    found = Adders()
    leaf = 3 if value_bits == 1 else 2
    full, left = divmod(simd, leaf)
    leaf_bits = min(value_bits + 1, out_bits)
    found.add(f"{prefix}{'count' if leaf == 3 else 'leaf'}", leaf_bits, full)
    if left == 1:
        found.registers += value_bits + 1
    elif left == 2:
        found.add(f"{prefix}leaf", leaf_bits)
    tree_adders(found, -(-simd // leaf), leaf * ((1 << value_bits) - 1), out_bits, prefix)
    return found


def tree_adders(found: Adders, operands: int, largest: int, out_bits: int, prefix: str = "") -> None:
    """Count the adders of a tree of threes (``bfx_adder_tree``) over operands of at most `largest`."""
    while operands > 1:
        full, left = divmod(operands, 3)
        found.add(f"{prefix}three", min(out_bits, (3 * largest).bit_length()), full)
        if left == 2:
            found.add(f"{prefix}two", min(out_bits, (2 * largest).bit_length()))
        elif left == 1:
            found.registers += min(out_bits, largest.bit_length())
        operands, largest = full + (left > 0), 3 * largest
        found.levels += 1


def combining_adders(operands: Sequence[tuple[int, int]], out_bits: int) -> tuple[Adders, list[tuple[int, int]]]:
    """Return the adders that reduce shifted operands to two (``bfx_shift_tree``), and what is left.

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
            bits = min(most.bit_length(), out_bits - shift)
            low = group[1][1] - shift
            found.add("combine", bits - low)
            found.registers += low
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


Node = tuple[int, ...]


def constant_adders(shape: DotShape, planes: Iterable[tuple[int, Sequence[int]]]) -> Adders:
    """Return the adders of planes whose selecting bits are constants: none where nothing is added, equal ones once.

    Args:
        shape: one dot product.
        planes: number of the plane and its selecting bits, of every plane of every dot product.
    """
    found = Adders()
    seen: set[tuple[int, int, Node]] = set()
    for number, select in planes:
        if number >= shape.kept_planes:
            continue
        _constant_plane(shape, shape.bits_of_plane(number), select, found, seen)
    return found


def _constant_plane(
    shape: DotShape, out_bits: int, select: Sequence[int], found: Adders, seen: set[tuple[int, int, Node]]
) -> None:
    leaf = 3 if shape.value_bits == 1 else 2
    term_max = (1 << shape.value_bits) - 1
    span, nodes = leaf, [tuple(select[at : at + leaf]) for at in range(0, shape.simd, leaf)]
    for at, node in enumerate(nodes):
        ones = sum(node)
        if ones > 1 and (at, 0, node) not in seen:
            seen.add((at, 0, node))
            found.add("constant_leaf", min(out_bits, (ones * term_max).bit_length()))
    level = 0
    while len(nodes) > 1:
        level += 1
        span *= 3
        groups = [nodes[at : at + 3] for at in range(0, len(nodes), 3)]
        nodes = [sum(group, ()) for group in groups]
        for at, (group, node) in enumerate(zip(groups, nodes, strict=True)):
            operands = sum(any(child) for child in group)
            if operands > 1 and (at, level, node) not in seen:
                seen.add((at, level, node))
                bits = min(out_bits, (sum(node) * term_max).bit_length())
                found.add("constant_three" if operands == 3 else "constant_two", bits)
