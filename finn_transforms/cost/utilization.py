"""What synthesis found: resources of one unit, counted in the sites of the device, and its rough critical path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from finn_transforms.cost.timing import fmax_class


@dataclass(frozen=True, kw_only=True)
class CriticalPath:
    """The slowest path between registers (or ports), from rough delays: a class of speed, never a timing report.

    Attributes:
        delay_ns: Nanoseconds from clock edge to clock edge.
        lut_levels: LUTs, distributed memories and wide multiplexers on it.
        carry_bits: Bits of carry chains it runs through.
        start: Where it begins: a port, or what a register or memory drives.
        end: Where it ends, named the same way.
    """

    delay_ns: float
    lut_levels: int
    carry_bits: int
    start: str
    end: str

    @property
    def fmax_mhz(self) -> float:
        """Clock frequency with which it would just close."""
        return 1000 / self.delay_ns

    @property
    def fmax_class(self) -> int:
        """Its class of clock; see `finn_transforms.cost.timing.fmax_class`."""
        return fmax_class(self.delay_ns)


@dataclass(frozen=True, kw_only=True)
class Utilization:
    """Resources of a unit synthesised out of context, its wrapper included.

    LUTs are counted in *sites*, the 6-input LUTs of the device that placement has to give it, by
    `finn_transforms.cost.lut_sites.count_sites`, whose documentation says how each kind of cell is counted. Counts of
    Yosys netlists follow from the structure of the slices; no placement by Vivado has confirmed them.

    Attributes:
        name: Name of the unit.
        family: ``xc7`` or ``xcup``.
        lut_logic: Sites used as logic, after packing with the carry chains, route-throughs included.
        lut_memory: Sites used as distributed memory.
        lut_srl: Sites used as shift registers.
        luts_before_packing: LUT cells of the netlist, memories and shift registers in sites, carry chains ignored.
        lut_without_ternary: As `lut`, no LUT of an adder of three operands sharing the site of the bit before.
        lut_paired: As `lut`, after pairing small LUTs and short shift registers into the two outputs of one site.
        ff: Flip-flops.
        carry: Carry blocks: CARRY4 of ``xc7``, CARRY8 of ``xcup``.
        bram18: Block RAM in units of 18 Kbit; a RAMB36 counts 2.
        uram: UltraRAM blocks.
        dsp: DSP blocks.
        critical_path: Rough; None where there is no path.
        tool: Tool and version that synthesised it.
        cells: Cells of the netlist by type.
    """

    name: str
    family: str
    lut_logic: int
    lut_memory: int
    lut_srl: int
    luts_before_packing: int
    lut_without_ternary: int
    lut_paired: int
    ff: int
    carry: int
    bram18: int
    uram: int
    dsp: int
    critical_path: CriticalPath | None
    tool: str
    cells: Mapping[str, int]

    @property
    def lut(self) -> int:
        """LUT sites: logic, memory and shift registers."""
        return self.lut_logic + self.lut_memory + self.lut_srl

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON data; `from_json` reads it."""
        return {**asdict(self), "cells": dict(self.cells)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Utilization:
        """Return what `as_json` wrote."""
        path = data["critical_path"]
        return cls(**{**data, "critical_path": None if path is None else CriticalPath(**path)})
