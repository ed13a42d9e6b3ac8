"""Synthesise the configurations that the cost model is fitted to, ahead of fit.py, which finds them in the cache.

    nice python benchmarks/cost/sweep.py --jobs 2              tens of minutes; a stopped run takes up where it was
    python benchmarks/cost/sweep.py --kinds fifo,duplicate

Prints time and LUTs per kind and family, and each configuration that failed, with its log.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.cost.configurations import SAMPLERS, sweep
from finn_transforms.cost import SynthesisError, synthesis_results
from finn_transforms.cost.synthesize import synthesis_tool


def main(
    kinds: Annotated[str, typer.Option(help="Kinds of units, separated by commas.")] = ",".join(SAMPLERS),
    cache: Annotated[Path | None, typer.Option(help="Folder of synthesised results.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Syntheses at a time; one per core by default.")] = None,
) -> None:
    table = Table("Kind", "Family", title="Synthesised", title_justify="left")
    for column in ("units", "failed", "LUT sites", "seconds"):
        table.add_column(column, justify="right")
    failures: list[SynthesisError] = []
    for kind in kinds.split(","):
        configurations = sweep(kind)
        for family in sorted({each.family for each in configurations}):
            units = [each.unit for each in configurations if each.family == family]
            begin = time.monotonic()
            tool = synthesis_tool(family, dsp=SAMPLERS[kind].dsp)
            results = [each for _, each in synthesis_results(units, tool, cache=cache, jobs=jobs, progress=True)]
            failed = [each for each in results if isinstance(each, SynthesisError)]
            failures += failed
            luts = sum(each.lut for each in results if not isinstance(each, SynthesisError))
            seconds = time.monotonic() - begin
            table.add_row(kind, family, str(len(units)), str(len(failed)), str(luts), f"{seconds:.0f}")
    Console().print(table)
    for failure in failures:
        print(failure)
    if failures:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
