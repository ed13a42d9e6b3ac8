"""Whole networks of full size from Brevitas to proven hardware layers: time, widths, certificates, equality.

Each is exported, lowered, certified, compared with the exported file behind every quantizer, and compiled.

    python benchmarks/networks.py                              minutes, most of them exporting and comparing
    python benchmarks/networks.py --networks tfc_w2a2 --images 5
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx_ir as ir
import torch
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.recording import RESULTS, record
from finn_transforms.analysis.matching import is_hardware
from finn_transforms.build import lower
from finn_transforms.certify import certify
from finn_transforms.emulate import CannotCompileError, compile_emulator, emulate
from finn_transforms.passes import Tidy
from finn_transforms.report import accumulator_rows, certificates
from finn_transforms.verify import verify
from tests.support.graphs import copy_of
from tests.support.model_zoo import FULL, exported_model
from tests.support.stages import input_name

NETWORKS = ",".join(name for name in FULL if name not in {"resnet56_w4a4", "resnet110_w4a4"})
COLUMNS = ("lowering s", "hardware layers", "mean bits", "certified", "minimal", "values compared", "ties", "errors")


def main(
    networks: Annotated[str, typer.Option(help="Names, separated by commas.")] = NETWORKS,
    images: Annotated[int, typer.Option(help="Random images to compare on; the last three are extremes.")] = 4,
    output: Annotated[Path, typer.Option(help="File for the results.")] = RESULTS / "networks.json",
) -> None:
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    table = Table("network", *COLUMNS, "compiled equals emulated")
    for name in networks.split(","):
        figures[name] = measured(name, images)
        row = figures[name]
        table.add_row(name, *(str(row[column]) for column in COLUMNS), str(row["compiled equals emulated"]))
        print(name, row, flush=True)
    Console().print(table)
    record(output, {"images": images, "networks": figures})


def measured(name: str, count: int) -> dict[str, Any]:
    zoo = FULL[name]
    exported = exported_model(zoo)
    images = zoo.images(max(count, 4), seed=1).numpy()[-count:]
    model = copy_of(exported)
    begin = time.perf_counter()
    lowered = lower(model)
    seconds = time.perf_counter() - begin
    verdicts = certify(ir.serde.serialize_model(model), certificates(model))
    Tidy()(exported)
    compared = verify(model, exported, images)
    widths = [(row.width, len(row.channel_bits or [1])) for row in accumulator_rows(model)]
    return {
        "lowering s": round(seconds, 2),
        "hardware layers": sum(map(is_hardware, model.graph)),
        "refusals": [str(refusal) for refusal in lowered.refusals],
        "mean bits": round(float(np.average([bits for bits, _ in widths], weights=[size for _, size in widths])), 2),
        "certified": f"{sum(each.ok for each in verdicts)}/{len(verdicts)}",
        "minimal": sum(each.minimal for each in verdicts),
        "values compared": sum(tensor.elements for tensor in compared.tensors),
        "ties": compared.ties,
        "errors": compared.errors,
        "not compared": list(compared.unaligned),
        "compiled equals emulated": compiled_equal(model, images),
        "host": dict(Counter(node.op_type for node in model.graph if not is_hardware(node))),
    }


def compiled_equal(model: ir.Model, images: Any) -> bool | str:
    inputs = {input_name(model): images.astype(np.float32)}
    try:
        fast = compile_emulator(model)(inputs)
    except CannotCompileError as error:
        return str(error)
    plain = emulate(model, inputs, keep="outputs")
    return all(np.array_equal(fast[output], plain[output]) for output in plain)


if __name__ == "__main__":
    typer.run(main)
