"""Folding by cost against FINN's SetFolding: LUTs at equal throughput, by the estimate, width converters included.

Every network of the model zoo is folded by FINN's rules to a row of targets, and by cost to the throughput that this
gives; and to the highest throughput that the LUTs of FINN's folding allow.  Products and memories are in LUTs.

    python benchmarks/cost/folding.py                            full size: minutes, nearly all of them exporting
    python benchmarks/cost/folding.py --size small --networks cnv_w2a2
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.recording import RESULTS, record
from finn_transforms.build import lower
from finn_transforms.cost import MODEL
from finn_transforms.folding import CostModel, FoldingOptions, fold, fold_by_cost, fold_to_luts, priced
from finn_transforms.folding.candidates import foldings
from finn_transforms.hw_graph import HwGraph, read_hw_graph
from finn_transforms.impl_style import choose_impl_style
from tests.support.model_zoo import FULL, SMALL, exported_model

# Cycles per frame as multiples of the fewest that FINN's folding reaches.
SLOWDOWNS = (1, 4, 16, 64, 256)
CLOCK_MHZ = 200


def main(
    networks: Annotated[str, typer.Option(help="Names, separated by commas; all of them by default.")] = "",
    size: Annotated[Literal["full", "small"], typer.Option(help="Of the networks.")] = "full",
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "folding.json",
) -> None:
    torch.set_num_threads(1)
    zoo = FULL if size == "full" else SMALL
    figures: dict[str, Any] = {}
    columns = ("cycles", "FINN LUT", "LUT", "saved %", "times faster", "its converters", "converters", "proven", "s")
    table = Table("network", *columns)
    for name in networks.split(",") if networks else zoo:
        model = exported_model(zoo[name])
        lower(model)
        choose_impl_style(model, "lut")
        graph = read_hw_graph(model)
        figures[name] = {"layers": len(graph), "targets": measured(graph)}
        for row in figures[name]["targets"]:
            table.add_row(name, *(str(row[column]) for column in columns))
            print(name, row, flush=True)
    Console(width=140).print(table)
    rows = [row for each in figures.values() for row in each["targets"]]
    saved = [row["saved %"] for row in rows]
    summary = {
        "targets": len(rows),
        "never worse": min(saved) >= 0,
        "better": sum(each > 0 for each in saved),
        "proven optimal": sum(row["proven"] for row in rows),
        "mean saved %": round(sum(saved) / len(saved), 1),
        "most saved %": max(saved),
        "faster with as many LUTs": sum(row["times faster"] > 1 for row in rows),
    }
    print(summary)
    record(output, {"cost model": MODEL, "clock MHz": CLOCK_MHZ, "size": size, "summary": summary, "networks": figures})


def measured(graph: HwGraph) -> list[dict[str, Any]]:
    costs = CostModel()
    fastest = max(layer.cycles() for layer in fold(graph, FoldingOptions(target_cycles=1)).layers)
    rows = {}
    for slowdown in SLOWDOWNS:
        finns = priced(fold(graph, FoldingOptions(target_cycles=slowdown * fastest)), costs)
        if finns.cycles in rows:
            continue
        begin = time.perf_counter()
        ours = fold_by_cost(graph, finns.cycles, costs)
        seconds = time.perf_counter() - begin
        as_large = fold_to_luts(graph, finns.lut, costs)
        rows[finns.cycles] = {
            "cycles": finns.cycles,
            "frames/s": round(CLOCK_MHZ * 1e6 / finns.cycles, 1),
            "FINN LUT": finns.lut,
            "LUT": ours.lut,
            "saved %": round(100 * (1 - ours.lut / finns.lut), 2),
            "times faster": round(finns.cycles / as_large.cycles, 2),
            "its converters": finns.converter_lut,
            "converters": ours.converter_lut,
            "proven": ours.is_optimal,
            # FINN's rules do not know all limits of its own layers.
            "FINN can build its own": all(layer in foldings(layer) for layer in finns.graph.layers),
            "s": round(seconds, 2),
        }
    return list(rows.values())


if __name__ == "__main__":
    typer.run(main)
