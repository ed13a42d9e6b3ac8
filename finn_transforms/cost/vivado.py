"""Vivado as synthesiser, where there is one: out-of-context synthesis in batch mode."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finn_transforms.cost.synthesis import LOG, ToolFailure
from finn_transforms.cost.utilization import Utilization
from finn_transforms.cost.vivado_report import read_reports

PARTS = {"xc7": "xc7z020clg400-1", "xcup": "xczu3eg-sbva484-1-e"}
"""A common part per family, both within Vivado's free licence."""

_HDL = (".sv", ".v")
_UTILIZATION, _TIMING = "utilization.txt", "timing.txt"


@dataclass(frozen=True, kw_only=True)
class Vivado:
    """Vivado's ``synth_design -mode out_of_context``.

    Counts are those of ``report_utilization`` after synthesis. Vivado pairs LUTs itself, so that `Utilization.lut`,
    `Utilization.lut_without_ternary` and `Utilization.lut_paired` are the same; `Utilization.luts_before_packing`
    counts its primitives.

    Attributes:
        family: ``xc7`` or ``xcup``, for which `PARTS` has a part, or a part.
        dsp: Whether products may go into DSP blocks.
        period_ns: Clock period to aim at.
        timeout_s: Seconds after which to give up; never by default.
    """

    family: str
    dsp: bool = False
    period_ns: float = 3.0
    timeout_s: float | None = None

    @property
    def part(self) -> str:
        """The part synthesised for."""
        return PARTS.get(self.family, self.family)

    @property
    def version(self) -> str:
        """``vivado`` and its version, from its folder, e.g. ``vivado 2025.1``.

        Raises:
            FileNotFoundError: there is no Vivado.
        """
        folder = vivado_executable().resolve().parent.parent
        number = re.search(r"20\d\d\.\d(?:\.\d)?", str(folder))
        return f"vivado {number[0] if number else folder.name}"

    @property
    def recipe(self) -> list[str]:
        """Everything besides sources and version that its result depends on."""
        return [self._script("top", []), self._constraints()]

    def run(self, top: str, sources: Mapping[str, str], folder: Path) -> Utilization:
        """Synthesise in a folder that holds the sources.

        Raises:
            ToolFailure: Vivado refuses the sources, takes longer than `timeout_s`, or writes other reports than
                expected.
            FileNotFoundError: there is no Vivado.
        """
        files = sorted((name for name in sources if name.endswith(_HDL)), key=lambda name: ("_pkg" not in name, name))
        (folder / "run.tcl").write_text(self._script(top, files), encoding="utf-8")
        (folder / "clock.xdc").write_text(self._constraints(), encoding="utf-8")
        command = [str(vivado_executable()), *"-mode batch -nojournal -nolog -notrace -source run.tcl".split()]
        with (folder / LOG).open("w", encoding="utf-8") as log:
            try:
                done = subprocess.run(
                    command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=self.timeout_s
                )
            except subprocess.TimeoutExpired as error:
                raise ToolFailure(f"takes longer than {self.timeout_s} s") from error
        if done.returncode != 0:
            said = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
            errors = [line.strip() for line in said if line.startswith("ERROR")] or said[-3:]
            raise ToolFailure(f"ends with status {done.returncode}: {' | '.join(errors[:4])}")
        texts = [(folder / name).read_text(encoding="utf-8", errors="replace") for name in (_UTILIZATION, _TIMING)]
        try:
            return read_reports(*texts, name=top, family=self.family, tool=self.version)
        except ValueError as error:
            raise ToolFailure(str(error)) from error

    def _script(self, top: str, files: list[str]) -> str:
        """Return the Tcl script."""
        dsp = "" if self.dsp else " -max_dsp 0"
        return "\n".join(
            [
                f"read_verilog -sv {{{' '.join(files)}}}",
                "read_xdc -mode out_of_context clock.xdc",
                f"synth_design -top {top} -part {self.part} -mode out_of_context{dsp}",
                f"report_utilization -file {_UTILIZATION}",
                f"report_timing_summary -max_paths 1 -file {_TIMING}",
                "",
            ]
        )

    def _constraints(self) -> str:
        return f"create_clock -name ap_clk -period {self.period_ns} [get_ports ap_clk]\n"


def vivado_executable() -> Path:
    """Return Vivado's launcher: on the PATH, or under ``$XILINX_VIVADO``.

    Raises:
        FileNotFoundError: there is none.
    """
    found = shutil.which("vivado")
    if found is None and os.environ.get("XILINX_VIVADO"):
        found = shutil.which("vivado", path=str(Path(os.environ["XILINX_VIVADO"]) / "bin"))
    if found is None:
        raise FileNotFoundError(
            "expected vivado on the PATH or under $XILINX_VIVADO, found none; source its settings64.sh, or use yosys"
        )
    return Path(found)
