"""Synthesis of a unit with open tools: the truth that estimates are fitted to and compared with."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from finn_transforms.cost.critical_path import critical_path
from finn_transforms.cost.lut_sites import count_sites
from finn_transforms.cost.netlist import Netlist, read_netlist
from finn_transforms.cost.synthesis_cache import SynthesisCache, cache_folder, write_atomically
from finn_transforms.cost.utilization import Utilization
from finn_transforms.cost.yosys import NETLIST, YosysFlow, run_yosys, yosys_tool
from finn_transforms.rtl import RtlUnit

COUNTING = "1"
"""Raised whenever the counting changes, so that no older count is taken from the cache."""


class SynthesisError(RuntimeError):
    """A unit could not be synthesised; the message names unit, reason and log."""


def synthesize(
    params: RtlUnit,
    family: str = "xcup",
    *,
    dsp: bool = False,
    cache: Path | None = None,
    timeout_s: float | None = None,
) -> Utilization:
    """Synthesise a unit out of context with Yosys and count what it takes.

    Args:
        params: The unit.
        family: ``xc7`` (7-series) or ``xcup`` (UltraScale+).
        dsp: Whether products may go into DSP blocks.
        cache: Folder of stored results; ``$BFX_CACHE`` or the user's cache folder by default.
        timeout_s: Seconds after which to give up; never by default.

    Returns:
        What it takes; see `Utilization` and `count_sites` for how LUTs are counted.

    Raises:
        ValueError: an unknown family.
        ModuleNotFoundError: there is no Yosys.
        SynthesisError: Yosys refuses the unit or takes too long.
    """
    return Synthesis(params, YosysFlow(top=params.name, family=family, dsp=dsp), cache).result(timeout_s)


class Synthesis:
    """One unit, its flow, and where its result is stored."""

    def __init__(self, params: RtlUnit, flow: YosysFlow, cache: Path | None = None) -> None:
        self.name = params.name
        self.flow = flow
        self.sources = dict(params.sources())
        self.tool = yosys_tool()
        self.cache = SynthesisCache(folder=cache_folder(cache) / "synthesis")
        recipe = [*flow.read([]), *flow.lean, *flow.full, *flow.files.values(), self.tool, COUNTING]
        self.key = self.cache.key(self.sources, *recipe)

    def stored(self) -> Utilization | None:
        """Return the stored result, or None."""
        return self.cache.load(self.key)

    def result(self, timeout_s: float | None = None) -> Utilization:
        """Return the stored result, or synthesise and store it.

        Raises:
            SynthesisError: Yosys refuses the unit or takes too long.
        """
        found = self.stored()
        if found is not None:
            return found
        with tempfile.TemporaryDirectory(prefix="bfx-synth-") as name:
            folder = Path(name)
            try:
                status = run_yosys(self.flow, self.sources, folder, timeout_s=timeout_s)
            except subprocess.TimeoutExpired as error:
                raise self.failure(folder, f"took longer than {timeout_s} s") from error
            if status != 0:
                raise self.failure(folder, f"ended with status {status}")
            result = self.count(read_netlist(folder / NETLIST, self.name))
        self.cache.store(self.key, result)
        return result

    def failure(self, folder: Path, what: str) -> SynthesisError:
        """Return the error that keeps the log."""
        log = (folder / "log.txt").read_text(encoding="utf-8")
        kept = self.cache.log(self.key)
        write_atomically(kept, log)
        errors = [line for line in log.splitlines() if re.search(r"^ERROR|\berror: ", line)] or log.splitlines()[-3:]
        return SynthesisError(
            f"{self.name}: {self.tool} {what}: {' | '.join(errors[:4])}; "
            f"expected a netlist for {self.flow.family}; mend the source, the whole log is {kept}"
        )

    def count(self, netlist: Netlist) -> Utilization:
        """Return what a netlist takes."""
        types = netlist.types
        sites = count_sites(netlist)
        return Utilization(
            name=self.name,
            family=self.flow.family,
            lut_logic=sites.logic,
            lut_memory=sites.memory,
            lut_srl=sites.srl,
            luts_before_packing=sites.before_packing,
            lut_paired=sites.paired,
            ff=sum(count for name, count in types.items() if name.startswith(("FD", "LD"))),
            carry=carry_blocks(netlist, self.flow.family),
            bram18=sum(
                count * (2 if name.startswith("RAMB36") else 1)
                for name, count in types.items()
                if name.startswith("RAMB")
            ),
            uram=sum(count for name, count in types.items() if name.startswith("URAM")),
            dsp=sum(count for name, count in types.items() if name.startswith("DSP")),
            critical_path=critical_path(netlist, self.flow.family),
            tool=self.tool,
            cells=dict(sorted(types.items())),
        )


def carry_blocks(netlist: Netlist, family: str) -> int:
    """Return the carry blocks: CARRY4 cells, or, on UltraScale+, pairs of chained CARRY4 as CARRY8.

    Yosys builds chains of CARRY4 for UltraScale+, too; the device has a CARRY8 per eight LUTs.
    """
    carries = [cell for cell in netlist.cells if cell.type == "CARRY4"]
    wide = netlist.types["CARRY8"]
    if family == "xc7":
        return len(carries) + wide
    ends = {cell.outputs["CO"][3]: cell for cell in carries if len(cell.outputs.get("CO", ())) == 4}
    before = {cell: ends[cell.inputs["CI"][0]] for cell in carries if cell.inputs["CI"][0] in ends}
    place: dict[object, int] = {}
    for cell in carries:
        chain = [cell]
        while chain[-1] in before and chain[-1] not in place:
            chain.append(before[chain[-1]])
        for at in reversed(chain):
            if at not in place:
                place[at] = place[before[at]] + 1 if at in before else 0
    return wide + sum(1 for at in place.values() if at % 2 == 0)
