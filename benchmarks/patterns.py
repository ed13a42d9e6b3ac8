"""Which patterns come out right, are refused with a reason, or are wrong, for each exporter, as a Markdown table.

A pattern's outputs are compared with the float64 reference of the exported graph over the whole range of its
accumulator.

    python benchmarks/patterns.py
    python benchmarks/patterns.py --only activation/gelu
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.recording import RESULTS, record
from brevitas_ext.export.tracing import Exporter
from tests.support.patterns import catalogue, judge

EXPORTERS: tuple[Exporter, ...] = ("torchscript", "dynamo")


def main(
    only: Annotated[str, typer.Option(help="Part of the names of the patterns to look at.")] = "",
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "patterns.json",
) -> None:
    torch.set_num_threads(1)
    rows: dict[str, Any] = {}
    print(f"| pattern | {' | '.join(EXPORTERS)} | detail |\n|---{'|---' * (len(EXPORTERS) + 1)}|")
    for name, build in catalogue().items():
        if only not in name:
            continue
        rows[name] = {exporter: verdict(build, exporter) for exporter in EXPORTERS}
        details = dict.fromkeys(row["detail"] for row in rows[name].values() if row["detail"])
        print(
            f"| {name} | {' | '.join(row['kind'] for row in rows[name].values())} | {'; '.join(details)} |", flush=True
        )
    totals = {exporter: dict(Counter(row[exporter]["kind"] for row in rows.values())) for exporter in EXPORTERS}
    print(totals)
    record(output, {"totals": totals, "patterns": rows})


def verdict(build: Any, exporter: Exporter) -> dict[str, str]:
    try:
        return vars(judge(build(), exporter))
    except Exception as error:  # noqa: BLE001 - a table of all that happens
        return {"kind": "error", "detail": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}


if __name__ == "__main__":
    typer.run(main)
