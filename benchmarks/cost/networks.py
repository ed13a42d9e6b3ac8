"""Whole networks: the estimate of every unit, converters and FIFOs included, beside its synthesis.

    python benchmarks/cost/networks.py                              demo networks, TFC, CNV and others: about an hour
    python benchmarks/cost/networks.py --networks tfc_w1a1 --family xc7

A network is folded by cost to a throughput, products in LUTs, and stitched as ``bfx rtl`` does; those of more than a
million weights keep the memories of 512 words and more in block RAM.  Units are
synthesised out of context, so that what vendors' tools save across units is not in the sums.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import onnx_ir as ir
import torch
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.recording import RESULTS, record
from brevitas_ext.demo import load_images, load_model, to_input
from brevitas_ext.export import export_qonnx
from finn_transforms.build import BuildOptions, build
from finn_transforms.cost import MODEL, Estimate, Utilization, estimate_all, synthesize_all
from finn_transforms.cost.timing import Family
from finn_transforms.network import stitch
from finn_transforms.rtl import RtlUnit
from tests.support.model_zoo import FULL, SMALL, exported_model

FAMILIES: dict[str, tuple[Family, str]] = {"xcup": ("xcup", "xczu3eg-sbva484-1-e"), "xc7": ("xc7", "xc7z020clg400-1")}
TARGETS = {
    "demo_a2q": 1000, "demo_qat": 1000, "tfc_w1a1": 100_000, "tfc_w2a2": 100_000, "cnv_w2a2": 100, "cnv_w1a1": 100,
}  # fmt: skip
LARGE = {"cnv_w2a2", "cnv_w1a1"}


def main(
    networks: Annotated[str, typer.Option(help="Names, separated by commas.")] = ",".join(TARGETS),
    family: Annotated[str, typer.Option(help="xcup or xc7.")] = "xcup",
    size: Annotated[str, typer.Option(help="Of the model zoo's networks, full or small.")] = "full",
    jobs: Annotated[int, typer.Option(help="Syntheses at a time.")] = 2,
    cache: Annotated[Path | None, typer.Option(help="Folder of synthesised results.")] = None,
    worst: Annotated[int, typer.Option(help="Units to list per network, those that are off most.")] = 0,
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "cost_networks.json",
) -> None:
    torch.set_num_threads(1)
    device, part = FAMILIES[family]
    figures: dict[str, Any] = {}
    table = Table("network", "units", "LUT", "estimated", "error %", "in interval", "FF error %", "fmax class right")
    for name in networks.split(","):
        options = BuildOptions(target_fps=TARGETS[name], part=part)
        model = build(model_of(name, size), options=options).model
        if name in LARGE and size == "full":
            keep_weights_in_blocks(model)
        units = stitch(model).network.units
        measured = synthesize_all(units, device, jobs=jobs, cache=cache, progress=True)
        figures[name] = compared(units, estimate_all(units, family=device), measured)
        total = figures[name]["total"]
        table.add_row(name, *(str(total[column]) for column in total))
        for row in sorted(figures[name]["units"], key=lambda each: -abs(each["estimated"] - each["LUT"]))[:worst]:
            print(name, row, flush=True)
    Console(width=140).print(table)
    record(output, {"cost model": MODEL, "family": family, "size": size, "targets": TARGETS, "networks": figures})


def model_of(name: str, size: str) -> ir.Model:
    """Return a bundled network by its name, or one of the model zoo."""
    if not name.startswith("demo_"):
        return exported_model((FULL if size == "full" else SMALL)[name])
    with TemporaryDirectory() as folder:
        pictures = to_input(load_images()[0][:1])
        return ir.load(export_qonnx(load_model(name.removeprefix("demo_")), pictures, Path(folder) / "demo.onnx"))


def keep_weights_in_blocks(model: ir.Model) -> None:
    """Let the depth of a memory of weights decide where it is."""
    for node in model.graph:
        if node.op_type == "MVAU":
            node.attributes["ram_style"] = ir.AttrString("ram_style", "auto")


def compared(
    units: Sequence[RtlUnit], estimates: Sequence[Estimate], measured: Sequence[Utilization]
) -> dict[str, Any]:
    """Return each unit's figures, their sums per kind, and the sums of the network."""
    rows = [
        {
            "unit": unit.name, "kind": type(unit).__name__, "LUT": truth.lut, "estimated": ours.lut,
            "interval": ours.lut_interval, "FF": truth.ff, "FF estimated": ours.ff,
            "fmax class": None if truth.critical_path is None else truth.critical_path.fmax_class,
            "fmax class estimated": ours.fmax_class,
        }
        for unit, ours, truth in zip(units, estimates, measured, strict=True)
    ]  # fmt: skip
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        kinds[row["kind"]][0] += row["LUT"]
        kinds[row["kind"]][1] += row["estimated"]
    truth, ours = (sum(row[column] for row in rows) for column in ("LUT", "estimated"))
    held = sum(row["interval"][0] <= row["LUT"] <= row["interval"][1] for row in rows)
    timed = [row for row in rows if row["fmax class"] is not None]
    flip_flops = [sum(row[column] for row in rows) for column in ("FF", "FF estimated")]
    total = {
        "units": len(rows), "LUT": truth, "estimated": ours, "error %": percent(ours, truth),
        "in interval": f"{held} of {len(rows)}", "FF error %": percent(flip_flops[1], flip_flops[0]),
        "fmax class right": f"{sum(row['fmax class'] == row['fmax class estimated'] for row in timed)} of {len(timed)}",
    }  # fmt: skip
    return {
        "total": total,
        "kinds": {kind: {"LUT": a, "estimated": b} for kind, (a, b) in kinds.items()},
        "units": rows,
    }


def percent(estimate: float, truth: float) -> float:
    """Return how far an estimate is off."""
    return round(100 * (estimate / truth - 1), 1) if truth else 0.0


if __name__ == "__main__":
    typer.run(main)
