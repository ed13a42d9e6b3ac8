"""A rough critical path of a mapped netlist, to tell what will not close timing from what may."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from finn_transforms.cost.lut_function import LUT_TYPES
from finn_transforms.cost.lut_sites import MEMORY_SITES, SRL_TYPES
from finn_transforms.cost.netlist import Cell, Net, Netlist
from finn_transforms.cost.utilization import CriticalPath

Node = Net | tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Rough delays of a family in ns, slowest common speed grade (-1).

    Rounded from the switching characteristics of the data sheets (DS181 and DS187 for 7-series, DS925 for UltraScale+)
    and from what timing reports usually show for nets; placement moves a net by a factor of two either way. Take
    the sum as a class of speed.

    Attributes:
        clock_to_out: Flip-flop, clock to Q.
        setup: Flip-flop, D before clock.
        lut: LUT, or asynchronous read of a distributed memory.
        mux: MUXF7 or MUXF8.
        net: Net to one reader.
        fanout: What each doubling of the readers adds, up to 64.
        into_carry: S or DI to the carry chain.
        carry: One bit of the chain.
        out_of_carry: Chain to sum output.
        memory_out: Distributed memory or shift register, clock to output.
        block_out: Block RAM, UltraRAM or DSP, clock to output, without output register.
        block_out_registered: The same with output register.
        block_setup: Before the clock of one of these.
    """

    clock_to_out: float
    setup: float
    lut: float
    mux: float
    net: float
    fanout: float
    into_carry: float
    carry: float
    out_of_carry: float
    memory_out: float
    block_out: float
    block_out_registered: float
    block_setup: float


DELAYS = {
    "xc7": Delays(
        clock_to_out=0.5,
        setup=0.1,
        lut=0.12,
        mux=0.25,
        net=0.6,
        fanout=0.1,
        into_carry=0.5,
        carry=0.03,
        out_of_carry=0.3,
        memory_out=1.3,
        block_out=2.4,
        block_out_registered=0.9,
        block_setup=0.5,
    ),
    "xcup": Delays(
        clock_to_out=0.1,
        setup=0.05,
        lut=0.1,
        mux=0.08,
        net=0.3,
        fanout=0.05,
        into_carry=0.2,
        carry=0.01,
        out_of_carry=0.12,
        memory_out=0.55,
        block_out=1.2,
        block_out_registered=0.35,
        block_setup=0.3,
    ),
}

_ADDRESS = {"DPO": "DPRA", "SPO": "A", "O": "A", "Q": "A"}
"""Addresses of outputs of distributed memories and shift registers; otherwise ``DOx`` has ``ADDRx``."""

_SAME_SLICE = LUT_TYPES | {"MUXF7", "MUXF8", "CARRY4", "CARRY8"}


@dataclass(frozen=True, kw_only=True)
class _Arc:
    """A combinational arc into a node."""

    source: Node
    delay: float
    luts: int = 0
    carry_bits: int = 0


def critical_path(netlist: Netlist, family: str) -> CriticalPath | None:
    """Return the slowest path of a netlist.

    It begins at a register, memory or DSP block, or at an input port, which is taken to come straight from a register,
    and ends at one of these or at an output port, taken to go straight into a register. Nothing is known of placement,
    nor of what a DSP block does without its own registers.

    Args:
        netlist: Netlist of primitives.
        family: ``xc7`` or ``xcup``.

    Returns:
        The path, or None where nothing is clocked and no port is read.

    Raises:
        ValueError: there is a combinational loop.
    """
    return _Paths(netlist, DELAYS[family]).slowest()


