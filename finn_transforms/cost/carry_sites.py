"""Packing of LUTs around carry chains."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from finn_transforms.cost.lut_function import LUT_TYPES, LutFunction, function_of
from finn_transforms.cost.netlist import Cell, Net, Netlist

_INPUTS_OF_ONE, _INPUTS_OF_TWO = 6, 5
_MOST_NETS = 12


@dataclass(frozen=True, kw_only=True)
class CarryPacking:
    """What `pack_carries` finds.

    Attributes:
        packed: LUTs that take no site of their own, beside others of a chain.
        across: Those of them in the site of the bit before.
        full: LUTs beside a carry bit.
        route_throughs: Sites that only hand a net to a chain.
    """

    packed: Collection[Cell]
    across: Collection[Cell]
    full: Collection[Cell]
    route_throughs: int


@dataclass(frozen=True, kw_only=True)
class _Bit:
    """One bit of a chain: S, DI, and whether its outputs leave the site's multiplexer to O5."""

    select: Net
    data: Net
    spares_output: bool


@dataclass(kw_only=True)
class _Site:
    """A LUT beside a carry bit: what its outputs read, whether O5 is free, and whether it can leave the slice."""

    reads: frozenset[int] = frozenset()
    is_open: bool = False

    def takes(self, nets: frozenset[int]) -> bool:
        return self.is_open and len(self.reads | nets) <= _INPUTS_OF_TWO


@dataclass(kw_only=True)
class _Packer:
    netlist: Netlist
    packed: set[Cell] = field(default_factory=set)
    across: set[Cell] = field(default_factory=set)
    full: set[Cell] = field(default_factory=set)
    route_throughs: int = 0

    def pack(self) -> CarryPacking:
        for chain in _chains(self.netlist):
            before = _Site()
            for bit in chain:
                before = self._place(bit.select, bit.data, before)
                before.is_open = before.is_open and bit.spares_output
        return CarryPacking(packed=self.packed, across=self.across, full=self.full, route_throughs=self.route_throughs)

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
            return alone
        return self._share(beside, behind, data, before) or alone

    def _share(self, beside: Cell, behind: Cell, data: Net, before: _Site) -> _Site | None:
        """Find room for the LUT behind DI; return the site then, or None where there is none."""
        nets = sorted((beside.input_nets - {data}) | behind.input_nets)
        if len(nets) > _MOST_NETS:
            return None
        one = function_of(behind, nets)
        both = function_of(beside, nets, {data: one.table})
        other = LutFunction(nets=one.nets, table=one.table ^ both.table)
        if (one.is_wire or other.is_wire) and len(both.support) <= _INPUTS_OF_ONE:
            self.packed.add(behind)
            return _Site(reads=both.support, is_open=True)
        if len(one.support | both.support) <= _INPUTS_OF_TWO:
            self.packed.add(behind)
            return _Site()
        # -1: the net from the other site's O5. S reads that and the other addend, or what it read anyway.
        for addend, reads in (
            (one, (other.support | {-1}, beside.input_nets)),
            (other, (one.support | {-1}, both.support)),
        ):
            fewest = min(reads, key=len)
            if before.takes(addend.support) and len(fewest) <= _INPUTS_OF_ONE:
                self.packed.add(behind)
                self.across.add(behind)
                return _Site(reads=fewest, is_open=True)
        return None

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

    - where it is a net or a constant, and S reads at most 6 nets: the slice's bypass pin (AX, BX, ...) drives DI;
    - where S and it read at most 5 nets together: O5 of the same LUT;
    - where it and the LUT beside the bit *before* read at most 5 nets together, that one's O5 is free, and S reads at
      most 6 nets: an adder of three operands, which carries the majority of three bits to the next bit's addends.
      O5 then leaves the slice through the bit's output multiplexer (AMUX, BMUX, ...), which is free only where the
      bit's sum and carry go no further than the one flip-flop beside it. The net comes back through a bypass pin.

    It does so only where nothing but this bit reads it. S driven by no LUT of its own is a route-through, which costs
    one. A constant S costs none: the site that delivers it is not counted by vendors' reports either. A carry-in that
    is a net takes the bypass pin of the lowest bit; where that bit needs it, a carry bit in front hands it in, no LUT.

    The rules are those of the slices' diagrams (AMD UG474 figure 2-3, UG574 figure 5-1), per bit: placement
    also has to keep a slice to its control sets, and a tool need not find every one of these packings.
    `CarryPacking.across` tells the third kind apart, which is the least sure. Bits are packed one after the other, the
    lowest first, and a LUT that finds no room keeps its function: other choices may pack more.
    """
    return _Packer(netlist=netlist).pack()


def _chains(netlist: Netlist) -> Iterator[list[_Bit]]:
    """Yield the bits of every carry chain, lowest first.

    Of several blocks that continue the same block one does; the others begin chains of their own.
    """
    blocks = [cell for cell in netlist.cells if cell.type in ("CARRY4", "CARRY8")]
    ends = {cell.outputs["CO"][-1] for cell in blocks if "CO" in cell.outputs}
    after: dict[Net, Cell] = {}
    for cell in blocks:
        if cell.inputs["CI"][0] in ends:
            after.setdefault(cell.inputs["CI"][0], cell)
    for cell in blocks:
        if after.get(cell.inputs["CI"][0]) is cell:
            continue
        bits: list[_Bit] = []
        block: Cell | None = cell
        while block is not None:
            bits += _bits(netlist, block)
            block = after.get(block.outputs["CO"][-1]) if "CO" in block.outputs else None
        yield bits


def _bits(netlist: Netlist, block: Cell) -> Iterator[_Bit]:
    for at, (select, data) in enumerate(zip(block.inputs["S"], block.inputs["DI"], strict=True)):
        read = [
            pin
            for port in ("O", "CO")
            for net in block.outputs.get(port, ())[at : at + 1]
            for pin in netlist.readers.get(net, ())
            if pin.port != "CI"
        ]
        registered = [
            pin for pin in read if pin.cell is not None and pin.cell.type.startswith("FD") and pin.port == "D"
        ]
        yield _Bit(select=select, data=data, spares_output=len(read) == len(registered) <= 1)
