"""The demonstration, ``bfx demo``: two trained networks from Brevitas to FINN's hardware layers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from brevitas_ext.accumulators import AccumulatorReport
from brevitas_ext.demo import load_images, load_model, test_accuracy, to_input
from brevitas_ext.demo.codesign import Design, Network, build_designs
from brevitas_ext.demo.equality import Equality, compare
from brevitas_ext.demo.figure import draw
from brevitas_ext.demo.model import DemoNet
from brevitas_ext.export import export_qonnx, verify_export
from finn_transforms.analysis.datatypes import named
from finn_transforms.report import accumulator_rows, accumulator_table

_NETWORKS: tuple[Network, ...] = ("qat", "a2q")

console = Console(width=max(110, Console().width))


def run(output: Path, *, target_fps: float, images: int) -> None:
    """Evaluate, export, build, prove and compare the bundled networks.

    Args:
        output: folder for all results.
        target_fps: frames per second that every design is folded for.
        images: how many of the bundled images to use.
    """
    start = time.perf_counter()
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    pictures, labels = (tensor[:images] for tensor in load_images())
    models = {name: load_model(name) for name in _NETWORKS}
    accuracy = {name: test_accuracy(name) for name in _NETWORKS}

    console.rule("1  Trained integers to QONNX, accumulator contract included")
    files = {
        name: export_qonnx(model, to_input(pictures[:1]), output / f"{name}.onnx") for name, model in models.items()
    }
    console.print(AccumulatorReport.from_model(models["a2q"], to_input(pictures[:1])).table())

    console.rule("2  QONNX to hardware layers, contract proved again")
    designs = build_designs(files, output / "a2q", target_fps)
    by_network = {design.setting.network: design for design in designs}
    _show_accumulators(by_network["a2q"])
    for refusal in by_network["a2q"].result.refusals:
        console.print(str(refusal), highlight=False)

    console.rule("3  The hardware's integers against Brevitas")
    equality = {name: compare(models[name], by_network[name].result.model, pictures, labels) for name in _NETWORKS}
    for name, each in equality.items():
        _show_equality(name, each)
        _show_verification(models[name], files[name], pictures)

    console.rule("4  What accumulator widths cost (A2Q, section 5.3)")
    _show_designs(designs, accuracy)
    draw(designs, accuracy, output / "codesign.png")
    _write(output / "demo.json", designs, equality, accuracy)
    seconds = time.perf_counter() - start
    console.print(
        f"Figure: {output}/codesign.png   Numbers: {output}/demo.json   Hardware: {output}/a2q/   {seconds:.0f} s"
    )


def _show_accumulators(design: Design) -> None:
    widths = None
    if find_spec("finn") is not None:
        from finn_transforms.finn_compat import finn_accumulator_widths

        types = finn_accumulator_widths(design.result.model)
        widths = {name: int(named(data_type).bitwidth()) for name, data_type in types.items()}
    console.print(accumulator_table(accumulator_rows(design.result.model, widths)))


def _show_equality(name: str, equality: Equality) -> None:
    console.print(
        f"{name}: {equality.images} images, {len(equality.differing_classes)} predictions and "
        f"{len(equality.differing_logits)} logit vectors differ; hardware {equality.correct} right, "
        f"Brevitas {equality.brevitas_correct} right",
        highlight=False,
    )


def _show_verification(model: DemoNet, path: Path, pictures: Tensor) -> None:
    """Compare the file with Brevitas behind every quantizer, and show what differs: ties, or the run ends here."""
    verification = verify_export(model, path, to_input(pictures))
    verification.check()
    console.print(f"  exported file, behind every quantizer: {str(verification).splitlines()[-1]}", highlight=False)
    for quantizer in verification.quantizers:
        for difference in quantizer.differences:
            console.print(f"    {quantizer.name}: {difference}", highlight=False)


def _show_designs(designs: list[Design], accuracy: Mapping[Network, float]) -> None:
    table = Table(title="Equal folding, LUT-only, estimated", title_justify="left")
    table.add_column("Accumulator chosen by")
    for column in ("accuracy %", "widths", "LUT", "that grow with P", "of 32 bits"):
        table.add_column(column, justify="right")
    for design in designs:
        table.add_row(
            design.setting.name,
            f"{accuracy[design.setting.network]:.2f}",
            "/".join(map(str, design.widths)),
            f"{design.result.lut:,}",
            f"{design.accumulator_lut:,}",
            f"{design.result.lut / designs[0].result.lut:.2f}",
        )
    console.print(table)


def _write(
    path: Path, designs: list[Design], equality: dict[Network, Equality], accuracy: dict[Network, float]
) -> None:
    document: dict[str, Any] = {
        "accuracy_percent": accuracy,
        "equality": {name: asdict(each) for name, each in equality.items()},
        "designs": [
            {
                **asdict(design.setting),
                "lut": design.result.lut,
                "lut_that_grow_with_p": design.accumulator_lut,
                "breakdown": asdict(design.breakdown),
                "accumulators": [asdict(row) for row in design.result.accumulators],
                "performance": design.result.performance,
            }
            for design in designs
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
