"""Boolean functions of LUTs: which nets matter, and what is left of one behind another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from finn_transforms.cost.netlist import Cell, Net

LUT_TYPES = frozenset({"LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "INV"})


@dataclass(frozen=True, kw_only=True)
class LutFunction:
    """A function of some nets.

    Attributes:
        nets: The nets, lowest place first.
        table: Bit i is the value where bit k of i is the value of net k.
    """

    nets: tuple[int, ...]
    table: int

    @property
    def support(self) -> frozenset[int]:
        """Nets that make a difference."""
        size = 1 << len(self.nets)
        found = set()
        for place, net in enumerate(self.nets):
            ones = _variable(place, size)
            if (self.table & ones) >> (1 << place) != self.table & (ones >> (1 << place)):
                found.add(net)
        return frozenset(found)

    @property
    def is_wire(self) -> bool:
        """Whether it is a constant or just one of its nets: a pin of the slice rather than a LUT."""
        support = self.support
        if not support:
            return True
        size = 1 << len(self.nets)
        return len(support) == 1 and self.table == _variable(self.nets.index(next(iter(support))), size)


def function_of(cell: Cell, nets: Sequence[int], known: Mapping[Net, int] | None = None) -> LutFunction:
    """Return the function of a LUT over some nets.

    Args:
        cell: The LUT, or INV.
        nets: Nets of the table; each that it reads has to be there or in `known`.
        known: Tables, over `nets`, of nets that are functions themselves.
    """
    size = 1 << len(nets)
    full = (1 << size) - 1
    values: dict[Net, int] = {net: _variable(place, size) for place, net in enumerate(nets)}
    values |= {"0": 0, "1": full, "x": 0, "z": 0}
    values.update(known or {})
    if cell.type == "INV":
        return LutFunction(nets=tuple(nets), table=full & ~values[cell.inputs["I"][0]])
    inputs = [values[cell.inputs[f"I{place}"][0]] for place in range(int(cell.type[3:]))]
    init = int(cell.parameters["INIT"], 2)
    table = 0
    for row in range(1 << len(inputs)):
        if init >> row & 1:
            table |= reduce(int.__and__, (v if row >> k & 1 else full & ~v for k, v in enumerate(inputs)), full)
    return LutFunction(nets=tuple(nets), table=table)


def _variable(place: int, size: int) -> int:
    """Return the table of net number `place` among tables of `size` bits."""
    half = 1 << place
    block = ((1 << half) - 1) << half
    return sum(block << at for at in range(0, size, 2 * half))
