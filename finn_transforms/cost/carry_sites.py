"""Packing of LUTs around carry chains."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from finn_transforms.cost.lut_function import LUT_TYPES, LutFunction, function_of
from finn_transforms.cost.netlist import Cell, Net, Netlist

_INPUTS_OF_TWO = 5
_MOST_NETS = 10


@dataclass(frozen=True, kw_only=True)
class CarryPacking:
    """LUTs packed beside others of a carry chain, LUTs beside a carry bit, and route-throughs."""

    packed: Collection[Cell]
    full: Collection[Cell]
    route_throughs: int


@dataclass(kw_only=True)
class _Site:
    """A LUT beside a carry bit: what its outputs read, and whether O5 is free."""

    reads: frozenset[int] = frozenset()
    is_open: bool = False

    def takes(self, nets: frozenset[int]) -> bool:
        return self.is_open and len(self.reads | nets) <= _INPUTS_OF_TWO


@dataclass(kw_only=True)
class _Packer:
    netlist: Netlist
    packed: set[Cell] = field(default_factory=set)
    full: set[Cell] = field(default_factory=set)
    route_throughs: int = 0

    def pack(self) -> CarryPacking:
        for chain in _chains(self.netlist.cells):
            before = _Site()
            for select, data in chain:
                before = self._place(select, data, before)
        return CarryPacking(packed=self.packed, full=self.full, route_throughs=self.route_throughs)

    def _place(self, select: Net, data: Net, before: _Site) -> _Site:
        """Give a bit its site, and find room for what drives its DI."""
        beside, behind = self._lut(select), self._lut(data)
        if beside is not None and beside in self.full:
            beside = None
        if beside is None and isinstance(select, str):
            return _Site()
        if beside is None:
            self.route_throughs += 1
            reads = frozenset({select}) if isinstance(select, int) else frozenset()
        else:
            self.full.add(beside)
            reads = beside.input_nets
        alone = _Site(reads=reads, is_open=True)
        if behind is None or behind is beside or behind in self.full or not self._is_private(data, beside):
            return alone
        if beside is None:
            if alone.takes(behind.input_nets):
                self.packed.add(behind)
            return _Site()
        return self._share(beside, behind, data, alone, before)

    def _share(self, beside: Cell, behind: Cell, data: Net, alone: _Site, before: _Site) -> _Site:
        nets = sorted((beside.input_nets - {data}) | behind.input_nets)
        if len(nets) > _MOST_NETS:
            return alone
        one = function_of(behind, nets)
        both = function_of(beside, nets, {data: one.table})
        other = LutFunction(nets=one.nets, table=one.table ^ both.table)
        addends = ((one, other), (other, one))
        if any(addend.is_wire for addend, _ in addends):
            self.packed.add(behind)
            return _Site(reads=both.support, is_open=True)
        if len(one.support | both.support) <= _INPUTS_OF_TWO:
            self.packed.add(behind)
            return _Site()
        for addend, rest in addends:
            if before.takes(addend.support):
                before.is_open = False
                self.packed.add(behind)
                # -1: the net from the other site's O5.
                return _Site(reads=rest.support | {-1}, is_open=True)
        return alone

    def _lut(self, net: Net) -> Cell | None:
        pin = self.netlist.driver.get(net)
        return pin.cell if pin is not None and pin.cell is not None and pin.cell.type in LUT_TYPES else None

    def _is_private(self, data: Net, beside: Cell | None) -> bool:
        """Tell whether only one bit's DI, and the LUT beside it, read a net."""
        others = [pin for pin in self.netlist.readers[data] if pin.cell is None or pin.cell is not beside]
        return len(others) == 1


def pack_carries(netlist: Netlist) -> CarryPacking:
    """Pack the LUTs that carry chains read.

    A bit of a chain adds two addends: S is 1 where they differ, and DI matters only where they are equal, so that
    either addend may drive it. S comes from O6 of the LUT beside the bit. The addend for DI takes no site of its own

    - where it is a net or a constant: a pin of the slice;
    - where both addends read at most 5 nets together: O5 of the same LUT;
    - where it and the LUT beside the bit *before* read at most 5 nets together and that one's O5 is free: an adder of
      three operands, which carries the majority of three bits to the next bit's addends.

    It does so only where nothing but this bit reads it. S driven by no LUT of its own is a route-through, which costs
    one.
    """
    return _Packer(netlist=netlist).pack()


def _chains(cells: Iterable[Cell]) -> Iterator[list[tuple[Net, Net]]]:
    """Yield S and DI of the bits of every carry chain, lowest first."""
    blocks = [cell for cell in cells if cell.type in ("CARRY4", "CARRY8")]
    after: dict[Net, Cell] = {cell.inputs["CI"][0]: cell for cell in blocks if isinstance(cell.inputs["CI"][0], int)}
    ends = {cell.outputs["CO"][-1] for cell in blocks if "CO" in cell.outputs}
    for cell in blocks:
        if cell.inputs["CI"][0] in ends:
            continue
        bits: list[tuple[Net, Net]] = []
        block: Cell | None = cell
        while block is not None:
            bits += zip(block.inputs["S"], block.inputs["DI"], strict=True)
            block = after.get(block.outputs["CO"][-1]) if "CO" in block.outputs else None
        yield bits