class _Paths:
    """Arrival times at every net of a netlist."""

    def __init__(self, netlist: Netlist, delays: Delays) -> None:
        self.netlist = netlist
        self.delays = delays
        self.arcs: dict[Node, list[_Arc]] = {}
        self.starts: dict[Node, tuple[float, str]] = {}
        self.ends: list[tuple[Node, float, str]] = []
        for port, nets in netlist.inputs.items():
            self.starts.update({net: (delays.clock_to_out, port) for net in nets})
        for port, nets in netlist.outputs.items():
            self.ends.extend((net, self.wire(net) + delays.setup, port) for net in nets if isinstance(net, int))
        for cell in netlist.cells:
            self.add(cell)

    def wire(self, net: Net) -> float:
        """Return the delay of a net that leaves its slice."""
        readers = len(self.netlist.readers.get(net, ()))
        return self.delays.net + self.delays.fanout * math.log2(min(max(readers, 1), 64))

    def from_slice(self, net: Net) -> bool:
        """Tell whether a net is driven by what can share a slice with a flip-flop or carry chain."""
        pin = self.netlist.driver.get(net)
        return pin is not None and pin.cell is not None and pin.cell.type in _SAME_SLICE

    def add(self, cell: Cell) -> None:
        """Enter arcs, starts and ends of a cell."""
        if cell.type in LUT_TYPES or cell.type == "LUT6_2":
            self.through(cell, tuple(cell.inputs), self.delays.lut, luts=1)
        elif cell.type in ("MUXF7", "MUXF8"):
            for net in _nets(cell.inputs.values()):
                near = 0.0 if self.from_slice(net) else self.wire(net)
                self.arc(cell, _Arc(source=net, delay=self.delays.mux + near, luts=1))
        elif cell.type in ("CARRY4", "CARRY8"):
            self.add_carry(cell)
        elif cell.type in MEMORY_SITES or cell.type in SRL_TYPES:
            self.add_read(cell)
            self.clocked(cell, self.delays.memory_out, self.delays.setup)
        elif cell.type.startswith(("FD", "LD")):
            self.clocked(cell, self.delays.clock_to_out, self.delays.setup)
        else:
            out = self.delays.block_out_registered if _output_registered(cell) else self.delays.block_out
            self.clocked(cell, out, self.delays.block_setup)

    def arc(self, cell: Cell, arc: _Arc) -> None:
        """Enter an arc to every output of a cell."""
        for net in _nets(cell.outputs.values()):
            self.arcs.setdefault(net, []).append(arc)

    def through(self, cell: Cell, ports: tuple[str, ...], delay: float, luts: int) -> None:
        """Enter arcs from some inputs of a cell to all its outputs, with the nets in front."""
        for net in _nets(cell.inputs[port] for port in ports):
            self.arc(cell, _Arc(source=net, delay=self.wire(net) + delay, luts=luts))

    def add_read(self, cell: Cell) -> None:
        """Enter asynchronous reads of a distributed memory, each output from its own address, or of a shift register.

        A write address may well follow from what another port reads, which is no loop.
        """
        for port, nets in cell.outputs.items():
            if port == "Q31":
                continue
            own = _ADDRESS.get(port, f"ADDR{port[-1]}")
            read = [name for name in cell.inputs if re.fullmatch(rf"{own}\d*", name)] or [
                name for name in cell.inputs if re.fullmatch(r"A\d*", name)
            ]
            for source in _nets(cell.inputs[name] for name in read):
                arc = _Arc(source=source, delay=self.wire(source) + self.delays.lut, luts=1)
                for net in _nets([nets]):
                    self.arcs.setdefault(net, []).append(arc)

    def clocked(self, cell: Cell, out: float, setup: float) -> None:
        """Enter outputs of a cell as starts and its inputs, clocks left out, as ends."""
        title = self.netlist.title(cell)
        for net in _nets(cell.outputs.values()):
            self.starts[net] = (out, title)
        for port, nets in cell.inputs.items():
            if not port.startswith(("C", "WCLK", "CLK")) or port == "CE":
                near = port == "D" and cell.type.startswith("FD")
                for read in _nets([nets]):
                    wire = 0.0 if near and self.from_slice(read) else self.wire(read)
                    self.ends.append((read, wire + setup, title))

    def add_carry(self, cell: Cell) -> None:
        """Enter the chain of a carry cell, bit by bit."""
        delays = self.delays
        before: list[_Arc] = []
        for port in ("CI", "CYINIT", "CI_TOP"):
            for net in cell.inputs.get(port, ()):
                if isinstance(net, int):
                    pin = self.netlist.driver.get(net)
                    chained = pin is not None and pin.cell is not None and pin.cell.type == cell.type
                    delay = 0.0 if chained else self.wire(net) + delays.into_carry
                    before.append(_Arc(source=net, delay=delay))
        for bit, (select, data) in enumerate(zip(cell.inputs["S"], cell.inputs["DI"], strict=True)):
            own = []
            for net in (select, data):
                if isinstance(net, int):
                    routed = 0.0 if self.from_slice(net) else self.wire(net) + (delays.lut if net == select else 0)
                    own.append(_Arc(source=net, delay=routed + delays.into_carry))
            sums = [_Arc(source=arc.source, delay=arc.delay + delays.out_of_carry) for arc in [*before, *own]]
            node: Node = (cell.name, bit)
            self.arcs[node] = [
                _Arc(source=arc.source, delay=arc.delay + delays.carry, carry_bits=1) for arc in [*before, *own]
            ]
            total = cell.outputs.get("O", ())[bit : bit + 1]
            carry = cell.outputs.get("CO", ())[bit : bit + 1]
            for output in total:
                self.arcs.setdefault(output, []).extend(sums)
            for output in carry:
                self.arcs.setdefault(output, []).append(_Arc(source=node, delay=0.0))
            before = [_Arc(source=node, delay=0.0)]

    def slowest(self) -> CriticalPath | None:
        """Return the end that is reached last."""
        arrival = self.arrivals()
        reached = [(arrival[node][0] + delay, node, end) for node, delay, end in self.ends if node in arrival]
        if not reached:
            return None
        delay, node, end = max(reached, key=lambda item: item[0])
        _, luts, carry_bits, start = arrival[node]
        return CriticalPath(delay_ns=round(delay, 3), lut_levels=luts, carry_bits=carry_bits, start=start, end=end)

    def arrivals(self) -> dict[Node, tuple[float, int, int, str]]:
        """Return when each node settles, over how many LUTs and carry bits, and from where, in topological order."""
        arrival: dict[Node, tuple[float, int, int, str]] = {
            node: (delay, 0, 0, name) for node, (delay, name) in self.starts.items()
        }
        waiting = {node: len(arcs) for node, arcs in self.arcs.items()}
        targets: dict[Node, list[tuple[Node, _Arc]]] = {}
        for node, arcs in self.arcs.items():
            for arc in arcs:
                targets.setdefault(arc.source, []).append((node, arc))
        # Nothing arrives at what is constant, e.g. the lowest bits of a chain.
        ready = [node for node in targets if not waiting.get(node)]
        while ready:
            source = ready.pop()
            for node, arc in targets.get(source, ()):
                if source in arrival:
                    delay, luts, bits, start = arrival[source]
                    if node not in arrival or delay + arc.delay > arrival[node][0]:
                        arrival[node] = (delay + arc.delay, luts + arc.luts, bits + arc.carry_bits, start)
                waiting[node] -= 1
                if waiting[node] == 0:
                    ready.append(node)
        looped = [node for node, count in waiting.items() if count > 0]
        if looped:
            raise ValueError(
                f"expected no combinational loop, found one through {len(looped)} nets; "
                "put a register into it, or look whether a tready follows the tvalid that waits for it"
            )
        return arrival


def _nets(groups: Iterable[tuple[Net, ...]]) -> Iterator[int]:
    for nets in groups:
        for net in nets:
            if isinstance(net, int):
                yield net


def _output_registered(cell: Cell) -> bool:
    """Tell whether a block RAM or DSP block registers its outputs."""
    names = ("DOA_REG", "DOB_REG", "PREG", "OREG_A", "OREG_B")
    return any("1" in str(cell.parameters.get(name, "")).removesuffix(" ")[-1:] for name in names)
