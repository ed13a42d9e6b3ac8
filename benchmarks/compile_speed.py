"""From a QONNX file to hardware layers with minimal accumulators: our passes against FINN+'s own steps, in one run.

Both start from the same file and end with minimal widths: ours with `lower_to_hardware`, FINN's with
``step_minimize_bit_width_initial`` of the flow that its own benchmarks use for the kind of network, in a process of its
own.  Ours is the best of some runs, FINN's is one run; both are timed on the clock and by the processor's time, which a
busy machine changes less.  A second table shows how our time grows with depth.

    python benchmarks/compile_speed.py                                  minutes, nearly all of them FINN's
    python benchmarks/compile_speed.py --networks tfc_w2a2:default --no-scaling --size small
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import onnx_ir as ir
import torch
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.recording import RESULTS, record
from brevitas_ext.export import export_qonnx
from finn_transforms.analysis.matching import is_hardware
from finn_transforms.loading import load_model
from finn_transforms.passes import lower_to_hardware
from tests.support.finn_flow import run_flow_apart
from tests.support.model_zoo import FULL, SMALL

NETWORKS = (
    "tfc_w1a1:default,tfc_w2a2:default,cnv_w2a2:default,mobilenet_w4a4:mobilenet,"
    "resnet20_w4a4:resnet,resnet18_w4a4:resnet"
)
SCALING = ("resnet20_w4a4", "resnet56_w4a4", "resnet110_w4a4")
LIMIT = 20


def main(
    networks: Annotated[str, typer.Option(help="name:flow of FINN, separated by commas; empty for none.")] = NETWORKS,
    size: Annotated[str, typer.Option(help="full or small.")] = "full",
    scaling: Annotated[bool, typer.Option(help="Measure how our time grows with depth.")] = True,
    rounds: Annotated[int, typer.Option(help="Runs of ours, the best of which counts.")] = 3,
    timeout: Annotated[float, typer.Option(help="Seconds after which FINN is stopped.")] = 1800.0,
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "compile_speed.json",
) -> None:
    torch.set_num_threads(1)
    zoo = SMALL if size == "small" else FULL
    compared: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pair in filter(None, networks.split(",")):
            network, flow = pair.split(":")
            source = export(zoo[network], folder / f"{network}.onnx")
            compared[network] = compare(source, flow, rounds, timeout)
            print(network, compared[network], flush=True)
        grown = {
            network: ours(export(FULL[network], folder / f"{network}.onnx"), rounds)
            for network in (SCALING if scaling else ())
        }
    show(compared, grown)
    record(output, {"size": size, "limit": LIMIT, "rounds": rounds, "networks": compared, "scaling": grown})


def export(zoo: Any, path: Path) -> Path:
    if not path.exists():
        with warnings.catch_warnings():
            # torch's and Brevitas's own, about their own code.
            warnings.simplefilter("ignore")
            export_qonnx(zoo.build(), zoo.images(1), path)
    return path


def compare(source: Path, flow: str, rounds: int, timeout: float) -> dict[str, Any]:
    mine = ours(source, rounds)
    target = source.with_suffix(".finn.onnx")
    theirs = run_flow_apart(source, flow, target, timeout=timeout)
    complete = theirs.error is None
    return {
        "ours": mine,
        "finn": {
            "flow": flow,
            "seconds": round(theirs.total, 3),
            "cpu_seconds": round(theirs.cpu_seconds, 3),
            "by_step": {step: round(seconds, 3) for step, seconds in theirs.seconds.items()},
            "error": theirs.error,
            "left": left_over(load_model(target)) if complete else None,
        },
        "times_faster": round(theirs.total / mine["seconds"], 1) if complete else None,
        "times_faster_by_cpu": round(theirs.cpu_seconds / mine["cpu_seconds"], 1) if complete else None,
    }


def ours(source: Path, rounds: int) -> dict[str, Any]:
    seconds, spent, reading = [], [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        model = load_model(source)
        loaded = time.perf_counter()
        nodes = len(model.graph)
        begin_cpu = time.process_time()
        lower_to_hardware(model)
        spent.append(time.process_time() - begin_cpu)
        reading.append(loaded - begin)
        seconds.append(time.perf_counter() - loaded)
    return {
        "seconds": round(min(seconds), 4),
        "cpu_seconds": round(min(spent), 4),
        "reading_the_file": round(min(reading), 4),
        "nodes": nodes,
        "ms_per_node": round(1e3 * min(spent) / nodes, 3),
        "hardware_layers": sum(is_hardware(node) for node in model.graph),
        "left": left_over(model),
    }


def left_over(model: ir.Model) -> dict[str, int]:
    """Count the nodes by operator that are no hardware layers."""
    return dict(Counter(node.op_type for node in model.graph if not is_hardware(node)))


def show(compared: dict[str, Any], grown: dict[str, Any]) -> None:
    table = Table("network", "ours (s)", "FINN+ (s)", "times faster", "by CPU", "left over, ours", "left over, FINN+")
    for network, row in compared.items():
        finn = row["finn"]
        table.add_row(
            network,
            f"{row['ours']['seconds']:.3f}",
            finn["error"] or f"{finn['seconds']:.1f}",
            str(row["times_faster"] or "-"),
            str(row["times_faster_by_cpu"] or "-"),
            str(sum(row["ours"]["left"].values())),
            "-" if finn["left"] is None else str(sum(finn["left"].values())),
        )
    growth = Table("network", "nodes", "seconds", "CPU ms per node")
    for network, row in grown.items():
        growth.add_row(network, str(row["nodes"]), f"{row['seconds']:.3f}", f"{row['ms_per_node']:.2f}")
    for each in (table, growth):
        if each.row_count:
            Console().print(each)


if __name__ == "__main__":
    typer.run(main)
