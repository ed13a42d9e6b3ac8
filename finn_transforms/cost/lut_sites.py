"""Counting the 6-input LUTs that a netlist occupies on 7-series and UltraScale+ devices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from finn_transforms.cost.carry_sites import pack_carries
from finn_transforms.cost.lut_function import LUT_TYPES
from finn_transforms.cost.netlist import Cell, Net, Netlist

MEMORY_SITES = {
    **dict.fromkeys(("RAM32X1S", "RAM64X1S"), 1),
    **dict.fromkeys(("RAM32X1D", "RAM64X1D", "RAM128X1S"), 2),
    **dict.fromkeys(("RAM128X1D", "RAM256X1S", "RAM32M", "RAM64M"), 4),
    **dict.fromkeys(("RAM256X1D", "RAM512X1S", "RAM32M16", "RAM64M8", "RAM32X16DR8", "RAM64X8SW"), 8),
}
"""LUT sites of the distributed memories (AMD UG474 table 2-3 for 7-series, UG574 table 2-3 for UltraScale)."""

SRL_TYPES = frozenset({"SRL16E", "SRLC32E"})


@dataclass(frozen=True, kw_only=True)
class LutSites:
    """LUT sites by use; see `count_sites`."""

    logic: int
    memory: int
    srl: int
    before_packing: int
    without_ternary: int
    paired: int


def count_sites(netlist: Netlist) -> LutSites:
    """Count the LUT sites of a netlist.

    A site is one 6-input LUT of the device with outputs O6 and O5. Counted are:

    - logic: LUT1 to LUT6 and LUT6_2, 1 each, and INV, which a flip-flop or a port behind it turns into a LUT1;
    - a carry chain: what `pack_carries` does not pack, and route-throughs;
    - MUXF7, MUXF8: none, they sit behind the LUTs that they choose from;
    - distributed memory: RAM32X1S and RAM64X1S 1, RAM32X1D, RAM64X1D and RAM128X1S 2, RAM32M, RAM64M, RAM128X1D
      and RAM256X1S 4, RAM32M16, RAM64M8, RAM256X1D, RAM512X1S, RAM32X16DR8 and RAM64X8SW 8;
    - shift registers: SRL16E and SRLC32E 1 each.

    `LutSites.before_packing` leaves the carry chains out of it. `LutSites.without_ternary` packs what shares one carry
    bit, but nothing beside the bit before (see `pack_carries`): the more cautious count. `LutSites.paired` puts, on
    top of packing with carry chains, two LUTs that read at most 5 nets together into one site, and two SRL16E with
    the same clock, enable and address: what dense placement approaches, estimated by a greedy matching (most shared
    nets first).

    Every packing counted is one that the slice allows, LUT by LUT. No netlist has been placed with Vivado to confirm
    the sums: that it packs as densely is an assumption.

    Raises:
        ValueError: a distributed memory or shift register of unknown size.
    """
    types = netlist.types
    unknown = sorted(
        name
        for name in types
        if (name.startswith(("RAM", "SRL", "ROM")) and not name.startswith("RAMB"))
        and name not in MEMORY_SITES
        and name not in SRL_TYPES
    )
    if unknown:
        raise ValueError(f"expected memories among {sorted(MEMORY_SITES)}, found {unknown}; add their LUT sites there")
    cells = sum(types[name] for name in LUT_TYPES) + types["LUT6_2"]
    memory = sum(sites * types[name] for name, sites in MEMORY_SITES.items())
    srl = sum(types[name] for name in SRL_TYPES)
    packing = pack_carries(netlist)
    logic = cells - len(packing.packed) + packing.route_throughs
    loose = [
        cell
        for cell in netlist.cells
        if cell.type in LUT_TYPES and cell not in packing.packed and cell not in packing.full
    ]
    pairs = _pairs(loose) + _srl_pairs(netlist.cells)
    return LutSites(
        logic=logic,
        memory=memory,
        srl=srl,
        before_packing=cells + memory + srl,
        without_ternary=logic + len(packing.across) + memory + srl,
        paired=logic + memory + srl - pairs,
    )


def _pairs(luts: list[Cell]) -> int:
    """Return how many pairs a greedy matching finds: most shared nets first, then the leftovers by size."""
    small = sorted((cell for cell in luts if len(cell.input_nets) <= 5), key=lambda cell: -len(cell.input_nets))
    by_net: dict[int, list[Cell]] = {}
    for cell in small:
        for net in cell.input_nets:
            by_net.setdefault(net, []).append(cell)
    done: set[Cell] = set()
    pairs = 0
    for cell in small:
        if cell in done:
            continue
        near = {other for net in cell.input_nets for other in by_net[net][:64] if other not in done and other != cell}
        fitting = [other for other in near if len(cell.input_nets | other.input_nets) <= 5]
        if fitting:
            done |= {cell, max(fitting, key=lambda other: (len(cell.input_nets & other.input_nets), other.name))}
            pairs += 1
    left = [len(cell.input_nets) for cell in small if cell not in done]
    low, high = len(left) - 1, 0
    while high < low:
        if left[high] + left[low] <= 5:
            pairs, low = pairs + 1, low - 1
        high += 1
    return pairs


def _srl_pairs(cells: Iterable[Cell]) -> int:
    groups: dict[tuple[Net, ...], int] = {}
    for cell in cells:
        if cell.type == "SRL16E":
            key = tuple(net for port in ("CLK", "CE", "A0", "A1", "A2", "A3") for net in cell.inputs[port])
            groups[key] = groups.get(key, 0) + 1
    return sum(count // 2 for count in groups.values())


def carry_blocks(netlist: Netlist, width: int) -> int:
    """Return the carry blocks of `width` bits that the chains of a netlist take.

    Yosys builds chains of CARRY4 for UltraScale+, too, where the device has a CARRY8 for every eight LUTs: two CARRY4
    that follow each other in a chain share one.
    """
    carries = [cell for cell in netlist.cells if cell.type == "CARRY4"]
    if width == 4:
        return len(carries)
    by_carry_out = {cell.outputs["CO"][3]: cell for cell in carries if len(cell.outputs.get("CO", ())) == 4}
    before = {cell: by_carry_out.get(cell.inputs["CI"][0]) for cell in carries}
    lengths = dict.fromkeys((cell for cell in carries if before[cell] is None), 1)
    after = {cell: following for following, cell in before.items() if cell is not None}
    for first in lengths:
        cell = after.get(first)
        while cell is not None:
            lengths[first] += 1
            cell = after.get(cell)
    return sum(-(-length // 2) for length in lengths.values())
